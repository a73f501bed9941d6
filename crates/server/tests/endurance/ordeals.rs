//! Everything at once, on both stores.

use std::time::Duration;

use saga_endurance::store::StoreEngine;
use saga_endurance::{Between, Fault, Length, Ordeal, Report, Rolling, StandbyKind};

/// Runs it, prints the report, and demands that nothing was violated.
async fn survive(ordeal: Ordeal) -> Report {
    let report = ordeal.run().await.unwrap();
    println!("{report}");
    assert!(report.violations.is_empty(), "{} violations; the report has them", report.violations.len());
    report
}

/// The seed of all random choices in these tests: one with many kills of the single process and without long pauses of
/// it, which leave no time for another fault.
const SEED: u64 = 11;

fn seed() -> u64 {
    saga_testkit::dice::seed("ENDURANCE_SEED", SEED, "cargo test -p orchestrateur --test endurance")
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_on_postgres() {
    let faults = Fault::without_a_standby(&Fault::drawn());
    let ordeal = Ordeal {
        store: StoreEngine::Postgres,
        standby: None,
        between: None,
        rolling: None,
        replicas: 3,
        length: Length::Time(Duration::from_secs(60)),
        seed: seed(),
        faults,
        every: Duration::from_secs(3),
        callers: 32,
        errands_percent: 50,
        is_guarded: true,
        tail: Duration::from_secs(180),
    };
    let report = survive(ordeal).await;
    assert!(report.json()["faults"].as_object().unwrap().len() > 5, "too few kinds of faults");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_on_sqlite() {
    let mut faults = Fault::WITHOUT_A_SERVER.to_vec();
    // Being killed is what a single process has to fear most.
    faults.extend([Fault::Kill; 16]);
    let ordeal = Ordeal {
        store: StoreEngine::Sqlite,
        standby: None,
        between: None,
        rolling: None,
        replicas: 1,
        length: Length::Time(Duration::from_secs(30)),
        seed: seed(),
        faults,
        every: Duration::from_secs(2),
        callers: 32,
        errands_percent: 50,
        is_guarded: false,
        tail: Duration::from_secs(180),
    };
    let report = survive(ordeal).await;
    assert!(report.json()["take_overs"].as_u64().unwrap() > 0, "no fault met an order under way");
}

/// The primary is killed and its standby promoted, twice; what `scripts/endurance --standby synchronous --faults failover --times 30` does
/// thirty times.
#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_takes_over_and_nothing_is_lost() {
    let report = survive(failovers(None, 2)).await.json();
    assert_eq!(report["failover_to_progress_seconds"]["n"], 2, "{report}");
}

/// The same behind PgBouncer in transaction mode with two connections, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_takes_over_behind_a_pooler() {
    let report = survive(failovers(Some(Between::Pooler), 1)).await.json();
    assert_eq!(report["failover_to_progress_seconds"]["n"], 1, "{report}");
}

/// The same behind HAProxy, which finds the new primary by its own checks, and leads half of the connections to a former one that takes
/// writes again.
#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_takes_over_behind_a_balancer() {
    let report = survive(failovers(Some(Between::Balancer), 1)).await.json();
    assert_eq!(report["failover_to_progress_seconds"]["n"], 1, "{report}");
}

fn failovers(between: Option<Between>, times: u64) -> Ordeal {
    Ordeal {
        store: StoreEngine::Postgres,
        standby: Some(StandbyKind::Synchronous),
        between,
        rolling: None,
        replicas: 2,
        length: Length::Faults(times),
        seed: seed(),
        faults: vec![Fault::Failover],
        every: Duration::from_secs(4),
        callers: 16,
        errands_percent: 50,
        is_guarded: false,
        tail: Duration::from_secs(180),
    }
}

/// All processes are upgraded, downgraded and upgraded, one after the other, behind PgBouncer with two connections; what `scripts/endurance
/// --rolling` does for longer, under all faults. `ORCHESTRATEUR_BEFORE` names the program of the release before. Without it, this
/// release takes both parts: it goes on with, and is started on, a journal to which a later release has added something.
#[tokio::test(flavor = "multi_thread")]
async fn two_releases_take_each_other_s_places() {
    let before = std::env::var_os("ORCHESTRATEUR_BEFORE").map(Into::into);
    let ordeal = Ordeal {
        rolling: Some(Rolling { before, is_one_way: false }),
        replicas: 2,
        length: Length::Faults(1),
        faults: Vec::new(),
        every: Duration::from_secs(1),
        standby: None,
        ..failovers(Some(Between::Pooler), 1)
    };
    let report = survive(ordeal).await.json();
    assert_eq!(
        (&report["upgrades_of_all"], &report["downgrades_of_all"]),
        (&2.into(), &1.into()),
        "{report}"
    );
    assert!(report["take_overs"].as_u64().unwrap() > 0, "no swap met an order under way: {report}");
}
