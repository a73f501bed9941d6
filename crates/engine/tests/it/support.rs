//! A small world: its journal, its participants, its time.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::definition::{DefinitionHash, Variables};
use saga_core::reply::{Answer, Reply};
use saga_core::retry::Random;
use saga_core::saga::Request;
use saga_core::{CommandId, Definition, SagaId, Timestamp};
use saga_engine::participants::{Calling, Participants};
use saga_engine::world::{Task, World};
use saga_engine::{
    Busy, Caller, Clock, Definitions, Engine, Evaluation, Limits, Refusal, Silent, Snapshot, Start, Wait,
};
use saga_journal::memory::Memory;
use saga_journal::{
    AppendError, Backlog, CommandStatus, Cursor, Entry, Filter, Histories, History, Inbox, Joining, Journal,
    KeptCommand, KeptDefinition, KeptRow, Lease, Library, LoadError, Membership, Page, Posted, ReplicaId,
    StoreFuture, Unavailable,
};
use saga_testkit::definition::change;
use saga_testkit::dice::Dice;
use tokio::sync::watch;
use tokio::time::Instant;

pub const CHECKOUT: &str = include_str!("../../../../sagas/checkout.yaml");

/// The built-in checkout, with another safety for its three services.
pub fn checkout(safety: &str) -> Definition {
    let source = change(CHECKOUT).set("participants.*.safety", safety).text();
    // The sale's compensation of the built-in definition suits every safety.
    Definition::parse("checkout.yaml", &source, &|_| None).unwrap()
}

/// Tokio's clock, and random numbers from a seed of its own.
pub struct Paused {
    begun: Instant,
    dice: Dice,
    /// How far the machine's wall clock is ahead of the right time, in seconds.
    ahead: Arc<AtomicI64>,
    /// How many evaluations took long.
    elsewhere: Arc<AtomicUsize>,
}

impl World for Paused {
    fn wall(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::SeqCst) * 1_000_000;
        Timestamp::from_micros(1_700_000_000_000_000 + ahead).plus(self.begun.elapsed())
    }

    fn random(&self) -> Random {
        Random(self.dice.next())
    }

    fn spawn(&self, task: Task) {
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(task);
    }

    fn evaluate(&self, evaluation: Evaluation) -> Result<(), Busy> {
        self.elsewhere.fetch_add(1, Ordering::SeqCst);
        evaluation();
        Ok(())
    }
}

/// A memory journal behind a gate: appends wait while it is shut, and fail while it is broken.
pub struct Gated {
    memory: Memory,
    open: watch::Sender<bool>,
    pub broken: AtomicBool,
    /// Words left for owners cannot be read.
    pub deaf: AtomicBool,
    /// Keep the next batch, but lose its answer.
    pub lose_answer: AtomicBool,
    /// Renewing the lease panics.
    pub panics: AtomicBool,
    /// Appending panics.
    pub appends_panic: AtomicBool,
    /// The journal has a clock of its own, which shows the right time.
    pub has_clock: AtomicBool,
    /// How far its clock has been set on, in seconds.
    stepped: AtomicI64,
    begun: Instant,
    pub log: Log,
}

/// Each engine draws other numbers, as each process does. Their clocks show the same times.
static SEEDS: AtomicU64 = AtomicU64::new(1);

/// What happened, in order.
pub type Log = Arc<Mutex<Vec<String>>>;

