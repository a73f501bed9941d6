//! Which sagas this process is running, and how to reach them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saga_core::{SagaId, Timestamp};
use saga_journal::ReplicaId;
use tokio::sync::mpsc;

use crate::admission::{Held, Slot};
use crate::driver::Command;

/// Independently locked parts: the lock is held for a map operation only, but by every start and end.
const SHARDS: usize = 16;

/// The running sagas.
#[derive(Default)]
pub(crate) struct Registry {
    shards: [Mutex<HashMap<SagaId, Running>>; SHARDS],
    active: AtomicUsize,
}

struct Running {
    owner: ReplicaId,
    inbox: mpsc::Sender<Command>,
    due: Arc<AtomicI64>,
}

/// A saga's place in the registry; leaving it is dropping this.
pub(crate) struct Place {
    registry: Arc<Registry>,
    saga: SagaId,
    due: Arc<AtomicI64>,
    /// While it goes forward, if it was started here.
    slot: Option<Slot>,
    held: Held,
}

/// Waits for nothing that would come by itself.
const NEVER: i64 = i64::MAX;
/// Has only just been entered: what it waits for will turn out.
const NEW: i64 = i64::MAX - 1;

/// The saga is running here already: this reaches it.
pub(crate) struct Taken(pub(crate) mpsc::Sender<Command>);

impl Registry {
    /// Enters a saga that is not running here yet.
    pub(crate) fn enter(
        self: &Arc<Self>,
        saga: SagaId,
        owner: ReplicaId,
        inbox: mpsc::Sender<Command>,
        slot: Option<Slot>,
        held: Held,
    ) -> Result<Place, Taken> {
        match self.shard(saga).entry(saga) {
            Entry::Occupied(running) => Err(Taken(running.get().inbox.clone())),
            Entry::Vacant(place) => {
                let due = Arc::new(AtomicI64::new(NEW));
                place.insert(Running { owner, inbox, due: due.clone() });
                self.active.fetch_add(1, Ordering::AcqRel);
                Ok(Place { registry: self.clone(), saga, due, slot, held })
            }
        }
    }

    /// How to reach a saga that is running here.
    pub(crate) fn find(&self, saga: SagaId) -> Option<mpsc::Sender<Command>> {
        self.shard(saga).get(&saga).map(|running| running.inbox.clone())
    }

    /// All running sagas' inboxes, in the order of their ids: the same world goes the same way again.
    pub(crate) fn all(&self) -> Vec<mpsc::Sender<Command>> {
        let mut all: Vec<_> = self.each(|saga, running| (*saga, running.inbox.clone())).collect();
        all.sort_unstable_by_key(|(saga, _)| *saga);
        all.into_iter().map(|(_, inbox)| inbox).collect()
    }

    /// Whether no saga here has anything to do by itself before `until`: none of them is worth waiting for.
    pub(crate) fn is_idle_until(&self, until: Timestamp) -> bool {
        self.each(|_, running| running.due.load(Ordering::Relaxed))
            .all(|due| due > until.as_micros() && due != NEW)
    }

    /// Whether a saga runs here for this owner.
    pub(crate) fn is_any_owned_by(&self, owner: ReplicaId) -> bool {
        self.each(|_, running| running.owner).any(|running| running == owner)
    }

    /// The earliest instant at which a running saga was to go on; `None`: none has to, by itself.
    pub(crate) fn oldest_due(&self) -> Option<Timestamp> {
        let oldest = self.each(|_, running| running.due.load(Ordering::Relaxed)).min()?;
        (oldest < NEW).then(|| Timestamp::from_micros(oldest))
    }

    fn each<T>(&self, of: impl Fn(&SagaId, &Running) -> T) -> impl Iterator<Item = T> {
        self.shards.iter().flat_map(move |shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.iter().map(|(saga, running)| of(saga, running)).collect::<Vec<_>>()
        })
    }

    /// How many are running.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    fn shard(&self, saga: SagaId) -> MutexGuard<'_, HashMap<SagaId, Running>> {
        // The last byte is random in UUIDv7 and in ids made from keys alike.
        let shard = usize::from(saga.as_uuid().as_bytes()[15]) % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes what the saga takes: its payloads, and a slot for as long as it goes forward.
    pub(crate) fn takes(&mut self, payload_bytes: usize, goes_forward: bool) {
        self.held.payloads(payload_bytes);
        if !goes_forward {
            self.slot = None;
        }
    }

    /// Notes when the saga is to go on by itself.
    pub(crate) fn is_due(&self, at: Option<Timestamp>) {
        self.due.store(at.map_or(NEVER, Timestamp::as_micros), Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.registry.shard(self.saga).remove(&self.saga).is_some() {
            self.registry.active.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
