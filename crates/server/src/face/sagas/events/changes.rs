//! One client's stream of changes (`every`): not each event, but that something has changed, once in a while at most. Its cost does not
//! depend on how many events there are: what is open in many browsers takes this one.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use saga_core::{SagaId, Timestamp};
use saga_journal::{FeedPlace, KeptRow, Unavailable};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::listener::Listener;
use super::live::LiveFeed;
use super::place;
use super::stream::SIGN_OF_LIFE;
use crate::api::Api;

/// The least time between two messages that a client may ask for.
pub(super) const EVERY_MIN: Duration = Duration::from_secs(1);
/// The longest.
pub(super) const EVERY_MAX: Duration = Duration::from_secs(60);

/// A client, and the state of things that it was told of last.
pub(super) struct ChangeStream {
    api: Api,
    listener: Listener,
    feed: LiveFeed,
    /// The one saga that the client wants to hear of.
    of: Option<SagaId>,
    every: Duration,
    seen: Option<Seen>,
    /// When it is looked again.
    due: Instant,
    silent_until: Instant,
    _place: OwnedSemaphorePermit,
}

/// What was there when it was looked.
#[derive(PartialEq)]
enum Seen {
    /// Of all sagas: the end of the feed.
    End(FeedPlace),
    /// Of one saga: its row.
    Row(Option<Box<KeptRow>>),
}

/// A CloudEvent that says that something has changed.
#[derive(Serialize)]
struct Changed<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: String,
}

impl ChangeStream {
    pub(super) fn new(
        api: Api,
        listener: Listener,
        feed: LiveFeed,
        (of, every): (Option<SagaId>, Duration),
        place: OwnedSemaphorePermit,
    ) -> Self {
        let now = Instant::now();
        let silent_until = now + SIGN_OF_LIFE;
        Self { api, listener, feed, of, every, seen: None, due: now, silent_until, _place: place }
    }

    pub(super) fn body(self) -> Body {
        Body::from_stream(stream::unfold(self, async |mut this| {
            let message = this.next().await?;
            Some((Ok::<_, std::convert::Infallible>(message), this))
        }))
    }

    /// The next message; `None`: the process ends, or the client may not listen any more. The first one comes at once: what has
    /// changed before is not known.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let api = self.api.clone();
            tokio::select! {
                () = api.closing() => return None,
                () = sleep_until(self.due) => {}
            }
            self.due = Instant::now() + self.every;
            if !self.listener.may_listen(&self.api).await {
                return None;
            }
            // A journal that cannot be read tells of no changes; its client hears of that elsewhere.
            let Ok((end, seen)) = self.look().await else { continue };
            let id = place::written(end);
            if self.seen.as_ref() != Some(&seen) {
                self.seen = Some(seen);
                self.silent_until = Instant::now() + SIGN_OF_LIFE;
                return message(&id, self.of, self.api.clock.now());
            }
            if Instant::now() >= self.silent_until {
                self.silent_until = Instant::now() + SIGN_OF_LIFE;
                return Some(format!("id: {id}\n\n").into());
            }
        }
    }

    /// What is there now, and an end of the feed from before it was looked.
    async fn look(&self) -> Result<(FeedPlace, Seen), Unavailable> {
        let end = self.feed.end(&self.api.engine).await?;
        let seen = match self.of {
            None => Seen::End(end),
            Some(saga) => Seen::Row(self.api.engine.journal().row(saga).await?.map(Box::new)),
        };
        Ok((end, seen))
    }
}

fn message(id: &str, of: Option<SagaId>, now: Timestamp) -> Option<Bytes> {
    let changed = Changed {
        specversion: "1.0",
        id,
        source: "/api/sagas",
        kind: "orchestrateur.sagas.changed",
        subject: of.map(|saga| saga.to_string()),
        time: now.to_string(),
    };
    let json = serde_json::to_string(&changed).ok()?;
    Some(format!("id: {id}\ndata: {json}\n\n").into())
}
