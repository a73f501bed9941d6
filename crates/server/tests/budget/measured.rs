//! An order on either store, counted in three processes: one that strace watches, one whose allocator counts, and one that is left alone.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use boutique::{Facon, Service};
use saga_endurance::serve::{ServeProcess, Setup};
use saga_endurance::shop::Shop;
use saga_endurance::store::{StoreEngine, file};
use saga_testkit::postgres::Cluster;
use tokio::time::sleep;

use crate::allocations::{self, Allocations};
use crate::counted::{CONTROL, Control};
use crate::figures::{Counts, Figures, Layer, Measure};
use crate::kept::{self, Kept};
use crate::orders::{Caller, IDLE, Orders, now};
use crate::page;
use crate::statements::{self, Database, Executions};
use crate::system_calls::{self, Places};

/// Orders before anything is counted: connections and caches are there then.
const WARM_UP: usize = 20;
/// Orders that are counted.
const ORDERS: usize = 40;
/// Callers at the same time, and the orders of each.
const CROWD: usize = 64;
const ORDERS_OF_EACH: usize = 4;

/// Counts one order, and compares with the table.
pub(crate) fn holds(engine: StoreEngine) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let figures = runtime.block_on(async {
        let store = Store::new(engine);
        let shop = Shop::open(Facon::Moderne).await;
        let journal = count_journal(&store, &shop).await;
        let entries = journal.figures[&(Measure::Entries, Layer::Journal)];
        let parts = [
            ("system-calls", count_system_calls(&store, &shop).await),
            ("allocations", count_allocations(&store, &shop, entries).await),
            ("journal", journal),
        ];
        let mut figures = Figures::new();
        for (name, counts) in parts {
            if let Some(folder) = std::env::var_os("BUDGET_DETAILS") {
                write(Path::new(&folder), engine, name, &counts);
            }
            figures.extend(counts.figures);
        }
        figures
    });
    if let Some(folder) = std::env::var_os("BUDGET_DETAILS") {
        let lines =
            figures.iter().map(|((measure, layer), figure)| format!("{measure}\t{layer}\t{figure}\n"));
        std::fs::write(details(Path::new(&folder), engine, "figures"), lines.collect::<String>()).unwrap();
    }
    page::hold(engine, &figures, |(measure, _)| measure != Measure::Instructions);
}

fn write(folder: &Path, engine: StoreEngine, name: &str, counts: &Counts) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(details(folder, engine, name), counts.details.join("\n") + "\n").unwrap();
}

fn details(folder: &Path, engine: StoreEngine, name: &str) -> PathBuf {
    folder.join(format!("{engine:?}-{name}.txt").to_lowercase())
}

/// A store of one kind.
struct Store {
    engine: StoreEngine,
    cluster: Option<Cluster>,
}

impl Store {
    fn new(engine: StoreEngine) -> Self {
        let cluster = match engine {
            StoreEngine::Sqlite => None,
            StoreEngine::Postgres => Some(statements::cluster()),
        };
        Self { engine, cluster }
    }

    /// An orchestrator with an empty store.
    fn setup(&self, shop: &Shop) -> Setup {
        let mut setup = match &self.cluster {
            None => Setup::new(shop, self.engine),
            Some(cluster) => Setup::of(shop, cluster.create_database()),
        };
        // As many on every machine: how often they wake each other depends on it.
        setup.variable("TOKIO_WORKER_THREADS", "2".to_owned());
        setup
    }
}

async fn ready(setup: &Setup) -> (ServeProcess, Caller) {
    let serve = setup.start().await;
    serve.quiet().await;
    let mut caller = Caller::connect(serve.address, "budget").await;
    caller.orders(WARM_UP).await;
    (serve, caller)
}

async fn count_system_calls(store: &Store, shop: &Shop) -> Counts {
    let mut setup = store.setup(shop);
    let lines = setup.folder().join("system-calls");
    let program = system_calls::traced_program(setup.folder(), &lines);
    setup.program(Some(program));
    let (serve, mut caller) = ready(&setup).await;
    let mut begun = vec![now()];
    for _ in 0..ORDERS {
        caller.order().await;
        begun.push(now());
    }
    let places = Places {
        listen: serve.address,
        participants: Service::ALL.iter().map(|service| shop.address(*service).port()).collect(),
        database: store.cluster.as_ref().map(Cluster::port),
        folder: setup.folder().to_owned(),
    };
    serve.signal("TERM");
    serve.exit().await;
    let lines = system_calls::complete(&lines).await;
    system_calls::of_one(&lines, &places, &begun)
}

