//! Sagas of this process that have nothing to do for a while: they are on disk and leave memory until their time.
//!
//! A sleeper is not taken over when it wakes: its owner has never changed, and its whole state is in its history. Its
//! [`Sleeper`] keeps where that history ended, so that a saga that has moved on meanwhile is noticed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use saga_core::{SagaId, Seq, Timestamp, rules};
use saga_journal::ReplicaId;

/// The sagas that sleep.
#[derive(Default)]
pub(crate) struct Sleepers {
    asleep: Mutex<Asleep>,
}

#[derive(Default)]
struct Asleep {
    sleepers: HashMap<SagaId, Sleeper>,
    by_time: BTreeSet<(Timestamp, SagaId)>,
}

/// A saga that sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleeper {
    /// Under which id this process owned it when it fell asleep.
    pub(crate) owner: ReplicaId,
    /// Its last event.
    pub(crate) seq: Seq,
    /// When it wakes by itself.
    pub(crate) until: Timestamp,
}

impl Sleepers {
    pub(crate) fn add(&self, saga: SagaId, sleeper: Sleeper) {
        let mut asleep = self.asleep();
        asleep.take(saga);
        asleep.by_time.insert((sleeper.until, saga));
        asleep.sleepers.insert(saga, sleeper);
    }

    /// Wakes one, if it sleeps.
    pub(crate) fn take(&self, saga: SagaId) -> Option<Sleeper> {
        self.asleep().take(saga)
    }

    /// Wakes at most `limit` of those whose time has come, the earliest first.
    pub(crate) fn take_due(&self, now: Timestamp, limit: usize) -> Vec<(SagaId, Sleeper)> {
        let mut asleep = self.asleep();
        let due: Vec<SagaId> = asleep
            .by_time
            .iter()
            .take_while(|(until, _)| rules::is_due(*until, now))
            .take(limit)
            .map(|(_, id)| *id)
            .collect();
        due.into_iter().filter_map(|saga| asleep.take(saga).map(|sleeper| (saga, sleeper))).collect()
    }

    pub(crate) fn is_asleep(&self, saga: SagaId) -> bool {
        self.asleep().sleepers.contains_key(&saga)
    }

    /// Forgets all: others own them.
    pub(crate) fn clear(&self) {
        *self.asleep() = Asleep::default();
    }

    /// When the next one wakes.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.asleep().by_time.first().map(|(until, _)| *until)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.asleep().sleepers.len()
    }

    fn asleep(&self) -> MutexGuard<'_, Asleep> {
        self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asleep {
    fn take(&mut self, saga: SagaId) -> Option<Sleeper> {
        let sleeper = self.sleepers.remove(&saga)?;
        self.by_time.remove(&(sleeper.until, saga));
        Some(sleeper)
    }
}
