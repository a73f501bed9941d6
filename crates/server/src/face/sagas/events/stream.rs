//! One client's stream: first what it missed, out of the journal, then what the process' reader tells.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use saga_journal::FeedPlace;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::listener::Listener;
use super::live::LiveFeed;
use super::place;
use super::told::ToldEvent;
use super::wanted::WantedEvents;
use crate::api::Api;

/// A stream without events says that it is alive this often.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Until the journal is read again after it could not be.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often it is looked whether a client may still listen: its key may be revoked, or end.
const JUDGED_EVERY: Duration = Duration::from_secs(2);

/// A client, and how far it is.
pub(super) struct EventStream {
    api: Api,
    listener: Listener,
    judged_until: Instant,
    /// When the stream says that it is alive, if there is no event before.
    silent_until: Instant,
    feed: LiveFeed,
    wanted: WantedEvents,
    /// Behind the last event that was looked at.
    seen: FeedPlace,
    waiting: VecDeque<Arc<ToldEvent>>,
    /// From where the journal is to be read; `None`: the reader's events follow on those that were seen.
    missed_from: Option<FeedPlace>,
    /// The reader's events. Older than the reading of the journal that ends with nothing new, so no event is between the two.
    events: broadcast::Receiver<Arc<ToldEvent>>,
    has_place: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl EventStream {
    pub(super) fn new(
        api: Api,
        listener: Listener,
        feed: LiveFeed,
        wanted: WantedEvents,
        from: FeedPlace,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (events, has_place) = feed.subscribe(&api.engine);
        let (missed_from, now) = (Some(from), Instant::now());
        Self {
            api,
            listener,
            judged_until: now + JUDGED_EVERY,
            silent_until: now + SIGN_OF_LIFE,
            feed,
            wanted,
            seen: from,
            waiting: VecDeque::new(),
            missed_from,
            events,
            has_place,
            _place: place,
        }
    }

    pub(super) fn body(self) -> Body {
        Body::from_stream(stream::unfold(self, async |mut this| {
            let message = this.next().await?;
            Some((Ok::<_, std::convert::Infallible>(message), this))
        }))
    }

    /// The next message; `None`: the process ends, or the client may not listen any more.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if Instant::now() >= self.judged_until {
                if !self.listener.may_listen(&self.api).await {
                    return None;
                }
                self.judged_until = Instant::now() + JUDGED_EVERY;
            }
            while let Some(event) = self.waiting.pop_front() {
                // The two sources overlap, and so does the place from which a client goes on.
                if event.place <= self.seen {
                    continue;
                }
                self.seen = event.place;
                if self.wanted.has(&event) {
                    self.silent_until = Instant::now() + SIGN_OF_LIFE;
                    return Some(event.message.clone());
                }
            }
            let (api, judged_until, silent_until) = (self.api.clone(), self.judged_until, self.silent_until);
            tokio::select! {
                () = api.closing() => return None,
                () = sleep_until(judged_until) => {}
                () = sleep_until(silent_until) => {
                    self.silent_until = Instant::now() + SIGN_OF_LIFE;
                    // An id alone moves the place from which the client goes on, past events that it does not want.
                    return Some(format!("id: {}\n\n", place::written(self.seen)).into());
                }
                () = self.more() => {}
            }
        }
    }

    /// Waits for events. Loses nothing when it is dropped.
    async fn more(&mut self) {
        match self.missed_from {
            Some(from) => {
                // The sender is a part of the feed.
                let _ = self.has_place.wait_for(|has_place| *has_place).await;
                match self.feed.behind(&self.api.engine, from).await {
                    Ok((missed, next)) => {
                        self.waiting.extend(missed.into_iter().map(Arc::new));
                        self.missed_from = next;
                    }
                    Err(_) => sleep(READ_AGAIN_AFTER).await,
                }
            }
            None => match self.events.recv().await {
                Ok(event) => self.waiting.push_back(event),
                // The client reads slowly: what it has missed is in the journal.
                Err(RecvError::Lagged(_)) => self.missed_from = Some(self.seen),
                // The sender is a part of the feed.
                Err(RecvError::Closed) => pending().await,
            },
        }
    }
}
