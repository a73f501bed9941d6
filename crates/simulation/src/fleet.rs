//! The processes of a world: each an engine with a clock, dice and a line to the journal of its own. They are started
//! again when they die, and serve the callers and operators outside of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::definition::Format;
use saga_core::saga::Rollback;
use saga_core::{Definition, SagaId};
use saga_engine::{Clock, Definitions, Engine, Limits, Observer, Snapshot};
use saga_journal::{Journal, KeptRow};
use saga_testkit::dice::Dice;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::callback::CALLED_BACK_AT;
use crate::disk::{DatabaseLine, LineFaults};
use crate::process::{Inside, Process};
use crate::scene::Scene;
use crate::script::Script;
use crate::shop::{Gate, SimulatedShop};

/// How soon orders that have nothing to do leave memory. Waits are short here.
const SLEEP_AFTER: Duration = Duration::from_millis(700);

pub(crate) struct Fleet {
    pub(crate) scene: Scene,
    pub(crate) dice: Dice,
    /// The world is kind by now.
    pub(crate) kind: Arc<AtomicBool>,
    pub(crate) line_faults: LineFaults,
    /// In a small world, what happens.
    pub(crate) script: Option<Arc<Script>>,
    begun: Instant,
    /// How far the processes' wall clocks are off, in microseconds.
    skews: Vec<i64>,
    /// The offsets of their clocks when they start, where the journal has no clock of its own.
    skews_without_clock: &'static [i64],
    replicas: Mutex<Vec<Replica>>,
}

pub(crate) struct Replica {
    pub(crate) process: Arc<Process>,
    pub(crate) engine: Engine,
}

impl Fleet {
    /// As many processes as there are `skews`; see [`Fleet::start_all`].
    pub(crate) fn new(scene: Scene, dice: Dice, skews: Vec<i64>, kind: Arc<AtomicBool>) -> Self {
        Self {
            scene,
            dice,
            kind,
            line_faults: LineFaults::default(),
            script: None,
            begun: Instant::now(),
            skews,
            skews_without_clock: &[],
            replicas: Mutex::default(),
        }
    }

    /// With processes whose clocks may show anything where the journal has none.
    pub(crate) fn skewed(self, skews_without_clock: &'static [i64], line_faults: LineFaults) -> Self {
        Self { skews_without_clock, line_faults, ..self }
    }

    /// With processes that die as the script says.
    pub(crate) fn scripted(self, script: Arc<Script>) -> Self {
        Self { script: Some(script), ..self }
    }

    pub(crate) fn places(&self) -> usize {
        self.skews.len()
    }

    pub(crate) fn start_all(&self) {
        for place in 0..self.places() {
            let replica = self.start(place);
            self.replicas().push(replica);
        }
    }

    pub(crate) fn kill_all(&self) {
        self.replicas().iter().for_each(|replica| replica.process.kill());
    }

    /// Starts another process in this place.
    pub(crate) fn restart(&self, place: usize) {
        let replica = self.start(place);
        self.replicas()[place] = replica;
    }

    pub(crate) fn restart_the_dead(&self) {
        for place in 0..self.places() {
            if self.replicas()[place].process.is_dead() {
                self.restart(place);
            }
        }
    }

    pub(crate) fn replicas(&self) -> MutexGuard<'_, Vec<Replica>> {
        self.replicas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process in this place, and its engine.
    pub(crate) fn replica(&self, place: usize) -> (Arc<Process>, Engine) {
        let replica = &self.replicas()[place];
        (replica.process.clone(), replica.engine.clone())
    }

    fn start(&self, place: usize) -> Replica {
        let Scene { definition, disk, shop, recorder, .. } = &self.scene;
        // Where the journal has no clock, the machine's is what there is, and it may be set between two starts.
        let skew = match self.skews_without_clock {
            [_, ..] if !disk.has_clock => self.dice.one(self.skews_without_clock),
            _ => self.skews[place],
        };
        if skew != 0 {
            recorder.hit(if skew > 0 { "process: clock ahead" } else { "process: clock behind" });
        }
        let process = Process::new(self.begun, skew, self.dice.split(), recorder.clone());
        let line = DatabaseLine {
            disk: disk.clone(),
            process: process.clone(),
            recorder: recorder.clone(),
            dice: self.dice.split(),
            faults: self.line_faults,
            kind: self.kind.clone(),
            deadline: definition.deadline,
            lies: self.scene.lies,
            script: self.script.clone(),
        };
        let engine = engine(&process, line, shop, definition, &format!("r{place}"));
        engine.recover_in_background();
        // The process's supervisor ends it when a part of it is dead.
        let (watched, supervised) = (engine.clone(), process.clone());
        if self.scene.lies.is_supervised() {
            process.start(Box::pin(async move {
                watched.died().await;
                supervised.kill();
            }));
        }
        Replica { process, engine }
    }

    /// Asks a process; `None`: it died before it answered.
    pub(crate) async fn ask<T, F>(&self, place: usize, ask: impl FnOnce(Engine) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (process, engine) = self.replica(place);
        let asking = ask(engine);
        let (answer, answered) = oneshot::channel();
        process.start(Box::pin(async move {
            let _ = answer.send(asking.await);
        }));
        answered.await.ok()
    }

    /// Checks a snapshot that a caller got: it has to be on disk, and to stay true.
    pub(crate) fn check_snapshot(&self, id: SagaId, snapshot: &Snapshot) {
        let recorder = &self.scene.recorder;
        recorder.note(|| {
            format!("told {id}: {} {:?} settled {}", snapshot.state, snapshot.rollback, snapshot.settled)
        });
        if snapshot.saga != id {
            recorder.violation("answers", format_args!("the key of {id} gave {}", snapshot.saga));
        }
        let Some(row) = self.scene.row(id) else {
            recorder.violation("P2", format_args!("{id} was acknowledged and is not on disk"));
            return;
        };
        if let Some(order) = self.scene.orders().iter_mut().find(|order| order.id == id) {
            order.acknowledged = true;
        }
        let over = snapshot.settled && snapshot.rollback != Rollback::Blocked;
        if over && (!row.row.over || row.row.state != snapshot.state) {
            recorder.violation(
                "answers",
                format_args!("{id} was told {} and is {}", snapshot.state, row.row.state),
            );
        }
    }

    /// Waits until all orders are `fine` and nothing is on its way, but no longer than `limit`.
    pub(crate) async fn settle(&self, limit: Duration, fine: impl Fn(&KeptRow) -> bool) -> Vec<KeptRow> {
        let ends = Instant::now() + limit;
        loop {
            sleep(Duration::from_millis(250)).await;
            self.restart_the_dead();
            let rows = self.scene.rows();
            let quiet = rows.iter().all(&fine) && !self.scene.shop.is_anything_in_transit();
            let quiet = quiet && !self.scene.shop.is_held();
            if quiet || Instant::now() >= ends || self.scene.recorder.is_broken() {
                return rows;
            }
        }
    }
}

/// Sees to it that orders' tasks panic only where an answer makes them.
struct Watching {
    shop: Arc<SimulatedShop>,
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
fn engine(
    process: &Arc<Process>,
    line: DatabaseLine,
    shop: &Arc<SimulatedShop>,
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
        Definitions { served, orders: None, callbacks_at: Some(CALLED_BACK_AT.into()), read: Box::new(read) },
        name,
    )
}
