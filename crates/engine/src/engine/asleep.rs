//! The sagas that fall asleep here, and those that wake: on whichever process looks first, and has room.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use saga_core::rules;
use saga_core::{Saga, SagaId, Timestamp};
use saga_journal::{Unavailable, WakeUp};
use tokio::sync::Semaphore;

use super::Engine;
use crate::journal_health::JOURNAL_PROBE_AFTER;
use crate::resting::TiredSaga;

/// How often sagas whose time has come are looked for.
const WAKE_AFTER: Duration = Duration::from_millis(200);
/// A saga that has an event this far in the future was run by a process whose clock was ahead.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether the process is about to end, while no saga wants to sleep.
const REST_LOOK_AFTER: Duration = Duration::from_secs(1);

impl Engine {
    /// Puts sagas to sleep, as many at a time as want to, until the process leaves.
    pub(super) async fn put_to_sleep(&self) {
        let rests = &self.parts.means.rests;
        loop {
            let tired = rests.take(self.limits().claim_rows_max);
            if !tired.is_empty() {
                self.rest(tired).await;
                continue;
            }
            let goes_on = tokio::select! {
                biased;
                () = rests.filled() => true,
                goes_on = self.parts.lifecycle.pause_until_left(REST_LOOK_AFTER) => goes_on,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Puts these to sleep, however often the journal has to be asked. Sagas that are not this process's any more are left.
    async fn rest(&self, mut tired: Vec<TiredSaga>) {
        loop {
            // Where the lease is lost, others own them.
            let id = self.membership().id();
            tired.retain(|saga| Some(saga.owner) == id);
            let Some(id) = id.filter(|_| !tired.is_empty()) else { return };
            let sagas = tired.iter().map(|saga| saga.resting).collect();
            match self.journal().rest(id, sagas).await {
                Ok(()) => {
                    for saga in tired {
                        // A task that has gone meanwhile need not hear of it.
                        let _ = saga.asleep.send(());
                    }
                    return;
                }
                Err(error) => self.journal_health().fails(&error),
            }
            if !self.parts.lifecycle.pause_until_left(JOURNAL_PROBE_AFTER).await {
                return;
            }
        }
    }

    /// Whether the clock of a saga's last owner was ahead: what it waits for is then, too.
    pub(super) fn was_ahead(saga: &Saga, now: Timestamp) -> bool {
        saga.updated() > now.plus(CLOCK_AHEAD_MAX)
    }

    /// Wakes sagas whose time has come, and those that a command waits for.
    pub(super) async fn wake_sleepers(&self) {
        let turns = Arc::new(Semaphore::new(self.limits().take_ups_max));
        loop {
            let goes_on = tokio::select! {
                biased;
                () = self.parts.called.notified() => !self.parts.lifecycle.is_stopping(),
                goes_on = self.parts.lifecycle.pause(WAKE_AFTER) => goes_on,
            };
            if !goes_on {
                *self.parts.looked.lock().unwrap_or_else(PoisonError::into_inner) = None;
                return;
            }
            self.parts.means.saves.announcer.catch_up();
            if let Err(error) = self.wake_due(&turns).await {
                self.journal_health().fails(&error);
            }
            *self.parts.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock().now());
        }
    }

    /// Wakes all that are to wake, a page at a time: those whose time has come as long as there is room for them in memory, and
    /// those that a command waits for in any case.
    async fn wake_due(&self, turns: &Arc<Semaphore>) -> Result<(), Unavailable> {
        let Some(id) = self.membership().id() else { return Ok(()) };
        let rows_max = self.limits().claim_rows_max;
        while !self.parts.lifecycle.is_stopping() {
            let now = self.clock().now();
            let due = WakeUp { by: rules::awake_by(now), rested_after: now.plus(CLOCK_AHEAD_MAX) };
            // Sagas that were woken and are still being read will be in memory, too.
            let awake = self.parts.registry.active() + self.parts.woken.count();
            let room = self.limits().awake_sagas_max.saturating_sub(awake);
            let (due, limit) = match room {
                0 => (WakeUp::CALLED, rows_max),
                room => (due, room.min(rows_max)),
            };
            let page = self.journal().wake(id, due, limit).await?;
            let is_last = page.len() < limit;
            // This process owns them by now, and no other will look after them.
            self.parts.woken.add(id, &page);
            let page: Vec<SagaId> = page.into_iter().map(|(saga, _)| saga).collect();
            if !page.is_empty()
                && let Err(error) = self.apply_posted_first(id, &page).await
            {
                self.journal_health().fails(&error);
            }
            self.run_all(page, turns).await;
            if is_last {
                break;
            }
        }
        Ok(())
    }
}
