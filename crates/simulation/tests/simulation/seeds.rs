//! Many worlds. `SAGA_SEED=17` runs that one, with a trace; `SAGA_SEEDS=100000` runs more.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use saga_simulation::{FAULT_POINTS, Hits, Plan, run};
use saga_testkit::dice::number;

const SEEDS: u64 = 10_000;

#[test]
fn no_world_breaks_a_promise_and_every_fault_is_met() {
    if let Some(seed) = number("SAGA_SEED") {
        let report = run(Plan { seed, traced: true, ..Plan::default() });
        println!("{}", report.trace.join("\n"));
        assert_eq!(report.violations, Vec::<String>::new());
        return;
    }
    let seeds = number("SAGA_SEEDS").unwrap_or(SEEDS);
    let (next, sagas) = (AtomicU64::new(0), AtomicU64::new(0));
    let (hits, broken) = (Mutex::new(Hits::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let report = run(Plan { seed, ..Plan::default() });
                    sagas.fetch_add(report.sagas as u64, Ordering::Relaxed);
                    for (point, count) in report.hits {
                        *hits.lock().unwrap().entry(point).or_default() += count;
                    }
                    if !report.violations.is_empty() {
                        broken.lock().unwrap().push((seed, report.violations));
                    }
                }
            });
        }
    });
    let (hits, broken) = (hits.into_inner().unwrap(), broken.into_inner().unwrap());
    for point in FAULT_POINTS {
        println!("{:>10}  {point}", hits.get(point).copied().unwrap_or(0));
    }
    println!("{seeds} worlds, {} orders, {} with violations", sagas.into_inner(), broken.len());
    for (seed, violations) in broken.iter().take(10) {
        println!("SAGA_SEED={seed}: {violations:?}");
    }
    if let Some((seed, _)) = broken.first() {
        panic!(
            "to repeat this run: SAGA_SEED={seed} cargo test -p saga-simulation --test simulation seeds -- --nocapture"
        );
    }
    let missed: Vec<_> = FAULT_POINTS.iter().filter(|point| !hits.contains_key(*point)).collect();
    assert!(missed.is_empty(), "never met: {missed:?}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..50 {
        let [first, second] = [(); 2].map(|()| run(Plan { seed, ..Plan::default() }));
        assert_eq!((first.fingerprint, first.hits), (second.fingerprint, second.hits), "seed {seed}");
    }
}
