//! The views that operators read with plain SQL.

use saga_core::definition::DefinitionHash;
use saga_core::saga::Rollback;
use saga_journal::KeptDefinition;

use crate::entries::{end, failure, labels, next, saga, start, start_with};
use crate::fixture::{InPostgres, InSqlite, Sql, keep};

async fn two_orders<F: Sql>() -> (F, std::sync::Arc<dyn saga_journal::Store>) {
    let fixture = F::new();
    let store = fixture.open().await;
    // Values that break a naive view: NUL, half a surrogate pair, quotes, and an `etat` that is the payload's.
    let first =
        start_with(1, r#"{"client_id": 4, "note": "\u0000 \ud83d \\\u0000 \\ud83d \"", "etat": "PAYLOAD"}"#);
    let second = next(&first, "STOCK_RESERVE");
    keep(&*store, &[&first, &second, &end(&second)]).await;

    let mut refused = start(2);
    refused.row.labels = labels(&[("client_id", 1)]);
    let mut failed = next(&refused, "ECHEC_STOCK");
    failed.row.rollback = Rollback::Running;
    failed.row.summary.failure = Some(failure(Some("stock"), "stock insuffisant"));
    keep(&*store, &[&refused, &failed]).await;

    // A saga of another definition is no order, even if it is found by the same labels; unless a definition of that name has
    // been the orders' one.
    for (number, name, orders) in [(3, "travel", [false, false]), (4, "bakery", [false, true])] {
        let mut other = start(number);
        other.row.definition = name.into();
        other.row.labels = labels(&[("client_id", 4), ("magasin_id", 1)]);
        keep(&*store, &[&other]).await;
        for (version, orders) in orders.into_iter().enumerate() {
            let kept = KeptDefinition { name: name.into(), source: "".into(), format: 1, orders };
            store.define(DefinitionHash::new(&format!("{name} {version}")), kept).await.unwrap();
        }
    }
    (fixture, store)
}

fn lines(rows: Vec<Vec<String>>) -> Vec<String> {
    rows.into_iter().map(|row| row.join(" | ")).collect()
}

async fn commandes<F: Sql>(over: [&str; 2]) {
    let (fixture, _store) = two_orders::<F>().await;
    let sql = "SELECT id, client_id, magasin_id, etat_actuel, rollback, echec_etape, echec_raison, definition, terminee \
               FROM commandes ORDER BY id";
    let [yes, no] = over;
    assert_eq!(
        lines(fixture.query(sql).await),
        [
            format!("{} | 4 | 1 | CONFIRMEE | AUCUN | NULL | NULL | checkout | {yes}", saga(1)),
            format!(
                "{} | 1 | NULL | ECHEC_STOCK | EN_COURS | stock | stock insuffisant | checkout | {no}",
                saga(2)
            ),
            format!("{} | 4 | 1 | INITIEE | AUCUN | NULL | NULL | bakery | {no}", saga(4)),
        ]
    );
}

async fn etat_saga<F: Sql>() -> Vec<String> {
    let (fixture, _store) = two_orders::<F>().await;
    let all = lines(fixture.query("SELECT saga_id, etat, seq FROM etat_saga").await);
    let (one, two) = (saga(1), saga(2));
    assert_eq!(
        all,
        [
            format!("{one} | INITIEE | 1"),
            format!("{one} | STOCK_RESERVE | 3"),
            format!("{one} | CONFIRMEE | 5"),
            format!("{two} | INITIEE | 1"),
            format!("{two} | ECHEC_STOCK | 3"),
            format!("{} | INITIEE | 1", saga(4)),
        ]
    );
    let one = format!("SELECT timestamp FROM etat_saga WHERE saga_id = '{one}'");
    lines(fixture.query(&one).await)
}

#[tokio::test]
async fn commandes_in_sqlite_has_every_order() {
    commandes::<InSqlite>(["1", "0"]).await;
}

#[tokio::test]
async fn commandes_in_postgres_has_every_order() {
    commandes::<InPostgres>(["t", "f"]).await;
}

#[tokio::test]
async fn etat_saga_in_sqlite_has_every_state_in_order() {
    assert_eq!(
        etat_saga::<InSqlite>().await,
        ["2026-11-22T00:00:00.000000Z", "2026-11-22T00:00:00.000002Z", "2026-11-22T00:00:00.000004Z"]
    );
}

#[tokio::test]
async fn etat_saga_in_postgres_has_every_state_in_order() {
    let timestamps = etat_saga::<InPostgres>().await;
    // In the time zone of the session; that of the tests is not known.
    assert_eq!(timestamps.len(), 3);
    let (fixture, _store) = two_orders::<InPostgres>().await;
    let utc = "SELECT timestamp AT TIME ZONE 'UTC' FROM etat_saga LIMIT 2";
    assert_eq!(lines(fixture.query(utc).await), ["2026-11-22 00:00:00", "2026-11-22 00:00:00.000002"]);
    let created =
        "SELECT cree_le AT TIME ZONE 'UTC', modifie_le AT TIME ZONE 'UTC' FROM commandes ORDER BY id LIMIT 1";
    assert_eq!(lines(fixture.query(created).await), ["2026-11-22 00:00:00 | 2026-11-22 00:00:00.000004"]);
}

#[tokio::test]
async fn commandes_in_sqlite_tells_when() {
    let (fixture, _store) = two_orders::<InSqlite>().await;
    let sql = "SELECT cree_le, modifie_le FROM commandes ORDER BY id LIMIT 1";
    assert_eq!(
        lines(fixture.query(sql).await),
        ["2026-11-22T00:00:00.000000Z | 2026-11-22T00:00:00.000004Z"]
    );
}

#[tokio::test]
async fn a_damaged_frame_hides_its_own_lines_only_in_sqlite() {
    let (fixture, _store) = two_orders::<InSqlite>().await;
    for damage in ["not json", "[1, null]", "{}", "[{}]"] {
        let id = InSqlite::literal(saga(1));
        fixture.execute(&format!("UPDATE saga_event SET events = '{damage}' WHERE saga_id = {id}")).await;
        let left = lines(fixture.query("SELECT saga_id, etat FROM etat_saga").await);
        assert_eq!(
            left,
            [
                format!("{} | INITIEE", saga(2)),
                format!("{} | ECHEC_STOCK", saga(2)),
                format!("{} | INITIEE", saga(4))
            ],
            "{damage}"
        );
    }
}
