//! One world made from a seed, and its course.
//!
//! - `chance.rs`: the fates of calls.
//! - `trouble.rs`: the fates of processes and the database, and the times when an operator looks at an order.
//! - `callers.rs`: callers.

mod callers;
mod chance;
mod trouble;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use saga_testkit::dice::Dice;

use self::chance::Chance;
use crate::bugs::{Bug, Lies};
use crate::definition;
use crate::disk::{Disk, LineFaults};
use crate::fleet::Fleet;
use crate::process::{outside, run_paused, silence_panics_on_purpose};
use crate::record::{Recorder, RunReport};
use crate::scene::Scene;
use crate::shop::SimulatedShop;

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
        let definition = definition::definition(&specs, dice.one(&[3, 10, 60]), calls_max, lies);
        let count = 1 + dice.below(3);
        let disk = Arc::new(Disk::new(count > 1 || forgets || dice.chance(500)));
        let kind = Arc::new(AtomicBool::new(false));
        let fates = Arc::new(Chance::drawn(dice.split(), kind.clone()));
        let shop = SimulatedShop::new(specs.clone(), disk.clone(), recorder.clone(), fates, lies);
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
        let scene = Scene { specs, lies, definition, disk, shop, recorder, orders: Mutex::default() };
        Self {
            callers: 2 + dice.below(6),
            crash: dice.one(&[0, 2, 8, 20]),
            pause: dice.one(&[0, 2, 8]),
            shutdown: dice.one(&[0, 0, 2, 8]),
            outage: if forgets { 0 } else { dice.one(&[0, 0, 1, 4]) },
            clock_steps: dice.one(&[0, 0, 5, 20]),
            person: dice.one(&[0, 0, 10, 50]),
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
        self.break_things().await;
        self.fleet.end().await;
    }
}
