//! Access: what a call needs before it can leave for its participant, namely a credential (`auth`), the files of `tls`, and a key
//! that signs it (`sign`).
//! A call without it waits, and uses up no attempt.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

/// Ends once a participant's access is there, for the moment.
pub type AwaitedAccess = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why access is missing, or could not be renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessTrouble {
    /// Since when.
    pub lasted: Duration,
    /// The reason, which has no secret.
    pub reason: Box<str>,
    /// Whether calls wait. If not, they go on with the access from before.
    pub holds_calls: bool,
}

/// A trouble that lasts.
#[derive(Debug, Clone)]
pub(super) struct LastingTrouble {
    since: Instant,
    reason: Box<str>,
}

impl LastingTrouble {
    /// Notes a failure; returns whether it is another one than before, which the log should have.
    pub(super) fn note(trouble: &mut Option<Self>, reason: &str) -> bool {
        let is_new = trouble.as_ref().is_none_or(|known| *known.reason != *reason);
        let since = trouble.as_ref().map_or_else(Instant::now, |known| known.since);
        *trouble = Some(Self { since, reason: reason.into() });
        is_new
    }

    pub(super) fn shown(&self, holds_calls: bool) -> AccessTrouble {
        AccessTrouble { lasted: self.since.elapsed(), reason: self.reason.clone(), holds_calls }
    }
}
