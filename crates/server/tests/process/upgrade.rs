//! A journal that the release before has written is opened, finished and listed right.
//!
//! `upgrade/sqlite.sql` and `upgrade/postgres.sql` are journals whose process was killed while orders were in every state:
//! in flight, asleep, being undone, blocked, parked because their history is damaged, and with commands left for an owner.
//! `upgrade/before.json` is the list that it gave. `upgrade/make.py` says how they were made.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use boutique::Facon;
use serde_json::Value;

use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::{self, StoreEngine};

const DEFINITION: &str = include_str!("upgrade/fixture.yaml");
const BEFORE: &str = include_str!("upgrade/before.json");
/// When the two processes were killed, in microseconds.
const SQLITE_KILLED_US: u64 = 1_795_897_384_361_259;
const POSTGRES_KILLED_US: u64 = 1_795_897_394_977_708;

/// How the instants of these journals begin.
const INSTANTS: &str = "179";

/// A journal as if its process had been killed a moment ago: an order of last year would be too late for everything.
pub(crate) fn moved_to_now(journal: &str, killed_us: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    let mut shifted = String::new();
    let mut rest = journal;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (number, after) = number.split_at(end);
        shifted.push_str(before);
        match number.parse::<u64>() {
            Ok(instant) if number.len() == 16 && number.starts_with(INSTANTS) => {
                shifted.push_str(&(instant + now - killed_us).to_string());
            }
            _ => shifted.push_str(number),
        }
        rest = after;
    }
    shifted + rest
}

/// Where each order has to come to by itself, by its name in `make.py`: its state and its rollback.
const ENDS: [(&str, &str, &str); 19] = [
    ("confirmed", "CONFIRMEE", "AUCUN"),
    ("stock-refused", "ECHEC_STOCK", "AUCUN"),
    ("payment-refused", "ECHEC_PAIEMENT", "TERMINE"),
    ("sale-refused", "ECHEC_ENREGISTREMENT", "TERMINE"),
    ("cancelled", "ANNULEE", "TERMINE"),
    ("resolved", "ECHEC_PAIEMENT", "TERMINE"),
    ("reading-cart", "CONFIRMEE", "AUCUN"),
    ("reserving", "CONFIRMEE", "AUCUN"),
    ("paying", "CONFIRMEE", "AUCUN"),
    ("paid-late", "CONFIRMEE", "AUCUN"),
    ("selling", "CONFIRMEE", "AUCUN"),
    ("undoing", "ECHEC_PAIEMENT", "TERMINE"),
    // It waits for an operator, as before.
    ("blocked", "ECHEC_PAIEMENT", "BLOQUE"),
    ("resumed", "ECHEC_PAIEMENT", "BLOQUE"),
    ("damaged", "STOCK_RESERVE", "BLOQUE"),
    // Commands that were left for the orders' owner are applied, or refused where they make no sense.
    ("to-cancel", "ANNULEE", "TERMINE"),
    ("to-resume", "CONFIRMEE", "AUCUN"),
    ("to-resolve", "ECHEC_PAIEMENT", "TERMINE"),
    ("unreadable-word", "CONFIRMEE", "AUCUN"),
];

async fn orders_of_the_release_before_are_listed_and_finished(setup: &mut Setup) -> ServeProcess {
    let before: Value = serde_json::from_str(BEFORE).unwrap();
    let ids: BTreeMap<String, String> = serde_json::from_value(before["orders"].clone()).unwrap();
    let serve = setup.definition(DEFINITION).start().await;

    for (name, state, rollback) in ENDS {
        let id = &ids[name];
        let order = serve.settled(id).await;
        assert_eq!(
            (&order["etat_actuel"], &order["rollback"]),
            (&state.into(), &rollback.into()),
            "{name}: {order}"
        );
        let is_damaged = name == "damaged";
        let motive = if is_damaged { "history_unreadable" } else { "nothing_to_undo" };
        let wanted = if rollback == "BLOQUE" { Value::from(motive) } else { Value::Null };
        assert_eq!(order["blocage"]["motif"], wanted, "{name}: {order}");
        if !is_damaged {
            let history = serve.get(&format!("/api/commande/{id}/historique")).await.json();
            assert_eq!(history[0]["etat"], "INITIEE", "{name}: {history}");
        }
    }
    // Its retry is hours away: it sleeps until an operator wants it tried.
    let asleep = serve.commande(&ids["asleep"]).await;
    assert_eq!((&asleep["etat_actuel"], &asleep["rollback"]), (&"STOCK_RESERVE".into(), &"AUCUN".into()));

    listed_as_before(&serve, &before, &ids).await;
    serve
}

