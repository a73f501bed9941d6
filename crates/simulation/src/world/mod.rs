//! One world, from its seed to its verdict.
//!
//! - `chance.rs`: what becomes of calls.
//! - `trouble.rs`: what becomes of processes and the database.
//! - `people.rs`: callers, and the person who clears what is blocked.

mod chance;
mod people;
mod trouble;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::definition::Format;
use saga_core::{Definition, Event, SagaId};
use saga_engine::{Caller, Clock, Definitions, Engine, Limits, Observer, Start, Wait};
use saga_journal::{Histories, Journal, KeptRow};
use tokio::time::{Instant, sleep, timeout};

use self::chance::Chance;
use crate::bugs::{Bug, Lies};
use crate::definition::{self, Spec};
use crate::dice::Dice;
use crate::disk::{Disk, Line, LineFaults};
use crate::judge;
use crate::process::{Inside, Process, outside, silence_panics_on_purpose};
use crate::record::{Recorder, Report};
use crate::shop::{Gate, Shop, now};
use crate::small::{self, Script};

/// From the end of all faults to everybody's end: a lease, the longest wait for a retry, and some more.
const TAIL: Duration = Duration::from_secs(180);
/// How far processes' wall clocks are off, in microseconds.
const SKEWS_US: [i64; 6] = [0, 0, 3_000_000, -3_000_000, 600_000_000, -600_000_000];
/// How soon orders that have nothing to do leave memory. Waits are short here.
const SLEEP_AFTER: Duration = Duration::from_millis(700);
/// How often a person goes through the inbox.
const ROUNDS: usize = 12;

/// Which world.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Whether to write down what happens.
    pub traced: bool,
    /// What is broken on purpose.
    pub bug: Option<Bug>,
}

/// Runs a world to its end.
pub fn run(plan: Plan) -> Report {
    silence_panics_on_purpose();
    let _bug = Lies::of(plan.bug).begin();
    run_paused(async {
        let world = Arc::new(World::drawn(plan));
        world.live().await;
        world.recorder.take()
    })
}

/// Runs a world on one thread, in which time passes only when nobody has anything to do.
fn run_paused<T>(world: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("start a runtime: {error}"));
    runtime.block_on(world)
}

/// An order, as its caller knows it.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: SagaId,
    /// Whether anybody was told that it exists.
    pub(crate) acknowledged: bool,
}

pub(crate) struct World {
    pub(crate) specs: Vec<Spec>,
    pub(crate) definition: Arc<Definition>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) shop: Arc<Shop>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) orders: Mutex<Vec<Order>>,
    dice: Dice,
    kind: Arc<AtomicBool>,
    line_faults: LineFaults,
    lies: Lies,
    replicas: Mutex<Vec<Replica>>,
    script: Option<Arc<Script>>,
    begun: Instant,
    skews: Vec<i64>,
    callers: usize,
    /// Of process faults, out of a thousand for each tenth of a second.
    crash: u32,
    pause: u32,
    shutdown: u32,
    outage: u32,
    clock_steps: u32,
}

struct Replica {
    process: Arc<Process>,
    engine: Engine,
}

impl World {
    fn drawn(plan: Plan) -> Self {
        let lies = Lies::of(plan.bug);
        let dice = Dice::new(plan.seed ^ 0x5eed_5a6a);
        let recorder = Arc::new(Recorder::new(plan.seed, plan.traced));
        let specs = definition::drawn(&dice);
        let calls_max = dice.one(&[1, 2, 256, 256]);
        let definition = definition::definition(&specs, dice.one(&[3, 10, 60]), calls_max, lies);
        let count = 1 + dice.below(3);
        let disk = Arc::new(Disk::new(count > 1 || dice.chance(500)));
        let kind = Arc::new(AtomicBool::new(false));
        let fates = Arc::new(Chance::drawn(dice.split(), kind.clone()));
        let shop = Shop::new(specs.clone(), disk.clone(), recorder.clone(), fates, lies);
        let seldom = |dice: &Dice| dice.one(&[0, 0, 10, 50]);
        let line_faults = LineFaults {
            refused: seldom(&dice),
            answer_lost: seldom(&dice),
            stalled: dice.one(&[0, 0, 5, 30]),
            unavailable: seldom(&dice),
            panics: dice.one(&[0, 0, 0, 2, 10]),
        };
        let skews = (0..count).map(|_| dice.one(&SKEWS_US)).collect();
        recorder.note(|| format!("steps {specs:?}; line {line_faults:?}; {count} replicas"));
        Self {
            specs,
            definition,
            disk,
            shop,
            recorder,
            orders: Mutex::default(),
            kind,
            line_faults,
            lies,
            replicas: Mutex::default(),
            script: None,
            begun: Instant::now(),
            skews,
            callers: 2 + dice.below(6),
            crash: dice.one(&[0, 2, 8, 20]),
            pause: dice.one(&[0, 2, 8]),
            shutdown: dice.one(&[0, 0, 2, 8]),
            outage: dice.one(&[0, 0, 1, 4]),
            clock_steps: dice.one(&[0, 0, 5, 20]),
            dice,
        }
    }

