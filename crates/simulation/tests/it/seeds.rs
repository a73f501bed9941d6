use saga_simulation::{Plan, run};

#[test]
fn a_few() {
    let seeds: std::ops::Range<u64> = match std::env::var("SAGA_SEED") {
        Ok(seed) => {
            let s = seed.parse().unwrap();
            s..s + 1
        }
        Err(_) => 0..std::env::var("SAGA_SEEDS").map_or(300, |n| n.parse().unwrap()),
    };
    let traced = seeds.end - seeds.start == 1;
    let begun = std::time::Instant::now();
    let mut bad = 0;
    let mut hits = saga_simulation::Hits::new();
    let mut sagas = 0;
    for seed in seeds {
        let report = run(Plan { seed, traced });
        sagas += report.sagas;
        for (k, v) in report.hits {
            *hits.entry(k).or_default() += v;
        }
        for line in &report.trace {
            println!("{line}");
        }
        if !report.violations.is_empty() {
            bad += 1;
            if bad <= 15 {
                println!("seed {seed}: {:?}", &report.violations[..report.violations.len().min(2)]);
            }
        }
    }
    println!("{sagas} sagas, {bad} bad, {:?}", begun.elapsed());
    for p in saga_simulation::FAULT_POINTS {
        println!("{:>8} {p}", hits.get(p).copied().unwrap_or(0));
    }
    assert_eq!(bad, 0);
}
