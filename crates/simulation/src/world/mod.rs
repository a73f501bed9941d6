//! One world made from a seed, and its course.
//!
//! - `chance.rs`: the fates of calls.
//! - `trouble.rs`: the fates of processes and the database, and the times when an operator looks at an order.
//! - `callers.rs`: callers. `senders.rs`: senders of signals.

mod callers;
mod chance;
mod senders;
mod trouble;

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};

use saga_testkit::dice::Dice;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use self::chance::Chance;
use crate::bugs::{Bug, Lies};
use crate::definition::{self, Spec};
use crate::disk::{Disk, LineFaults};
use crate::fleet::Fleet;
use crate::process::{outside, run_paused, silence_panics_on_purpose};
use crate::record::{Recorder, RunReport};
use crate::scene::Scene;
use crate::shop::{JobTold, SimulatedShop};

/// How far processes' wall clocks are off, in microseconds.
const SKEWS_US: [i64; 6] = [0, 0, 3_000_000, -3_000_000, 600_000_000, -600_000_000];

/// Which world.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Whether to write down what happens.
    pub traced: bool,
    /// The bug that is seeded on purpose, if there is one.
    pub bug: Option<Bug>,
}

/// Runs a world to its end.
pub fn run(plan: Plan) -> RunReport {
    silence_panics_on_purpose();
    let _bug = Lies::of(plan.bug).begin();
    run_paused(async {
        let world = Arc::new(SeededWorld::drawn(plan));
        world.live().await;
        world.scene().recorder.take()
    })
}

struct SeededWorld {
    fleet: Fleet,
    callers: usize,
    /// Of what happens to processes, out of a thousand for each tenth of a second.
    crash: u32,
    pause: u32,
    shutdown: u32,
    outage: u32,
    clock_steps: u32,
    /// That an operator looks at an order.
    person: u32,
    /// The signals' numbers.
    messages: AtomicUsize,
    /// Hears of the ends of accepted actions, until their senders do.
    jobs: Mutex<Option<UnboundedReceiver<JobTold>>>,
}

impl SeededWorld {
    fn drawn(plan: Plan) -> Self {
        let lies = Lies::of(plan.bug);
        let dice = Dice::new(plan.seed);
        let recorder = Arc::new(Recorder::new(plan.seed, plan.traced));
        // Where participants forget, what is sent arrives soon or never, and clocks are right: a promise that ends is worth
        // nothing elsewhere.
        let forgets = dice.chance(250);
        let specs = definition::drawn(&dice, forgets);
        let calls_max = dice.one(&[1, 2, 256, 256]);
        let deadline = definition::deadline(&dice, &specs);
        let definition = definition::definition(&specs, deadline, calls_max, lies);
        let count = 1 + dice.below(3);
        // A wait that begins while a clock is wrong lasts for as long as the clock was wrong by.
        let needs_clock = forgets || specs.iter().any(Spec::waits);
        let disk = Arc::new(Disk::new(count > 1 || needs_clock || dice.chance(500)));
        let kind = Arc::new(AtomicBool::new(false));
        let fates = Arc::new(Chance::drawn(dice.split(), kind.clone()));
        let (told, jobs) = unbounded_channel();
        let shop = SimulatedShop::new(specs.clone(), disk.clone(), recorder.clone(), fates, lies, told);
        let seldom = |dice: &Dice| dice.one(&[0, 0, 10, 50]);
        let line_faults = LineFaults {
            refused: seldom(&dice),
            answer_lost: seldom(&dice),
            stalled: if forgets { 0 } else { dice.one(&[0, 0, 5, 30]) },
            unavailable: seldom(&dice),
            panics: dice.one(&[0, 0, 0, 2, 10]),
        };
        let skews: Vec<i64> = (0..count).map(|_| dice.one(&SKEWS_US)).collect();
        recorder.note(|| format!("steps {specs:?}; line {line_faults:?}; {count} replicas"));
        let (orders, signals) = Default::default();
        let scene = Scene { specs, lies, definition, disk, shop, recorder, orders, signals };
        Self {
            callers: 2 + dice.below(6),
            crash: dice.one(&[0, 2, 8, 20]),
            pause: dice.one(&[0, 2, 8]),
            shutdown: dice.one(&[0, 0, 2, 8]),
            outage: if forgets { 0 } else { dice.one(&[0, 0, 1, 4]) },
            clock_steps: dice.one(&[0, 0, 5, 20]),
            person: dice.one(&[0, 0, 10, 50]),
            messages: AtomicUsize::default(),
            jobs: Mutex::new(Some(jobs)),
            fleet: Fleet::new(scene, dice.split(), skews, kind).skewed(&SKEWS_US, line_faults),
        }
    }

    fn scene(&self) -> &Scene {
        &self.fleet.scene
    }

    async fn live(self: &Arc<Self>) {
        self.fleet.start_all();
        for number in 0..self.callers {
            let caller = self.clone();
            outside(async move { caller.call(number).await });
        }
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(jobs) = jobs {
            outside(self.clone().tell_of_jobs(jobs));
        }
        self.break_things().await;
        self.fleet.end().await;
    }
}