impl Gated {
    /// Sets the journal's clock on, as its administrator may.
    pub fn step_clock(&self, seconds: i64) {
        self.stepped.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

impl Histories for Gated {
    fn append<'a>(
        &'a self,
        batch: &'a [Entry],
    ) -> StoreFuture<'a, Result<Vec<Result<(), AppendError>>, Unavailable>> {
        Box::pin(async move {
            assert!(!self.appends_panic.load(Ordering::SeqCst), "on purpose");
            let mut open = self.open.subscribe();
            let _ = open.wait_for(|open| *open).await;
            if self.broken.load(Ordering::SeqCst) {
                return Err(Unavailable::because("broken"));
            }
            let results = self.memory.append(batch).await?;
            for (entry, result) in batch.iter().zip(&results) {
                let last = entry.expected.plus(entry.records.len());
                let how = if result.is_ok() { "durable" } else { "conflict" };
                self.log.lock().unwrap().push(format!("{how} {}-{last}", entry.expected.next()));
            }
            if self.lose_answer.swap(false, Ordering::SeqCst) {
                return Err(Unavailable::because("the answer was lost"));
            }
            Ok(results)
        })
    }

    fn load(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<History>, LoadError>> {
        self.memory.load(saga)
    }

    fn row(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<KeptRow>, Unavailable>> {
        self.memory.row(saga)
    }

    fn backlog(&self) -> StoreFuture<'_, Result<Backlog, Unavailable>> {
        self.memory.backlog()
    }

    fn list(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Page, Unavailable>> {
        self.memory.list(filter, after, limit)
    }

    fn park(&self, saga: SagaId, reason: Arc<str>) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.park(saga, reason)
    }

    fn probe(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("broken")) });
        }
        self.memory.probe()
    }
}

impl Membership for Gated {
    fn join(
        &self,
        replica: ReplicaId,
        name: Arc<str>,
        joining: Joining,
        lease: Duration,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.join(replica, name, joining, lease)
    }

    fn clock(&self) -> StoreFuture<'_, Result<Option<Timestamp>, Unavailable>> {
        let stepped = self.stepped.load(Ordering::SeqCst) * 1_000_000;
        let right = Timestamp::from_micros(1_700_000_000_000_000 + stepped).plus(self.begun.elapsed());
        let time = self.has_clock.load(Ordering::SeqCst).then_some(right);
        Box::pin(async move { Ok(time) })
    }

    fn renew(&self, replica: ReplicaId, lease: Duration) -> StoreFuture<'_, Result<Lease, Unavailable>> {
        assert!(!self.panics.load(Ordering::SeqCst), "the store panics");
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("broken")) });
        }
        self.memory.renew(replica, lease)
    }

    fn leave(&self, replica: ReplicaId) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.leave(replica)
    }

    fn expire(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.expire()
    }

    fn claim(&self, replica: ReplicaId, limit: usize) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        self.memory.claim(replica, limit)
    }

    fn owned(
        &self,
        replica: ReplicaId,
        after: Option<SagaId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        self.memory.owned(replica, after, limit)
    }
}

impl Inbox for Gated {
    fn post(&self, command: KeptCommand) -> StoreFuture<'_, Result<Posted, Unavailable>> {
        self.memory.post(command)
    }

    fn commands(
        &self,
        replica: ReplicaId,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptCommand>, Unavailable>> {
        if self.deaf.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("deaf")) });
        }
        self.memory.commands(replica, limit)
    }

    fn status(
        &self,
        saga: SagaId,
        command: CommandId,
    ) -> StoreFuture<'_, Result<CommandStatus, Unavailable>> {
        self.memory.status(saga, command)
    }

    fn refuse(
        &self,
        saga: SagaId,
        command: CommandId,
        why: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.refuse(saga, command, why)
    }

    fn remove(&self, saga: SagaId, command: CommandId) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.remove(saga, command)
    }

    fn forget_refused(&self, before: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.forget_refused(before)
    }
}

impl Library for Gated {
    fn define(&self, hash: DefinitionHash, kept: KeptDefinition) -> StoreFuture<'_, Result<(), Unavailable>> {
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("broken")) });
        }
        self.memory.define(hash, kept)
    }

    fn definition(
        &self,
        hash: DefinitionHash,
    ) -> StoreFuture<'_, Result<Option<KeptDefinition>, Unavailable>> {
        self.memory.definition(hash)
    }
}

