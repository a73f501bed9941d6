//! Starts sagas, finds running ones, takes over unfinished ones, and stops.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_core::definition::DefinitionHash;
use saga_core::saga::{Input, Rejected, Rollback};
use saga_core::{Definition, Json, Saga, SagaId, Seq, Timestamp};
use saga_journal::{History, Journal, LoadError, Row, Unavailable};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::driver::{Command, Driver, Snapshot, Told};
use crate::limits::Limits;
use crate::observer::Observer;
use crate::participants::Participants;
use crate::registry::{NoPlace, Registry};
use crate::world::World;

/// Unfinished sagas are listed in pages of this size when they are taken over.
const TAKE_OVER_PAGE_ROWS: usize = 500;
/// A saga that another process runs is looked at in the journal this often while somebody waits for it.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// While the journal fails, it is tried this often, whether or not a saga has something to write.
const JOURNAL_PROBE_AFTER: Duration = Duration::from_millis(500);
/// How long `stop` waits for calls under way once the drain time is over.
const LAST_CALLS_WAIT: Duration = Duration::from_secs(10);

/// Runs sagas. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What all running sagas share.
pub(crate) struct Shared {
    pub(crate) world: Arc<dyn World>,
    pub(crate) journal: Journal,
    pub(crate) participants: Arc<dyn Participants>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) limits: Limits,
    registry: Arc<Registry>,
    definitions: Definitions,
    loaded: Mutex<HashMap<DefinitionHash, Arc<Definition>>>,
    stopping: AtomicBool,
    recovered: AtomicBool,
    failing: Mutex<Option<Failing>>,
    /// Sagas whose last entry the journal could not take.
    held_up: AtomicUsize,
}

/// Counts a saga as held up by the journal, for as long as it lives.
pub(crate) struct HeldUp(Arc<Shared>);

impl HeldUp {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.held_up.fetch_add(1, Ordering::AcqRel);
        Self(shared.clone())
    }
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        self.0.held_up.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Since when the journal fails, and why.
#[derive(Debug, Clone)]
struct Failing {
    since: Timestamp,
    reason: Arc<str>,
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
}

impl Engine {
    /// An engine that accepts sagas at once. [`Engine::recover`] has to be called too.
    pub fn new(
        world: Arc<dyn World>,
        journal: Journal,
        participants: Arc<dyn Participants>,
        observer: Arc<dyn Observer>,
        limits: Limits,
        definitions: Definitions,
    ) -> Self {
        let loaded = HashMap::from([(definitions.current.hash.clone(), definitions.current.clone())]);
        Self {
            shared: Arc::new(Shared {
                world,
                journal,
                participants,
                observer,
                limits,
                registry: Arc::default(),
                definitions,
                loaded: Mutex::new(loaded),
                stopping: AtomicBool::new(false),
                recovered: AtomicBool::new(false),
                failing: Mutex::default(),
                held_up: AtomicUsize::new(0),
            }),
        }
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
        let failing = self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Health {
            active: self.shared.registry.active(),
            recovered: self.shared.recovered.load(Ordering::Acquire),
            stopping: self.shared.stopping.load(Ordering::Acquire),
            journal_failing: failing.map(|failing| (failing.since, failing.reason)),
        }
    }

