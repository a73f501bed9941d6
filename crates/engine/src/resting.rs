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

use saga_core::SagaId;
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
pub(crate) struct Woken(Mutex<HashMap<SagaId, ReplicaId>>);

impl Woken {
    pub(crate) fn add(&self, owner: ReplicaId, sagas: &[SagaId]) {
        self.sagas().extend(sagas.iter().map(|saga| (*saga, owner)));
    }

    /// Whether `owner` has woken the saga, which does not run yet.
    pub(crate) fn has(&self, saga: SagaId, owner: ReplicaId) -> bool {
        self.sagas().get(&saga) == Some(&owner)
    }

    /// The same, and it runs from now on.
    pub(crate) fn take(&self, saga: SagaId, owner: ReplicaId) -> bool {
        self.sagas().remove(&saga) == Some(owner)
    }

    /// Forgets all: others own them.
    pub(crate) fn clear(&self) {
        self.sagas().clear();
    }

    fn sagas(&self) -> MutexGuard<'_, HashMap<SagaId, ReplicaId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
