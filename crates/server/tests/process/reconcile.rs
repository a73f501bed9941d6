//! A journal that comes back from a backup made under load: refused until it is accepted, and compared with the services.
//!
//! What the command finds is compared with what this test counts in the services' ledgers and in the journal's rows, which it
//! reads by itself. `RESTORE_SEEDS` says how many seeds are run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use boutique::{Facon, Service};
use saga_testkit::dice::{Dice, number};
use saga_testkit::postgres::{Cluster, RecoveryTarget};
use serde_json::Value;
use tokio::task::{JoinSet, spawn_blocking};

use crate::client::{self, until};
use crate::load::{Book, CallerResult, Manner, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::{self, StoreEngine};

/// The first epoch of the second incarnation.
const SECOND: i64 = 1_048_577;
const CALLERS: usize = 12;
/// Orders before the backup begins, and those that it does not have.
const ORDERS: usize = 60;

/// The services that have effects, each with the step that has them there.
const SERVICES: [(Service, &str); 3] =
    [(Service::Stock, "stock"), (Service::Client, "paiement"), (Service::Ventes, "vente")];

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_file_under_load_is_restored_and_every_orphan_is_named() {
    let dice = crate::dice();
    for round in 0..number("RESTORE_SEEDS").unwrap_or(2) {
        let seed = dice.next();
        println!("round {round}: seed {seed}");
        restored(Way::File, &Dice::new(seed)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_a_database_under_load_is_restored_and_every_orphan_is_named() {
    let dice = crate::dice();
    for round in 0..number("RESTORE_SEEDS").unwrap_or(1) {
        let seed = dice.next();
        println!("round {round}: seed {seed}");
        restored(Way::Dump, &Dice::new(seed)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_recovered_to_a_point_in_time_under_load_has_every_orphan_named() {
    let dice = crate::dice();
    for round in 0..number("RESTORE_SEEDS").unwrap_or(2) {
        let seed = dice.next();
        let point = if round % 2 == 0 { Point::Named } else { Point::Moment };
        println!("round {round}: seed {seed}, {point:?}");
        restored(Way::PointInTime(point), &Dice::new(seed)).await;
    }
}

/// How the journal is copied, and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By `orchestrateur backup`.
    File,
    /// By `pg_dump`, in another cluster.
    Dump,
    /// From a base backup and an archive of the write-ahead log.
    PointInTime(Point),
}

/// How the point is said to which it is recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    Named,
    Moment,
}

/// A copy.
enum Copied {
    /// A file.
    File(PathBuf),
    /// All that the cluster has archived, until there.
    Until(Arc<Cluster>, RecoveryTarget),
}

async fn restored(way: Way, dice: &Dice) {
    let shop = Arc::new(Shop::open(Facon::Moderne).await);
    let archiving = match way {
        Way::PointInTime(_) => Some(Arc::new(spawn_blocking(Cluster::start_with_archive).await.unwrap())),
        Way::File | Way::Dump => None,
    };
    let mut setup = match (&archiving, way) {
        (Some(cluster), _) => Setup::of(&shop, cluster.create_database()),
        (None, Way::File) => Setup::new(&shop, StoreEngine::Sqlite),
        (None, _) => Setup::new(&shop, StoreEngine::Postgres),
    };
    faults(&shop, dice);
    let serve = setup.start().await;
    in_incarnation(&serve, 1).await;
    let book = Arc::new(Book::default());
    let load = Load::start(serve.address, &book, dice, 0);
    until("there are orders", async || (load.answered() >= ORDERS).then_some(())).await;
    let copy = back_up(way, &setup, archiving, &load).await;
    let before_the_rest = load.answered();
    until("there are orders that the backup does not have", async || {
        (load.answered() >= before_the_rest + ORDERS).then_some(())
    })
    .await;
    // In the middle of orders.
    serve.kill();
    load.stop().await;
    shop.mend();

    let _cluster = restore(&mut setup, &copy).await;
    if let Way::PointInTime(_) = way {
        // The timeline rises, as in any failover.
        let told = command(&setup, &["database", "accept"]);
        assert!(
            said(&told).contains("nothing to do") && said(&told).contains("recovery to an earlier"),
            "{told:?}"
        );
    } else {
        let (status, log) = setup.try_start().await.err().expect("a restored journal is refused");
        assert_eq!(status.code(), Some(1));
        assert!(log.contains("`orchestrateur database accept`"), "{log}");
    }
    accept(way, &setup).await;

    // Before it serves: whatever is under way in the copy is not judged.
    let (found, expected) = compared(&shop, &setup).await;
    assert_eq!(found, expected);
    let forgotten = expected.iter().filter(|orphan| orphan.2 == "forgotten").count();
    assert!(forgotten > 0, "the copy has forgotten nothing");

    // While orders come, none is invented, and those that it had under way go on to where the services are.
    let marks = marks(&shop).await;
    faults(&shop, dice);
    let serve = setup.start().await;
    in_incarnation(&serve, 2).await;
    let load = Load::start(serve.address, &book, dice, 1_000_000);
    until("there are orders", async || (load.answered() >= ORDERS / 2).then_some(())).await;
    let under_load = reconciled(&setup);
    load.stop().await;
    assert_eq!(orphans(&under_load, "forgotten"), only(&expected, "forgotten"));
    let others: BTreeSet<_> =
        orphans(&under_load, "").into_iter().filter(|(_, _, kind)| kind != "forgotten").collect();
    shop.mend();
    serve.quiet().await;

    // Some callers place their forgotten orders again: they are the same orders, and the barriers take their calls.
    let keys = forgotten_keys(&book, &expected);
    for (wish, saga) in &keys {
        let told = Wish { manner: Manner::Wait, ..wish.clone() }.ask(serve.address, &book).await;
        assert!(
            matches!(&told, CallerResult::Final { saga: again, blocked: false, .. } if again == saga),
            "{wish:?}: {told:?}"
        );
    }
    serve.quiet().await;
    let (found, expected) = compared(&shop, &setup).await;
    assert_eq!(found, expected);
    // The fault that refuses sales may refuse one that was made in the forgotten time, as no barrier would. That sale then stands beside an
    // order that was undone: an orphan, by the ledgers too. The command named no other orphans under load.
    assert!(others.is_subset(&expected), "{others:?} of {expected:?}: {under_load:#}");
    let again: BTreeSet<_> = keys.iter().map(|(_, saga)| saga.clone()).collect();
    assert!(expected.iter().all(|(saga, ..)| !again.contains(saga)), "{expected:?}");

    // No call since has an epoch that could be one of before.
    let mut calls = 0;
    for (service, mark) in marks {
        for line in lines(&shop, service, &format!("/ledger?all=true&after={mark}")).await {
            let epoch = line["epoch"].as_i64().unwrap();
            assert!(epoch >= SECOND && line["result"] != "stale", "{line}");
            calls += 1;
        }
    }
    assert!(calls > 0);
    undo_what_can_be(&shop, &setup).await;
    println!("{forgotten} effects of forgotten orders, {} placed again, {calls} calls since", keys.len());
}

/// The process tells the incarnation once it has joined.
async fn in_incarnation(serve: &ServeProcess, incarnation: u64) {
    until("the incarnation shows", async || {
        (serve.metric("journal_incarnation ").await == incarnation).then_some(())
    })
    .await;
}

/// A person does what is proposed: no orphan of that step is left.
async fn undo_what_can_be(shop: &Shop, setup: &Setup) {
    let report = reconciled(setup);
    let undo = |orphan: &Value| orphan["undo"].as_str().map(str::to_owned);
    let commands: Vec<String> = report["orphans"].as_array().unwrap().iter().filter_map(undo).collect();
    for command in &commands {
        let done = Command::new("sh").args(["-c", &format!("{command} -s -f")]).output().unwrap();
        assert!(done.status.success(), "{command}: {done:?}");
    }
    let (found, expected) = compared(shop, setup).await;
    assert_eq!(found, expected);
    let is_sale = |(_, step, kind): &&Orphan| step == "vente" && kind == "forgotten";
    assert_eq!(found.iter().filter(is_sale).count(), 0, "{found:?}");
    let sales = report["orphans"].as_array().unwrap().iter().filter(|it| it["step"] == "vente").count();
    assert_eq!(commands.len(), sales, "a sale is undone by its order's id alone, and nothing else is");
}

/// Answers that are lost or late, and services that fail: some orders are rolled back, some of their calls are repeated.
fn faults(shop: &Shop, dice: &Dice) {
    let seed = || dice.between(1, 1_000_000);
    for rule in [
        "POST /api/stock/reserver drop-after probability=0.05",
        "POST /api/clients/*/payer drop-after probability=0.05",
        "POST /api/clients/*/payer latency-after=300 probability=0.1",
        "POST /api/ventes drop-after probability=0.05",
        "POST /api/ventes status=422 probability=0.1",
        "POST /api/ventes latency-after=200 probability=0.2",
        "POST /api/stock/liberer drop-before probability=0.1",
    ] {
        shop.fault(&format!("{rule} seed={}", seed()));
    }
}

/// Callers, each of which places one order after the other.
struct Load {
    callers: JoinSet<()>,
    stopped: Arc<AtomicBool>,
    answered: Arc<AtomicI64>,
}

impl Load {
    fn start(address: std::net::SocketAddr, book: &Arc<Book>, dice: &Dice, first: i64) -> Self {
        let (stopped, answered, next) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(first)));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (stopped, answered, next) = (stopped.clone(), answered.clone(), next.clone());
            let (book, dice) = (book.clone(), dice.split());
            callers.spawn(async move {
                while !stopped.load(Ordering::SeqCst) {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    Wish::mixed(number, &dice).ask(address, &book).await;
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { callers, stopped, answered }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst) as usize
    }

    async fn stop(self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.callers.join_all().await;
    }
}

fn command(setup: &Setup, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrateur"));
    setup.equip(&mut command);
    command.args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Makes a copy beside the running process, and names it.
async fn back_up(way: Way, setup: &Setup, archiving: Option<Arc<Cluster>>, load: &Load) -> Copied {
    let copy = setup.folder().join("backup");
    match (way, archiving) {
        (Way::PointInTime(point), Some(cluster)) => {
            in_cluster(&cluster, Cluster::back_up_base).await;
            let before = load.answered();
            until("there are orders that are in the archive alone", async || {
                (load.answered() >= before + ORDERS / 2).then_some(())
            })
            .await;
            let mark: fn(&Cluster) -> RecoveryTarget = match point {
                Point::Named => |cluster: &Cluster| cluster.restore_point("before the mistake"),
                Point::Moment => Cluster::this_moment,
            };
            let target = in_cluster(&cluster, mark).await;
            return Copied::Until(cluster, target);
        }
        (Way::Dump, _) => postgres_tool("pg_dump", &["--file", copy.to_str().unwrap(), &setup.database_url]),
        _ => {
            let done = command(setup, &["backup", copy.to_str().unwrap()]);
            assert!(done.status.success(), "{}", said(&done));
        }
    }
    Copied::File(copy)
}

async fn in_cluster<T: Send + 'static>(cluster: &Arc<Cluster>, act: fn(&Cluster) -> T) -> T {
    let cluster = cluster.clone();
    spawn_blocking(move || act(&cluster)).await.unwrap()
}

fn postgres_tool(name: &str, arguments: &[&str]) {
    let program = saga_testkit::postgres::shared().binaries().join(name);
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{name}: {}", said(&done));
}

/// Puts the copy in the journal's place; PostgreSQL's is in a cluster of its own, as after the loss of a machine.
async fn restore(setup: &mut Setup, copy: &Copied) -> Option<Cluster> {
    match copy {
        Copied::Until(former, target) => {
            in_cluster(former, Cluster::archive_all).await;
            in_cluster(former, Cluster::stop_immediate).await;
            let (former, target) = (former.clone(), target.clone());
            let cluster = spawn_blocking(move || former.recovered(&target)).await.unwrap();
            setup.database_url = cluster.url_like(&setup.database_url);
            Some(cluster)
        }
        Copied::File(copy) if setup.database_url.starts_with("sqlite:") => {
            let file = store::file(setup.folder());
            for rest in ["orchestrateur.db-wal", "orchestrateur.db-shm"] {
                let _ = std::fs::remove_file(setup.folder().join(rest));
            }
            std::fs::rename(copy, file).unwrap();
            None
        }
        Copied::File(copy) => {
            let cluster = spawn_blocking(Cluster::start).await.unwrap();
            setup.database_url = cluster.create_database();
            let arguments =
                ["--quiet", "--set=ON_ERROR_STOP=1", "--file", copy.to_str().unwrap(), &setup.database_url];
            postgres_tool("psql", &arguments);
            Some(cluster)
        }
    }
}

async fn accept(way: Way, setup: &Setup) {
    let arguments: &[&str] = match way {
        Way::PointInTime(_) => &["database", "accept", "--restored"],
        Way::File | Way::Dump => &["database", "accept"],
    };
    let accepted = until("the journal is accepted", async || {
        let done = command(setup, arguments);
        // The leases of the former processes are in the copy.
        let waits = said(&done).contains("processes hold leases in this database (replique-1)");
        assert!(done.status.success() || way != Way::File && waits, "{}", said(&done));
        done.status.success().then(|| said(&done))
    })
    .await;
    assert!(
        accepted.contains(&format!("Its incarnation is 2: every call has a Saga-Epoch of {SECOND} or more")),
        "{accepted}"
    );
    let again = command(setup, &["database", "accept"]);
    assert!(said(&again).contains("nothing to do"), "{}", said(&again));
}

/// Saga, step, kind.
type Orphan = (String, String, String);

fn reconciled(setup: &Setup) -> Value {
    let effects = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sagas/checkout-effects.yaml");
    let done = command(setup, &["reconcile", "--json", "--settle", "100ms", "--definition", effects]);
    let report: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", said(&done)));
    let expected = if report["orphans"].as_array().unwrap().is_empty() { 0 } else { 3 };
    assert_eq!(done.status.code(), Some(expected), "{}", said(&done));
    report
}

fn orphans(report: &Value, kind: &str) -> BTreeSet<Orphan> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let orphans = report["orphans"].as_array().unwrap().iter();
    let orphans = orphans.map(|it| (text(&it["saga_id"]), text(&it["step"]), text(&it["kind"])));
    orphans.filter(|(_, _, of)| kind.is_empty() || of == kind).collect()
}

fn only(orphans: &BTreeSet<Orphan>, kind: &str) -> BTreeSet<Orphan> {
    orphans.iter().filter(|(_, _, of)| of == kind).cloned().collect()
}

/// What the command finds, and what there is: for as long as effects still come that were on their way, it is asked again.
async fn compared(shop: &Shop, setup: &Setup) -> (BTreeSet<Orphan>, BTreeSet<Orphan>) {
    until("no effect comes any more", async || {
        let before = counted(shop, setup).await;
        let report = reconciled(setup);
        let found = orphans(&report, "");
        assert_eq!(found.len(), report["orphans"].as_array().unwrap().len(), "one is told twice: {report:#}");
        (counted(shop, setup).await == before).then_some((found, before))
    })
    .await
}

/// The orphans by the services' ledgers and the journal's rows: independent of the command, of histories and of definitions.
async fn counted(shop: &Shop, setup: &Setup) -> BTreeSet<Orphan> {
    let mut standing: BTreeMap<(String, &str), i64> = BTreeMap::new();
    for (service, step) in SERVICES {
        for line in lines(shop, service, "/ledger").await {
            let saga = line["saga_id"].as_str().unwrap().to_owned();
            assert_eq!(line["step"], step);
            *standing.entry((saga, step)).or_default() += if line["direction"] == "action" { 1 } else { -1 };
        }
    }
    let rows = rows(setup).await;
    let mut orphans = BTreeSet::new();
    for ((saga, step), count) in &standing {
        assert!((0..=1).contains(count), "{count} effects of {step} for {saga}");
        let kind = match rows.get(saga) {
            None => "forgotten",
            Some((true, state)) if state != "CONFIRMEE" => "not_undone",
            Some(_) => continue,
        };
        if *count == 1 {
            orphans.insert((saga.clone(), (*step).to_owned(), kind.to_owned()));
        }
    }
    for (saga, _) in rows.iter().filter(|(_, (is_over, state))| *is_over && state == "CONFIRMEE") {
        for (_, step) in SERVICES {
            if standing.get(&(saga.clone(), step)).copied().unwrap_or(0) == 0 {
                orphans.insert((saga.clone(), step.to_owned(), "missing".to_owned()));
            }
        }
    }
    orphans
}

/// Each saga of the journal: whether it is over, and its state.
async fn rows(setup: &Setup) -> BTreeMap<String, (bool, String)> {
    if !setup.database_url.starts_with("sqlite:") {
        let (client, connection) =
            tokio_postgres::connect(&setup.database_url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let rows = client.query("SELECT CAST(saga_id AS TEXT), is_over, state FROM saga", &[]).await.unwrap();
        return rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    }
    let file = rusqlite::Connection::open(store::file(setup.folder())).unwrap();
    let mut statement = file.prepare("SELECT lower(hex(saga_id)), is_over, state FROM saga").unwrap();
    let rows = statement.query_map([], |row| {
        let hex: String = row.get(0)?;
        let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        Ok((id, (row.get(1)?, row.get(2)?)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

async fn lines(shop: &Shop, service: Service, path: &str) -> Vec<Value> {
    let lines = client::get(shop.address(service), path).await.json();
    lines.as_array().unwrap().clone()
}

/// Where each service's ledger ends.
async fn marks(shop: &Shop) -> Vec<(Service, i64)> {
    let mut marks = Vec::new();
    for (service, _) in SERVICES {
        let last = lines(shop, service, "/ledger?all=true").await.pop();
        marks.push((service, last.map_or(0, |line| line["seq"].as_i64().unwrap())));
    }
    marks
}

/// Forgotten orders that their callers confirmed with a key, at most ten.
fn forgotten_keys(book: &Book, orphans: &BTreeSet<Orphan>) -> Vec<(Wish, String)> {
    let forgotten: BTreeSet<&String> =
        orphans.iter().filter(|(_, _, kind)| kind == "forgotten").map(|(saga, ..)| saga).collect();
    let with_key = book.entries().into_iter().filter_map(|(wish, told)| match told {
        CallerResult::Final { saga, etat, .. } if etat == "CONFIRMEE" && wish.key.is_some() => {
            Some((wish, saga))
        }
        _ => None,
    });
    with_key.filter(|(_, saga)| forgotten.contains(saga)).take(10).collect()
}
