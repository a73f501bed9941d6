//! SQLite's plans for the queries behind lists: each is served by an index in the list's order, whatever it filters by.

use saga_core::Timestamp;
use saga_core::definition::StateName;
use saga_core::saga::Rollback;

use super::DIALECT;
use crate::Filter;
use crate::query::{Param, query};

/// How the query for `filter` is carried out, a line each.
fn plan(store: &super::Sqlite, filter: &Filter) -> Vec<String> {
    let query = query(filter, None, 10, &DIALECT);
    explain(store, &query.sql, rusqlite::params_from_iter(query.params.iter().map(Param::cell)))
}

fn explain(store: &super::Sqlite, sql: &str, params: impl rusqlite::Params) -> Vec<String> {
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = statement.query_map(params, |row| row.get(3)).unwrap();
    lines.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn all_that_one_name_did_is_read_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let plan = explain(&store, super::deeds::DEEDS, rusqlite::params!["shop", 1, 9, [0_u8; 16], 9, 10]);
    assert_eq!(
        plan,
        [
            "SEARCH deed USING PRIMARY KEY (name=? AND at_us>? AND (at_us,saga_id,seq)<(?,?,?))",
            "SEARCH saga USING PRIMARY KEY (saga_id=?) LEFT-JOIN"
        ]
    );
}

#[test]
fn figures_are_read_in_the_order_of_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let plan = explain(&store, &super::figures::FIGURES, rusqlite::params![1, 9, 10]);
    assert_eq!(plan, ["SEARCH saga_minute USING PRIMARY KEY (minute_us>? AND minute_us<?)"]);
}

#[test]
fn the_feed_is_read_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let plan = explain(&store, super::feed::FEED, rusqlite::params![1, [0_u8; 16], 10]);
    assert_eq!(
        plan,
        [
            "SEARCH saga_event USING INTEGER PRIMARY KEY (rowid>?)",
            "SEARCH saga USING PRIMARY KEY (saga_id=?) LEFT-JOIN"
        ]
    );
}

#[test]
fn what_few_sagas_pass_is_found_without_reading_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let state = |name: &str| Filter { state: Some(StateName::from(name)), ..Filter::default() };
    let rollback = |rollback| Filter { rollback: Some(rollback), ..Filter::default() };
    let definition = |further| Filter { definition: Some("checkout".into()), ..further };
    let month = |further| Filter {
        since: Some(Timestamp::from_micros(1)),
        until: Some(Timestamp::from_micros(2)),
        ..further
    };
    let label = |names: &[&str]| Filter {
        labels: names.iter().map(|name| ((*name).into(), "4".into())).collect(),
        ..Filter::default()
    };
    for (filter, indices) in [
        (Filter::default(), &["saga_newest"][..]),
        (rollback(Rollback::None), &["saga_newest"]),
        (month(Filter::default()), &["saga_newest (created_us>? AND created_us<?)"]),
        (definition(Filter::default()), &["saga_by_definition (definition=?)"]),
        (
            month(definition(Filter::default())),
            &["saga_by_definition (definition=? AND created_us>? AND created_us<?)"],
        ),
        (Filter { under_way: true, ..Filter::default() }, &["saga_under_way"]),
        (
            month(Filter { under_way: true, ..Filter::default() }),
            &["saga_under_way (created_us>? AND created_us<?)"],
        ),
        (definition(rollback(Rollback::None)), &["saga_by_definition (definition=?)"]),
        (definition(rollback(Rollback::Blocked)), &["saga_person"]),
        (definition(state("STOCK_REFUSED")), &["saga_final", "saga_under_way"]),
        (definition(label(&["customer_id"])), &["label USING PRIMARY KEY (name=? AND value=?)"]),
        (
            month(label(&["customer_id"])),
            &["label USING PRIMARY KEY (name=? AND value=? AND created_us>? AND created_us<?)"],
        ),
        (rollback(Rollback::Blocked), &["saga_person"]),
        (rollback(Rollback::Done), &["saga_undone"]),
        (rollback(Rollback::Running), &["saga_running"]),
        (state("STOCK_REFUSED"), &["saga_final", "saga_under_way"]),
        (label(&["customer_id"]), &["label USING PRIMARY KEY (name=? AND value=?)"]),
        (
            label(&["customer_id", "shop_id"]),
            &[
                "label USING PRIMARY KEY (name=? AND value=?)",
                "other EXISTS USING PRIMARY KEY (name=? AND value=? AND created_us=? AND saga_id=?)",
            ],
        ),
        (
            Filter { rollback: Some(Rollback::Blocked), ..label(&["customer_id"]) },
            &["label USING PRIMARY KEY (name=?"],
        ),
    ] {
        let plan = plan(&store, &filter);
        for index in indices {
            assert!(plan.iter().any(|line| line.contains(index)), "{filter:?} by {index}: {plan:#?}");
        }
        let scanned = plan.iter().find(|line| line.starts_with("SCAN saga") && !line.contains("INDEX"));
        assert_eq!(scanned, None, "{filter:?}: {plan:#?}");
    }
}

#[test]
fn the_oldest_sagas_under_way_are_read_in_their_order_and_what_a_replica_owns_by_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let plan = explain(&store, super::UNDER_WAY, [10]);
    assert_eq!(plan, ["SCAN saga USING INDEX saga_under_way"]);
    let plan = explain(&store, super::ownership::OWNED_COUNT, rusqlite::params![[0_u8; 16], 10]);
    assert!(plan.iter().any(|line| line.contains("USING INDEX saga_owner (owner=?)")), "{plan:#?}");
}
