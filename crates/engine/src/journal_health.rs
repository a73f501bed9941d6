//! Whether the journal works. While it fails, new sagas are refused, and a probe finds out when it works again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::Timestamp;
use saga_journal::{Journal, Unavailable};

use crate::clock::Clock;
use crate::lifecycle::Lifecycle;

/// While the journal fails, it is tried this often, whether or not a saga has something to write.
pub(crate) const JOURNAL_PROBE_AFTER: Duration = Duration::from_millis(500);

/// The journal's health, as this process knows it.
pub(crate) struct JournalHealth {
    clock: Arc<Clock>,
    lifecycle: Lifecycle,
    journal: Journal,
    failing: Mutex<Option<Failing>>,
    /// Sagas whose last entry the journal could not take.
    held_up: AtomicUsize,
}

/// Since when the journal fails, and why.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    pub(crate) since: Timestamp,
    pub(crate) reason: Arc<str>,
}

/// Counts a saga as held up by the journal, for as long as it lives.
pub(crate) struct HeldUp(Arc<JournalHealth>);

impl Drop for HeldUp {
    fn drop(&mut self) {
        self.0.held_up.fetch_sub(1, Ordering::AcqRel);
    }
}

impl JournalHealth {
    pub(crate) fn new(clock: Arc<Clock>, lifecycle: Lifecycle, journal: Journal) -> Self {
        Self { clock, lifecycle, journal, failing: Mutex::default(), held_up: AtomicUsize::new(0) }
    }

    /// Since when the journal fails, and why; `None`: it works.
    pub(crate) fn failing(&self) -> Option<Failing> {
        self.lock().clone()
    }

    /// Why nothing can be started; `None`: the journal works.
    pub(crate) fn failure(&self) -> Option<Unavailable> {
        self.lock().as_ref().map(|failing| Unavailable(failing.reason.clone()))
    }

    /// A saga's entry could not be written.
    pub(crate) fn holds_up(self: &Arc<Self>) -> HeldUp {
        self.held_up.fetch_add(1, Ordering::AcqRel);
        HeldUp(self.clone())
    }

    /// Notes that something could be written. The journal works again only when nothing is held up any more: a
    /// disk that is nearly full takes a small entry now and then.
    pub(crate) fn works(&self) {
        if self.held_up.load(Ordering::Acquire) > 0 {
            return;
        }
        let failed = self.lock().take();
        if let Some(failing) = failed {
            let seconds = self.clock.now().since(failing.since).as_secs_f64();
            tracing::info!(outage.seconds = seconds, "the journal works again after {seconds:.1} s");
        }
    }

    /// Notes that the journal fails. New sagas are refused until it works again; a probe finds out when.
    pub(crate) fn fails(self: &Arc<Self>, error: &Unavailable) {
        let mut failing = self.lock();
        if failing.is_none() {
            tracing::error!(error = %error, "the journal fails: new orders are refused until it works again");
            *failing = Some(Failing { since: self.clock.now(), reason: error.0.clone() });
            let health = self.clone();
            self.lifecycle.spawn(async move { health.probe().await });
        }
    }

    async fn probe(&self) {
        while self.lifecycle.pause_until_left(JOURNAL_PROBE_AFTER).await {
            if self.lock().is_none() {
                return;
            }
            if self.journal.probe().await.is_ok() {
                self.works();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
