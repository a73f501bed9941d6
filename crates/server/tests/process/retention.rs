//! Old orders leave the journal for the archive, through kills, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use boutique::Facon;
use saga_core::{Record, SagaId, Timestamp};
use saga_journal::{Store, postgres, sqlite};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::{self, until};
use crate::load::{Book, CallerResult, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::{self, StoreEngine};

/// Orders in all; every second one is old.
const ORDERS: i64 = 400;
/// How often the process is killed meanwhile.
const KILLS: usize = 3;
const DAYS_AGO: i64 = 100;
/// How the shop's services list their effects.
const EFFECTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sagas/checkout-effects.yaml");
const DAY_US: i64 = 86_400_000_000;

/// An order as the shop's caller saw its end, and as the journal had it.
struct Placed {
    wish: Wish,
    saga: SagaId,
    has_failed: bool,
    records: Vec<Record>,
    is_old: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn old_orders_go_from_a_file_to_the_archive() {
    old_orders_go_to_the_archive(StoreEngine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_orders_go_from_postgres_to_the_archive() {
    old_orders_go_to_the_archive(StoreEngine::Postgres).await;
}

/// A line of the archive, as far as it is compared.
#[derive(serde::Deserialize)]
struct Line {
    id: SagaId,
    saga: String,
    definition_hash: String,
    end: String,
    events: Vec<Record>,
}

async fn old_orders_go_to_the_archive(engine: StoreEngine) {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, engine);
    let placed = place(&setup, engine).await;
    let failed_and_old = placed.iter().filter(|order| order.is_old && order.has_failed).count();
    assert!(failed_and_old > 20, "{failed_and_old}");
    age(&setup, engine, &placed).await;

    let archive = setup.folder().join("archive");
    setup.argument("--keep=90d,:failed=365d").argument(&format!("--archive={}", archive.display()));
    let going: Vec<&Placed> = placed.iter().filter(|order| order.is_old && !order.has_failed).collect();
    nothing_goes_while_the_archive_fails(&setup, engine, &archive, &placed).await;
    // Killed again and again, mostly between the archive and the journal.
    for _ in 0..KILLS {
        let before = bytes_in(&archive);
        let serve = setup.start().await;
        until("some orders are in the archive", async || {
            let are_gone = left(&setup, engine).await as usize <= placed.len() - going.len();
            (are_gone || bytes_in(&archive) > before).then_some(())
        })
        .await;
        serve.kill();
    }
    let serve = setup.start().await;
    until("all old orders are gone", async || {
        (left(&setup, engine).await as usize <= placed.len() - going.len()).then_some(())
    })
    .await;

    for order in &placed {
        let is_gone = order.is_old && !order.has_failed;
        let path = format!("/api/commande/{}", order.saga);
        let answer = client::send(serve.address, "GET", &path, &[], None).await.unwrap();
        assert_eq!(answer.status, if is_gone { 404 } else { 200 }, "{}", order.saga);
    }
    archived_in_full(&archive, &going).await;
    shown(&archive, going[7]);
    // An order that is in the archive is not forgotten, whoever compares the journal with the services.
    for (folder, code, words) in [(None, 3, "forgotten"), (Some(&archive), 0, "no differences")] {
        let mut reconcile = Command::new(env!("CARGO_BIN_EXE_orchestrateur"));
        reconcile.args(["reconcile", "--settle", "0s", "--definition", EFFECTS]).envs(shop.urls());
        reconcile.env("DATABASE_URL", &setup.database_url);
        reconcile.envs(folder.map(|folder| ("ORCHESTRATEUR_ARCHIVE", folder)));
        let told = tokio::task::spawn_blocking(move || reconcile.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        assert_eq!(told.status.code(), Some(code), "{folder:?}: {told:?}");
        assert!(text.contains(words), "{text}");
    }
    a_late_repetition_has_no_second_effect(&serve, &shop, going[0]).await;
}

/// Where the file of the day has to be, there is a folder.
async fn nothing_goes_while_the_archive_fails(
    setup: &Setup,
    engine: StoreEngine,
    archive: &Path,
    placed: &[Placed],
) {
    let ended = placed.iter().filter(|order| order.is_old).map(|order| order.records.last().unwrap().at);
    let days: BTreeSet<String> = ended
        .map(|at| Timestamp::from_micros(at.as_micros() - DAYS_AGO * DAY_US).to_string()[..10].to_owned())
        .collect();
    let blocking: Vec<PathBuf> = days.iter().map(|day| archive.join(format!("{day}.jsonl.gz"))).collect();
    for folder in &blocking {
        std::fs::create_dir_all(folder).unwrap();
    }
    let serve = setup.start().await;
    until("the archive has failed", async || {
        (serve.metric("archive_failures_total").await > 0).then_some(())
    })
    .await;
    assert_eq!(left(setup, engine).await as usize, placed.len());
    assert!(serve.log().contains("old orders stay in the journal: the archive fails"), "{}", serve.log());
    assert!(serve.log().contains(".jsonl.gz: Is a directory"), "{}", serve.log());
    serve.kill();
    for folder in &blocking {
        std::fs::remove_dir(folder).unwrap();
    }
}

/// The journal has forgotten the key, and the services have not: the same order again, and nothing is paid twice.
async fn a_late_repetition_has_no_second_effect(serve: &ServeProcess, shop: &Shop, order: &Placed) {
    let saga = order.saga.to_string();
    let again = order.wish.ask(serve.address, &Book::default()).await;
    let is_the_same =
        matches!(&again, CallerResult::Final { saga: of, etat, .. } if *of == saga && etat == "CONFIRMEE");
    assert!(is_the_same, "{again:?}");
    for operation in ["reserver", "payer", "enregistrer"] {
        assert_eq!(shop.effects_of(&saga, operation).await, 1, "{operation}");
    }
}

fn bytes_in(archive: &Path) -> u64 {
    let files = std::fs::read_dir(archive).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// Places all orders, waits for their ends, and stops the process.
async fn place(setup: &Setup, engine: StoreEngine) -> Vec<Placed> {
    let serve = setup.start().await;
    let (book, address) = (Arc::new(Book::default()), serve.address);
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let book = book.clone();
        callers.spawn(async move {
            for number in (caller..ORDERS).step_by(16) {
                let key = Some(format!("order-{number}"));
                Wish { key, ..Wish::plain(number, 1 + number % 7) }.ask(address, &book).await;
            }
        });
    }
    callers.join_all().await;
    // A file keeps its newest order, which is none of the old ones.
    Wish::plain(ORDERS + 1, 4).ask(address, &book).await;
    serve.quiet().await;
    serve.signal("TERM");
    serve.exit().await;
    let store = open(setup, engine).await;
    let mut placed = Vec::new();
    for (wish, told) in book.entries() {
        let CallerResult::Final { saga, etat, .. } = told else { panic!("{wish:?} was told {told:?}") };
        let saga: SagaId = saga.parse().unwrap();
        let records = store.load(saga).await.unwrap().unwrap().records;
        let is_old = wish.number % 2 == 0;
        placed.push(Placed { wish, saga, has_failed: etat != "CONFIRMEE", records, is_old });
    }
    assert_eq!(placed.len(), ORDERS as usize + 1);
    placed
}

async fn open(setup: &Setup, engine: StoreEngine) -> Arc<dyn Store> {
    match engine {
        StoreEngine::Sqlite => Arc::new(sqlite::open(store::file(setup.folder())).unwrap()),
        StoreEngine::Postgres => Arc::new(postgres::open(&setup.database_url).await.unwrap()),
    }
}

/// Sets the times of the old orders back.
async fn age(setup: &Setup, engine: StoreEngine, placed: &[Placed]) {
    let ago = DAYS_AGO * DAY_US;
    match engine {
        StoreEngine::Sqlite => {
            let file = rusqlite::Connection::open(store::file(setup.folder())).unwrap();
            for order in placed.iter().filter(|order| order.is_old) {
                let sql = "UPDATE saga SET created_us = created_us - ?1, updated_us = updated_us - ?1 WHERE saga_id = ?2";
                file.execute(sql, rusqlite::params![ago, order.saga.as_uuid().as_bytes()]).unwrap();
            }
        }
        StoreEngine::Postgres => {
            let client = connect(setup).await;
            for order in placed.iter().filter(|order| order.is_old) {
                let saga = order.saga;
                let sql = format!(
                    "UPDATE saga SET created_us = created_us - {ago}, updated_us = updated_us - {ago} WHERE saga_id = '{saga}'; \
                     UPDATE saga_label SET created_us = created_us - {ago} WHERE saga_id = '{saga}'"
                );
                client.batch_execute(&sql).await.unwrap();
            }
        }
    }
}

async fn connect(setup: &Setup) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(&setup.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// How many sagas the journal has.
async fn left(setup: &Setup, engine: StoreEngine) -> i64 {
    const LEFT: &str = "SELECT count(*) FROM saga";
    match engine {
        StoreEngine::Sqlite => rusqlite::Connection::open(store::file(setup.folder()))
            .unwrap()
            .query_row(LEFT, [], |row| row.get(0))
            .unwrap(),
        StoreEngine::Postgres => connect(setup).await.query_one(LEFT, &[]).await.unwrap().get(0),
    }
}

/// Each order that went is in the archive with all that happened to it, and no other is: DuckDB and we ourselves agree.
async fn archived_in_full(archive: &Path, going: &[&Placed]) {
    let mut lines: BTreeMap<SagaId, Line> = BTreeMap::new();
    let mut read = 0;
    for file in std::fs::read_dir(archive).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "gz") {
            continue;
        }
        let unzipped = Command::new("gzip").args(["-dc".as_ref(), path.as_os_str()]).output().unwrap();
        assert!(unzipped.status.success(), "{}", String::from_utf8_lossy(&unzipped.stderr));
        for line in String::from_utf8(unzipped.stdout).unwrap().lines() {
            let line: Line = serde_json::from_str(line).unwrap();
            read += 1;
            lines.insert(line.id, line);
        }
    }
    let expected: BTreeSet<SagaId> = going.iter().map(|order| order.saga).collect();
    assert_eq!(lines.keys().copied().collect::<BTreeSet<_>>(), expected);
    for order in going {
        let line = &lines[&order.saga];
        assert_eq!(line.events, order.records, "{}", order.saga);
        assert_eq!((&*line.end, &*line.saga), ("completed", "checkout"));
        let source = archive.join(format!("definitions/{}.yaml", line.definition_hash));
        assert!(std::fs::read_to_string(source).unwrap().contains("saga: checkout"));
    }
    let folder = archive.to_owned();
    let told = tokio::task::spawn_blocking(move || duckdb(&folder)).await.unwrap();
    let events: usize = going.iter().map(|order| order.records.len()).sum();
    assert_eq!(told, format!("{read} {} {events} CONFIRMEE", going.len()));
}

/// What DuckDB reads of the archive: lines, orders, events of the orders, and their states.
fn duckdb(archive: &Path) -> String {
    let program = r#"
import duckdb, sys
lines = f"read_json('{sys.argv[1]}/*.jsonl.gz', columns={{id: 'UUID', state: 'VARCHAR', ended_at: 'TIMESTAMPTZ', labels: 'JSON', events: 'JSON'}})"
count, orders = duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM {lines}").fetchall()[0]
events, states = duckdb.sql(f"""
    SELECT sum(json_array_length(events)), string_agg(DISTINCT state, ',')
    FROM (SELECT DISTINCT ON (id) * FROM {lines} WHERE ended_at < now() - INTERVAL 90 DAY AND CAST(labels ->> 'client_id' AS BIGINT) > 0)
""").fetchall()[0]
print(count, orders, events, states)
"#;
    let output = Command::new(python_with_duckdb()).args(["-c", program]).arg(archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A Python that has DuckDB, installed below `target/examples` once.
fn python_with_duckdb() -> PathBuf {
    const PINNED: &str = "duckdb==2.0.1";
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/examples");
    let folder = cache.join("duckdb");
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed"));
    static ONCE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = ONCE.lock();
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == PINNED) {
        return python;
    }
    std::fs::create_dir_all(&cache).unwrap();
    let run = |command: &mut Command| {
        let output = command.output().expect("python3 with venv: scripts/setup installs it");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    run(Command::new(&python).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        PINNED,
    ]));
    std::fs::write(stamp, PINNED).unwrap();
    python
}

/// `orchestrateur archive show` prints it, by its id alone, and for programs.
fn shown(archive: &Path, order: &Placed) {
    let show = |more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_orchestrateur"))
            .args(["archive", "show", &order.saga.to_string()])
            .args(more)
            .env("ORCHESTRATEUR_ARCHIVE", archive)
            .output()
            .unwrap();
        let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        (output.status.success(), texts.concat())
    };
    let (is_found, text) = show(&[]);
    assert!(
        is_found
            && text.contains("CONFIRMEE, completed")
            && text.contains("paiement action")
            && text.contains("#1 ok  200"),
        "{text}"
    );
    let (is_found, json) = show(&["--json"]);
    assert!(is_found);
    assert_eq!(serde_json::from_str::<Line>(&json).unwrap().events, order.records);
    let line: Value = serde_json::from_str(&json).unwrap();
    let day = &line["ended_at"].as_str().unwrap()[..10];
    assert!(show(&["--day", day]).0);
    let (is_found, text) = show(&["--day", "2001-01-01"]);
    assert!(!is_found && text.contains("has no saga"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_do_not_fit_are_refused_at_the_start() {
    let shop = Shop::open(Facon::Moderne).await;
    for (arguments, why) in [
        (&["--keep=90d"][..], "say where they go with --archive FOLDER"),
        (&["--keep=soon", "--archive=none"], "`soon` is no time to keep sagas for"),
        (
            &["--keep=90d", "--keep=80d", "--archive=none"],
            "two rules are about the same sagas: `90d` and `80d`",
        ),
        (&["--archive=old"], "but nothing is ever to go there"),
        (&["--keep=90d", "--archive=no/such/folder"], "use the folder no/such/folder for the archive"),
    ] {
        let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
        for argument in arguments {
            setup.argument(argument);
        }
        let Err((status, log)) = setup.try_start().await else { panic!("{arguments:?} were accepted") };
        assert!(!status.success() && log.contains(why), "{arguments:?}: {log}");
    }
}
