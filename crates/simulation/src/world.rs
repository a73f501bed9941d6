//! One world, from its seed to its verdict.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::event::{Finding, Stuck};
use saga_core::{Definition, Direction, Event, Json, Saga, SagaId};
use saga_engine::{Checkout, Definitions, Demand, Engine, Limits, Refusal, Silent, Snapshot, Wait, breaker};
use saga_journal::memory::Memory;
use saga_journal::{Journal, Row, Store};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::definition::{self, Kind, Spec};
use crate::dice::Dice;
use crate::disk::{Disk, Line, LineFaults};
use crate::judge;
use crate::process::{Inside, Process, outside};
use crate::record::{Recorder, Report};
use crate::shop::{Around, Fate, Fates, Gate, Shop, now};
use crate::small::{self, Script};

/// From the end of all faults to everybody's end: a lease, the longest wait for a retry, and some more.
const TAIL: Duration = Duration::from_secs(180);
/// How often a person goes through the inbox.
const ROUNDS: usize = 12;
/// How long faults happen.
const FAULTY: Duration = Duration::from_secs(30);

/// Which world.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Whether to write down what happens.
    pub traced: bool,
}

/// Runs a world to its end.
pub fn run(plan: Plan) -> Report {
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
}

struct Replica {
    process: Arc<Process>,
    engine: Engine,
}

/// Calls' fates by chance. Each world has a character: some faults are common in it, others never happen. (Groce et
/// al., "Swarm Testing", ISSTA 2012.)
struct Chance {
    dice: Dice,
    kind: Arc<AtomicBool>,
    weights: Vec<(Fate, usize)>,
    refusals: u32,
    travel_ms: u64,
    begun: Instant,
    /// Participants take turns in being down for some seconds.
    flaps: bool,
}

impl Chance {
    fn drawn(dice: Dice, kind: Arc<AtomicBool>) -> Self {
        let faults = [
            Fate::ErrorBefore,
            Fate::ErrorAfter,
            Fate::Unready(0),
            Fate::Unready(2),
            Fate::ConnectionRefused,
            Fate::ResetBefore,
            Fate::ResetAfter,
            Fate::SilenceBefore,
            Fate::SilenceAfter,
            Fate::Late(900),
            Fate::Late(1_400),
            Fate::Late(8_000),
            Fate::Doubled(5),
            Fate::Doubled(5_000),
        ];
        let mut weights = vec![(Fate::Good, dice.one(&[5, 20, 60, 200]))];
        weights.extend(faults.map(|fault| (fault, dice.one(&[0, 0, 0, 1, 2, 8]))));
        let refusals = dice.one(&[0, 20, 100]);
        let travel_ms = dice.one(&[2, 20, 300]);
        let flaps = dice.chance(200);
        Self { dice, kind, weights, refusals, travel_ms, begun: Instant::now(), flaps }
    }

    fn is_down(&self, step: usize) -> bool {
        let turn = self.begun.elapsed().as_secs() / 4;
        self.flaps && !self.is_kind() && (turn as usize + step).is_multiple_of(3)
    }

    fn is_kind(&self) -> bool {
        self.kind.load(Ordering::Relaxed)
    }
}

impl Fates for Chance {
    fn of_call(&self, kind: Kind, direction: Direction, step: usize) -> Fate {
        if self.is_down(step) {
            return Fate::Down;
        }
        if self.dice.chance(if self.is_kind() { 5 } else { self.refusals })
            && kind != Kind::Read
            && direction != Direction::Probe
            && !(self.is_kind() && direction == Direction::Compensation)
        {
            return Fate::Refusal;
        }
        if self.is_kind() {
            return Fate::Good;
        }
        let all: usize = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.dice.below(all);
        let fate = self.weights.iter().find_map(|(fate, weight)| match drawn.checked_sub(*weight) {
            None => Some(*fate),
            Some(rest) => {
                drawn = rest;
                None
            }
        });
        match (fate.unwrap_or(Fate::Good), kind) {
            // Nobody can promise anything about a request that arrives after it was asked about.
            (Fate::Late(ms), Kind::Probed) => Fate::Late(ms.min(1_400)),
            // TCP does not double; whoever promises nothing about that need not be tried with it.
            (Fate::Doubled(_), Kind::Plain | Kind::Probed | Kind::Read) => Fate::Good,
            (fate, _) => fate,
        }
    }

    fn kills(&self, _: Around) -> bool {
        false
    }

    fn travel(&self) -> Duration {
        self.dice.millis(0, if self.is_kind() { 2 } else { self.travel_ms })
    }
}

