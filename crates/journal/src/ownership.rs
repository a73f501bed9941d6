//! The ownership of sagas: which replica runs which saga.
//!
//! ```text
//!   join ──▶ renew, renew, ... ──▶ leave                 a replica's lease, by the store's clock
//!                     └── too late ──▶ gone, for good    a replica that claims says so first
//!   claim: sagas whose owner is gone get a new one; only then are they loaded
//! ```
//!
//! One comparison makes this safe: an entry is kept only if its `owner` is the saga's owner in that very transaction.
//! Leases only decide when another replica may become the owner. So a replica that was paused for an hour and wakes up
//! in the middle of an append does no harm, even if it takes itself for the owner and its clock is wrong.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use saga_core::{SagaId, Seq, Timestamp};
use uuid::Uuid;

/// The longest lease: a replica that asks for more gets this. A replica that vanished is missed for so long at the
/// most.
pub const LEASE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// One run of a process that runs sagas. A process that loses its lease comes back under another id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplicaId(Uuid);

impl ReplicaId {
    /// The owner of sagas that have no owner: it is gone from the start.
    pub const NOBODY: Self = Self(Uuid::nil());

    /// An id made elsewhere; it has to be fresh.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The plain UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why a replica joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joining {
    /// Its process has started. A replica that has its name already is an earlier run of the same process, and gone.
    Started,
    /// Its process lost its lease and goes on. A replica that has its name by now is another process, and stays.
    Again,
}

/// How a replica's lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// It holds, for as long as was asked for.
    Held,
    /// It ran out, and another replica has noticed: the replica's sagas belong to others, or will.
    Lost,
}

/// Sagas of one replica that [`Membership::replicas`](crate::Membership::replicas) counts at most.
pub const OWNED_COUNTED_MAX: u64 = 10_000;
/// Replicas that it tells at most.
pub const REPLICAS_TOLD_MAX: usize = 100;

/// A replica, as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStanding {
    /// Its id: of one run of its process.
    pub id: ReplicaId,
    /// The name that tells its process from the others.
    pub name: Arc<str>,
    /// Whether its lease holds, by the store's own clock.
    pub lease: LeaseStanding,
    /// The sagas that it owns and that are awake; at most [`OWNED_COUNTED_MAX`].
    pub sagas: u64,
    /// Whether it owns more than those.
    pub more: bool,
    /// The release of its program, if it has said so.
    pub release: Option<Arc<str>>,
}

/// Until when a replica owns its sagas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseStanding {
    /// For as long as its process has the store open: no other process can have it.
    Open,
    /// For this long, if it is not renewed.
    For(Duration),
    /// It ran out so long ago, and no replica has made that final.
    RanOut(Duration),
    /// It is gone, for so long: its sagas are to be taken over.
    Gone(Duration),
}

impl ReplicaStanding {
    /// Whether it is worth telling: a replica that is gone and owns nothing is not.
    pub(crate) fn is_told(&self) -> bool {
        self.sagas > 0 || !matches!(self.lease, LeaseStanding::Gone(_))
    }

    /// A replica of this release, with as many sagas as were counted, which may be one more than [`OWNED_COUNTED_MAX`].
    pub(crate) fn new(id: ReplicaId, name: Arc<str>, lease: LeaseStanding, counted: u64) -> Self {
        let (sagas, more) = (counted.min(OWNED_COUNTED_MAX), counted > OWNED_COUNTED_MAX);
        Self { id, name, lease, sagas, more, release: Some(env!("CARGO_PKG_VERSION").into()) }
    }
}

/// A saga that has nothing to do for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resting {
    /// Which saga.
    pub saga: SagaId,
    /// Its last event, which is on disk.
    pub seq: Seq,
    /// When it falls asleep, by the clock that gave `until`.
    pub at: Timestamp,
    /// When it wakes by itself; `None`: only a command wakes it.
    pub until: Option<Timestamp>,
}

/// Which sagas are to wake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WakeUp {
    /// Those whose time is this or earlier.
    pub by: Timestamp,
    /// And those that fell asleep after this: the clock of the process that ran them was ahead, and so is their time.
    pub rested_after: Timestamp,
}

impl WakeUp {
    /// Sagas that a command waits for, and no others.
    pub const CALLED: Self =
        Self { by: Timestamp::from_micros(i64::MIN), rested_after: Timestamp::from_micros(i64::MAX) };
}

impl Resting {
    /// The time when it wakes, as a column has it.
    pub(crate) fn wake_us(&self) -> i64 {
        self.until.map_or(i64::MAX, Timestamp::as_micros)
    }
}
