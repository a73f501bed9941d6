//! SQLite's plans for the queries behind lists: each is served by an index in the list's order, whatever it filters by.

use saga_core::definition::StateName;
use saga_core::saga::Rollback;
use saga_core::{CauseGroup, SagaId, Timestamp};

use super::lists::DIALECT;
use crate::cause_query::{figures, members, minutes};
use crate::causes::{CauseQuestion, CausesAsked};
use crate::query::{Param, Query, query};
use crate::{CauseCursor, CauseMembers, FailedAt, Filter};

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
            "SEARCH saga USING INDEX sqlite_autoindex_saga_1 (saga_id=?) LEFT-JOIN"
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
fn items_of_bulk_actions_are_claimed_and_listed_by_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let (id, none) = ([0_u8; 16], None::<&str>);
    for (sql, params, indices) in [
        (super::bulk::OPEN, rusqlite::params![10], &["bulk_action USING INDEX bulk_action_open"][..]),
        (
            super::bulk::WAITING,
            rusqlite::params![id, 10],
            &["bulk_item USING INDEX bulk_item_open (action_id=?)"],
        ),
        (super::bulk::CLAIMED, rusqlite::params![10], &["item USING COVERING INDEX bulk_item_claimed"]),
        (
            super::bulk::ITEMS,
            rusqlite::params![id, 5, none, 10],
            &["bulk_item USING INDEX bulk_item_place (action_id=? AND place>?)"],
        ),
        (super::bulk::ACTIONS, rusqlite::params![5, id, 10], &["bulk_action USING INDEX bulk_action_begun"]),
        (super::bulk::OLD, rusqlite::params![5], &["bulk_action USING INDEX bulk_action_begun (begun_us<?)"]),
    ] {
        let plan = explain(&store, sql, params);
        for index in indices {
            assert!(plan.iter().any(|line| line.contains(index)), "{sql} by {index}: {plan:#?}");
        }
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{sql}: {plan:#?}");
    }
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
            "SEARCH saga USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"
        ]
    );
}

#[test]
fn what_few_sagas_pass_is_found_without_reading_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let state = |name: &str| Filter { state: Some(StateName::from(name)), ..Filter::default() };
    let rollback = |rollback| Filter { rollback: Some(rollback), ..Filter::default() };
    let cause = |key: &str| Filter { cause: Some(key.into()), ..Filter::default() };
    let failed = |failed| Filter { failed: Some(failed), ..Filter::default() };
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
        (cause("1:a|b|task_failed|0123456789abcdef"), &["saga_cause_newest (cause=?)"]),
        (definition(cause("1:a|b|task_failed|0123456789abcdef")), &["saga_cause_newest (cause=?)"]),
        (
            Filter { cause: cause("1:a|b|x|0").cause, ..label(&["customer_id"]) },
            &["label USING PRIMARY KEY (name=? AND value=?)"],
        ),
        (cause("0:"), &["saga_cause_newest (cause=?)"]),
        (failed(FailedAt::Step("vente".into())), &["saga_failed_step (failed_step=?)"]),
        (definition(failed(FailedAt::Step("vente".into()))), &["saga_failed_step (failed_step=?)"]),
        (month(failed(FailedAt::Any)), &["saga_failed (created_us>? AND created_us<?)"]),
        (definition(failed(FailedAt::Any)), &["saga_failed"]),
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

/// No question about causes reads a saga that needs nobody, nor sorts those of one cause.
#[test]
fn causes_are_read_by_their_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let plan = |query: Query| {
        explain(&store, &query.sql, rusqlite::params_from_iter(query.params.iter().map(Param::cell)))
    };
    let key = "1:client|paiement|compensation_failing|3f94de94e7b6d639";
    let question = |about| figures(&CauseQuestion { about, rows_max: 10, recent_us: 5 }, &DIALECT);
    let after =
        Some(CauseCursor { blocked: Timestamp::from_micros(5), saga: SagaId::new(uuid::Uuid::max()) });
    let of = |key: &str, definition: Option<&str>| CauseMembers {
        cause: key.into(),
        definition: definition.map(Into::into),
    };
    let others = CauseGroup::others(key);
    for (query, by, sorts) in [
        // Only the causes themselves are sorted, which are few.
        (question(CausesAsked::Behind("".into())), "INDEX saga_cause (cause=? AND blocked_us>?)", true),
        // And the rows that were looked at.
        (
            question(CausesAsked::All(CauseGroup::range(&others))),
            "INDEX saga_cause (cause>? AND cause<?)",
            true,
        ),
        (members(&of(key, None), None, 10, &DIALECT), "saga_cause (cause=?)", false),
        (
            members(&of(key, None), after, 10, &DIALECT),
            "saga_cause (cause=? AND (blocked_us,saga_id)>(?,?))",
            false,
        ),
        (members(&of(key, Some("checkout")), after, 10, &DIALECT), "saga_cause (cause=? AND", false),
        (minutes(key, 5, &DIALECT), "saga_cause (cause=? AND blocked_us>?)", false),
    ] {
        let plan = plan(query);
        assert!(plan.iter().any(|line| line.contains(by)), "by {by}: {plan:#?}");
        let reads = |line: &&String| line.contains(" saga ") && !line.contains("INDEX saga_cause");
        assert_eq!(plan.iter().find(reads), None, "{plan:#?}");
        // The minutes themselves are sorted, which are few.
        let sorted =
            plan.iter().any(|line| line.contains("TEMP B-TREE FOR ORDER BY") && !line.contains("GROUP"));
        assert!(sorts || !sorted || plan.iter().any(|line| line.contains("GROUP BY")), "{plan:#?}");
    }
}

#[test]
fn the_oldest_sagas_under_way_are_read_in_their_order_and_what_a_replica_owns_by_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let plan = explain(&store, super::ownership::UNDER_WAY, [10]);
    assert_eq!(plan, ["SCAN saga USING INDEX saga_under_way"]);
    let plan = explain(&store, super::ownership::OWNED_COUNT, rusqlite::params![[0_u8; 16], 10]);
    assert!(plan.iter().any(|line| line.contains("USING INDEX saga_owner (owner=?)")), "{plan:#?}");
}

#[test]
fn old_sagas_are_looked_at_in_the_order_of_their_starts() {
    let folder = tempfile::tempdir().unwrap();
    let store = super::open(folder.path().join("journal.db")).unwrap();
    let plan = explain(&store, super::retention::AGED, rusqlite::params!["checkout", 9, 1, [0_u8; 16], 10]);
    assert_eq!(plan.len(), 1, "{plan:#?}");
    assert!(plan[0].contains("saga USING INDEX saga_by_definition (definition=?"), "{plan:#?}");
}
