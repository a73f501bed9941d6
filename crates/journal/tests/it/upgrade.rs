//! Journals that older releases have written.

use saga_core::definition::DefinitionHash;
use saga_journal::KeptDefinition;
use sha2::{Digest, Sha256};

use crate::entries::{OWNER, by, end, hash, next, records, replica, saga, start, word};
use crate::fixture::{InPostgres, InSqlite, Sql, join, keep};

/// The journal of the first release: order 1 under way, order 2 over.
async fn first_release<F: Sql>() -> F {
    let fixture = F::new();
    let checksum: String = Sha256::digest(F::FIRST_SCHEMA).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut script = format!(
        "CREATE TABLE saga_migration (version BIGINT PRIMARY KEY, name TEXT, checksum TEXT); \
         INSERT INTO saga_migration VALUES (1, 'sagas', '{checksum}'); {};",
        F::FIRST_SCHEMA
    );
    for (number, is_over) in [(1, "false"), (2, "true")] {
        let (id, events) = (F::literal(saga(number)), serde_json::to_string(&start(number).records).unwrap());
        script += &format!(
            "INSERT INTO saga_event VALUES ({id}, 1, '{events}'); \
             INSERT INTO saga VALUES ({id}, 1, 1, 'checkout', '{}', 4, 1, 'INITIEE', 'AUCUN', NULL, NULL, {is_over}, 5, 5);",
            hash().as_str()
        );
    }
    script +=
        &format!("INSERT INTO saga_definition VALUES ('{}', 'checkout', 'saga: checkout');", hash().as_str());
    fixture.execute(&script).await;
    fixture
}

async fn what_was_under_way_is_claimed_by_whoever_comes<F: Sql>() {
    let fixture = first_release::<F>().await;
    let store = fixture.open_for_nobody().await;
    let row = store.row(saga(1)).await.unwrap().unwrap();
    assert_eq!((row.owner, row.row.due), (replica(0), None));
    join(&*store, OWNER).await;
    let second = by(OWNER, &next(&start(1), "STOCK_RESERVE"));
    assert!(store.append(std::slice::from_ref(&second)).await.unwrap()[0].is_err(), "it is not claimed yet");
    assert_eq!(store.claim(OWNER, 10).await, Ok(vec![saga(1)]));
    keep(&*store, &[&second, &end(&second)]).await;
    let history = store.load(saga(1)).await.unwrap().unwrap();
    assert_eq!(history.records, records(&[&start(1), &second, &end(&second)]));
    assert_eq!(
        fixture.query("SELECT etat_actuel FROM commandes ORDER BY id").await,
        [["CONFIRMEE"], ["INITIEE"]]
    );
}

/// A definition that was kept before definitions had formats has the first one, and keeping it again changes nothing:
/// orders are pinned to it. A release without formats that runs beside this one still writes into the same table.
async fn definitions_without_a_format_have_the_first_one<F: Sql>() {
    let fixture = first_release::<F>().await;
    let store = fixture.open_for_nobody().await;
    let kept =
        KeptDefinition { name: word("checkout"), source: word("saga: checkout"), format: 1, orders: true };
    assert_eq!(store.definition(hash()).await, Ok(Some(kept.clone())));
    store.define(hash(), KeptDefinition { format: 2, ..kept.clone() }).await.unwrap();
    assert_eq!(store.definition(hash()).await, Ok(Some(kept)));
    fixture.execute("INSERT INTO saga_definition (hash, name, source) VALUES ('x', 'y', 'z')").await;
    let written = store.definition(DefinitionHash::new("x")).await.unwrap().unwrap();
    assert_eq!((&*written.source, written.format), ("z", 1));
}

#[tokio::test]
async fn definitions_without_a_format_have_the_first_one_in_sqlite() {
    definitions_without_a_format_have_the_first_one::<InSqlite>().await;
}

