//! Starts sagas, finds them wherever they are, passes on what people ask of them, and stops.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::definition::Format;
use saga_core::saga::{Input, Rejected, Rollback};
use saga_core::seeded::{Bug, is_on};
use saga_core::{Definition, Json, Saga, SagaId, Seq, Timestamp};
use saga_journal::{Asked, History, Journal, LoadError, ReplicaId, Row, Unavailable};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::admission::{Caller, NoRoom};
use crate::caught::caught;
use crate::clock::Clock;
use crate::demand::Demand;
use crate::driver::{Command, Driver, Ended, Failed, Snapshot, Told};
use crate::limits::Limits;
use crate::observer::Observer;
use crate::participants::Participants;
use crate::registry::Taken;
use crate::shared::{JOURNAL_PROBE_AFTER, Shared};
use crate::sleepers::Sleeper;

/// A saga that another process runs is looked at in the journal this soon while somebody waits for it, and then less
/// and less often.
const LOOK_AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long after its panic a saga's task is replaced by one that parks the saga.
const PANIC_PAUSE: Duration = Duration::from_millis(100);
/// How long `stop` waits for calls under way once the drain time is over.
const LAST_CALLS_WAIT: Duration = Duration::from_secs(10);

/// Runs sagas. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// The definition that new sagas run, and how older ones are read back.
pub struct Definitions {
    /// For new sagas.
    pub current: Arc<Definition>,
    /// Reads a source that was kept in the journal, by the rules that it was checked with.
    #[expect(clippy::type_complexity, reason = "named by its field")]
    pub read: Box<dyn Fn(&str, Format) -> Result<Definition, String> + Send + Sync>,
}

/// A request for a new saga.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The input, already checked against the definition.
    pub input: Json,
    /// The caller's `Idempotency-Key`.
    pub key: Option<String>,
    /// How long the caller waits.
    pub wait: Wait,
    /// Who sent the request.
    pub caller: Caller,
}

/// How long a caller waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until the start is on disk.
    Started,
    /// Until the saga is over or blocked, but no longer than this.
    Settled(Duration),
    /// The same, but a blocked saga is waited for until no call of it is under way: whoever wanted it tried again
    /// learns what came of it.
    Tried(Duration),
}

/// Why there is no saga for a request, or no answer about one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As many sagas run as may, or as may for this caller. Nothing was written; try again later.
    #[error(
        "there is no room for another order: {} is {}; nothing was done, try again in {} s",
        .0.limit, .0.value, .0.retry_after.as_secs()
    )]
    Full(NoRoom),
    /// The process is going down. Nothing was written; try again.
    #[error("this process is shutting down; nothing was done, try again")]
    Stopping,
    /// The journal cannot be reached. Nothing was done; try again later.
    #[error("{0}; nothing was done, try again later")]
    Unavailable(Unavailable),
    /// The journal failed while the start was being written. It is not known whether the order will go on.
    #[error(
        "the journal failed while order {0} was being recorded, and whether it goes on is not known yet; \
         ask for the order again later, or repeat the request with its Idempotency-Key"
    )]
    InDoubt(SagaId),
    /// The key belongs to another request.
    #[error("this Idempotency-Key belongs to a request with another body")]
    KeyReused(SagaId),
    /// There is no such saga.
    #[error("there is no such order")]
    Unknown,
    /// The saga's history cannot be read; a person has been told.
    #[error("the order's history cannot be read: {0}")]
    Damaged(Arc<str>),
    /// Another process runs the order and has not answered yet.
    #[error("another process runs the order and has not followed what was asked yet; it will, or ask again")]
    Asked(SagaId),
    /// Something else was asked of the order, and has not been followed yet.
    #[error("something else was asked of the order just now; try again in a moment")]
    Busy(SagaId),
    /// The command makes no sense for where the saga stands.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Unavailable(error) => Self::Unavailable(error),
            LoadError::Damaged(reason) => Self::Damaged(reason),
        }
    }
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

