//! The live replicas of the one process that has the file.
//!
//! Nothing of this is on disk. The file's lock says that there is no other process, so a replica that is not known here
//! is gone; and no lease runs out, because no other process could take over. Several replicas in one process are kept
//! apart, as a table of them would do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Joining, Lease, REPLICAS_TOLD_MAX, ReplicaId};

/// Below every id as SQLite compares them.
const BEFORE_ALL: &[u8] = &[];
/// Above every id as SQLite compares them.
const AFTER_ALL: &[u8] = &[0xff; 17];

/// All that have joined since the file was opened.
#[derive(Default)]
pub(super) struct Replicas(Mutex<BTreeMap<ReplicaId, KnownReplicas>>);

struct KnownReplicas {
    name: Arc<str>,
    lease: Lease,
}

impl Replicas {
    /// A replica that has left stays gone; [`ReplicaId::NOBODY`] cannot join.
    pub(super) fn join(&self, replica: ReplicaId, name: Arc<str>, joining: Joining) {
        let mut known = self.lock();
        let is_former = |id: ReplicaId, known: &KnownReplicas| id != replica && known.name == name;
        if joining == Joining::Started {
            for (_, former) in known.iter_mut().filter(|(id, known)| is_former(**id, known)) {
                former.lease = Lease::Lost;
            }
        }
        if replica != ReplicaId::NOBODY {
            known.entry(replica).or_insert(KnownReplicas { name, lease: Lease::Held });
        }
    }

    pub(super) fn leave(&self, replica: ReplicaId) {
        self.lock().entry(replica).and_modify(|known| known.lease = Lease::Lost);
    }

    pub(super) fn lease(&self, replica: ReplicaId) -> Lease {
        self.lock().get(&replica).map_or(Lease::Lost, |known| known.lease)
    }

    pub(super) fn is_live(&self, replica: ReplicaId) -> bool {
        self.lease(replica) == Lease::Held
    }

    /// The live replicas by their names, at most [`REPLICAS_TOLD_MAX`].
    pub(super) fn live(&self) -> Vec<(ReplicaId, Arc<str>)> {
        let known = self.lock();
        let live = known.iter().filter(|(_, known)| known.lease == Lease::Held);
        let mut live: Vec<_> = live.map(|(id, known)| (*id, known.name.clone())).collect();
        live.sort_by(|(_, one), (_, other)| one.cmp(other));
        live.truncate(REPLICAS_TOLD_MAX);
        live
    }

    /// The gaps between the ids of live replicas: an owner whose id lies in a gap is gone. Both ends are outside.
    pub(super) fn gaps(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let known = self.lock();
        let live = known.iter().filter(|(_, known)| known.lease == Lease::Held);
        let posts = live.map(|(replica, _)| replica.as_uuid().as_bytes().to_vec());
        let ends: Vec<Vec<u8>> = posts.chain([AFTER_ALL.to_vec()]).collect();
        let begins = std::iter::once(BEFORE_ALL.to_vec()).chain(ends.clone());
        begins.zip(ends).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplicaId, KnownReplicas>> {
        // Each change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
