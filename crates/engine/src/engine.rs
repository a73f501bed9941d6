//! Starts sagas, finds them wherever they are, passes on what people ask of them, and stops.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::saga::{Input, Rejected, Rollback};
use saga_core::seeded::{Bug, is_on};
use saga_core::{Definition, Json, Saga, SagaId, Seq, Timestamp};
use saga_journal::{Asked, History, Journal, LoadError, ReplicaId, Row, Unavailable};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::demand::Demand;
use crate::driver::{Command, Driver, Snapshot, Told};
use crate::limits::Limits;
use crate::observer::Observer;
use crate::participants::Participants;
use crate::registry::NoPlace;
use crate::shared::{JOURNAL_PROBE_AFTER, Shared};
use crate::world::World;

/// A saga that another process runs is looked at in the journal this soon while somebody waits for it, and then less
/// and less often.
const LOOK_AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
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
    /// Reads a source that was kept in the journal.
    #[expect(clippy::type_complexity, reason = "named by its field")]
    pub read: Box<dyn Fn(&str) -> Result<Definition, String> + Send + Sync>,
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

/// The longest that a caller waits for the start to be on disk, whatever it asked for beyond that.
const STARTED_WAIT: Duration = Duration::from_secs(30);

/// Why there is no saga for a request, or no answer about one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As many sagas run as may. Nothing was written; try again later.
    #[error("active_sagas_max ({0}) orders are under way; nothing was done, try again later")]
    Full(usize),
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
    /// Sagas under way in this process.
    pub active: usize,
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

impl Engine {
    /// An engine that accepts sagas at once. [`Engine::recover`] has to be called too. `name` tells this process from
    /// the others that share the journal, and stays the same when it is started again.
    pub fn new(
        world: Arc<dyn World>,
        journal: Journal,
        participants: Arc<dyn Participants>,
        observer: Arc<dyn Observer>,
        limits: Limits,
        definitions: Definitions,
        name: &str,
    ) -> Self {
        let name = name.into();
        let shared = Shared::new(world, journal, participants, observer, limits, definitions, name);
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
        let due = self.shared.registry.oldest_due();
        let oldest_due_age = due.map_or(Duration::ZERO, |due| self.shared.world.now().since(due));
        Health {
            active: self.shared.registry.active(),
            recovered: self.shared.recovered.load(Ordering::Acquire),
            stopping: self.shared.stopping.load(Ordering::Acquire),
            journal_failing: failing.map(|failing| (failing.since, failing.reason)),
            oldest_due_age,
            stalled: oldest_due_age > self.shared.limits.stall_max,
        }
    }

    /// Runs a checkout: starts a saga, or finds the one that its key belongs to, and waits.
    ///
    /// A caller who goes away changes nothing: the saga has a task of its own.
    pub async fn checkout(&self, request: Checkout) -> Result<Snapshot, Refusal> {
        let id = match &request.key {
            Some(key) if !is_on(Bug::OrderForEachRequest) => SagaId::from_idempotency_key(key),
            _ => self.shared.world.new_saga_id(),
        };
        if let Some(running) = self.shared.registry.find(id) {
            return self.join(id, running, &request).await;
        }
        self.shared.admit()?;
        let owner = self.joined().await?;
        let (inbox, commands) = mpsc::channel(self.shared.limits.inbox_commands_max);
        let active_max = self.shared.limits.active_sagas_max;
        let place = match self.shared.registry.enter(id, owner, inbox.clone(), active_max) {
            Ok(place) => place,
            Err(NoPlace::Taken(running)) => return self.join(id, running, &request).await,
            Err(NoPlace::Full) => return Err(Refusal::Full(active_max)),
        };
        let definition = &self.shared.definitions.current;
        let (saga, records) = Saga::start(id, definition, request.input.clone(), self.shared.world.moment());
        let mut driver = Driver::new(self.shared.clone(), owner, saga, Seq::NONE, records, commands, place);
        let (answer, told) = oneshot::channel();
        match request.wait {
            Wait::Started => driver.when_started(answer),
            Wait::Settled(_) => driver.when_settled(answer),
            Wait::Tried(_) => driver.when_tried(answer),
        }
        self.shared.world.spawn(Box::pin(driver.run()));
        match self.told(id, inbox, told, request.wait).await? {
            Told::Stands(snapshot) => Ok(snapshot),
            // The key's saga is in the journal already.
            Told::NotOurs => self.join_kept(id, &request).await,
        }
    }