/// Whether the engine can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Sagas in memory in this process.
    pub active: usize,
    /// Those of them that hold a slot: they were started here and go forward.
    pub slots: usize,
    /// Bytes that the sagas in memory are accounted for with.
    pub bytes: usize,
    /// Sagas of this process that wait on disk.
    pub asleep: usize,
    /// Which task has ended that the process cannot do without.
    pub dead: Option<Arc<str>>,
    /// Whether the lease may have run out: others may own this process's sagas.
    pub lease_ran_out: bool,
    /// Whether all sagas that were unfinished at the start have been taken over.
    pub recovered: bool,
    /// Whether the process is going down.
    pub stopping: bool,
    /// Since when the journal fails, and why.
    pub journal_failing: Option<(Timestamp, Arc<str>)>,
    /// How long ago the saga that is latest here was to go on by itself.
    pub oldest_due_age: Duration,
    /// Whether that is longer than `stall_max`.
    pub stalled: bool,
}

impl Health {
    /// Whether new sagas are accepted.
    pub fn is_ready(&self) -> bool {
        let works = self.dead.is_none() && self.journal_failing.is_none();
        works && !self.stopping && !self.stalled && !self.lease_ran_out
    }
}

impl Engine {
    /// An engine that accepts sagas at once. [`Engine::recover`] has to be called too. `name` tells this process from
    /// the others that share the journal, and stays the same when it is started again.
    pub fn new(
        clock: Arc<Clock>,
        journal: Journal,
        participants: Arc<dyn Participants>,
        observer: Arc<dyn Observer>,
        limits: Limits,
        definitions: Definitions,
        name: &str,
    ) -> Self {
        let name = name.into();
        let shared = Shared::new(clock, journal, participants, observer, limits, definitions, name);
        Self { shared: Arc::new(shared) }
    }