impl World {
    fn drawn(plan: Plan) -> Self {
        let dice = Dice::new(plan.seed ^ 0x5eed_5a6a);
        let recorder = Arc::new(Recorder::new(plan.seed, plan.traced));
        let specs = definition::drawn(&dice);
        let definition = definition::definition(&specs, dice.one(&[3, 10, 60]));
        let disk = Arc::new(Disk { memory: Memory::new(), is_out: AtomicBool::new(false) });
        let kind = Arc::new(AtomicBool::new(false));
        let fates = Arc::new(Chance::drawn(dice.split(), kind.clone()));
        let shop = Shop::new(specs.clone(), disk.clone(), recorder.clone(), fates);
        let seldom = |dice: &Dice| dice.one(&[0, 0, 10, 50]);
        let line_faults = LineFaults {
            refused: seldom(&dice),
            answer_lost: seldom(&dice),
            stalled: dice.one(&[0, 0, 5, 30]),
            unavailable: seldom(&dice),
        };
        let count = 1 + dice.below(3);
        let skews =
            (0..count).map(|_| dice.one(&[0, 0, 3_000_000, -3_000_000, 600_000_000, -600_000_000])).collect();
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
            replicas: Mutex::default(),
            script: None,
            begun: Instant::now(),
            skews,
            callers: 2 + dice.below(6),
            crash: dice.one(&[0, 2, 8, 20]),
            pause: dice.one(&[0, 2, 8]),
            shutdown: dice.one(&[0, 0, 2, 8]),
            outage: dice.one(&[0, 0, 1, 4]),
            dice,
        }
    }

    /// A world of one order and one process, in which what the script says happens and nothing else.
    pub(crate) fn small(specs: Vec<Spec>, definition: Arc<Definition>, script: Arc<Script>) -> Report {
        run_paused(async {
            let recorder = Arc::new(Recorder::new(0, false));
            let disk = Arc::new(Disk { memory: Memory::new(), is_out: AtomicBool::new(false) });
            let shop = Shop::new(specs.clone(), disk.clone(), recorder.clone(), script.clone());
            let world = Arc::new(Self {
                specs,
                definition,
                disk,
                shop,
                recorder,
                orders: Mutex::default(),
                kind: Arc::new(AtomicBool::new(true)),
                line_faults: LineFaults::default(),
                replicas: Mutex::default(),
                script: Some(script),
                begun: Instant::now(),
                skews: vec![0],
                callers: 1,
                crash: 0,
                pause: 0,
                shutdown: 0,
                outage: 0,
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
                let Ok(input) = Json::parse(b"{\"n\":1}") else { return };
                let request = Checkout { input, key: Some("the order".into()), wait: Wait::Started };
                let answer = self.ask(0, move |engine| async move { engine.checkout(request).await });
                if let Ok(Some(Ok(snapshot))) = timeout(Duration::from_secs(1), answer).await {
                    self.told(id, &snapshot);
                }
            }
            sleep(Duration::from_millis(50)).await;
            let is_settled = self.row(id).is_some_and(|row| row.projection.over || is_blocked(&row));
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
        let skew = self.skews[place];
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
            script: self.script.clone(),
        };
        let engine = engine(&process, line, &self.shop, &self.definition, &format!("r{place}"));
        let recovering = engine.clone();
        process.start(Box::pin(async move { recovering.recover().await }));
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

    /// Processes crash and pause, and the database goes away, until the faults end.
    async fn break_things(self: &Arc<Self>) {
        let ends = Instant::now() + FAULTY;
        while Instant::now() < ends && !self.recorder.is_broken() {
            sleep(Duration::from_millis(100)).await;
            let place = self.dice.below(self.skews.len());
            let engine = self.replicas()[place].engine.clone();
            if engine.participants().iter().any(|participant| participant.breaker.kind == breaker::Kind::Open)
            {
                self.recorder.hit("participant: suspended by its breaker");
            }
            if self.dice.chance(self.crash) {
                self.crash(place).await;
            }
            if self.dice.chance(self.pause) {
                let long = self.dice.chance(500);
                let pause = if long { self.dice.millis(3_500, 20_000) } else { self.dice.millis(100, 2_000) };
                self.recorder.hit(if long {
                    "process: pause beyond the lease"
                } else {
                    "process: pause within the lease"
                });
                let process = self.replicas()[place].process.clone();
                self.recorder.note(|| format!("r{place} pauses for {pause:?}"));
                process.pause();
                let recorder = self.recorder.clone();
                outside(async move {
                    sleep(pause).await;
                    recorder.note(|| format!("r{place} wakes"));
                    process.wake();
                });
            }
            if self.dice.chance(self.shutdown) {
                self.shut_down(place);
            }
            if self.dice.chance(self.outage) {
                let (disk, outage) = (self.disk.clone(), self.dice.millis(100, 8_000));
                self.recorder.note(|| format!("the database is out for {outage:?}"));
                disk.is_out.store(true, Ordering::Relaxed);
                outside(async move {
                    sleep(outage).await;
                    disk.is_out.store(false, Ordering::Relaxed);
                });
            }
        }
    }

    async fn crash(&self, place: usize) {
        self.recorder.hit("process: crash");
        self.recorder.note(|| format!("r{place} crashes"));
        if self.shop.is_anything_in_transit() {
            self.recorder.hit("process: crash with calls in flight");
        }
        self.replicas()[place].process.kill();
        if self.dice.chance(500) {
            sleep(self.dice.millis(0, 6_000)).await;
        }
        let replica = self.start(place);
        self.replicas()[place] = replica;
    }

    fn shut_down(self: &Arc<Self>, place: usize) {
        self.recorder.hit("process: planned shutdown");
        self.recorder.note(|| format!("r{place} shuts down"));
        let (process, engine, drain) = {
            let replica = &self.replicas()[place];
            (replica.process.clone(), replica.engine.clone(), self.dice.millis(0, 3_000))
        };
        let (done, stopped) = oneshot::channel();
        process.start(Box::pin(async move {
            engine.stop(drain).await;
            let _ = done.send(());
        }));
        let world = self.clone();
        outside(async move {
            // It may be killed or paused meanwhile.
            let _ = timeout(Duration::from_secs(30), stopped).await;
            if !process.is_dead() {
                process.kill();
                let replica = world.start(place);
                world.replicas()[place] = replica;
            }
        });
    }

    /// One caller: places an order, maybe again with the same key elsewhere, maybe cancels it.
    async fn call(self: &Arc<Self>, number: usize) {
        sleep(self.dice.millis(0, 20_000)).await;
        let key = format!("{}-{number}", self.recorder.seed());
        let id = SagaId::from_idempotency_key(&key);
        self.orders().push(Order { id, acknowledged: false });
        let wait = match self.dice.chance(250) {
            true => Wait::Started,
            false => Wait::Settled(self.dice.millis(0, 40_000)),
        };
        if self.dice.chance(200) {
            let canceller = self.clone();
            let after = self.dice.millis(0, 3_000);
            outside(async move {
                sleep(after).await;
                canceller.cancel(id).await;
            });
        }
        for attempt in 0..6 {
            if attempt > 0 {
                self.recorder.hit("caller: same key again elsewhere");
                sleep(self.dice.millis(10, 4_000)).await;
            }
            let input = Json::parse(format!("{{\"n\":{number}}}").as_bytes());
            let Ok(input) = input else { return };
            let request = Checkout { input, key: Some(key.clone()), wait };
            let place = self.dice.below(self.skews.len());
            let answer = self.ask(place, move |engine| async move { engine.checkout(request).await }).await;
            match answer {
                Some(Ok(snapshot)) => {
                    self.told(id, &snapshot);
                    if !self.dice.chance(100) {
                        return;
                    }
                }
                Some(Err(Refusal::Rejected(_) | Refusal::KeyReused(_) | Refusal::Unknown)) => {
                    self.recorder.violation("answers", format_args!("{id}: {answer:?}"));
                }
                Some(Err(_)) | None => {}
            }
        }
        self.recorder.hit("caller: went away");
    }

    async fn cancel(self: &Arc<Self>, id: SagaId) {
        self.recorder.hit("caller: cancels");
        let place = self.dice.below(self.skews.len());
        let wait = self.dice.millis(0, 10_000);
        let is_elsewhere =
            now(self.disk.memory.row(id)).ok().flatten().is_some_and(|row| !row.projection.over);
        let answer = self.ask(place, move |engine| async move { engine.cancel(id, wait).await }).await;
        if let Some(Ok(snapshot)) = answer {
            if is_elsewhere && self.skews.len() > 1 {
                self.recorder.hit("caller: cancels through another process");
            }
            self.told(id, &snapshot);
            let decided = self.history(id).iter().any(|event| matches!(event, Event::RollbackDecided { .. }));
            if !decided {
                self.recorder.violation(
                    "answers",
                    format_args!("{id}: a cancellation was acknowledged that is not on disk"),
                );
            }
        }
    }

    /// Asks a process; `None`: it died, or does not answer within a minute.
    async fn ask<T, F>(&self, place: usize, ask: impl FnOnce(Engine) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (process, engine) = {
            let replica = &self.replicas()[place];
            (replica.process.clone(), replica.engine.clone())
        };
        let asking = ask(engine);
        let (answer, answered) = oneshot::channel();
        process.start(Box::pin(async move {
            let _ = answer.send(asking.await);
        }));
        timeout(Duration::from_secs(60), answered).await.ok()?.ok()
    }

    /// A caller was told how an order stands: that has to be on disk, and to stay true.
    fn told(&self, id: SagaId, snapshot: &Snapshot) {
        self.recorder.note(|| {
            format!("told {id}: {} {:?} settled {}", snapshot.etat, snapshot.rollback, snapshot.settled)
        });
        if snapshot.saga != id {
            self.recorder.violation("answers", format_args!("the key of {id} gave {}", snapshot.saga));
        }
        let Some(row) = self.row(id) else {
            self.recorder.violation("P2", format_args!("{id} was acknowledged and is not on disk"));
            return;
        };
        if let Some(order) = self.orders().iter_mut().find(|order| order.id == id) {
            order.acknowledged = true;
        }
        let over = snapshot.settled && snapshot.rollback != saga_core::saga::Rollback::Bloque;
        if over && (!row.projection.over || row.projection.etat != snapshot.etat) {
            self.recorder.violation(
                "answers",
                format_args!("{id} was told {} and is {}", snapshot.etat, row.projection.etat),
            );
        }
    }

    pub(crate) fn row(&self, id: SagaId) -> Option<Row> {
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
        let blocked = self.settle(TAIL, |row| row.projection.over || is_blocked(row)).await;
        for row in blocked.iter().filter(|row| !row.projection.over && !is_blocked(row)) {
            self.recorder.violation(
                "P6",
                format_args!(
                    "{} is still {} {:?} after {TAIL:?} without faults",
                    row.saga, row.projection.etat, row.projection.rollback
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
            self.settle(TAIL, |row| row.projection.over || is_blocked(row)).await;
        }
        for row in self.rows().iter().filter(|row| !row.projection.over) {
            self.recorder.violation(
                "P6",
                format_args!("{} cannot be cleared by a person: {:?}", row.saga, row.projection),
            );
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
    async fn settle(&self, limit: Duration, fine: impl Fn(&Row) -> bool) -> Vec<Row> {
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

    pub(crate) fn rows(&self) -> Vec<Row> {
        let ids: Vec<SagaId> = self.orders().iter().map(|order| order.id).collect();
        ids.into_iter().filter_map(|id| self.row(id)).collect()
    }

    /// A person looks into the participant's books, and says what is there.
    async fn clear(self: &Arc<Self>, id: SagaId) {
        let Some(history) = now(self.disk.memory.load(id)).ok().flatten() else { return };
        let Ok(saga) = Saga::fold(id, self.definition.clone(), &history.records) else { return };
        let Some(blocked) = saga.blocked() else { return };
        let step = blocked.step;
        let page = self.shop.ledger().page(id, &self.definition.steps[step].name);
        let can_go_on = matches!(blocked.stuck, Stuck::CompensationFailing | Stuck::ActionUnsettled);
        let demand = if can_go_on {
            self.recorder.hit("person: resumes");
            Demand::Resume { by: "Ana".into(), reason: None }
        } else {
            self.recorder.hit("person: resolves");
            let can_be_said = saga.pending().map_or(&[][..], |pending| pending.findings);
            let finding = if page.open() > 0 {
                Finding::Ran
            } else if page.undone > 0 || !can_be_said.contains(&Finding::NotRun) {
                Finding::Undone
            } else {
                Finding::NotRun
            };
            Demand::Resolve { step, finding, output: None, by: "Ana".into(), reason: "looked it up".into() }
        };
        self.recorder.note(|| format!("a person about {id}: {demand:?}"));
        let place = self.dice.below(self.skews.len());
        let answer = self.ask(place, move |engine| async move { engine.demand(id, &demand).await }).await;
        self.recorder.note(|| format!("a person about {id}: {answer:?}"));
    }
}

pub(crate) fn is_blocked(row: &Row) -> bool {
    row.projection.rollback == saga_core::saga::Rollback::Bloque
}

/// An engine inside of a process.
pub(crate) fn engine(
    process: &Arc<Process>,
    line: Line,
    shop: &Arc<Shop>,
    definition: &Arc<Definition>,
    name: &str,
) -> Engine {
    let (journal, writer) = Journal::with_writer(Arc::new(line));
    process.start(Box::pin(writer));
    let current = definition.clone();
    let read = move |_: &str| Err("there is one definition only".to_owned());
    Engine::new(
        Arc::new(Inside(process.clone())),
        journal,
        Arc::new(Gate { shop: shop.clone(), process: process.clone() }),
        Arc::new(Silent),
        Limits::default(),
        Definitions { current, read: Box::new(read) },
        name,
    )
}