    /// Waits for a saga that runs here, or is kept in the journal.
    pub async fn wait(&self, id: SagaId, wait: Wait) -> Result<Snapshot, Refusal> {
        match self.reach(id).await? {
            Reached::Running(inbox) => self.ask(id, inbox, wait).await,
            Reached::Kept(row) if row.projection.over || !matches!(wait, Wait::Tried(_)) => Ok(kept(*row)),
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
            if saga.handle(&demand.input(), self.shared.world.moment())?.is_empty() {
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
                        saga.handle(&demand.input(), self.shared.world.moment())?;
                        return Ok(());
                    }
                    if self.shared.membership.id() != Some(row.owner) {
                        return Err(Refusal::Asked(id));
                    }
                    self.try_out(id, demand).await?;
                    match self.resume(id, row.owner).await? {
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
        if saga.handle(&Input::TakeOver, self.shared.world.moment()).is_ok() {
            saga.handle(&demand.input(), self.shared.world.moment())?;
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
    /// under way. Whatever is not over by then can be taken over at once, by the next start or another process.
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
        let drained = async {
            while self.shared.registry.active() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(drain, drained).await.is_ok() {
            return;
        }
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
            match self.resume(id, owner).await {
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
    async fn resume(&self, id: SagaId, owner: ReplicaId) -> Result<Resumed, Refusal> {
        let Some(mut saga) = self.shared.load(id).await? else { return Err(Refusal::Unknown) };
        if saga.is_over() {
            return Ok(Resumed::Over);
        }
        let (inbox, commands) = mpsc::channel(self.shared.limits.inbox_commands_max);
        // Sagas that exist are never refused for want of room.
        let place = match self.shared.registry.enter(id, owner, inbox.clone(), usize::MAX) {
            Ok(place) => place,
            Err(NoPlace::Taken(running)) => return Ok(Resumed::Before(running)),
            Err(NoPlace::Full) => return Err(Refusal::Full(usize::MAX)),
        };
        self.shared.unpark(id);
        let durable = saga.seq();
        let records = saga.handle(&Input::TakeOver, self.shared.world.moment())?;
        let driver = Driver::new(self.shared.clone(), owner, saga, durable, records, commands, place);
        self.shared.world.spawn(Box::pin(driver.run()));
        Ok(Resumed::Here(inbox))
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
        let limit = match wait {
            Wait::Started => STARTED_WAIT,
            Wait::Settled(limit) | Wait::Tried(limit) => limit,
        };
        match timeout(limit, told).await {
            Ok(Ok(told)) => return Ok(told),
            Ok(Err(_)) => return Ok(Told::NotOurs),
            Err(_) => {}
        }
        let (answer, told) = oneshot::channel();
        let _ = inbox.send(Command::Look(answer)).await;
        match told.await {
            // Whoever is told that an order goes on may ask for it: its start has to be on disk, however short the
            // caller's own wait was.
            Ok(Told::Stands(snapshot)) if !snapshot.started => {
                let (answer, told) = oneshot::channel();
                let _ = inbox.send(Command::WhenStarted(answer)).await;
                match timeout(STARTED_WAIT.saturating_sub(limit), told).await {
                    Ok(Ok(told)) => Ok(told),
                    Ok(Err(_)) => Ok(Told::NotOurs),
                    Err(_) => Err(Refusal::InDoubt(id)),
                }
            }
            Ok(told) => Ok(told),
            Err(_) => Ok(Told::NotOurs),
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
                return Ok(Snapshot { calling, ..kept(row) });
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
    }
}

fn is_settled(row: &Row) -> bool {
    row.projection.over || row.projection.rollback == Rollback::Bloque
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
