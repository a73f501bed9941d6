//! This process as one of those that share a journal: its lease, the sagas that it takes over, the words left for it.
//!
//! ```text
//!   beat ──▶ renew the lease ──▶ lost?  drop everything, join again under another id
//!   look ──▶ claim sagas whose owner is gone ──▶ load ──▶ run      (the only way in, at the start as well)
//!        ──▶ words left for this process ──▶ the saga concerned
//!        ──▶ now and then: does every saga that is owned here run here?
//! ```
//!
//! The journal decides who owns what; this process's own clock only keeps it from calling anybody while it cannot
//! know whether it still owns anything. The two loops are apart, so that loading many sagas cannot cost the lease.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use saga_core::seeded::{Bug, is_on};
use saga_core::{SagaId, Timestamp};
use saga_journal::{Joining, Journal, Lease, ReplicaId, Unavailable};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::demand::Demand;
use crate::driver::Command;
use crate::engine::Engine;
use crate::shared::{JOURNAL_PROBE_AFTER, Shared};

/// How often sagas whose time has come are looked for.
const WAKE_SLEEPERS_AFTER: Duration = Duration::from_millis(200);
/// How often the journal's clock is followed.
const FOLLOW_CLOCK_AFTER: Duration = Duration::from_secs(10);
/// A reading of the journal's clock counts if it took no longer than this.
const JOURNAL_TIME_WITHIN: Duration = Duration::from_millis(500);
/// How often the journal is asked for its time until it answers within [`JOURNAL_TIME_WITHIN`].
const JOURNAL_TIME_TRIES: usize = 5;
/// How often drivers of a lost lease are told to go.
const DISOWN_AFTER: Duration = Duration::from_millis(10);

/// What this process knows of its own lease.
pub(crate) struct Membership {
    name: Arc<str>,
    held: RwLock<Option<Held>>,
    /// Joining, or leaving nothing behind before joining again.
    changing: tokio::sync::Mutex<()>,
    /// Whether the lease is being renewed.
    is_kept: AtomicBool,
    /// Whether this process has had a lease before.
    has_joined: AtomicBool,
    /// Sagas for which a word is being followed.
    following: Mutex<HashSet<SagaId>>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    id: ReplicaId,
    /// Until when the lease certainly lasts, by this process's own monotonic clock.
    until: Instant,
    /// Since when it has been renewed without a gap.
    steady_since: Instant,
}