/// An order needs so many `entries`.
async fn count_allocations(store: &Store, shop: &Shop, entries: f64) -> Counts {
    let mut setup = store.setup(shop);
    let stacks = setup.folder().join("stacks");
    let path = setup.folder().join("control");
    let listener = UnixListener::bind(&path).unwrap();
    setup.variable(CONTROL, path.display().to_string());
    setup.program(Some(std::env::current_exe().unwrap()));
    let (serve, mut caller) = ready(&setup).await;
    let mut control = Control::accept(&listener);
    control.count_into(&stacks);
    sleep(IDLE).await;
    control.stop_counting();
    let idle = Allocations::read(&stacks);
    let before = serve.metric("journal_entries_total").await;
    control.count_into(&stacks);
    let begun = now();
    caller.orders(ORDERS).await;
    let seconds = now() - begun;
    control.stop_counting();
    let written = serve.metric("journal_entries_total").await - before;
    let orders = Orders { count: ORDERS, seconds, entries: written as f64 / (entries * ORDERS as f64) };
    allocations::of_one(&Allocations::read(&stacks), &idle, &orders)
}

/// What the journal keeps of an order, and how many it writes together.
async fn count_journal(store: &Store, shop: &Shop) -> Counts {
    let setup = store.setup(shop);
    let (serve, mut caller) = ready(&setup).await;
    let database = match &store.cluster {
        None => None,
        Some(_) => Some(Database::connect(&setup.database_url).await),
    };
    let idle = match &store.cluster {
        None => Executions::new(),
        Some(cluster) => {
            statements::count_anew(cluster);
            sleep(IDLE).await;
            let idle = statements::counted(cluster, &setup.database_url);
            statements::count_anew(cluster);
            idle
        }
    };
    let begun = now();
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        let before = JournalCounts::read(&serve, &setup, database.as_ref()).await;
        caller.order().await;
        orders.push(JournalCounts::read(&serve, &setup, database.as_ref()).await.since(&before));
    }
    let seconds = now() - begun;
    // A slow machine only adds entries.
    let entries = orders.iter().map(|order| order.entries).min().unwrap();
    let written: u64 = orders.iter().map(|order| order.entries).sum();
    let mut counts = match &store.cluster {
        None => Counts::default(),
        Some(cluster) => {
            let counted = statements::counted(cluster, &setup.database_url);
            let times = written as f64 / (entries * ORDERS as u64) as f64;
            statements::of_one(&counted, &idle, &Orders { count: ORDERS, seconds, entries: times })
        }
    };
    let usual: Vec<&JournalCounts> = orders.iter().filter(|order| order.entries == entries).collect();
    let median = |count: fn(&JournalCounts) -> i64| {
        let mut sorted: Vec<i64> = usual.iter().map(|order| count(order)).collect();
        sorted.sort_unstable();
        sorted[sorted.len() / 2] as f64
    };
    counts.add(Measure::Entries, Layer::Journal, entries as f64);
    counts.add(Measure::Events, Layer::Journal, median(|order| order.events as i64));
    counts.add(Measure::BytesKept, Layer::Journal, median(|order| order.kept.values().sum()));
    if database.is_some() {
        counts.add(Measure::BytesOfWal, Layer::Journal, median(|order| order.wal_bytes));
    }
    for name in usual[0].kept.keys() {
        let sum: i64 = usual.iter().map(|order| order.kept[name]).sum();
        counts.details.push(format!("journal: {:.1} bytes kept: {name}", sum as f64 / usual.len() as f64));
    }
    let before = serve.metric("journal_commits_total").await;
    crowd(&serve).await;
    let commits = serve.metric("journal_commits_total").await - before;
    counts.add(Measure::SharedFlushes, Layer::Journal, commits as f64 / (CROWD * ORDERS_OF_EACH) as f64);
    counts
}

async fn crowd(serve: &ServeProcess) {
    let callers = (0..CROWD).map(|number| {
        let to = serve.address;
        tokio::spawn(async move {
            Caller::connect(to, &format!("crowd-{number}")).await.orders(ORDERS_OF_EACH).await;
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

/// Counts that only grow.
struct JournalCounts {
    entries: u64,
    events: u64,
    kept: Kept,
    wal_bytes: i64,
}

impl JournalCounts {
    async fn read(serve: &ServeProcess, setup: &Setup, database: Option<&Database>) -> Self {
        let (kept, wal_bytes) = match database {
            None => (kept::in_file(&file(setup.folder())), 0),
            Some(database) => (kept::in_database(database).await, database.wal_end().await),
        };
        let [entries, events] = ["journal_entries_total", "journal_events_total"];
        Self { entries: serve.metric(entries).await, events: serve.metric(events).await, kept, wal_bytes }
    }

    fn since(&self, before: &Self) -> Self {
        let kept = self.kept.iter();
        let kept = kept.map(|(name, bytes)| (name.clone(), bytes - before.kept.get(name).unwrap_or(&0)));
        Self {
            entries: self.entries - before.entries,
            events: self.events - before.events,
            kept: kept.collect(),
            wal_bytes: self.wal_bytes - before.wal_bytes,
        }
    }
}
