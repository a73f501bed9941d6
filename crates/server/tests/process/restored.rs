//! A journal that is set back to an older copy, while the services remember what came after it.

use std::path::PathBuf;
use std::process::Command;

use boutique::Facon;

use crate::client::until;
use crate::judge::judge;
use crate::load::{Book, CallerResult, Manner, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::{self, StoreEngine};

/// Orders that the copy has under way at each step.
const ORDERS: i64 = 15;

/// For each step with an effect: the client whose orders are held up there, the operation, and the rule that has its
/// effects without their answers.
const HELD_UP: [(i64, &str, &str); 3] = [
    (6, "enregistrer", "POST /api/ventes client=6"),
    (5, "payer", "POST /api/clients/5/payer"),
    // Every cart has the same products, so this one comes last.
    (4, "reserver", "POST /api/stock/reserver"),
];

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_were_rolled_back_after_the_copy_was_made_are_not_confirmed_by_it() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.start().await;
    let book = Book::default();
    let mut orders: Vec<(Wish, String)> = Vec::new();
    for (client_id, operation, rule) in HELD_UP {
        shop.fault(&format!("{rule} latency-after=600000"));
        for _ in 0..ORDERS {
            let wish = Wish { manner: Manner::Async, ..Wish::plain(orders.len() as i64, client_id) };
            let told = wish.ask(serve.address, &book).await;
            let CallerResult::Accepted { saga } = told else { panic!("{wish:?} was told {told:?}") };
            orders.push((wish, saga));
        }
        for (_, saga) in orders.iter().filter(|(wish, _)| wish.client_id == client_id) {
            until("the step has its effect", async || {
                (shop.effects_of(saga, operation).await == 1).then_some(())
            })
            .await;
        }
    }

    let copy = setup.folder().join("copy.db");
    let journal = rusqlite::Connection::open(store::file(setup.folder())).unwrap();
    journal.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    drop(journal);

    for (wish, saga) in &orders {
        let told = wish.cancel(serve.address, &book, saga).await;
        // It may be rolled back by the time of the answer.
        let is_told = match &told {
            CallerResult::WillBeCancelled { saga: of } => of == saga,
            CallerResult::Final { saga: of, etat, .. } => of == saga && etat == "ANNULEE",
            _ => false,
        };
        assert!(is_told, "{wish:?} was told {told:?}");
    }
    shop.mend();
    serve.quiet().await;
    let done = cancelled_and_undone(&serve, &orders).await;
    assert_eq!(done, orders.len(), "not every order was rolled back before the copy came back");
    serve.kill();

    let file = store::file(setup.folder());
    for rest in ["orchestrateur.db-wal", "orchestrateur.db-shm"] {
        let _ = std::fs::remove_file(setup.folder().join(rest));
    }
    std::fs::rename(copy, file).unwrap();
    let serve = setup.start().await;
    serve.quiet().await;
    // What callers were told meanwhile is lost with the newer journal, but what the services did is not.
    let verdict = judge(&serve, &shop, &Book::default()).await;
    assert_eq!(verdict.orders.len(), orders.len());
    assert!(!verdict.states.contains_key("CONFIRMEE"), "{:?}", verdict.states);
    assert_eq!(verdict.undone, orders.len(), "{:?}", verdict.states);
}

/// How many of the orders are cancelled, and were undone.
async fn cancelled_and_undone(serve: &ServeProcess, orders: &[(Wish, String)]) -> usize {
    let mut undone = 0;
    for (_, saga) in orders {
        let order = serve.settled(saga).await;
        undone += usize::from(order["etat_actuel"] == "ANNULEE" && order["rollback"] == "TERMINE");
    }
    undone
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_without_incarnations_is_kept_away_from_the_second_one_of_a_file() {
    a_release_without_incarnations_is_kept_away_from_the_second_one(StoreEngine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_without_incarnations_is_kept_away_from_the_second_one_of_a_database() {
    a_release_without_incarnations_is_kept_away_from_the_second_one(StoreEngine::Postgres).await;
}

/// `ORCHESTRATEUR_BEFORE_INCARNATIONS` names the program of a release that knows the step before incarnations and not theirs. Without it, this
/// release stands for that one: a later release has brought the journal a step that lets this one go on, and then needs to be known, as
/// the step of incarnations does.
async fn a_release_without_incarnations_is_kept_away_from_the_second_one(engine: StoreEngine) {
    let before = std::env::var_os("ORCHESTRATEUR_BEFORE_INCARNATIONS").map(PathBuf::from);
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, engine);
    let book = Book::default();
    let order = async |serve: &ServeProcess, number| {
        let told = Wish::plain(number, 4).ask(serve.address, &book).await;
        assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"), "{told:?}");
    };
    let stop = async |serve: ServeProcess| {
        serve.signal("TERM");
        assert!(serve.exit().await.success());
    };
    let serve = setup.start().await;
    order(&serve, 1).await;
    stop(serve).await;
    if before.is_none() {
        let later = "INSERT INTO saga_migration (version, name, checksum, needs) \
            SELECT max(version) + 1, 'later', 'of a later release', max(version) FROM saga_migration";
        execute(&setup, later).await;
    }
    let serve = setup.program(before.clone()).start().await;
    order(&serve, 2).await;
    stop(serve).await;

    let mut accept = Command::new(env!("CARGO_BIN_EXE_orchestrateur"));
    setup.equip(&mut accept);
    let accepted = accept.args(["database", "accept", "--restored"]).output().unwrap();
    let said = String::from_utf8_lossy(&accepted.stdout);
    assert!(
        accepted.status.success() && said.contains("Releases that know no incarnations refuse it"),
        "{accepted:?}"
    );
    let raised = "UPDATE saga_migration SET needs = version WHERE name = 'later' \
        AND 1 = (SELECT count(*) FROM saga_migration WHERE name = 'incarnation' AND needs = version)";
    let expected = u64::from(before.is_none());
    assert_eq!(execute(&setup, raised).await, expected, "the step of incarnations does not need to be known");
    let (status, log) = setup.try_start().await.err().expect("it does not know what it needs to know");
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("which needs a program that knows version"), "{log}");

    if before.is_none() {
        execute(&setup, "DELETE FROM saga_migration WHERE name = 'later'").await;
    }
    let serve = setup.program(None).start().await;
    order(&serve, 3).await;
    assert_eq!(serve.metric("journal_incarnation ").await, 2);
    serve.quiet().await;
    assert_eq!(judge(&serve, &shop, &book).await.orders.len(), 3);
}

/// How many rows it changes.
async fn execute(setup: &Setup, sql: &str) -> u64 {
    if setup.database_url.starts_with("sqlite:") {
        return rusqlite::Connection::open(store::file(setup.folder())).unwrap().execute(sql, []).unwrap()
            as u64;
    }
    let (person, connection) =
        tokio_postgres::connect(&setup.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    person.execute(sql, &[]).await.unwrap()
}
