//! The time that sagas use: the journal's time, continued by this process's monotonic clock.
//!
//! A machine's wall clock may be set at any moment, and differs from replica to replica. One replica records
//! deadlines and waits, and another one may apply them, so both must use the same clock: the journal's, read when
//! this process joins. After that, only the monotonic clock counts. It is corrected slowly by the journal's clock
//! ([`FOLLOW_AT_MOST_PERCENT`]): drift is corrected within seconds, and a jump of the journal's clock cannot move
//! this one suddenly.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use saga_core::saga::Moment;
use saga_core::{BulkActionId, CommandId, SagaId, Timestamp};
use saga_journal::ReplicaId;
use tokio::time::Instant;

use crate::world::World;

/// The largest correction, as a share of the time that has passed. Real clocks differ by less than 0.1 %.
const FOLLOW_AT_MOST_PERCENT: i64 = 1;

/// The clock of one process. It never steps while the process holds its lease.
pub struct Clock {
    world: Arc<dyn World>,
    begun: Instant,
    /// The time when the process began, in microseconds since the epoch.
    origin_us: AtomicI64,
    /// When the clock was last corrected, in microseconds since the process began.
    followed_us: AtomicI64,
}

impl Clock {
    /// A clock that starts at the machine's time.
    pub fn new(world: Arc<dyn World>) -> Self {
        let origin_us = AtomicI64::new(world.wall().as_micros());
        Self { world, begun: Instant::now(), origin_us, followed_us: AtomicI64::new(0) }
    }

    /// The source of the machine's time.
    pub(crate) fn world(&self) -> &Arc<dyn World> {
        &self.world
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.origin_us.load(Ordering::Relaxed).saturating_add(self.elapsed_us()))
    }

    /// The time and a random number, in the form of the core's inputs.
    pub(crate) fn moment(&self) -> Moment {
        Moment { now: self.now(), random: self.world.random() }
    }

    /// A fresh id: a UUIDv7, so that ids sort by time.
    pub(crate) fn new_saga_id(&self) -> SagaId {
        SagaId::new(self.new_uuid())
    }

    /// A fresh id for a command.
    pub fn new_command_id(&self) -> CommandId {
        CommandId::new(self.new_uuid())
    }

    /// A fresh id for a bulk action.
    pub(crate) fn new_bulk_action_id(&self) -> BulkActionId {
        BulkActionId::new(self.new_uuid())
    }

    /// A fresh id for this run of the process.
    pub(crate) fn new_replica_id(&self) -> ReplicaId {
        ReplicaId::new(self.new_uuid())
    }

    /// Sets the clock to the journal's time, whatever the difference. Call it only while no saga runs here.
    pub(crate) fn set(&self, journal: Timestamp) {
        let elapsed = self.elapsed_us();
        self.origin_us.store(journal.as_micros().saturating_sub(elapsed), Ordering::Relaxed);
        self.followed_us.store(elapsed, Ordering::Relaxed);
    }

    /// Corrects the clock towards the journal's time, which was read when the journal was asked or a little later.
    pub(crate) fn follow(&self, journal: Timestamp) {
        let elapsed = self.elapsed_us();
        let since = elapsed.saturating_sub(self.followed_us.swap(elapsed, Ordering::Relaxed));
        let most = since.saturating_mul(FOLLOW_AT_MOST_PERCENT) / 100;
        let off = journal.as_micros().saturating_sub(self.now().as_micros());
        self.origin_us.fetch_add(off.clamp(-most, most), Ordering::Relaxed);
    }

    fn elapsed_us(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn new_uuid(&self) -> uuid::Uuid {
        let millis = self.now().as_micros().max(0) as u64 / 1_000;
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.world.random().0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.world.random().0.to_be_bytes()[..2]);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}
