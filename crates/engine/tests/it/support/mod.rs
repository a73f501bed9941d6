//! A small world: its journal, its participants, its time.

mod gated;
mod scripted;

use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saga_core::definition::Variables;
use saga_core::retry::Random;
use saga_core::{CallbackSecret, Definition, SagaId, Timestamp};
use saga_engine::participants::Participants;
use saga_engine::world::{Task, World};
use saga_engine::{
    Busy, Caller, Clock, Definitions, Engine, Evaluation, Limits, Refusal, Silent, Snapshot, Start, Wait,
};
use saga_journal::Journal;
use saga_testkit::definition::change;
use saga_testkit::dice::Dice;
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub use self::gated::Gated;
pub use self::scripted::{Scripted, answered};

/// Where the services of a test call back.
const CALLED_BACK_AT: &str = "https://sagas.example/api/callbacks";

pub const CHECKOUT: &str = include_str!("../../../../../sagas/checkout.yaml");

/// The built-in checkout, with another safety for its three services.
pub fn checkout(safety: &str) -> Definition {
    // The sale's compensation of the built-in definition suits every safety.
    parse(&change(CHECKOUT).set("participants.*.safety", safety).text())
}

pub fn parse(source: &str) -> Definition {
    Definition::parse("test.yaml", source, &|_| None).unwrap()
}

/// Tokio's clock, and random numbers from a seed of its own.
pub struct Paused {
    begun: Instant,
    dice: Dice,
    /// How far the machine's wall clock is ahead of the right time, in seconds.
    ahead: Arc<AtomicI64>,
    /// How many evaluations took long.
    elsewhere: Arc<AtomicUsize>,
    tasks: Tasks,
}

/// The tasks of one process.
type Tasks = Arc<Mutex<Vec<AbortHandle>>>;

impl World for Paused {
    fn wall(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::SeqCst) * 1_000_000;
        Timestamp::from_micros(1_700_000_000_000_000 + ahead).plus(self.begun.elapsed())
    }

    fn random(&self) -> Random {
        Random(self.dice.next())
    }

    fn secret(&self) -> io::Result<CallbackSecret> {
        Ok(CallbackSecret::drawn(u128::from(self.dice.next())))
    }

    fn spawn(&self, task: Task) {
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        let task = tokio::spawn(task);
        let mut tasks = self.tasks.lock().unwrap();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
    }

    fn evaluate(&self, evaluation: Evaluation) -> Result<(), Busy> {
        self.elsewhere.fetch_add(1, Ordering::SeqCst);
        evaluation();
        Ok(())
    }
}

/// Each engine draws other numbers, as each process does. Their clocks show the same times.
static SEEDS: AtomicU64 = AtomicU64::new(1);

/// The events, in order.
pub type Log = Arc<Mutex<Vec<String>>>;

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
    tasks: Tasks,
}

impl Shop {
    pub fn new(safety: &str) -> Self {
        Self::with_limits(safety, Limits::default())
    }

    pub fn with_limits(safety: &str, limits: Limits) -> Self {
        Self::serving(checkout(safety), limits)
    }

    /// A shop whose orders run another definition, with the checkout's input.
    pub fn serving(definition: Definition, limits: Limits) -> Self {
        let log = Log::default();
        let journal = Arc::new(Gated::open_now(log.clone()));
        let participants = Arc::new(Scripted::logging_to(log.clone()));
        let ahead = Arc::new(AtomicI64::new(0));
        let elsewhere = Arc::new(AtomicUsize::new(0));
        let world = paused(ahead.clone(), elsewhere.clone());
        let tasks = world.tasks.clone();
        let engine = engine(definition, limits, &journal, participants.clone(), world);
        Self { engine, journal, participants, log, ahead, elsewhere, tasks }
    }

    /// A shop whose calls go another way than by its script.
    pub fn with_participants(participants: Arc<dyn Participants>) -> Self {
        let shop = Self::new("barrier");
        let engine = engine(
            checkout("barrier"),
            Limits::default(),
            &shop.journal,
            participants,
            paused(shop.ahead.clone(), shop.elsewhere.clone()),
        );
        Self { engine, ..shop }
    }

    /// A shop whose orders run another definition, with the checkout's input, and whose calls go another way.
    pub fn serving_through(definition: Definition, participants: Arc<dyn Participants>) -> Self {
        let shop = Self::new("barrier");
        let world = paused(shop.ahead.clone(), shop.elsewhere.clone());
        let engine = engine(definition, Limits::default(), &shop.journal, participants, world);
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
            checkout(safety),
            Limits::default(),
            &self.journal,
            self.participants.clone(),
            paused(ahead, Arc::default()),
        );
        engine.recover().await;
        engine
    }

    /// Kills this process, and starts it again.
    pub async fn killed_and_restarted(self, safety: &str) -> Self {
        let next = self.killed(safety);
        next.engine.recover().await;
        next
    }

    /// The same, before the next process looks at what this one has left.
    pub fn killed(self, safety: &str) -> Self {
        self.tasks.lock().unwrap().iter().for_each(AbortHandle::abort);
        let world = paused(self.ahead.clone(), self.elsewhere.clone());
        let tasks = world.tasks.clone();
        let engine =
            engine(checkout(safety), Limits::default(), &self.journal, self.participants.clone(), world);
        Self { engine, tasks, ..self }
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// A machine where every variable is a secret.
pub struct Secrets;

impl Variables for Secrets {
    fn variable(&self, _: &str) -> Option<String> {
        Some("s3cret".into())
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("there are no files".into())
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
    Paused { begun: Instant::now(), dice, ahead, elsewhere, tasks: Tasks::default() }
}

fn engine(
    definition: Definition,
    limits: Limits,
    journal: &Arc<Gated>,
    participants: Arc<dyn Participants>,
    world: Paused,
) -> Engine {
    let served = vec![Arc::new(definition)];
    let read = |source: &str, format| Definition::read(source, format, &NoEnv).map_err(|e| e.to_string());
    Engine::new(
        Arc::new(Clock::new(Arc::new(world))),
        Journal::new(journal.clone()),
        participants,
        Arc::new(Silent),
        limits,
        Definitions { served, orders: None, callbacks_at: Some(CALLED_BACK_AT.into()), read: Box::new(read) },
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
        self.start(Start {
            input,
            id,
            wait: order.wait,
            caller: order.caller,
            slots_percent_max: None,
            by: None,
            trace: None,
        })
        .await
    }
}

pub const PATIENT: Wait = Wait::settled(Duration::from_secs(600));
