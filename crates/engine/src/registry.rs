//! Which sagas this process is running, and how to reach them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saga_core::SagaId;
use tokio::sync::mpsc;

use crate::driver::Command;

/// Independently locked parts: the lock is held for a map operation only, but by every start and end.
const SHARDS: usize = 16;

/// The running sagas.
#[derive(Default)]
pub(crate) struct Registry {
    shards: [Mutex<HashMap<SagaId, mpsc::Sender<Command>>>; SHARDS],
    active: AtomicUsize,
}

/// A saga's place in the registry; leaving it is dropping this.
pub(crate) struct Place {
    registry: Arc<Registry>,
    saga: SagaId,
}

/// Why there is no new place.
pub(crate) enum NoPlace {
    /// The saga is running here already: this reaches it.
    Taken(mpsc::Sender<Command>),
    /// As many sagas are running as may.
    Full,
}

impl Registry {
    /// Enters a saga that is not running here yet.
    pub(crate) fn enter(
        self: &Arc<Self>,
        saga: SagaId,
        inbox: mpsc::Sender<Command>,
        active_max: usize,
    ) -> Result<Place, NoPlace> {
        match self.shard(saga).entry(saga) {
            Entry::Occupied(running) => Err(NoPlace::Taken(running.get().clone())),
            Entry::Vacant(_) if self.active() >= active_max => Err(NoPlace::Full),
            Entry::Vacant(place) => {
                place.insert(inbox);
                self.active.fetch_add(1, Ordering::AcqRel);
                Ok(Place { registry: self.clone(), saga })
            }
        }
    }

    /// How to reach a saga that is running here.
    pub(crate) fn find(&self, saga: SagaId) -> Option<mpsc::Sender<Command>> {
        self.shard(saga).get(&saga).cloned()
    }

    /// All running sagas' inboxes.
    pub(crate) fn all(&self) -> Vec<mpsc::Sender<Command>> {
        let open = |shard: &Mutex<HashMap<_, mpsc::Sender<Command>>>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.values().cloned().collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(open).collect()
    }

    /// How many are running.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    fn shard(&self, saga: SagaId) -> MutexGuard<'_, HashMap<SagaId, mpsc::Sender<Command>>> {
        // The last byte is random in UUIDv7 and in ids made from keys alike.
        let shard = usize::from(saga.as_uuid().as_bytes()[15]) % SHARDS;
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.registry.shard(self.saga).remove(&self.saga).is_some() {
            self.registry.active.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