    /// A world of one order and one process, in which what the script says happens and nothing else.
    pub(crate) fn small(specs: Vec<Spec>, definition: Arc<Definition>, script: Arc<Script>) -> Report {
        run_paused(async {
            let recorder = Arc::new(Recorder::new(0, false));
            let disk = Arc::new(Disk::new(false));
            let lies = Lies::default();
            let shop = Shop::new(specs.clone(), disk.clone(), recorder.clone(), script.clone(), lies);
            let world = Arc::new(Self {
                specs,
                definition,
                disk,
                shop,
                recorder,
                orders: Mutex::default(),
                kind: Arc::new(AtomicBool::new(true)),
                line_faults: LineFaults::default(),
                lies,
                replicas: Mutex::default(),
                script: Some(script),
                begun: Instant::now(),
                skews: vec![0],
                callers: 1,
                crash: 0,
                pause: 0,
                shutdown: 0,
                outage: 0,
                clock_steps: 0,
                dice: Dice::new(0),
            });
            world.live_small().await;
            world.recorder.take()
        })
    }

    async fn live_small(self: &Arc<Self>) {
        let replica = self.start(0);
        self.replicas().push(replica);
        let id = small::the_order();
        self.orders().push(Order { id, acknowledged: false });
        let ends = Instant::now() + TAIL;
        while Instant::now() < ends && !self.recorder.is_broken() {
            self.restart_the_dead();
            if self.row(id).is_none() {
                let Ok(input) = self.definition.read_input(b"{\"n\":1}") else { return };
                let request = Start { input, id: Some(id), wait: Wait::started(), caller: Caller::Unknown };
                let answer = self.ask(0, move |engine| async move { engine.start(request).await });
                if let Ok(Some(Ok(snapshot))) = timeout(Duration::from_secs(1), answer).await {
                    self.told(id, &snapshot);
                }
            }
            sleep(Duration::from_millis(50)).await;
            let is_settled = self.row(id).is_some_and(|row| row.row.over || is_blocked(&row));
            let is_alive = !self.replicas()[0].process.is_dead();
            if is_settled && is_alive && !self.shop.is_anything_in_transit() {
                break;
            }
        }
        self.be_kind().await;
        judge::judge(self);
        self.replicas()[0].process.kill();
    }

    /// Starts the process in this place.
    fn start(&self, place: usize) -> Replica {
        // Where the journal has no clock, the machine's is what there is, and it may be set between two starts.
        let skew = match self.script {
            None if !self.disk.has_clock => self.dice.one(&SKEWS_US),
            _ => self.skews[place],
        };
        if skew != 0 {
            self.recorder.hit(if skew > 0 { "process: clock ahead" } else { "process: clock behind" });
        }
        let process = Process::new(self.begun, skew, self.dice.split(), self.recorder.clone());
        let line = Line {
            disk: self.disk.clone(),
            process: process.clone(),
            recorder: self.recorder.clone(),
            dice: self.dice.split(),
            faults: self.line_faults,
            kind: self.kind.clone(),
            deadline: self.definition.deadline,
            lies: self.lies,
            script: self.script.clone(),
        };
        let engine = engine(&process, line, &self.shop, &self.definition, &format!("r{place}"));
        engine.recover_in_background();
        // Whoever runs the process ends it when a part of it is dead.
        let (watched, supervised) = (engine.clone(), process.clone());
        if self.lies.is_supervised() {
            process.start(Box::pin(async move {
                watched.died().await;
                supervised.kill();
            }));
        }
        Replica { process, engine }
    }

    async fn live(self: &Arc<Self>) {
        for place in 0..self.skews.len() {
            let replica = self.start(place);
            self.replicas().push(replica);
        }
        for number in 0..self.callers {
            let caller = self.clone();
            outside(async move { caller.call(number).await });
        }
        self.break_things().await;
        self.be_kind().await;
        judge::judge(self);
        for replica in self.replicas().iter() {
            replica.process.kill();
        }
    }