/// Orders that were over are listed as they were, in the same order; and each filter finds what it found.
async fn listed_as_before(serve: &ServeProcess, before: &Value, ids: &BTreeMap<String, String>) {
    let all = serve.get("/api/commandes?limit=100").await.json();
    let order_of = |page: &Value| -> Vec<String> {
        page.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(order_of(&all), order_of(&before["listed"]));
    for (now, then) in all.as_array().unwrap().iter().zip(before["listed"].as_array().unwrap()) {
        for member in ["id", "client_id", "magasin_id", "definition"] {
            assert_eq!(now[member], then[member], "{member}: {now}");
        }
        let was_over = then["rollback"] == "TERMINE"
            || then["etat_actuel"] == "CONFIRMEE"
            || then["etat_actuel"] == "ECHEC_STOCK";
        for member in ["etat_actuel", "rollback", "echec"].into_iter().filter(|_| was_over) {
            assert_eq!(now[member], then[member], "{member}: {now}");
        }
    }
    type Passes = fn(&Value) -> bool;
    let filters: [(&str, Passes); 8] = [
        ("client_id=2", |row| row["client_id"] == 2),
        ("magasin_id=1", |row| row["magasin_id"] == 1),
        ("client_id=2&magasin_id=3&rollback=BLOQUE", |row| {
            row["client_id"] == 2 && row["magasin_id"] == 3 && row["rollback"] == "BLOQUE"
        }),
        ("etat=ECHEC_PAIEMENT", |row| row["etat_actuel"] == "ECHEC_PAIEMENT"),
        ("etat=STOCK_RESERVE", |row| row["etat_actuel"] == "STOCK_RESERVE"),
        ("rollback=BLOQUE", |row| row["rollback"] == "BLOQUE"),
        ("rollback=TERMINE", |row| row["rollback"] == "TERMINE"),
        ("rollback=AUCUN&etat=CONFIRMEE", |row| {
            row["rollback"] == "AUCUN" && row["etat_actuel"] == "CONFIRMEE"
        }),
    ];
    for (filter, passes) in filters {
        let wanted: Vec<_> = all.as_array().unwrap().iter().filter(|row| passes(row)).cloned().collect();
        let found = serve.get(&format!("/api/commandes?limit=100&{filter}")).await.json();
        assert_eq!(order_of(&found), order_of(&Value::from(wanted.clone())), "{filter}");
        assert!(!wanted.is_empty(), "{filter}");
    }
    assert_eq!(ids.len(), all.as_array().unwrap().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_the_release_before_are_listed_and_finished_in_sqlite() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    let file = store::file(setup.folder());
    let journal = moved_to_now(include_str!("upgrade/sqlite.sql"), SQLITE_KILLED_US);
    rusqlite::Connection::open(&file).unwrap().execute_batch(&journal).unwrap();
    let _serve = orders_of_the_release_before_are_listed_and_finished(&mut setup).await;
    let person = rusqlite::Connection::open(&file).unwrap();
    let refused: String = person.query_row("SELECT refused FROM saga_command", [], |row| row.get(0)).unwrap();
    assert!(refused.contains("unknown variant `dance`"), "{refused}");
    let sql = "SELECT count(*), count(client_id), count(DISTINCT rollback) FROM commandes";
    let counts = person.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    assert_eq!(counts, Ok((20, 20, 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_the_release_before_are_listed_and_finished_in_postgres() {
    let shop = Shop::open(Facon::Moderne).await;
    let url = saga_testkit::postgres::shared().create_database();
    let (person, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let journal = moved_to_now(include_str!("upgrade/postgres.sql"), POSTGRES_KILLED_US);
    person.batch_execute(&journal).await.unwrap();
    let mut setup = Setup::of(&shop, url);
    let _serve = orders_of_the_release_before_are_listed_and_finished(&mut setup).await;
    let refused: String = person.query_one("SELECT refused FROM saga_command", &[]).await.unwrap().get(0);
    assert!(refused.contains("unknown variant `dance`"), "{refused}");
    let sql = "SELECT count(*), count(client_id), count(DISTINCT rollback) FROM commandes";
    let row = person.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (20, 20, 3));
}
