//! `simulate`: as many worlds as wanted, and their results.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::available_parallelism;

use clap::Parser;
use saga_simulation::{FAULT_POINTS, Hits, Plan, run};

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
    /// Worlds at the same time; by default one for each core.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match options.seed {
        Some(seed) => one(seed),
        None => many(&options),
    }
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
    let threads = options.threads.or_else(|| available_parallelism().ok().map(usize::from)).unwrap_or(1);
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