    /// The definition that new sagas run.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.shared.definitions.current
    }

    /// The journal, for reading.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Whether the engine can do its work.
    pub fn health(&self) -> Health {
        let failing = self.shared.failing();
        let dues = [self.shared.registry.oldest_due(), self.shared.sleepers.next()];
        let due = dues.into_iter().flatten().min();
        let oldest_due_age = due.map_or(Duration::ZERO, |due| self.shared.clock.now().since(due));
        Health {
            active: self.shared.registry.active(),
            slots: self.shared.admission.taken(),
            bytes: self.shared.admission.bytes(),
            asleep: self.shared.sleepers.count(),
            dead: self.shared.vital.ended(),
            lease_ran_out: self.shared.membership.may_have_run_out(),
            recovered: self.shared.recovered.load(Ordering::Acquire),
            stopping: self.shared.stopping.load(Ordering::Acquire),
            journal_failing: failing.map(|failing| (failing.since, failing.reason)),
            oldest_due_age,
            stalled: oldest_due_age > self.shared.limits.stall_max,
        }
    }

    /// Waits until a task has ended that the process cannot do without, and tells which. The process should end then:
    /// what goes on is not to be believed.
    pub async fn died(&self) -> Arc<str> {
        self.shared.vital.wait().await
    }

    /// The clock that sagas live by.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.shared.clock
    }

    /// Runs a checkout: starts a saga, or finds the one that its key belongs to, and waits.
    ///
    /// A caller who goes away changes nothing: the saga has a task of its own.
    pub async fn checkout(&self, request: Checkout) -> Result<Snapshot, Refusal> {
        let id = match &request.key {
            Some(key) if !is_on(Bug::OrderForEachRequest) => SagaId::from_idempotency_key(key),
            _ => self.shared.clock.new_saga_id(),
        };
        if let Some(running) = self.shared.registry.find(id) {
            return self.join(id, running, &request).await;
        }
        self.shared.admit()?;
        let owner = self.joined().await?;
        if request.key.is_some() && self.is_cautious() && self.shared.journal.row(id).await?.is_some() {
            return self.join_kept(id, &request).await;
        }
        let slot = self.shared.admission.admit(request.caller).map_err(Refusal::Full)?;
        let (inbox, commands) = mpsc::channel(self.shared.limits.inbox_commands_max);
        let held = self.shared.admission.saga();
        let place = match self.shared.registry.enter(id, owner, inbox.clone(), Some(slot), held) {
            Ok(place) => place,
            Err(Taken(running)) => return self.join(id, running, &request).await,
        };
        self.still_owned_by(owner)?;
        let definition = &self.shared.definitions.current;
        let (saga, records) = Saga::start(id, definition, request.input.clone(), self.shared.clock.moment());
        let mut driver = Driver::new(self.shared.clone(), owner, saga, Seq::NONE, records, commands, place);
        let (answer, told) = oneshot::channel();
        match request.wait {
            Wait::Started => driver.when_started(answer),
            Wait::Settled(_) => driver.when_settled(answer),
            Wait::Tried(_) => driver.when_tried(answer),
        }
        self.run(driver);
        match self.told(id, inbox, told, request.wait).await? {
            Told::Stands(snapshot) => Ok(snapshot),
            // The key's saga is in the journal already.
            Told::NotOurs => self.join_kept(id, &request).await,
        }
    }

    /// Whether this process has started only just now. It may have been ended by an order that is asked for again: the
    /// journal tells which keys belong to orders, before anything is called for them.
    fn is_cautious(&self) -> bool {
        self.shared.clock.age() < self.shared.limits.cautious_for
    }

    /// Waits for a saga that runs here, or is kept in the journal.
    pub async fn wait(&self, id: SagaId, wait: Wait) -> Result<Snapshot, Refusal> {
        match self.reach(id).await? {
            Reached::Running(inbox) => self.ask(id, inbox, wait).await,
            Reached::Kept(row) if row.projection.over || !matches!(wait, Wait::Tried(_)) => {
                self.kept(*row).await
            }
            Reached::Kept(_) | Reached::Elsewhere => self.look(id, wait).await,
        }
    }

    /// Has a person's word followed, wherever the order runs: returns when that is on disk.
    pub async fn demand(&self, id: SagaId, demand: &Demand) -> Result<(), Refusal> {
        let give_up = Instant::now() + self.shared.limits.demand_wait;
        let mut pause = LOOK_AGAIN_AFTER.0;
        loop {
            match self.tell(id, demand).await {
                Err(Refusal::Asked(_)) if Instant::now() < give_up => {}
                // Nothing of this one is left there.
                Err(Refusal::Asked(_)) => return Err(Refusal::Busy(id)),
                result => return result,
            }
            // The same may have been asked, and followed, before.
            let before = self.shared.journal.load(id).await.ok().flatten().map_or(0, |it| it.records.len());
            let text: Arc<str> = serde_json::to_string(demand).unwrap_or_default().into();
            let is_left = match self.shared.journal.ask(id, text.clone()).await? {
                Asked::Kept => true,
                Asked::Busy => false,
                // It has come to its end meanwhile, or moved here.
                Asked::Nobody => continue,
            };
            while self.shared.journal.row(id).await?.is_some_and(|row| row.demand.is_some()) {
                if Instant::now() >= give_up {
                    return Err(if is_left { Refusal::Asked(id) } else { Refusal::Busy(id) });
                }
                sleep(pause).await;
                pause = (pause * 2).min(LOOK_AGAIN_AFTER.1);
            }
            if !is_left {
                continue;
            }
            // Whether it was followed or refused, the order shows.
            let (mut saga, history) = self.read(id).await?.ok_or(Refusal::Unknown)?;
            if demand.was_followed(history.records.get(before..).unwrap_or_default()) {
                return Ok(());
            }
            if saga.handle(&demand.input(), self.shared.clock.moment())?.is_empty() {
                return Ok(());
            }
        }
    }

    /// Stops an order that is still going forward, and rolls it back. Waits for that to be over.
    pub async fn cancel(&self, id: SagaId, wait: Duration) -> Result<Snapshot, Refusal> {
        self.demand(id, &Demand::Cancel).await?;
        self.wait(id, Wait::Settled(wait)).await
    }

    /// Has a person's word followed if the order runs here or is over; [`Refusal::Asked`]: another process runs it.
    pub(crate) async fn tell(&self, id: SagaId, demand: &Demand) -> Result<(), Refusal> {
        // A saga may leave this process between being found and being told; then it is found again elsewhere.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let running = match self.shared.registry.find(id) {
                Some(running) => running,
                None => {
                    let row = self.shared.journal.row(id).await?.ok_or(Refusal::Unknown)?;
                    if row.projection.over {
                        // Nothing can change any more; the saga says whether that is what the person wants.
                        let mut saga = self.shared.load(id).await?.ok_or(Refusal::Unknown)?;
                        saga.handle(&demand.input(), self.shared.clock.moment())?;
                        return Ok(());
                    }
                    if self.shared.membership.id() != Some(row.owner) {
                        return Err(Refusal::Asked(id));
                    }
                    self.try_out(id, demand).await?;
                    let how = self.shared.sleepers.take(id).map_or(How::TakeOver, How::Wake);
                    match self.resume(id, row.owner, how).await? {
                        Resumed::Here(inbox) | Resumed::Before(inbox) => inbox,
                        Resumed::Over => continue,
                    }
                }
            };
            let (answer, told) = oneshot::channel();
            let command = Command::Take { input: demand.input(), answer };
            if running.send(command).await.is_ok()
                && let Ok(outcome) = told.await
            {
                return Ok(outcome?);
            }
        }
        Err(Refusal::Unavailable(Unavailable::because("the order keeps moving between processes")))
    }

    /// Whether a saga that does not run here, but is this process's, could follow: what it would refuse must not leave
    /// a take-over behind.
    async fn try_out(&self, id: SagaId, demand: &Demand) -> Result<(), Refusal> {
        let mut saga = match self.shared.load(id).await {
            Ok(saga) => saga.ok_or(Refusal::Unknown)?,
            Err(error @ Refusal::Damaged(_)) => {
                // Why may have changed since it was parked.
                self.shared.park(id, &error).await;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        // One that is over by now is seen to be so below.
        if saga.handle(&Input::TakeOver, self.shared.clock.moment()).is_ok() {
            saga.handle(&demand.input(), self.shared.clock.moment())?;
        }
        Ok(())
    }

    /// A saga as its history tells it, without running it.
    pub async fn read(&self, id: SagaId) -> Result<Option<(Saga, History)>, Refusal> {
        let Some(history) = self.shared.journal.load(id).await? else { return Ok(None) };
        let saga = self.shared.fold(id, &history).await?;
        Ok(Some((saga, history)))
    }

    /// Keeps the current definition in the journal, which [`Engine::recover`] does too. To be called before sagas are
    /// accepted wherever the definition may have changed by the next start: a saga that started before it is kept
    /// could not be read back then. Keeps trying while the journal is unavailable.
    pub async fn keep_definition(&self) {
        self.shared.keep_definition().await;
    }

    /// Refuses new sagas, lets running ones go on for `drain`, then ends each at the next point where nothing is
    /// under way. Those that have nothing to do before `drain` is over are not waited for. Whatever is not over by then can be taken over at once, by the next start or another process.
    pub async fn stop(&self, drain: Duration) {
        self.shared.stopping.store(true, Ordering::Release);
        self.finish(drain).await;
        self.shared.has_left.store(true, Ordering::Release);
        if let Some(id) = self.shared.membership.id()
            && let Err(error) = self.shared.journal.leave(id).await
        {
            tracing::warn!(error = %error, "cannot hand over at once; others take over when the lease runs out");
        }
    }

    async fn finish(&self, drain: Duration) {
        let until = self.shared.clock.now().plus(drain);
        let drained = async {
            while !self.shared.registry.is_idle_until(until) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = timeout(drain, drained).await;
        let stopped = async {
            while self.shared.registry.active() > 0 {
                for inbox in self.shared.registry.all() {
                    let _ = inbox.try_send(Command::Stop);
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = timeout(LAST_CALLS_WAIT, stopped).await;
        let left = self.shared.registry.active();
        if left > 0 {
            tracing::warn!(
                sagas = left,
                "{left} orders have calls under way; the next start takes them over"
            );
        }
    }

    pub(crate) async fn take_over(&self, id: SagaId) {
        loop {
            let Some(owner) = self.shared.membership.id() else { return };
            match self.resume(id, owner, How::TakeOver).await {
                Ok(Resumed::Here(_) | Resumed::Over) => return,
                // A repeated request may hold the saga's place that does not know yet that the saga exists already.
                Ok(Resumed::Before(inbox)) if Self::is_started(&inbox).await => return,
                Ok(Resumed::Before(_)) => {}
                Err(Refusal::Unavailable(_)) => sleep(JOURNAL_PROBE_AFTER).await,
                Err(error) => {
                    self.shared.park(id, &error).await;
                    return;
                }
            }
        }
    }

    /// Whether a running saga is one that the journal knows, once that has turned out.
    async fn is_started(inbox: &mpsc::Sender<Command>) -> bool {
        let (answer, told) = oneshot::channel();
        // If it is gone, `told` says so.
        let _ = inbox.send(Command::WhenStarted(answer)).await;
        matches!(told.await, Ok(Told::Stands(_)))
    }

    /// Reads a saga that `owner`, which is this process, owns, and runs it here if it is not over.
    async fn resume(&self, id: SagaId, owner: ReplicaId, how: How<'_>) -> Result<Resumed, Refusal> {
        let Some(mut saga) = self.shared.load(id).await? else { return Err(Refusal::Unknown) };
        if saga.is_over() {
            return Ok(Resumed::Over);
        }
        let (inbox, commands) = mpsc::channel(self.shared.limits.inbox_commands_max);
        // Sagas that exist are never refused for want of room.
        let held = self.shared.admission.saga();
        let place = match self.shared.registry.enter(id, owner, inbox.clone(), None, held) {
            Ok(place) => place,
            Err(Taken(running)) => return Ok(Resumed::Before(running)),
        };
        self.still_owned_by(owner)?;
        self.shared.unpark(id);
        let durable = saga.seq();
        let records = match how {
            How::TakeOver => saga.handle(&Input::TakeOver, self.shared.clock.moment())?,
            How::Wake(sleeper) if sleeper.owner == owner && sleeper.seq == durable => {
                saga.handle(&Input::Tick, self.shared.clock.moment())?
            }
            How::Wake(_) => saga.handle(&Input::TakeOver, self.shared.clock.moment())?,
            How::Park(reason) => {
                saga.handle(&Input::Park { reason: reason.into() }, self.shared.clock.moment())?
            }
        };
        self.run(Driver::new(self.shared.clone(), owner, saga, durable, records, commands, place));
        Ok(Resumed::Here(inbox))
    }

    /// Asked once a saga has its place in the registry: a process that joins anew first takes its former id back, and
    /// then drops the sagas that have their places. So one that has its place is dropped there, or is not begun here.
    fn still_owned_by(&self, owner: ReplicaId) -> Result<(), Refusal> {
        if self.shared.membership.id() == Some(owner) {
            Ok(())
        } else {
            Err(Refusal::Unavailable(Unavailable::because("this process's lease has run out; it joins anew")))
        }
    }

    /// Runs a saga's task, and sees to what it leaves behind.
    fn run(&self, driver: Driver) {
        let engine = self.clone();
        let (id, owner) = (driver.saga_id(), driver.owner());
        self.shared.world.spawn(Box::pin(async move {
            match caught(driver.run()).await {
                Ok(Ended::Done) => {}
                Ok(Ended::Asleep(sleeper)) => {
                    engine.shared.sleepers.add(id, sleeper);
                    // A process that joins anew has forgotten those that slept; this one came too late for that.
                    if engine.shared.membership.id() != Some(owner) {
                        engine.shared.sleepers.take(id);
                    }
                }
                Ok(Ended::Failed(reason)) => engine.task_failed(id, owner, &reason).await,
                Err(panic) => engine.task_failed(id, owner, &format!("its task has panicked: {panic}")).await,
            }
        }));
    }

    /// A saga's task has failed: the saga is parked, so that it does not fail again and again.
    async fn task_failed(&self, id: SagaId, owner: ReplicaId, reason: &str) {
        tracing::error!(saga.id = %id, reason, "the task of an order has failed; the order is parked for a person");
        self.shared.observer.task_failed();
        // Should parking it fail alike, it must not do so in a hot loop.
        sleep(PANIC_PAUSE).await;
        while self.shared.membership.id() == Some(owner) {
            match self.resume(id, owner, How::Park(reason)).await {
                Err(Refusal::Unavailable(_)) => sleep(JOURNAL_PROBE_AFTER).await,
                Err(error @ Refusal::Damaged(_)) => return self.shared.park(id, &error).await,
                // Where its start is not on disk, there is nothing to park.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Runs a saga that has slept here.
    pub(crate) async fn wake(&self, id: SagaId, sleeper: Sleeper) {
        while self.shared.membership.id() == Some(sleeper.owner) {
            match self.resume(id, sleeper.owner, How::Wake(sleeper)).await {
                Err(Refusal::Unavailable(error)) => {
                    self.shared.journal_fails(&error);
                    sleep(JOURNAL_PROBE_AFTER).await;
                }
                Err(error @ Refusal::Damaged(_)) => return self.shared.park(id, &error).await,
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Finds a saga: here, in the journal, or with another process.
    async fn reach(&self, id: SagaId) -> Result<Reached, Refusal> {
        if let Some(running) = self.shared.registry.find(id) {
            return Ok(Reached::Running(running));
        }
        let row = self.shared.journal.row(id).await?.ok_or(Refusal::Unknown)?;
        if is_settled(&row) { Ok(Reached::Kept(row.into())) } else { Ok(Reached::Elsewhere) }
    }

    /// Another request for a saga that runs here.
    async fn join(
        &self,
        id: SagaId,
        inbox: mpsc::Sender<Command>,
        request: &Checkout,
    ) -> Result<Snapshot, Refusal> {
        let (answer, told) = oneshot::channel();
        let looked = inbox.send(Command::Look(answer)).await.is_ok();
        match told.await {
            Ok(Told::Stands(snapshot)) if looked => {
                same_request(id, &snapshot.input, request)?;
                self.ask(id, inbox, request.wait).await
            }
            _ => self.join_kept(id, request).await,
        }
    }

    /// Another request for a saga that is kept in the journal.
    async fn join_kept(&self, id: SagaId, request: &Checkout) -> Result<Snapshot, Refusal> {
        let saga = self.shared.load(id).await?.ok_or(Refusal::InDoubt(id))?;
        same_request(id, saga.input(), request)?;
        self.wait(id, request.wait).await
    }

    /// Asks a running saga, and goes by the journal when it leaves this process meanwhile.
    async fn ask(&self, id: SagaId, inbox: mpsc::Sender<Command>, wait: Wait) -> Result<Snapshot, Refusal> {
        let (answer, told) = oneshot::channel();
        let command = match wait {
            Wait::Started => Command::WhenStarted(answer),
            Wait::Settled(_) => Command::WhenSettled(answer),
            Wait::Tried(_) => Command::WhenTried(answer),
        };
        // If it is gone, `told` says so.
        let _ = inbox.send(command).await;
        match self.told(id, inbox, told, wait).await? {
            Told::Stands(snapshot) => Ok(snapshot),
            Told::NotOurs => self.look(id, wait).await,
        }
    }

    /// What a running saga tells, or how it stands when the wait is over.
    async fn told(
        &self,
        id: SagaId,
        inbox: mpsc::Sender<Command>,
        told: oneshot::Receiver<Told>,
        wait: Wait,
    ) -> Result<Told, Refusal> {
        let start_wait = self.shared.limits.start_wait;
        let limit = match wait {
            Wait::Started => start_wait,
            Wait::Settled(limit) | Wait::Tried(limit) => limit,
        };
        let mut told = told;
        match timeout(limit.min(start_wait), &mut told).await {
            Ok(Ok(told)) => return Ok(told),
            Ok(Err(_)) => return Ok(Told::NotOurs),
            Err(_) => {}
        }
        // A caller that is told that an order goes on may ask for it: its start has to be on disk, however short the
        // caller's own wait was; and where it is not by now, the caller need not wait to its end to hear so.
        if !self.has_started(&inbox, start_wait.saturating_sub(limit)).await? {
            return Err(Refusal::InDoubt(id));
        }
        match timeout(limit.saturating_sub(start_wait), &mut told).await {
            Ok(Ok(told)) => return Ok(told),
            Ok(Err(_)) => return Ok(Told::NotOurs),
            Err(_) => {}
        }
        let (answer, looked) = oneshot::channel();
        let _ = inbox.send(Command::Look(answer)).await;
        Ok(looked.await.unwrap_or(Told::NotOurs))
    }

    /// Whether a running saga's start is on disk, or will be within `wait`. One that does not run any more has started,
    /// or is not ours: what is asked next tells.
    async fn has_started(&self, inbox: &mpsc::Sender<Command>, wait: Duration) -> Result<bool, Refusal> {
        let (answer, looked) = oneshot::channel();
        let _ = inbox.send(Command::Look(answer)).await;
        match looked.await {
            Ok(Told::Stands(snapshot)) if !snapshot.started => {
                let (answer, started) = oneshot::channel();
                let _ = inbox.send(Command::WhenStarted(answer)).await;
                Ok(timeout(wait, started).await.is_ok())
            }
            Ok(_) | Err(_) => Ok(true),
        }
    }

    /// Watches a saga through the journal: another process runs it, or is going to.
    async fn look(&self, id: SagaId, wait: Wait) -> Result<Snapshot, Refusal> {
        let give_up = match wait {
            Wait::Started => Instant::now(),
            Wait::Settled(limit) | Wait::Tried(limit) => Instant::now() + limit,
        };
        let mut pause = LOOK_AGAIN_AFTER.0;
        loop {
            // The order exists, so "nothing was done" would be wrong.
            let row = self.shared.journal.row(id).await.ok().flatten().ok_or(Refusal::InDoubt(id))?;
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            let tries = is_settled(&row) && matches!(wait, Wait::Tried(_));
            let calling = tries && self.is_calling(&row).await;
            if (is_settled(&row) && !calling) || stopping || Instant::now() >= give_up {
                return Ok(Snapshot { calling, ..self.kept(row).await? });
            }
            // It may have come here.
            if let Some(running) = self.shared.registry.find(id) {
                let left = give_up.saturating_duration_since(Instant::now());
                let wait =
                    if matches!(wait, Wait::Tried(_)) { Wait::Tried(left) } else { Wait::Settled(left) };
                return Box::pin(self.ask(id, running, wait)).await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN_AFTER.1);
        }
    }

    /// A saga as the journal tells it.
    async fn kept(&self, row: Row) -> Result<Snapshot, Refusal> {
        let has_failed = row.projection.rollback != Rollback::Aucun || row.projection.echec.is_some();
        // The row says why a person is needed, where one is; the history, why there is no order.
        let saga = if has_failed { self.shared.load(row.saga).await.ok().flatten() } else { None };
        Ok(Snapshot { failure: saga.as_ref().and_then(Failed::of), ..kept(row) })
    }

    /// Whether a call of a saga that another process runs is under way, as far as its history tells.
    async fn is_calling(&self, row: &Row) -> bool {
        if row.projection.over {
            return false;
        }
        matches!(self.shared.load(row.saga).await, Ok(Some(saga)) if saga.effects().call.is_some())
    }
}

/// A saga as its row tells it.
fn kept(row: Row) -> Snapshot {
    let settled = is_settled(&row);
    Snapshot {
        saga: row.saga,
        etat: row.projection.etat,
        rollback: row.projection.rollback,
        settled,
        calling: false,
        started: true,
        input: Json::null(),
        failure: None,
    }
}

fn is_settled(row: &Row) -> bool {
    row.projection.over || row.projection.rollback == Rollback::Bloque
}

/// Why a saga is read and run.
#[derive(Clone, Copy)]
enum How<'a> {
    /// Its owner is gone.
    TakeOver,
    /// It slept here.
    Wake(Sleeper),
    /// Its task has failed: it is parked.
    Park(&'a str),
}

/// What became of running a saga here.
enum Resumed {
    /// It runs here from now on.
    Here(mpsc::Sender<Command>),
    /// Something held its place here before.
    Before(mpsc::Sender<Command>),
    /// There is nothing to run.
    Over,
}

enum Reached {
    Running(mpsc::Sender<Command>),
    /// Over or blocked.
    Kept(Box<Row>),
    /// Under way, but not here.
    Elsewhere,
}

fn same_request(id: SagaId, input: &Json, request: &Checkout) -> Result<(), Refusal> {
    if input.same_value(&request.input) { Ok(()) } else { Err(Refusal::KeyReused(id)) }
}
