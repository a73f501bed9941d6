//! Which sagas this process is running, and how to reach them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::{SagaId, Timestamp};
use saga_journal::ReplicaId;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::admission::{HeldBytes, Slot};
use crate::handle::Handle;

/// Independently locked parts: the lock is held for a map operation only, but by every start and end.
const SHARDS: usize = 16;
/// A wait for a condition on all sagas scans them after a change, and no more often than this.
const SCAN_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// The running sagas.
#[derive(Default)]
pub(crate) struct Registry {
    shards: [Mutex<HashMap<SagaId, RunningSaga>>; SHARDS],
    active: AtomicUsize,
    /// Waits under way for a condition on all sagas.
    waiting: AtomicUsize,
    changed: Notify,
}

struct RunningSaga {
    owner: ReplicaId,
    handle: Handle,
    due: Arc<AtomicI64>,
}

/// A saga is in the registry for as long as this lives.
pub(crate) struct RunningGuard {
    registry: Arc<Registry>,
    saga: SagaId,
    due: Arc<AtomicI64>,
    /// While it goes forward, if it was started here.
    slot: Option<Slot>,
    held: HeldBytes,
}

/// The saga waits for no call, no timer and no append.
const NEVER: i64 = i64::MAX;
/// The saga has only just been entered: its driver has not told yet when it is due.
const NEW: i64 = i64::MAX - 1;

/// The saga is running here already: this reaches it.
pub(crate) struct AlreadyRunning(pub(crate) Handle);

impl Registry {
    /// Enters a saga that is not running here yet.
    pub(crate) fn enter(
        self: &Arc<Self>,
        saga: SagaId,
        owner: ReplicaId,
        handle: Handle,
        slot: Option<Slot>,
        held: HeldBytes,
    ) -> Result<RunningGuard, AlreadyRunning> {
        match self.shard(saga).entry(saga) {
            Entry::Occupied(running) => Err(AlreadyRunning(running.get().handle.clone())),
            Entry::Vacant(vacant) => {
                let due = Arc::new(AtomicI64::new(NEW));
                vacant.insert(RunningSaga { owner, handle, due: due.clone() });
                self.active.fetch_add(1, Ordering::AcqRel);
                Ok(RunningGuard { registry: self.clone(), saga, due, slot, held })
            }
        }
    }

    /// How to reach a saga that is running here.
    pub(crate) fn find(&self, saga: SagaId) -> Option<Handle> {
        self.shard(saga).get(&saga).map(|running| running.handle.clone())
    }

    /// Whether a saga is running here.
    pub(crate) fn runs(&self, saga: SagaId) -> bool {
        self.shard(saga).contains_key(&saga)
    }

    /// The handles of all running sagas, in the order of their ids: the same world goes the same way again.
    pub(crate) fn all(&self) -> Vec<Handle> {
        let mut all: Vec<_> = self.each(|saga, running| (*saga, running.handle.clone())).collect();
        all.sort_unstable_by_key(|(saga, _)| *saga);
        all.into_iter().map(|(_, handle)| handle).collect()
    }

    /// Waits until no saga here has anything to do by itself before `until`: none of them is worth waiting for.
    pub(crate) async fn idle_until(&self, until: Timestamp) {
        let is_idle = |due: i64| due > until.as_micros() && due != NEW;
        self.wait_for(|| self.each(|_, running| running.due.load(Ordering::SeqCst)).all(is_idle)).await;
    }

    /// Waits until no saga runs here for this owner.
    pub(crate) async fn free_of(&self, owner: ReplicaId) {
        self.wait_for(|| self.each(|_, running| running.owner).all(|running| running != owner)).await;
    }

    /// Waits until no saga runs here.
    pub(crate) async fn empty(&self) {
        self.wait_for(|| self.active() == 0).await;
    }

    /// The earliest instant at which a running saga was to go on; `None`: none has to, by itself.
    pub(crate) fn oldest_due(&self) -> Option<Timestamp> {
        let oldest = self.each(|_, running| running.due.load(Ordering::Relaxed)).min()?;
        (oldest < NEW).then(|| Timestamp::from_micros(oldest))
    }

    async fn wait_for(&self, is_so: impl Fn() -> bool) {
        /// Ends the wait even if it is given up.
        struct WaitCount<'a>(&'a AtomicUsize);
        impl Drop for WaitCount<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::AcqRel);
            }
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = WaitCount(&self.waiting);
        loop {
            // A change while all are looked at counts, too.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if is_so() {
                return;
            }
            changed.await;
            sleep(SCAN_AGAIN_AFTER).await;
        }
    }

    fn has_changed(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.changed.notify_waiters();
        }
    }

    fn each<T>(&self, of: impl Fn(&SagaId, &RunningSaga) -> T) -> impl Iterator<Item = T> {
        self.shards.iter().flat_map(move |shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.iter().map(|(saga, running)| of(saga, running)).collect::<Vec<_>>()
        })
    }

    /// How many are running.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    fn shard(&self, saga: SagaId) -> MutexGuard<'_, HashMap<SagaId, RunningSaga>> {
        // The last byte is random in UUIDv7 and in ids made from keys alike.
        let shard = usize::from(saga.as_uuid().as_bytes()[15]) % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningGuard {
    /// Notes what the saga takes: its payloads, and a slot for as long as it goes forward.
    pub(crate) fn takes(&mut self, payload_bytes: usize, goes_forward: bool) {
        self.held.payloads(payload_bytes);
        if !goes_forward {
            self.slot = None;
        }
    }

    /// Notes when the saga is to go on by itself.
    pub(crate) fn is_due(&self, at: Option<Timestamp>) {
        let due = at.map_or(NEVER, Timestamp::as_micros);
        if self.due.swap(due, Ordering::SeqCst) != due {
            self.registry.has_changed();
        }
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        if self.registry.shard(self.saga).remove(&self.saga).is_some() {
            self.registry.active.fetch_sub(1, Ordering::AcqRel);
            self.registry.has_changed();
        }
    }
}