    fn replicas(&self) -> MutexGuard<'_, Vec<Replica>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn orders(&self) -> MutexGuard<'_, Vec<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn row(&self, id: SagaId) -> Option<KeptRow> {
        now(self.disk.memory.row(id)).ok().flatten()
    }

    pub(crate) fn history(&self, id: SagaId) -> Vec<Event> {
        let history = now(self.disk.memory.load(id)).ok().flatten();
        history
            .map_or_else(Vec::new, |history| history.records.into_iter().map(|record| record.event).collect())
    }

    /// No more faults. Everything has to come to its end or be blocked; then people clear what is blocked.
    async fn be_kind(self: &Arc<Self>) {
        self.recorder.note(|| "no more faults".into());
        self.kind.store(true, Ordering::Relaxed);
        self.disk.is_out.store(false, Ordering::Relaxed);
        for place in 0..self.skews.len() {
            let process = self.replicas()[place].process.clone();
            process.wake();
        }
        self.restart_the_dead();
        let blocked = self.settle(TAIL, |row| row.row.over || is_blocked(row)).await;
        for row in blocked.iter().filter(|row| !row.row.over && !is_blocked(row)) {
            self.recorder.violation(
                "P6",
                format_args!(
                    "{} is still {} {:?} after {TAIL:?} without faults",
                    row.saga,
                    row.row.state,
                    row.rollback()
                ),
            );
        }
        for _ in 0..ROUNDS {
            let blocked: Vec<SagaId> =
                self.rows().iter().filter(|row| is_blocked(row)).map(|row| row.saga).collect();
            if blocked.is_empty() || self.recorder.is_broken() {
                break;
            }
            for id in blocked {
                self.clear(id).await;
            }
            // What a person cannot settle goes on by itself, at its slow rate.
            sleep(Duration::from_secs(5)).await;
            self.settle(TAIL, |row| row.row.over || is_blocked(row)).await;
        }
        for row in self.rows().iter().filter(|row| !row.row.over) {
            self.recorder
                .violation("P6", format_args!("{} cannot be cleared by a person: {:?}", row.saga, row.row));
        }
    }

    fn restart_the_dead(&self) {
        for place in 0..self.skews.len() {
            if self.replicas()[place].process.is_dead() {
                let replica = self.start(place);
                self.replicas()[place] = replica;
            }
        }
    }

    /// Waits until all orders are `fine` and nothing is on its way, but no longer than `limit`.
    async fn settle(&self, limit: Duration, fine: impl Fn(&KeptRow) -> bool) -> Vec<KeptRow> {
        let ends = Instant::now() + limit;
        loop {
            sleep(Duration::from_millis(250)).await;
            self.restart_the_dead();
            let rows = self.rows();
            let quiet = rows.iter().all(&fine) && !self.shop.is_anything_in_transit();
            if quiet || Instant::now() >= ends || self.recorder.is_broken() {
                return rows;
            }
        }
    }

    pub(crate) fn rows(&self) -> Vec<KeptRow> {
        let ids: Vec<SagaId> = self.orders().iter().map(|order| order.id).collect();
        ids.into_iter().filter_map(|id| self.row(id)).collect()
    }
}

pub(crate) fn is_blocked(row: &KeptRow) -> bool {
    row.rollback() == saga_core::saga::Rollback::Blocked
}

/// Sees to it that orders' tasks panic only where an answer makes them.
struct Watching {
    shop: Arc<Shop>,
    process: Arc<Process>,
}

impl Observer for Watching {
    fn task_failed(&self) {
        let recorder = self.process.recorder();
        recorder.hit("saga: task panics");
        if self.shop.panics.fetch_sub(1, Ordering::Relaxed) <= 0 {
            recorder.violation("no panics", "an order's task");
        }
    }
}

/// An engine inside of a process.
pub(crate) fn engine(
    process: &Arc<Process>,
    line: Line,
    shop: &Arc<Shop>,
    definition: &Arc<Definition>,
    name: &str,
) -> Engine {
    let limits = line.lies.limits(Limits { sleep_after: SLEEP_AFTER, ..Limits::default() });
    let (journal, writer) = Journal::with_writer(Arc::new(line));
    process.start(Box::pin(writer));
    let served = vec![definition.clone()];
    let read = move |_: &str, _: Format| Err("there is one definition only".to_owned());
    Engine::new(
        Arc::new(Clock::new(Arc::new(Inside(process.clone())))),
        journal,
        Arc::new(Gate { shop: shop.clone(), process: process.clone() }),
        Arc::new(Watching { shop: shop.clone(), process: process.clone() }),
        limits,
        Definitions { served, read: Box::new(read) },
        name,
    )
}