#[tokio::test]
async fn definitions_without_a_format_have_the_first_one_in_postgres() {
    definitions_without_a_format_have_the_first_one::<InPostgres>().await;
}

#[tokio::test]
async fn what_was_under_way_in_sqlite_is_claimed_by_whoever_comes() {
    what_was_under_way_is_claimed_by_whoever_comes::<InSqlite>().await;
}

#[tokio::test]
async fn what_was_under_way_in_postgres_is_claimed_by_whoever_comes() {
    what_was_under_way_is_claimed_by_whoever_comes::<InPostgres>().await;
}

/// What the step for causes makes of rows that were there before: the step that failed a saga, since when one waits that cannot be
/// read, and nothing of a row that is damaged. And the later step of those that no step failed.
async fn rows_of_before_have_their_failed_step<F: Sql>(
    [causes, failed]: [&str; 2],
    indices: &[&str],
    columns: &[&str],
) {
    let fixture = F::new();
    let store = fixture.open_for_nobody().await;
    join(&*store, OWNER).await;
    for number in 1..=5 {
        keep(&*store, &[&start(number)]).await;
    }
    drop(store);
    for index in indices {
        fixture.execute(&format!("DROP INDEX {index}")).await;
    }
    for column in columns {
        fixture.execute(&format!("ALTER TABLE saga DROP COLUMN {column}")).await;
    }
    for (number, summary) in [
        (1, r#"{"failure":{"step":"stock","reason":"x \"failure\": {\"step\": \"no\"}"}}"#),
        (2, r#"{"failure" : {"step" : "vente", "reason" : "y"}, "waiting": []}"#),
        (3, r#"{"failure":{"step":null,"reason":"cancelled on request"}}"#),
        (4, r#"{"blocked":{"step":"x","reason":"{\"failure\":{\"step\":\"no\"}}"}}"#),
        (5, r#"{"failure":{"step":"#),
    ] {
        let id = F::literal(saga(number));
        fixture.execute(&format!("UPDATE saga SET summary = '{summary}' WHERE saga_id = {id}")).await;
    }
    let id = F::literal(saga(4));
    fixture.execute(&format!("UPDATE saga SET parked = 'why' WHERE saga_id = {id}")).await;
    fixture.execute(causes).await;
    let rows = "SELECT failed_step, cause, blocked_us - updated_us FROM saga ORDER BY saga_id";
    let rows = fixture.query(rows).await;
    let expected = [
        ["stock", "NULL", "NULL"],
        ["vente", "NULL", "NULL"],
        ["NULL", "NULL", "NULL"],
        ["NULL", "0:", "0"],
        ["NULL", "NULL", "NULL"],
    ];
    assert_eq!(rows, expected);
    fixture.execute(failed).await;
    let rows = fixture.query("SELECT coalesce(failed_step, 'none') FROM saga ORDER BY saga_id").await;
    assert_eq!(rows, [["stock"], ["vente"], [""], ["none"], [""]]);
}

const CAUSE_INDICES: &[&str] = &["saga_cause", "saga_cause_newest", "saga_failed_step", "saga_failed"];
const CAUSE_COLUMNS: &[&str] = &["cause", "at_stake", "failed_step"];

#[tokio::test]
async fn rows_of_before_have_their_failed_step_in_sqlite() {
    let steps = [
        include_str!("../../migrations/sqlite/0012_causes.sql"),
        include_str!("../../migrations/sqlite/0015_failed.sql"),
    ];
    rows_of_before_have_their_failed_step::<InSqlite>(steps, CAUSE_INDICES, CAUSE_COLUMNS).await;
}

#[tokio::test]
async fn rows_of_before_have_their_failed_step_in_postgres() {
    let steps = [
        include_str!("../../migrations/postgres/0013_causes.sql"),
        include_str!("../../migrations/postgres/0016_failed.sql"),
    ];
    rows_of_before_have_their_failed_step::<InPostgres>(steps, CAUSE_INDICES, CAUSE_COLUMNS).await;
}