impl Membership {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            held: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            is_kept: AtomicBool::new(false),
            has_joined: AtomicBool::new(false),
            following: Mutex::default(),
        }
    }

    fn held(&self) -> Option<Held> {
        *self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, held: Option<Held>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// Under which id sagas are owned now.
    pub(crate) fn id(&self) -> Option<ReplicaId> {
        self.held().map(|held| held.id)
    }

    /// Whether `owner` may call anybody: its lease cannot have run out yet. A paused process that wakes up finds that
    /// it has, and waits for the journal's word.
    pub(crate) fn may_act(&self, owner: ReplicaId) -> bool {
        let held = self.held();
        is_on(Bug::IgnoresLease) || held.is_some_and(|held| held.id == owner && Instant::now() < held.until)
    }

    /// Whether this process had a lease that may have run out by now: others may own its sagas.
    pub(crate) fn may_have_run_out(&self) -> bool {
        let has_joined = self.has_joined.load(Ordering::Acquire);
        has_joined && self.held().is_none_or(|held| Instant::now() >= held.until)
    }

    /// Joins, unless that has been done.
    async fn join(&self, shared: &Shared) -> Result<ReplicaId, Unavailable> {
        if let Some(id) = self.id() {
            return Ok(id);
        }
        let _changing = self.changing.lock().await;
        if let Some(id) = self.id() {
            return Ok(id);
        }
        let (id, lease) = (shared.clock.new_replica_id(), shared.limits.lease);
        let asked = Instant::now();
        let joining = if self.has_joined.load(Ordering::Acquire) { Joining::Again } else { Joining::Started };
        shared.journal.join(id, self.name.clone(), joining, lease).await?;
        if let Some((time, at)) = journal_time(&shared.journal).await? {
            // Whatever ran here under another lease has been dropped: nothing waits by the clock now.
            shared.clock.set(time.plus(at.elapsed()));
        }
        self.has_joined.store(true, Ordering::Release);
        self.hold(Some(Held { id, until: asked + lease, steady_since: asked }));
        Ok(id)
    }

    /// Renews the lease; tells whether it still holds.
    async fn renew(&self, journal: &Journal, lease: Duration) -> Result<Lease, Unavailable> {
        let Some(held) = self.held() else { return Ok(Lease::Lost) };
        let asked = Instant::now();
        let answer = journal.renew(held.id, lease).await?;
        if answer == Lease::Held {
            let steady_since = if asked < held.until { held.steady_since } else { asked };
            self.hold(Some(Held { until: asked + lease, steady_since, ..held }));
        }
        Ok(answer)
    }

    /// Whether the journal has been heard of without a gap for a whole lease. Before, others' leases may have run out
    /// only because nobody could renew any: they are given the time to.
    fn is_steady(&self, lease: Duration) -> bool {
        self.held().is_some_and(|held| held.steady_since.elapsed() >= lease)
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

impl Engine {
    /// Joins those that share the journal, and takes over every saga whose owner is gone. Returns when each is running
    /// or parked; from then on it goes on by itself. Keeps trying while the journal is unavailable.
    pub async fn recover(&self) {
        self.shared.vital.watch(&self.shared.world, self.shared.journal.ended());
        self.keep_definition().await;
        while let Err(error) = self.take_orphans().await {
            self.shared.journal_fails(&error);
            sleep(JOURNAL_PROBE_AFTER).await;
        }
        self.shared.recovered.store(true, Ordering::Release);
        self.spawn_vital("take-over", |engine| async move { engine.look_around().await });
        self.spawn_vital("sleepers", |engine| async move { engine.wake_sleepers().await });
    }

    /// The same in the background, and watched over: should it fail, [`Engine::died`] tells.
    pub fn recover_in_background(&self) {
        let shared = self.shared.clone();
        let may_end =
            move || shared.recovered.load(Ordering::Acquire) || shared.stopping.load(Ordering::Acquire);
        let engine = self.clone();
        let task = async move { engine.recover().await };
        self.shared.vital.spawn(&self.shared.world, "recovery", may_end, task);
    }

    /// Runs a task that must not end before the process stops.
    pub(crate) fn spawn_vital<F>(&self, name: &'static str, task: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shared = self.shared.clone();
        let may_end = move || shared.stopping.load(Ordering::Acquire);
        self.shared.vital.spawn(&self.shared.world, name, may_end, task(self.clone()));
    }

    /// Under which id sagas are owned, joining first where that has not been done.
    pub(crate) async fn joined(&self) -> Result<ReplicaId, Unavailable> {
        let id = self.shared.membership.join(&self.shared).await?;
        if !self.shared.membership.is_kept.swap(true, Ordering::AcqRel) {
            self.spawn_vital("lease", |engine| async move { engine.keep_lease().await });
        }
        Ok(id)
    }

    /// Renews the lease for as long as the process lives.
    async fn keep_lease(&self) {
        let shared = &self.shared;
        let mut followed = Instant::now();
        loop {
            sleep(shared.limits.beat).await;
            if shared.has_left.load(Ordering::Acquire) {
                return;
            }
            match shared.membership.renew(&shared.journal, shared.limits.lease).await {
                Ok(Lease::Held) => self.follow_clock(&mut followed).await,
                Ok(Lease::Lost) => self.rejoin().await,
                Err(error) => shared.journal_fails(&error),
            }
        }
    }

    /// Follows the journal's clock now and then. Where it cannot be read, this process's own counts on.
    async fn follow_clock(&self, followed: &mut Instant) {
        if followed.elapsed() < FOLLOW_CLOCK_AFTER {
            return;
        }
        *followed = Instant::now();
        if let Ok(Some((time, at))) = journal_time(&self.shared.journal).await {
            self.shared.clock.follow(time.plus(at.elapsed()));
        }
    }

    /// Others own this process's sagas: drops them all, and joins again.
    async fn rejoin(&self) {
        let shared = &self.shared;
        if let Some(lost) = shared.membership.id() {
            let _changing = shared.membership.changing.lock().await;
            let sagas = shared.registry.active();
            tracing::warn!(
                replica = %lost,
                sagas,
                "this process was paused or cut off from the journal for longer than its lease, or another one was \
                 started under its name ({}): others take over its {sagas} orders, which are dropped here",
                shared.membership.name
            );
            shared.observer.lease_lost(sagas);
            shared.membership.hold(None);
            shared.sleepers.clear();
            while shared.registry.is_any_owned_by(lost) {
                for inbox in shared.registry.all() {
                    let _ = inbox.try_send(Command::Disown(lost));
                }
                sleep(DISOWN_AFTER).await;
            }
        }
        if let Err(error) = shared.membership.join(shared).await {
            shared.journal_fails(&error);
        }
    }

    /// Takes over what others leave, and follows what is asked of the sagas here.
    async fn look_around(&self) {
        let shared = &self.shared;
        let mut swept = Instant::now();
        loop {
            sleep(shared.limits.beat).await;
            if shared.stopping.load(Ordering::Acquire) {
                return;
            }
            let looked = async {
                self.take_orphans().await?;
                self.follow_demands().await?;
                if swept.elapsed() >= shared.limits.sweep {
                    swept = Instant::now();
                    self.sweep().await?;
                }
                Ok::<_, Unavailable>(())
            };
            if let Err(error) = looked.await {
                shared.journal_fails(&error);
            }
        }
    }

    /// Claims all sagas whose owner is gone, and runs them. Returns when each is running or parked.
    async fn take_orphans(&self) -> Result<(), Unavailable> {
        let shared = &self.shared;
        let id = self.joined().await?;
        if shared.membership.is_steady(shared.limits.lease) {
            shared.journal.expire().await?;
        }
        let loads = Arc::new(Semaphore::new(shared.limits.take_over_loads_max));
        let mut taken = 0;
        loop {
            let page = shared.journal.claim(id, shared.limits.claim_rows_max).await?;
            if page.is_empty() || shared.stopping.load(Ordering::Acquire) {
                break;
            }
            taken += page.len();
            // They are this process's own by now, and nobody else will look after them: whatever fails, they run.
            if let Err(error) = self.follow_first(id, &page).await {
                shared.journal_fails(&error);
            }
            self.run_all(page, &loads).await;
        }
        let all = u32::try_from(shared.limits.take_over_loads_max).unwrap_or(u32::MAX);
        let _ = loads.acquire_many(all).await;
        if taken > 0 {
            shared.observer.taken_over(taken);
            tracing::info!(sagas = taken, "took over {taken} unfinished orders");
        }
        Ok(())
    }

    /// Every saga that is owned here and has something to do has to run here. One may not, if the journal's answer to
    /// its claim was lost.
    async fn sweep(&self) -> Result<(), Unavailable> {
        let shared = &self.shared;
        let Some(id) = shared.membership.id().filter(|_| !is_on(Bug::NeverSweeps)) else { return Ok(()) };
        let loads = Arc::new(Semaphore::new(shared.limits.take_over_loads_max));
        let mut after = None;
        loop {
            let page = shared.journal.owned(id, after, shared.limits.claim_rows_max).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(*last);
            let is_known =
                |saga: &SagaId| shared.sleepers.is_asleep(*saga) || shared.registry.find(*saga).is_some();
            let stray: Vec<SagaId> = page.into_iter().filter(|saga| !is_known(saga)).collect();
            self.run_all(stray, &loads).await;
        }
    }

    /// Wakes sagas that sleep here when their time comes, a bounded number at a time.
    async fn wake_sleepers(&self) {
        let shared = &self.shared;
        let loads = Arc::new(Semaphore::new(shared.limits.take_over_loads_max));
        loop {
            sleep(WAKE_SLEEPERS_AFTER).await;
            shared.announcer.catch_up();
            if shared.stopping.load(Ordering::Acquire) {
                return;
            }
            for (saga, sleeper) in shared.sleepers.take_due(shared.clock.now(), shared.limits.claim_rows_max)
            {
                let Ok(turn) = loads.clone().acquire_owned().await else { return };
                let engine = self.clone();
                shared.world.spawn(Box::pin(async move {
                    engine.wake(saga, sleeper).await;
                    drop(turn);
                }));
            }
        }
    }

    async fn run_all(&self, sagas: Vec<SagaId>, loads: &Arc<Semaphore>) {
        for id in sagas {
            let Ok(turn) = loads.clone().acquire_owned().await else { return };
            let engine = self.clone();
            self.shared.world.spawn(Box::pin(async move {
                engine.take_over(id).await;
                drop(turn);
            }));
        }
    }

    /// Follows the words that were left for this process.
    async fn follow_demands(&self) -> Result<(), Unavailable> {
        let shared = &self.shared;
        let Some(id) = shared.membership.id() else { return Ok(()) };
        for (saga, text) in shared.journal.demands(id, shared.limits.claim_rows_max).await? {
            if !shared.membership.following.lock().unwrap_or_else(PoisonError::into_inner).insert(saga) {
                continue;
            }
            let engine = self.clone();
            shared.world.spawn(Box::pin(async move {
                engine.follow(saga, &text).await;
                let following = &engine.shared.membership.following;
                following.lock().unwrap_or_else(PoisonError::into_inner).remove(&saga);
            }));
        }
        Ok(())
    }

    /// Follows what former owners of `sagas` were asked and did not hear of, before the sagas run here: whoever
    /// cancelled an order does not want to see it carried on.
    async fn follow_first(&self, id: ReplicaId, sagas: &[SagaId]) -> Result<(), Unavailable> {
        for (saga, text) in self.shared.journal.demands(id, self.shared.limits.claim_rows_max).await? {
            if sagas.contains(&saga) {
                self.follow(saga, &text).await;
            }
        }
        Ok(())
    }

    /// Follows a word. One that cannot be followed yet is left where it is, for the next beat.
    async fn follow(&self, saga: SagaId, text: &Arc<str>) {
        if let Err(error) = self.try_to_follow(saga, text).await {
            tracing::warn!(saga.id = %saga, error = %error, "cannot follow what was asked of an order yet");
        }
    }

    async fn try_to_follow(&self, saga: SagaId, text: &Arc<str>) -> Result<(), crate::Refusal> {
        match serde_json::from_str::<Demand>(text) {
            Ok(demand) => match self.tell(saga, &demand).await {
                // The one who asked finds out why from the order itself.
                Ok(()) | Err(crate::Refusal::Rejected(_) | crate::Refusal::Damaged(_)) => {}
                Err(error) => return Err(error),
            },
            Err(error) => {
                tracing::error!(saga.id = %saga, error = %error, "what was asked of an order cannot be read; it is dropped");
            }
        }
        Ok(self.shared.journal.answered(saga, text.clone()).await?)
    }
}