/// Participants that answer well at once, but for what the script says.
#[derive(Default)]
pub struct Scripted {
    /// By "step direction": what the next calls get.
    script: Mutex<HashMap<String, VecDeque<(Duration, Reply)>>>,
    /// By "step direction": what every call gets, where nothing else is scripted.
    always: Mutex<HashMap<String, Reply>>,
    /// By "step direction": calls that panic.
    panicking: Mutex<Vec<String>>,
    /// Calls whose path ends so are never answered.
    unanswered: Mutex<Vec<String>>,
    pub log: Log,
}

impl Scripted {
    /// The next call of `what` ("stock action") gets `reply` after `delay`.
    pub fn next(&self, what: &str, delay: Duration, reply: Reply) {
        self.script.lock().unwrap().entry(what.into()).or_default().push_back((delay, reply));
    }

    /// Every call of `what` gets `reply` from now on; `None`: a good one.
    pub fn always(&self, what: &str, reply: Option<Reply>) {
        let mut always = self.always.lock().unwrap();
        match reply {
            Some(reply) => _ = always.insert(what.into(), reply),
            None => _ = always.remove(what),
        }
    }

    /// Every call of `what` panics in the task that makes it.
    pub fn panic(&self, what: &str) {
        self.panicking.lock().unwrap().push(what.into());
    }

    /// No call panics any more.
    pub fn mend(&self) {
        self.panicking.lock().unwrap().clear();
    }

    /// Calls whose path ends so are never answered.
    pub fn never(&self, path: String) {
        self.unanswered.lock().unwrap().push(path);
    }

    /// How often `what` was called.
    pub fn calls(&self, what: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.starts_with(&format!("call {what}"))).count()
    }
}

pub fn answered(status: u16, body: &str) -> Reply {
    Reply::Answered(Answer { status, body: body.into(), ..Answer::default() })
}

