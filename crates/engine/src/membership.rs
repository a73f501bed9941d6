//! This process's membership among the replicas that share the journal: the id under which it owns sagas, and its
//! lease.
//!
//! The journal decides who owns what. This process's own monotonic clock only keeps it from calling a participant while
//! the lease may have expired: another replica may own the saga by then.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use saga_core::{Incarnation, Timestamp};
use saga_journal::{Joining, Journal, Lease, ReplicaId, Unavailable};
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use crate::clock::Clock;

/// A reading of the journal's clock counts if it took no longer than this.
const JOURNAL_TIME_WITHIN: Duration = Duration::from_millis(500);
/// How often the journal is asked for its time until it answers within [`JOURNAL_TIME_WITHIN`].
const JOURNAL_TIME_TRIES: usize = 5;

/// This process's lease, as far as it knows.
pub(crate) struct Membership {
    clock: Arc<Clock>,
    journal: Journal,
    /// Tells this process from the others, and stays the same when it is started again.
    name: Arc<str>,
    lease: Duration,
    state: RwLock<LeaseState>,
    /// Held while joining, and while everything is dropped before joining again.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
enum LeaseState {
    /// It has never joined.
    New,
    Member(HeldLease),
    /// It was a member, and has to join again.
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct HeldLease {
    id: ReplicaId,
    /// Until when the lease certainly lasts, by this process's own monotonic clock.
    until: Instant,
    /// Since when it has been renewed without a gap.
    steady_since: Instant,
    /// The journal's, which ends with the lease.
    incarnation: Incarnation,
}

/// The result of joining.
pub(crate) struct Joined {
    /// Under which id this process owns sagas now.
    pub(crate) id: ReplicaId,
    /// Whether it was this call that joined, for the first time.
    pub(crate) is_first: bool,
}

impl Membership {
    pub(crate) fn new(clock: Arc<Clock>, journal: Journal, name: Arc<str>, lease: Duration) -> Self {
        let changing = tokio::sync::Mutex::default();
        Self { clock, journal, name, lease, state: RwLock::new(LeaseState::New), changing }
    }

    /// The name that tells this process from the others.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Under which id sagas are owned now.
    pub(crate) fn id(&self) -> Option<ReplicaId> {
        self.held().map(|held| held.id)
    }

    /// The journal's incarnation, in which this process's sagas go on. To be asked for after the id under which they are
    /// owned: an id of a former incarnation owns nothing any more.
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.held().map_or(Incarnation::FIRST, |held| held.incarnation)
    }

    /// Whether `owner` may call participants: its lease cannot have run out yet. A paused process that wakes up finds
    /// that it has, and waits until it has renewed the lease in the journal.
    pub(crate) fn may_act(&self, owner: ReplicaId) -> bool {
        self.held().is_some_and(|held| held.id == owner && Instant::now() < held.until)
    }

    /// Whether this process had a lease that may have run out by now: others may own its sagas.
    pub(crate) fn may_have_run_out(&self) -> bool {
        match self.state() {
            LeaseState::New => false,
            LeaseState::Member(held) => Instant::now() >= held.until,
            LeaseState::Lost => true,
        }
    }

    /// Joins, unless that has been done.
    pub(crate) async fn join(&self) -> Result<Joined, Unavailable> {
        if let Some(id) = self.id() {
            return Ok(Joined { id, is_first: false });
        }
        let _changing = self.changing.lock().await;
        if let Some(id) = self.id() {
            return Ok(Joined { id, is_first: false });
        }
        let is_first = matches!(self.state(), LeaseState::New);
        let joining = if is_first { Joining::Started } else { Joining::Again };
        let (id, asked) = (self.clock.new_replica_id(), Instant::now());
        self.journal.join(id, self.name.clone(), joining, self.lease).await?;
        if let Some((time, at)) = journal_time(&self.journal).await? {
            // Every saga that ran here under another lease has been dropped: nothing waits by the clock now.
            self.clock.set(time.plus(at.elapsed()));
        }
        // After it has joined: a lease that began in an earlier incarnation is ended when a later one begins.
        let incarnation = self.journal.incarnation().await?;
        if is_first {
            tracing::info!(
                journal.incarnation = incarnation.get(),
                "this process uses incarnation {incarnation} of the journal"
            );
        }
        let until = asked + self.lease;
        self.set(LeaseState::Member(HeldLease { id, until, steady_since: asked, incarnation }));
        Ok(Joined { id, is_first })
    }

    /// Renews the lease; tells whether it still holds.
    pub(crate) async fn renew(&self) -> Result<Lease, Unavailable> {
        let Some(held) = self.held() else { return Ok(Lease::Lost) };
        let asked = Instant::now();
        let answer = self.journal.renew(held.id, self.lease).await?;
        if answer == Lease::Held {
            let steady_since = if asked < held.until { held.steady_since } else { asked };
            self.set(LeaseState::Member(HeldLease { until: asked + self.lease, steady_since, ..held }));
        }
        Ok(answer)
    }

    /// Keeps this process from joining until the guard is dropped.
    pub(crate) async fn keep_out(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// The lease is lost: nothing is owned here any more.
    pub(crate) fn lose(&self) {
        self.set(LeaseState::Lost);
    }

    /// Whether the journal has been reachable without a gap for a whole lease. Before, others' leases may have run out
    /// only because no replica could renew its own: they are given the time to.
    pub(crate) fn is_steady(&self) -> bool {
        self.held().is_some_and(|held| held.steady_since.elapsed() >= self.lease)
    }

    /// Brings the clock nearer to the journal's. Where that cannot be read, this process's own counts on.
    pub(crate) async fn follow_clock(&self) {
        if let Ok(Some((time, at))) = journal_time(&self.journal).await {
            self.clock.follow(time.plus(at.elapsed()));
        }
    }

    fn held(&self) -> Option<HeldLease> {
        match self.state() {
            LeaseState::Member(held) => Some(held),
            LeaseState::New | LeaseState::Lost => None,
        }
    }

    fn state(&self) -> LeaseState {
        *self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: LeaseState) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

/// The journal's time, and about when it was that time; `None`: the journal has no clock but this machine's.
async fn journal_time(journal: &Journal) -> Result<Option<(Timestamp, Instant)>, Unavailable> {
    for _ in 0..JOURNAL_TIME_TRIES {
        let asked = Instant::now();
        let Some(time) = journal.clock().await? else { return Ok(None) };
        let took = asked.elapsed();
        // It was read some time in between: an answer that came late, or to a process that was paused, says little.
        if took <= JOURNAL_TIME_WITHIN {
            return Ok(Some((time, asked + took / 2)));
        }
    }
    Err(Unavailable::because(format!("it did not tell its time within {JOURNAL_TIME_WITHIN:?}")))
}
