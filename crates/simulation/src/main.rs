//! `simulate`: as many worlds as wanted, and their results.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use clap::Parser;
use saga_simulation::{FAULT_POINTS, Hits, Plan, StepOrder, run, small_worlds};

/// Runs orders through seeded worlds that break everything they may break, and judges the results.
#[derive(Debug, Parser)]
struct Options {
    /// Run this one world, and tell everything that happens in it.
    #[arg(long, env = "SAGA_SEED")]
    seed: Option<u64>,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Go on until so many orders have been run.
    #[arg(long, default_value_t = 1_000_000)]
    sagas: u64,
    /// Run every pair of faults in all small worlds instead.
    #[arg(long)]
    pairs: bool,
    /// Worlds at the same time; by default one for each core.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.seed {
        _ if options.pairs => pairs(threads(&options)),
        Some(seed) => one(seed),
        None => many(&options),
    }
}

fn threads(options: &Options) -> usize {
    options.threads.or_else(|| available_parallelism().ok().map(usize::from)).unwrap_or(1)
}

fn pairs(threads: usize) -> ExitCode {
    let mut is_good = true;
    for form in StepOrder::OF_CALLS.into_iter().chain(StepOrder::OF_ALL_KINDS) {
        let counted = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for share in 0..threads {
                let counted = &counted;
                scope.spawn(move || {
                    let share = small_worlds(form, 2, (share, threads));
                    counted.lock().unwrap_or_else(PoisonError::into_inner).push(share);
                });
            }
        });
        let counted = counted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let cases: u64 = counted.iter().flat_map(|counted| counted.cases.values()).sum();
        let broken: Vec<_> = counted.iter().flat_map(|counted| &counted.broken).collect();
        for (case, violations) in broken.iter().take(5) {
            println!("{case:?}: {violations:?}");
        }
        println!("{form:?}: {cases} cases, {} with violations", broken.len());
        is_good &= broken.is_empty();
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(seed: u64) -> ExitCode {
    let report = run(Plan { seed, traced: true, ..Plan::default() });
    for line in &report.trace {
        println!("{line}");
    }
    println!("{} orders, {} violations", report.sagas, report.violations.len());
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many(options: &Options) -> ExitCode {
    let (next, sagas) = (AtomicU64::new(options.from), AtomicU64::new(0));
    let hits = Mutex::new(Hits::new());
    let broken = Mutex::new(BTreeMap::new());
    let threads = threads(options);
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while sagas.load(Ordering::Relaxed) < options.sagas {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let report = run(Plan { seed, ..Plan::default() });
                    sagas.fetch_add(report.sagas as u64, Ordering::Relaxed);
                    if let (Ok(mut hits), Ok(mut broken)) = (hits.lock(), broken.lock()) {
                        for (point, count) in report.hits {
                            *hits.entry(point).or_default() += count;
                        }
                        if !report.violations.is_empty() {
                            println!("seed {seed}: {}", report.violations.join("; "));
                            broken.insert(seed, report.violations);
                        }
                    } else {
                        failed.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (hits, broken) = (hits.into_inner().unwrap_or_default(), broken.into_inner().unwrap_or_default());
    for point in FAULT_POINTS {
        println!("{:>12}  {point}", hits.get(point).copied().unwrap_or(0));
    }
    let worlds = next.load(Ordering::Relaxed) - options.from;
    println!(
        "{worlds} worlds, {} orders, {} worlds with violations",
        sagas.load(Ordering::Relaxed),
        broken.len()
    );
    let missed = FAULT_POINTS.iter().any(|point| !hits.contains_key(point));
    if broken.is_empty() && !missed && !failed.load(Ordering::Relaxed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
