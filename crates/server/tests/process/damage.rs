//! A history that cannot be read, and stores that cannot be shared.

use boutique::{Facon, Service};
use serde_json::Value;

use crate::client::until;
use crate::load::{Book, CallerResult, Manner, Wish};
use crate::server::Setup;
use crate::shop::Shop;
use crate::store::{StoreEngine, file};

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_saga_parks_one_order_with_sqlite() {
    a_damaged_saga_parks_one_order(StoreEngine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_saga_parks_one_order_with_postgres() {
    a_damaged_saga_parks_one_order(StoreEngine::Postgres).await;
}

async fn a_damaged_saga_parks_one_order(engine: StoreEngine) {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, engine);
    // The same process each time, as far as others can tell: no other process waits for its lease.
    setup.variable("ORCHESTRATEUR_REPLICA", "the one".to_owned());
    let serve = setup.start().await;
    shop.fault("POST /api/clients/*/payer latency=2000");
    let book = Book::default();
    let mut sagas = Vec::new();
    for number in 0..6 {
        let wish = Wish { manner: Manner::Async, ..Wish::plain(number, 4) };
        let CallerResult::Accepted { saga } = wish.ask(serve.address, &book).await else {
            panic!("not accepted")
        };
        sagas.push(saga);
    }
    until("all stock is reserved", async || (shop.ledger(Service::Stock).await.len() == 6).then_some(()))
        .await;
    serve.kill();
    let damaged = sagas.remove(3);
    damage(engine, &setup, &damaged).await;
    shop.mend();
    // It stays as it is over any number of starts.
    for _ in 0..2 {
        let serve = setup.start().await;
        serve.quiet().await;
        let order = serve.commande(&damaged).await;
        assert_eq!(order["rollback"], "BLOQUE");
        let reason = order["echec"]["raison"].as_str().unwrap();
        assert!(reason.contains("the order's history cannot be read"), "{reason}");
        for saga in &sagas {
            assert_eq!(serve.commande(saga).await["etat_actuel"], "CONFIRMEE");
        }
        let blocked = serve.get("/api/commandes?rollback=BLOQUE").await.json();
        assert_eq!(blocked.as_array().unwrap().len(), 1);
        assert_eq!(serve.metric("sagas_parked_total").await, 1);
        assert_eq!(shop.effects_of(&damaged, "payer").await, 0);
        let order = Wish::plain(100, 4).ask(serve.address, &book).await;
        assert!(matches!(order, CallerResult::Final { .. }), "{order:?}");
        serve.kill();
    }
}

/// Writes garbage over the first frame of a saga.
async fn damage(engine: StoreEngine, setup: &Setup, saga: &str) {
    match engine {
        StoreEngine::Sqlite => {
            let connection = rusqlite::Connection::open(file(setup.folder())).unwrap();
            let changed = connection.execute(
                "UPDATE saga_event SET events = 'garbage' WHERE saga_id = unhex(?1, '-') AND first_seq = 1",
                [saga],
            );
            assert_eq!(changed.unwrap(), 1);
        }
        StoreEngine::Postgres => {
            let (client, connection) =
                tokio_postgres::connect(&setup.database_url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            let statement = format!(
                "UPDATE saga_event SET events = 'garbage' WHERE saga_id = '{saga}' AND first_seq = 1"
            );
            assert_eq!(client.execute(&statement, &[]).await.unwrap(), 1);
        }
    }
}

/// Overwrites the first page of the index by which sagas without an owner are found, which the start reads.
fn damage_index(setup: &Setup) {
    use std::os::unix::fs::FileExt;
    let path = file(setup.folder());
    let journal = rusqlite::Connection::open(&path).unwrap();
    journal.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let number = |sql: &str| journal.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs();
    let root = number("SELECT rootpage FROM sqlite_schema WHERE name = 'saga_owner'");
    let size = number("PRAGMA page_size");
    drop(journal);
    let journal = std::fs::File::options().write(true).open(path).unwrap();
    journal.write_all_at(&vec![0xA5; size as usize], (root - 1) * size).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_told_by_the_log_by_readiness_and_by_checks() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.argument("--check");
    let serve = setup.start().await;
    let told = Wish::plain(1, 4).ask(serve.address, &Book::default()).await;
    assert!(matches!(told, CallerResult::Final { .. }), "{told:?}");
    serve.kill();
    // A file that is whole is served again.
    let serve = setup.start().await;
    assert!(serve.log().contains("is whole"), "{}", serve.log());
    serve.kill();
    damage_index(&setup);
    let (status, log) = setup.try_start().await.err().expect("a damaged file is not served with --check");
    assert_eq!(status.code(), Some(1));
    assert!(
        log.contains("orchestrateur.db is damaged") && log.contains("Restore the newest backup"),
        "{log}"
    );
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_orchestrateur"));
    setup.equip(&mut check);
    let checked = check.args(["database", "check"]).output().unwrap();
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("is damaged"), "{checked:?}");

    setup.arguments.clear();
    let serve = setup.start().await;
    let journal = until("readiness tells it", async || {
        let ready = crate::client::send(serve.address, "GET", "/readyz", &[], None).await.unwrap();
        let journal = ready.json()["journal"].to_string();
        (ready.status == 503 && journal.contains("is damaged")).then_some(journal)
    })
    .await;
    assert!(journal.contains("`orchestrateur database check`"), "{journal}");
    assert!(serve.log().contains("orchestrateur.db is damaged"), "{}", serve.log());
    assert_eq!(Wish::plain(2, 4).ask(serve.address, &Book::default()).await, CallerResult::NothingDone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_sqlite_file_says_so_and_ends() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.start().await;
    let (mut child, log) = setup.spawn();
    let status = until("the second one ends", async || child.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(1));
    let said = std::fs::read_to_string(log).unwrap();
    assert!(said.contains("orchestrateur.db"), "{said}");
    assert!(said.contains("process"), "{said}");
    // The first one has not noticed.
    let told = Wish::plain(1, 4).ask(serve.address, &Book::default()).await;
    assert!(matches!(told, CallerResult::Final { .. }), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_start_at_once_on_an_empty_postgres_database() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Postgres);
    let (one, other) = tokio::join!(setup.start(), setup.start_as("replique-2"));
    let book = Book::default();
    for (number, serve) in [(1, &one), (2, &other)] {
        let told = Wish::plain(number, 4).ask(serve.address, &book).await;
        assert!(matches!(told, CallerResult::Final { .. }), "{told:?}");
    }
    let seen: Value = one.get("/api/commandes").await.json();
    assert_eq!(seen.as_array().unwrap().len(), 2, "both write to the same tables");
    crate::judge::judge(&other, &shop, &book).await;
}