impl Participants for Scripted {
    fn call(
        &self,
        definition: &Arc<Definition>,
        step: usize,
        request: Request,
        timeout: Duration,
    ) -> Calling {
        let what = format!("{} {}", request.step, request.direction);
        let line = format!("call {what} #{} epoch {}", request.attempt.get(), request.epoch.get());
        self.log.lock().unwrap().push(line);
        if self.unanswered.lock().unwrap().iter().any(|path| request.path.ends_with(path)) {
            let lost = Reply::Lost { reason: "no answer in time".into() };
            return Box::pin(async move {
                tokio::time::sleep(timeout).await;
                lost
            });
        }
        assert!(!self.panicking.lock().unwrap().contains(&what), "a bug in {what}");
        let scripted = self.script.lock().unwrap().get_mut(&what).and_then(VecDeque::pop_front);
        let good = if definition.steps[step].is_read() {
            answered(200, r#"[{"produit_id":1,"quantite":3,"prix":19.99}]"#)
        } else {
            answered(200, r#"{"id":1}"#)
        };
        let usual = self.always.lock().unwrap().get(&what).cloned().unwrap_or(good);
        let (delay, reply) = scripted.unwrap_or((Duration::ZERO, usual));
        Box::pin(async move {
            match tokio::time::timeout(timeout, tokio::time::sleep(delay)).await {
                Ok(()) => reply,
                Err(_) => Reply::Lost { reason: "no answer in time".into() },
            }
        })
    }
}

/// One process's engine, and what it shares with the next one.
pub struct Shop {
    pub engine: Engine,
    pub journal: Arc<Gated>,
    pub participants: Arc<Scripted>,
    pub log: Log,
    /// How far this process's wall clock is ahead of the right time, in seconds.
    pub ahead: Arc<AtomicI64>,
    /// How many of its evaluations took long.
    pub elsewhere: Arc<AtomicUsize>,
}

impl Shop {
    pub fn new(safety: &str) -> Self {
        Self::with_limits(safety, Limits::default())
    }

    pub fn with_limits(safety: &str, limits: Limits) -> Self {
        let log = Log::default();
        let journal = Arc::new(Gated {
            memory: Memory::default(),
            open: watch::channel(true).0,
            broken: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            lose_answer: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            appends_panic: AtomicBool::new(false),
            has_clock: AtomicBool::new(false),
            stepped: AtomicI64::new(0),
            begun: Instant::now(),
            log: log.clone(),
        });
        let participants = Arc::new(Scripted { log: log.clone(), ..Scripted::default() });
        let ahead = Arc::new(AtomicI64::new(0));
        let elsewhere = Arc::new(AtomicUsize::new(0));
        let world = paused(ahead.clone(), elsewhere.clone());
        let engine = engine(safety, limits, &journal, participants.clone(), world);
        Self { engine, journal, participants, log, ahead, elsewhere }
    }

    /// A shop whose calls go another way than by its script.
    pub fn with_participants(participants: Arc<dyn Participants>) -> Self {
        let shop = Self::new("barrier");
        let engine = engine(
            "barrier",
            Limits::default(),
            &shop.journal,
            participants,
            paused(shop.ahead.clone(), shop.elsewhere.clone()),
        );
        Self { engine, ..shop }
    }

    /// Another process on the same journal and participants.
    pub async fn restarted(&self, safety: &str) -> Engine {
        self.restarted_ahead(safety, 0).await
    }

    /// The same on a machine whose wall clock is `ahead` of the right time, in seconds.
    pub async fn restarted_ahead(&self, safety: &str, ahead: i64) -> Engine {
        let ahead = Arc::new(AtomicI64::new(ahead));
        let engine = engine(
            safety,
            Limits::default(),
            &self.journal,
            self.participants.clone(),
            paused(ahead, Arc::default()),
        );
        engine.recover().await;
        engine
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// A machine where nothing is set.
struct NoEnv;

impl Variables for NoEnv {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("there are no files".into())
    }
}

fn paused(ahead: Arc<AtomicI64>, elsewhere: Arc<AtomicUsize>) -> Paused {
    let dice = Dice::new(SEEDS.fetch_add(1, Ordering::Relaxed));
    Paused { begun: Instant::now(), dice, ahead, elsewhere }
}

fn engine(
    safety: &str,
    limits: Limits,
    journal: &Arc<Gated>,
    participants: Arc<dyn Participants>,
    world: Paused,
) -> Engine {
    let served = vec![Arc::new(checkout(safety))];
    let read = |source: &str, format| Definition::read(source, format, &NoEnv).map_err(|e| e.to_string());
    Engine::new(
        Arc::new(Clock::new(Arc::new(world))),
        Journal::new(journal.clone()),
        participants,
        Arc::new(Silent),
        limits,
        Definitions { served, read: Box::new(read) },
        "essai",
    )
}

/// A client's order, for whatever an engine serves.
pub struct Order {
    pub client: i64,
    pub key: Option<String>,
    pub wait: Wait,
    pub caller: Caller,
}

pub fn order(client: i64, key: Option<&str>, wait: Wait) -> Order {
    Order { client, key: key.map(str::to_owned), wait, caller: Caller::Unknown }
}

pub trait Place {
    /// Starts the order's saga, or finds the one of its key.
    async fn place(&self, order: Order) -> Result<Snapshot, Refusal>;
}

impl Place for Engine {
    async fn place(&self, order: Order) -> Result<Snapshot, Refusal> {
        let body = format!(r#"{{"client_id":{},"magasin_id":1}}"#, order.client);
        let input = self.definitions()[0].read_input(body.as_bytes()).unwrap();
        let id = order.key.as_deref().map(SagaId::from_idempotency_key);
        self.start(Start { input, id, wait: order.wait, caller: order.caller }).await
    }
}

pub const PATIENT: Wait = Wait::settled(Duration::from_secs(600));
