//! The simulation is worth what it notices: each way to break the program is switched on, and has to be caught.
//! `SAGA_BUG=Hammers` tries that one alone.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use saga_simulation::{Bug, Plan, run};
use strum::VariantArray;

/// Seeds that a bug gets to show itself.
const SEEDS: u64 = 30_000;

/// The first seed that catches `bug`, and what it says.
fn caught(bug: Bug) -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| {
        let violations = run(Plan { seed, bug: Some(bug), ..Plan::default() }).violations;
        violations.into_iter().next().map(|violation| (seed, violation))
    })
}

#[test]
fn every_seeded_bug_is_caught() {
    // A bug may also make code panic: that counts as caught, and need not be reported at length.
    std::panic::set_hook(Box::new(|_| {}));
    let only = std::env::var("SAGA_BUG").ok();
    let is_meant = |bug: &Bug| only.as_ref().is_none_or(|only| *only == format!("{bug:?}"));
    let bugs: Vec<Bug> = Bug::VARIANTS.iter().copied().filter(is_meant).collect();
    assert!(!bugs.is_empty(), "there is no bug called {only:?}");
    let next = AtomicUsize::new(0);
    let found = Mutex::new(HashMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let caught = caught(*bug);
                    println!("{bug:?}: {caught:?}");
                    found.lock().unwrap().insert(*bug, caught);
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let found = found.into_inner().unwrap();
    for bug in &bugs {
        let harm = bug.harm();
        match &found[bug] {
            Some((seed, violation)) => {
                let checker = violation.split(':').next().unwrap_or_default();
                println!("{:>5}  {checker:<14} {bug:?}: {harm}", seed);
            }
            None => println!("    -  NOT CAUGHT     {bug:?}: {harm}"),
        }
    }
    let missed: Vec<Bug> = bugs.iter().copied().filter(|bug| found[bug].is_none()).collect();
    assert!(missed.is_empty(), "not caught within {SEEDS} seeds: {missed:?}");
}
