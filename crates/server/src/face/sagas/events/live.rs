//! One reader of the feed for all streams of this process: it reads what is new, a few times a second, while there are streams.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_engine::Engine;
use saga_journal::{FeedPlace, Unavailable};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::{Instant, sleep};

use super::told::{self, ToldEvent};

/// How often new events are looked for.
const FEED_POLL: Duration = Duration::from_millis(200);
/// Frames that one reading of the feed takes at most.
const FEED_FRAMES_MAX: usize = 256;
/// Events that are kept for streams whose clients read slowly. A stream that is further behind reads the journal itself.
const EVENTS_KEPT: usize = 1_024;
/// Streams that may read the journal at the same time.
const CATCHING_UP_MAX: usize = 2;
/// Streams at the same time, in this process.
const STREAMS_MAX: usize = 512;

/// How long the end of the feed that was read for one stream counts for the others.
const END_KEPT: Duration = Duration::from_millis(500);

/// All streams' reader. A copy of it is another reference to the same.
#[derive(Clone)]
pub(crate) struct LiveFeed {
    shared: Arc<SharedFeed>,
}

struct SharedFeed {
    sender: broadcast::Sender<Arc<ToldEvent>>,
    /// Whether the reader has its place: from then on no event is missed.
    has_place: watch::Sender<bool>,
    /// Whether the reader runs. Locked while that changes.
    runs: Mutex<bool>,
    catching_up: Semaphore,
    streams: Arc<Semaphore>,
    /// The end of the feed, and when it was read.
    end: tokio::sync::Mutex<Option<(Instant, FeedPlace)>>,
}

impl LiveFeed {
    pub(crate) fn new() -> Self {
        let shared = SharedFeed {
            sender: broadcast::Sender::new(EVENTS_KEPT),
            has_place: watch::Sender::new(false),
            runs: Mutex::new(false),
            catching_up: Semaphore::new(CATCHING_UP_MAX),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            end: tokio::sync::Mutex::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A place for one more stream; `None`: there are too many.
    pub(super) fn enter(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.shared.streams.clone().try_acquire_owned().ok()
    }

    /// The end of the feed, of now or of a moment ago.
    pub(super) async fn end(&self, engine: &Engine) -> Result<FeedPlace, Unavailable> {
        let mut kept = self.shared.end.lock().await;
        match *kept {
            Some((at, end)) if at.elapsed() < END_KEPT => Ok(end),
            _ => {
                let end = engine.journal().feed_end().await?;
                *kept = Some((Instant::now(), end));
                Ok(end)
            }
        }
    }

    /// The events that come from now on, once the reader has its place. Starts the reader where there is none.
    pub(super) fn subscribe(
        &self,
        engine: &Engine,
    ) -> (broadcast::Receiver<Arc<ToldEvent>>, watch::Receiver<bool>) {
        let mut runs = self.shared.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let events = self.shared.sender.subscribe();
        if !*runs {
            *runs = true;
            let (shared, engine) = (self.shared.clone(), engine.clone());
            #[expect(clippy::disallowed_methods, reason = "ends by itself when there are no streams")]
            tokio::spawn(async move { shared.read(&engine).await });
        }
        (events, self.shared.has_place.subscribe())
    }

    /// The events behind a place, which a stream reads for itself, and the place behind them.
    pub(super) async fn behind(
        &self,
        engine: &Engine,
        place: FeedPlace,
    ) -> Result<(Vec<ToldEvent>, Option<FeedPlace>), Unavailable> {
        let _turn = self.shared.catching_up.acquire().await;
        read(engine, place).await
    }
}

impl SharedFeed {
    async fn read(&self, engine: &Engine) {
        let mut place = None;
        loop {
            if let Err(error) = self.tell(engine, &mut place).await {
                tracing::debug!("the feed cannot be read now: {error}");
            }
            sleep(FEED_POLL).await;
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if self.sender.receiver_count() == 0 {
                self.has_place.send_replace(false);
                *runs = false;
                return;
            }
        }
    }

    /// Tells all that is new.
    async fn tell(&self, engine: &Engine, place: &mut Option<FeedPlace>) -> Result<(), Unavailable> {
        let mut from = match *place {
            Some(place) => place,
            None => engine.journal().feed_end().await?,
        };
        *place = Some(from);
        self.has_place.send_replace(true);
        loop {
            let (events, next) = read(engine, from).await?;
            for event in events {
                // There may be no stream by now.
                let _ = self.sender.send(Arc::new(event));
            }
            let Some(next) = next else { return Ok(()) };
            from = next;
            *place = Some(next);
        }
    }
}

/// The events from a place on, and where the next ones begin; `None`: there are none yet.
async fn read(engine: &Engine, place: FeedPlace) -> Result<(Vec<ToldEvent>, Option<FeedPlace>), Unavailable> {
    let frames = engine.journal().feed(place, FEED_FRAMES_MAX).await?;
    let next = frames.last().map(saga_journal::FedFrame::after);
    let mut events = Vec::new();
    for frame in frames {
        events.extend(told::of(engine, frame).await);
    }
    Ok((events, next))
}
