//! Sagas that have nothing to do for a while: on disk, without an owner, until their time or a command.
//!
//! ```text
//!   task ──▶ RestQueue ──▶ Membership::rest, many at a time ──▶ the task ends
//!                          Membership::wake, on any replica ──▶ Woken ──▶ a new task
//! ```
//!
//! A saga that wakes is not taken over: nothing was under way when it fell asleep, and its whole state is in its history.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use saga_core::{Saga, SagaId, Seq};
use saga_journal::{ReplicaId, Resting};
use tokio::sync::{Notify, oneshot};

/// The sagas that want to fall asleep.
#[derive(Default)]
pub(crate) struct RestQueue {
    waiting: Mutex<Vec<TiredSaga>>,
    filled: Notify,
}

/// A saga that wants to fall asleep. Its task waits until it has, or until it is another replica's.
pub(crate) struct TiredSaga {
    pub(crate) owner: ReplicaId,
    pub(crate) resting: Resting,
    /// Dropped, or told, once the saga is not this process's any more.
    pub(crate) asleep: oneshot::Sender<()>,
}

impl RestQueue {
    /// Waits until the saga is asleep. Meanwhile its task must change nothing.
    pub(crate) async fn rest(&self, owner: ReplicaId, resting: Resting) {
        let (asleep, is_asleep) = oneshot::channel();
        self.waiting().push(TiredSaga { owner, resting, asleep });
        self.filled.notify_one();
        let _ = is_asleep.await;
    }

    /// Waits until a saga wants to fall asleep.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes those that wait, at most `limit` of them.
    pub(crate) fn take(&self, limit: usize) -> Vec<TiredSaga> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(limit);
        waiting.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<TiredSaga>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sagas that this process has woken, and that do not run yet.
#[derive(Default)]
pub(crate) struct Woken(Mutex<HashMap<SagaId, WokenBy>>);

/// Under which id this process has woken a saga, and where the saga fell asleep.
type WokenBy = (ReplicaId, Seq);

impl Woken {
    pub(crate) fn add(&self, owner: ReplicaId, sagas: &[(SagaId, Seq)]) {
        self.sagas().extend(sagas.iter().map(|(saga, seq)| (*saga, (owner, *seq))));
    }

    /// How many have been woken, and do not run yet.
    pub(crate) fn count(&self) -> usize {
        self.sagas().len()
    }

    /// Whether `owner` has woken the saga, which does not run yet.
    pub(crate) fn has(&self, saga: SagaId, owner: ReplicaId) -> bool {
        self.sagas().get(&saga).is_some_and(|(by, _)| *by == owner)
    }

    /// The same, and the saga has not moved on: it may have another owner by now.
    pub(crate) fn is_as_it_was(&self, saga: &Saga, owner: ReplicaId) -> bool {
        self.sagas().get(&saga.id()) == Some(&(owner, saga.seq()))
    }

    /// Forgets one: it runs from now on, or it is not known where it stands.
    pub(crate) fn forget(&self, saga: SagaId) {
        self.sagas().remove(&saga);
    }

    /// Forgets all: others own them.
    pub(crate) fn clear(&self) {
        self.sagas().clear();
    }

    fn sagas(&self) -> MutexGuard<'_, HashMap<SagaId, WokenBy>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