    /// Runs a checkout: starts a saga, or finds the one that its key belongs to, and waits.
    ///
    /// A caller who goes away changes nothing: the saga has a task of its own.
    pub async fn checkout(&self, request: Checkout) -> Result<Snapshot, Refusal> {
        let id = match &request.key {
            Some(key) => SagaId::from_idempotency_key(key),
            None => self.shared.world.new_saga_id(),
        };
        if let Some(running) = self.shared.registry.find(id) {
            return self.join(id, running, &request).await;
        }
        self.shared.admit()?;
        let (inbox, commands) = mpsc::channel(self.shared.limits.inbox_commands_max);
        let place = match self.shared.registry.enter(id, inbox.clone(), self.shared.limits.active_sagas_max) {
            Ok(place) => place,
            Err(NoPlace::Taken(running)) => return self.join(id, running, &request).await,
            Err(NoPlace::Full) => return Err(Refusal::Full(self.shared.limits.active_sagas_max)),
        };
        let definition = &self.shared.definitions.current;
        let (saga, records) = Saga::start(id, definition, request.input.clone(), self.shared.world.moment());
        let mut driver = Driver::new(self.shared.clone(), saga, Seq::NONE, records, commands, place);
        let (answer, told) = oneshot::channel();
        match request.wait {
            Wait::Started => driver.when_started(answer),
            Wait::Settled(_) => driver.when_settled(answer),
        }
        spawn(driver.run());
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
            Reached::Kept(row) => self.kept(row).await,
        }
    }

    /// Stops an order that is still going forward, and rolls it back. Waits for that to be over.
    pub async fn cancel(&self, id: SagaId, wait: Duration) -> Result<Snapshot, Refusal> {
        // A saga may leave this process between being found and being told; then it is found again elsewhere.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let inbox = match self.reach(id).await? {
                Reached::Running(inbox) => inbox,
                Reached::Kept(row) => {
                    // Nothing can change any more; the saga says whether that is what the caller wants.
                    let mut saga = self.shared.load(row.saga).await?.ok_or(Refusal::Unknown)?;
                    saga.handle(&Input::Cancel, self.shared.world.moment())?;
                    return self.kept(row).await;
                }
            };
            let (answer, told) = oneshot::channel();
            if inbox.send(Command::Cancel(answer)).await.is_err() {
                continue;
            }
            match told.await {
                Ok(Ok(())) => return self.ask(id, inbox, Wait::Settled(wait)).await,
                Ok(Err(rejected)) => return Err(rejected.into()),
                Err(_) => continue,
            }
        }
        Err(Refusal::Unavailable(Unavailable::because("the order keeps moving between processes")))
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

    /// Takes over every saga that is not over and not running here. Returns when each is running or parked.
    /// Keeps trying while the journal is unavailable.
    pub async fn recover(&self) {
        self.shared.keep_definition().await;
        let loads = Arc::new(Semaphore::new(self.shared.limits.take_over_loads_max));
        let mut after = None;
        let mut taken = 0;
        loop {
            match self.shared.journal.unfinished(after, TAKE_OVER_PAGE_ROWS).await {
                Ok(page) => {
                    let Some(last) = page.last() else { break };
                    after = Some(*last);
                    for id in page {
                        if self.shared.stopping.load(Ordering::Acquire) {
                            return;
                        }
                        let Ok(turn) = loads.clone().acquire_owned().await else { return };
                        let engine = self.clone();
                        taken += 1;
                        spawn(async move {
                            engine.take_over(id).await;
                            drop(turn);
                        });
                    }
                }
                Err(error) => {
                    self.shared.journal_fails(&error);
                    sleep(JOURNAL_PROBE_AFTER).await;
                }
            }
        }
        let all = u32::try_from(self.shared.limits.take_over_loads_max).unwrap_or(u32::MAX);
        let _ = loads.acquire_many(all).await;
        self.shared.observer.taken_over(taken);
        self.shared.recovered.store(true, Ordering::Release);
        if taken > 0 {
            tracing::info!(sagas = taken, "took over {taken} unfinished orders");
        }
    }

    /// Refuses new sagas, lets running ones go on for `drain`, then ends each at the next point where nothing is
    /// under way. Whatever is not over by then is taken over by the next start.
    pub async fn stop(&self, drain: Duration) {
        self.shared.stopping.store(true, Ordering::Release);
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

    async fn take_over(&self, id: SagaId) {
        loop {
            match self.resume(id).await {
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

    /// Reads a saga and runs it here, if it is not over.
    async fn resume(&self, id: SagaId) -> Result<Resumed, Refusal> {
        let Some(mut saga) = self.shared.load(id).await? else { return Err(Refusal::Unknown) };
        if saga.is_over() {
            return Ok(Resumed::Over);
        }
        let (inbox, commands) = mpsc::channel(self.shared.limits.inbox_commands_max);
        // Sagas that exist are never refused for want of room.
        let place = match self.shared.registry.enter(id, inbox.clone(), usize::MAX) {
            Ok(place) => place,
            Err(NoPlace::Taken(running)) => return Ok(Resumed::Before(running)),
            Err(NoPlace::Full) => return Err(Refusal::Full(usize::MAX)),
        };
        let durable = saga.seq();
        let records = saga.handle(&Input::TakeOver, self.shared.world.moment())?;
        spawn(Driver::new(self.shared.clone(), saga, durable, records, commands, place).run());
        Ok(Resumed::Here(inbox))
    }

    /// Finds a saga: here, or in the journal, from where it is resumed if it has something to do and nobody seems
    /// to run it.
    async fn reach(&self, id: SagaId) -> Result<Reached, Refusal> {
        if let Some(running) = self.shared.registry.find(id) {
            return Ok(Reached::Running(running));
        }
        let row = self.shared.journal.row(id).await?.ok_or(Refusal::Unknown)?;
        if row.projection.over || row.projection.rollback == Rollback::Bloque {
            return Ok(Reached::Kept(row));
        }
        match self.resume(id).await? {
            Resumed::Here(inbox) | Resumed::Before(inbox) => Ok(Reached::Running(inbox)),
            Resumed::Over => {
                let row = self.shared.journal.row(id).await?.ok_or(Refusal::Unknown)?;
                Ok(Reached::Kept(row))
            }
        }
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
            Wait::Settled(limit) => limit,
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

    /// Watches a saga that another process runs, through the journal. While this process goes down, that is the
    /// next start of this one, and nobody waits for it.
    async fn look(&self, id: SagaId, wait: Wait) -> Result<Snapshot, Refusal> {
        let give_up = match wait {
            Wait::Started => self.shared.world.now(),
            Wait::Settled(limit) => self.shared.world.now().plus(limit),
        };
        loop {
            // The order exists, so "nothing was done" would be wrong.
            let row = self.shared.journal.row(id).await.ok().flatten().ok_or(Refusal::InDoubt(id))?;
            let settled = row.projection.over || row.projection.rollback == Rollback::Bloque;
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            if settled || stopping || self.shared.world.now() >= give_up {
                return self.kept(row).await;
            }
            sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    async fn kept(&self, row: Row) -> Result<Snapshot, Refusal> {
        Ok(Snapshot {
            saga: row.saga,
            etat: row.projection.etat,
            rollback: row.projection.rollback,
            settled: row.projection.over || row.projection.rollback == Rollback::Bloque,
            started: true,
            input: Json::null(),
        })
    }
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
    /// Over, or blocked with nothing to do but wait for a person.
    Kept(Row),
}

fn same_request(id: SagaId, input: &Json, request: &Checkout) -> Result<(), Refusal> {
    if input.same_value(&request.input) { Ok(()) } else { Err(Refusal::KeyReused(id)) }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    #[expect(clippy::disallowed_methods, reason = "the engine's tasks are started here and nowhere else")]
    tokio::spawn(task);
}

impl Shared {
    /// Whether a new saga may start, before anything is written.
    fn admit(&self) -> Result<(), Refusal> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(Refusal::Stopping);
        }
        match &*self.failing.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failing) => Err(Refusal::Unavailable(Unavailable(failing.reason.clone()))),
            None => Ok(()),
        }
    }

    /// Notes that something could be written. The journal works again only when nothing is held up any more: a
    /// disk that is nearly full takes a small entry now and then.
    pub(crate) fn journal_works(&self) {
        if self.held_up.load(Ordering::Acquire) > 0 {
            return;
        }
        let failed = self.failing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(failing) = failed {
            let seconds = self.now_since(failing.since).as_secs_f64();
            tracing::info!(outage.seconds = seconds, "the journal works again after {seconds:.1} s");
        }
    }

    /// Notes that the journal fails. New sagas are refused until it works again; a probe finds out when.
    pub(crate) fn journal_fails(self: &Arc<Self>, error: &Unavailable) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_none() {
            tracing::error!(error = %error, "the journal fails: new orders are refused until it works again");
            *failing = Some(Failing { since: self.world.now(), reason: error.0.clone() });
            let shared = self.clone();
            spawn(async move { shared.probe_journal().await });
        }
    }

    async fn probe_journal(self: Arc<Self>) {
        loop {
            sleep(JOURNAL_PROBE_AFTER).await;
            if self.failing.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                return;
            }
            let current = &self.definitions.current;
            let kept =
                self.journal.define(current.hash.clone(), current.name.clone(), current.source.clone()).await;
            if kept.is_ok() {
                self.journal_works();
            }
        }
    }

    fn now_since(&self, then: Timestamp) -> Duration {
        self.world.now().since(then)
    }

    /// Keeps the current definition, so that its sagas can be read back whatever becomes of the file.
    async fn keep_definition(self: &Arc<Self>) {
        let current = &self.definitions.current;
        while let Err(error) =
            self.journal.define(current.hash.clone(), current.name.clone(), current.source.clone()).await
        {
            self.journal_fails(&error);
            sleep(JOURNAL_PROBE_AFTER).await;
        }
    }

    async fn load(&self, id: SagaId) -> Result<Option<Saga>, Refusal> {
        match self.journal.load(id).await? {
            Some(history) => self.fold(id, &history).await.map(Some),
            None => Ok(None),
        }
    }

    async fn fold(&self, id: SagaId, history: &History) -> Result<Saga, Refusal> {
        let definition = self.pinned(&history.definition_hash).await?;
        Saga::fold(id, definition, &history.records)
            .map_err(|error| Refusal::Damaged(error.to_string().into()))
    }

    /// The definition that a saga is pinned to.
    async fn pinned(&self, hash: &DefinitionHash) -> Result<Arc<Definition>, Refusal> {
        let known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned();
        if let Some(definition) = known {
            return Ok(definition);
        }
        let damaged = |reason: String| Refusal::Damaged(reason.into());
        let source = self.journal.definition(hash.clone()).await?.ok_or_else(|| {
            damaged(format!("the definition {hash} that the order is pinned to is not in the journal"))
        })?;
        let definition = (self.definitions.read)(&source).map_err(|error| {
            damaged(format!("the definition {hash} that the order is pinned to cannot be read: {error}"))
        })?;
        let definition = Arc::new(definition);
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(hash.clone(), definition.clone());
        Ok(definition)
    }

    async fn park(&self, id: SagaId, error: &Refusal) {
        tracing::error!(saga.id = %id, error = %error, "cannot go on with an order; it is parked for a person");
        self.observer.parked();
        if let Err(error) = self.journal.park(id, error.to_string().into()).await {
            tracing::error!(saga.id = %id, error = %error, "cannot flag the parked order in the journal");
        }
    }
}
