//! The planner's choices for the statements in `sql` that run all the time, in a database with many live sagas.

mod retention;

use saga_core::saga::Rollback;
use saga_core::{CauseGroup, SagaId, Timestamp};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connect::DatabaseConnector;
use super::link::{Link, Params};
use super::{schema, sql};
use crate::cause_query::{figures, members, minutes};
use crate::causes::{CauseQuestion, CausesAsked};
use crate::figures::range_columns;
use crate::query::{Param, Query, query};
use crate::{CauseCursor, CauseMembers, FIGURES_ROWS_MAX, FailedAt, Filter};

/// A live replica among the others' ids.
const LIVE: Uuid = Uuid::from_u128(0x50);
/// The pages of an index that are read to find that there is nothing in a gap: its root, a page between, a leaf.
const DESCENT_PAGES_MAX: u64 = 3;

/// 20 000 sagas under way, 20 000 that are over; three live replicas own them, and a replica that is gone owned some
/// that are over.
async fn crowded() -> Link {
    let connector = DatabaseConnector::new(&saga_testkit::postgres::shared().create_database()).unwrap();
    let link = schema::prepare(&connector).await.unwrap().link;
    let fill = "
        INSERT INTO replica
        SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid, 'test', now(), now() + INTERVAL '1 hour', n = 60
        FROM (VALUES (40), (50), (60), (70)) AS line (n);
        INSERT INTO saga (saga_id, seq, epoch, definition, definition_hash, state, rollback, is_over, created_us,
            updated_us, labels, summary, owner)
        SELECT gen_random_uuid(), 1, 1, 'checkout', '', 'STARTED', 'none', n % 2 = 0, n, n, '{}', '{}',
            ('00000000-0000-0000-0000-0000000000' || CASE WHEN n % 2 = 0 THEN 60 ELSE 40 + n % 4 * 10 END)::uuid
        FROM generate_series(1, 40000) AS line (n) WHERE n % 4 <> 2;
        UPDATE saga SET owner = '00000000-0000-0000-0000-000000000050' WHERE NOT is_over AND created_us % 8 < 4;
        VACUUM ANALYZE saga";
    for statement in fill.split(';') {
        link.script(statement).await.unwrap();
    }
    link
}

/// The plan as it was carried out, and how many pages it read.
async fn explain(link: &Link, sql: &str, params: &Params<'_>) -> (String, u64) {
    let sql = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) {sql}");
    let rows = link.query(&sql, params).await.unwrap();
    let lines: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    // The first line about buffers is the whole plan's.
    let buffers = lines.iter().find(|line| line.contains("Buffers: ")).expect("it reads something");
    let count = |word: &str| -> u64 {
        let found = buffers.split(word).nth(1).and_then(|rest| rest.split(' ').next());
        found.map_or(0, |number| number.parse().unwrap())
    };
    (lines.join("\n"), count("hit=") + count("read="))
}

#[tokio::test]
async fn a_claim_that_finds_nothing_has_not_read_what_live_replicas_own() {
    let link = crowded().await;
    let (plan, pages) = explain(&link, sql::ORPHANING, &[]).await;
    assert!(
        plan.contains("Index Only Scan using saga_owner") && !plan.contains("Seq Scan on saga"),
        "{plan}"
    );
    // Four gaps between three, and the table of replicas.
    assert!(pages <= 4 * DESCENT_PAGES_MAX + 2, "{pages} pages:\n{plan}");

    let (limit, orphaning) = (100_i64, vec![Uuid::nil()]);
    let claim: &Params<'_> = &[(&LIVE, Type::UUID), (&limit, Type::INT8), (&orphaning, Type::UUID_ARRAY)];
    let (plan, pages) = explain(&link, sql::CLAIM, claim).await;
    assert!(plan.contains("saga_owner") && !plan.contains("Seq Scan on saga"), "{plan}");
    assert!(pages <= DESCENT_PAGES_MAX + 4, "{pages} pages:\n{plan}");
}

#[tokio::test]
async fn what_one_replica_owns_and_is_asked_for_is_found_by_index() {
    let link = crowded().await;
    let (limit, after) = (10_i64, None::<Uuid>);
    let owned: &Params<'_> = &[(&LIVE, Type::UUID), (&after, Type::UUID), (&limit, Type::INT8)];
    let (plan, pages) = explain(&link, sql::OWNED, owned).await;
    assert!(plan.contains("saga_owner") && !plan.contains("Sort"), "{plan}");
    assert!(pages <= DESCENT_PAGES_MAX + 10, "{pages} pages:\n{plan}");
    link.script("INSERT INTO saga_command SELECT saga_id, saga_id, '\"cancel\"', 0, NULL FROM saga LIMIT 3")
        .await
        .unwrap();
    let (plan, pages) = explain(&link, sql::COMMANDS, &[(&LIVE, Type::UUID), (&limit, Type::INT8)]).await;
    assert!(plan.contains("saga_pkey") && !plan.contains("Seq Scan on saga "), "{plan}");
    assert!(pages <= 3 * DESCENT_PAGES_MAX + 4, "{pages} pages:\n{plan}");
}

#[tokio::test]
async fn what_few_sagas_pass_is_listed_without_reading_everything() {
    let link = crowded().await;
    // A tenth of the sagas that are over failed; each saga has a client and a shop, of which there are few.
    let fill = "
        UPDATE saga SET final_state = CASE WHEN created_us % 10 = 0 THEN 'FAILED' ELSE 'ENDED' END,
            rollback = CASE WHEN created_us % 1000 = 0 THEN 'done' ELSE 'none' END WHERE is_over;
        UPDATE saga SET rollback = 'blocked' WHERE NOT is_over AND created_us % 1000 = 1;
        UPDATE saga SET rollback = 'running' WHERE NOT is_over AND created_us % 1000 = 3;
        INSERT INTO saga_label SELECT 'client', (created_us % 5000)::text, created_us, saga_id FROM saga;
        INSERT INTO saga_label SELECT 'shop', (created_us % 7)::text, created_us, saga_id FROM saga;
        UPDATE saga SET definition = 'rare' WHERE created_us < 20;
        VACUUM ANALYZE saga;
        VACUUM ANALYZE saga_label";
    for statement in fill.split(';') {
        link.script(statement).await.unwrap();
    }
    let rollback = |rollback| Filter { rollback: Some(rollback), ..Filter::default() };
    let labels = |labels: &[(&str, &str)]| Filter {
        labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        ..Filter::default()
    };
    let state = |name: &str| Filter { state: Some(name.into()), ..Filter::default() };
    let definition = |name: &str| Filter { definition: Some(name.into()), ..Filter::default() };
    let at = |created_us| Some(Timestamp::from_micros(created_us));
    // Each page read is 8 KiB; the table and its indices have some thousands.
    for (filter, pages_max) in [
        (Filter::default(), 30),
        (rollback(Rollback::None), 40),
        (rollback(Rollback::Blocked), 40),
        (rollback(Rollback::Done), 40),
        (rollback(Rollback::Running), 40),
        (definition("checkout"), 40),
        (definition("rare"), 30),
        (Filter { until: at(20_000), ..definition("checkout") }, 40),
        (Filter { since: at(10), until: at(20), ..Filter::default() }, 40),
        (Filter { under_way: true, ..Filter::default() }, 40),
        (Filter { under_way: true, until: at(20_000), ..Filter::default() }, 40),
        (labels(&[("client", "17")]), 60),
        (labels(&[("shop", "3")]), 60),
        (labels(&[("client", "17"), ("shop", "3")]), 90),
        (labels(&[("client", "nobody"), ("shop", "3")]), 20),
    ] {
        let query = query(&filter, None, 10, &super::DIALECT);
        let cells: Vec<_> = query.params.iter().map(Param::cell).collect();
        let params: Vec<_> = cells.iter().map(super::cells::bind).collect();
        let (plan, pages) = explain(&link, &query.sql, &params).await;
        assert!(pages <= pages_max, "{filter:?}: {pages} pages:\n{plan}");
    }
    // The sagas that are over are found by an index; the others are few in a shop's life, though half of all here.
    for filter in [state("FAILED"), state("NEVER")] {
        let query = query(&filter, None, 10, &super::DIALECT);
        let cells: Vec<_> = query.params.iter().map(Param::cell).collect();
        let params: Vec<_> = cells.iter().map(super::cells::bind).collect();
        let (plan, _) = explain(&link, &query.sql, &params).await;
        assert!(plan.contains("saga_final"), "{filter:?}:\n{plan}");
    }
}

#[tokio::test]
async fn the_feed_is_read_by_its_index_whatever_was_kept_before() {
    let link = crowded().await;
    let fill = "
        INSERT INTO saga_event (saga_id, first_seq, events, commit_id)
        SELECT saga_id, 1, '[]', created_us / 10 FROM saga;
        VACUUM ANALYZE saga_event";
    for statement in fill.split(';') {
        link.script(statement).await.unwrap();
    }
    let (limit, bytes_max, horizon) = (10_i64, 1_000_i64, i64::MAX);
    for from in [0_i64, 2_000, 3_999, 9_999] {
        let params: &Params<'_> = &[
            (&from, Type::INT8),
            (&LIVE, Type::UUID),
            (&horizon, Type::INT8),
            (&limit, Type::INT8),
            (&bytes_max, Type::INT8),
        ];
        let (plan, pages) = explain(&link, sql::FEED, params).await;
        assert!(plan.contains("saga_event_feed"), "{plan}");
        // Two transactions of ten frames, and the row of each frame's saga.
        assert!(
            pages <= DESCENT_PAGES_MAX + 20 + 10 * (1 + DESCENT_PAGES_MAX),
            "{from}: {pages} pages:\n{plan}"
        );
    }
}

#[tokio::test]
async fn all_that_one_name_did_is_read_in_its_order() {
    let link = crowded().await;
    // The starts of two names, one of whom has started almost all.
    let fill = "
        INSERT INTO saga_deed (name, at_us, saga_id, seq, deed)
        SELECT CASE WHEN created_us % 100 = 1 THEN 'ann' ELSE 'shop' END, created_us, saga_id, 1, 'start' FROM saga;
        VACUUM ANALYZE saga_deed";
    for statement in fill.split(';') {
        link.script(statement).await.unwrap();
    }
    let (limit, since, seq) = (10_i64, 0_i64, 0_i64);
    for (name, below) in [("shop", i64::MAX), ("shop", 20_000), ("ann", i64::MAX), ("nobody", i64::MAX)] {
        let params: &Params<'_> = &[
            (&name, Type::TEXT),
            (&since, Type::INT8),
            (&below, Type::INT8),
            (&LIVE, Type::UUID),
            (&seq, Type::INT8),
            (&limit, Type::INT8),
        ];
        let (plan, pages) = explain(&link, sql::DEEDS, params).await;
        assert!(plan.contains("saga_deed_pkey") && !plan.contains("Sort"), "{name}:\n{plan}");
        // A page of the index and one of the table for each deed, and its saga.
        assert!(
            pages <= 3 * DESCENT_PAGES_MAX + 10 * (1 + DESCENT_PAGES_MAX),
            "{name}: {pages} pages:\n{plan}"
        );
    }
}

#[tokio::test]
async fn the_figures_of_an_hour_are_read_without_those_of_the_month() {
    let link = crowded().await;
    // Of two days, in three rows a minute.
    let ranges = range_columns(|_, _| "1".to_owned());
    let fill = format!(
        "INSERT INTO saga_minute SELECT n / 3 * 60000000, 'checkout', 'failed', (n % 3)::text, '{LIVE}', 24, {ranges} \
         FROM generate_series(CAST(0 AS BIGINT), 8639) AS line (n)"
    );
    link.script(&fill).await.unwrap();
    link.script("VACUUM ANALYZE saga_minute").await.unwrap();
    let (minute_us, limit) = (60_000_000_i64, FIGURES_ROWS_MAX as i64);
    let (since, until) = (2_800 * minute_us, 2_860 * minute_us);
    let params: &Params<'_> = &[(&since, Type::INT8), (&until, Type::INT8), (&limit, Type::INT8)];
    let (plan, pages) = explain(&link, &sql::FIGURES, params).await;
    assert!(plan.contains("saga_minute_pkey") && !plan.contains("Seq Scan"), "{plan}");
    // An index entry and a row each: 180 rows lie beside each other.
    assert!(pages <= 2 * DESCENT_PAGES_MAX + 180, "{pages} pages:\n{plan}");

    let before = 10 * minute_us;
    let forget: &Params<'_> = &[(&before, Type::INT8), (&limit, Type::INT8)];
    let (plan, pages) = explain(&link, sql::FORGET_FIGURES, forget).await;
    assert!(!plan.contains("Seq Scan on saga_minute"), "{plan}");
    // Each of the 30 is found twice, once to be locked and once to be taken away.
    assert!(pages <= 30 * 2 * (DESCENT_PAGES_MAX + 1) + 30, "{pages} pages:\n{plan}");
}

/// Forty actions of a thousand sagas each, of which all but two have ended.
async fn with_bulk_actions() -> Link {
    let link = crowded().await;
    let fill = "
        INSERT INTO bulk_action
        SELECT ('00000000-0000-0000-0000-0000000000' || n)::uuid, n::text, 'resume', NULL, 'Ana', NULL, '{}', 1000, n,
            CASE WHEN n < 48 THEN n END
        FROM generate_series(10, 49) AS line (n);
        INSERT INTO bulk_item (action_id, saga_id, place, seen_us, state, ended_us)
        SELECT action_id, gen_random_uuid(), place, 0, CASE WHEN ended_us IS NULL THEN 'waiting' ELSE 'undone' END, ended_us
        FROM bulk_action CROSS JOIN generate_series(0, 999) AS line (place) ORDER BY action_id, place;
        UPDATE bulk_item SET state = 'sent', claimed_by = '00000000-0000-0000-0000-000000000050'
        WHERE ended_us IS NULL AND place < 16;
        VACUUM ANALYZE bulk_item;
        VACUUM ANALYZE bulk_action";
    for statement in fill.split(';') {
        link.script(statement).await.unwrap();
    }
    link
}

#[tokio::test]
async fn items_of_bulk_actions_are_claimed_and_listed_by_index() {
    let link = with_bulk_actions().await;
    let (limit, looked_at, none) = (16_i64, 16_i64, Vec::<Uuid>::new());
    let claim: &Params<'_> = &[
        (&LIVE, Type::UUID),
        (&limit, Type::INT8),
        (&none, Type::UUID_ARRAY),
        (&none, Type::UUID_ARRAY),
        (&looked_at, Type::INT8),
    ];
    let (plan, pages) = explain(&link, sql::CLAIM_ITEMS, claim).await;
    assert!(plan.contains("bulk_item_open") && plan.contains("bulk_item_claimed"), "{plan}");
    // The items of two actions, and the rows and indices of those that are claimed: not the forty thousand others.
    assert!(pages <= 800 && !plan.contains("Seq Scan on bulk_item"), "{pages} pages:\n{plan}");
    let (action, after, state) = (Uuid::from_u128(0x30), 500_i64, None::<&str>);
    let items: &Params<'_> =
        &[(&action, Type::UUID), (&after, Type::INT8), (&state, Type::TEXT), (&limit, Type::INT8)];
    let (plan, pages) = explain(&link, sql::BULK_ITEMS, items).await;
    assert!(plan.contains("bulk_item_place") && pages <= DESCENT_PAGES_MAX + 16, "{pages} pages:\n{plan}");
    let (plan, pages) = explain(&link, sql::BULK_COUNTS, &[(&action, Type::UUID)]).await;
    assert!(!plan.contains("Seq Scan") && pages <= 100, "{pages} pages:\n{plan}");
}

/// PostgreSQL compiles a plan that it thinks expensive (`jit_above_cost`, 100,000 by default) before running it: tens of
/// milliseconds and megabytes for a statement that takes microseconds, twice a second.
const JIT_ABOVE_COST: f64 = 100_000.0;

/// The price of a plan, as the planner guesses it.
async fn cost(link: &Link, sql: &str, params: &Params<'_>) -> f64 {
    let rows = link.query(&format!("EXPLAIN {sql}"), params).await.unwrap();
    let plan: String = rows[0].get(0);
    let cost = plan.split("..").nth(1).and_then(|rest| rest.split(' ').next());
    cost.and_then(|cost| cost.parse().ok()).unwrap_or_else(|| panic!("{plan}"))
}

#[tokio::test]
async fn nothing_that_runs_all_the_time_is_thought_worth_compiling() {
    let connector = DatabaseConnector::new(&saga_testkit::postgres::shared().create_database()).unwrap();
    for link in [schema::prepare(&connector).await.unwrap().link, with_bulk_actions().await] {
        let (limit, lease) = (100_i64, 3_000_000_i64);
        let (after, orphaning) = (None::<Uuid>, vec![Uuid::nil()]);
        let (since, rows) = (0_i64, FIGURES_ROWS_MAX as i64);
        let (looked_at, none) = (16_i64, Vec::<Uuid>::new());
        let claim_items: &Params<'_> = &[
            (&LIVE, Type::UUID),
            (&limit, Type::INT8),
            (&none, Type::UUID_ARRAY),
            (&none, Type::UUID_ARRAY),
            (&looked_at, Type::INT8),
        ];
        let statements: [(&str, &Params<'_>); 11] = [
            (sql::FORGET_FIGURES, &[(&since, Type::INT8), (&limit, Type::INT8)]),
            (&sql::FIGURES, &[(&since, Type::INT8), (&since, Type::INT8), (&rows, Type::INT8)]),
            (sql::IS_ANY_BULK_OPEN, &[]),
            (sql::CLAIM_ITEMS, claim_items),
            (sql::ORPHANING, &[]),
            (sql::CLAIM, &[(&LIVE, Type::UUID), (&limit, Type::INT8), (&orphaning, Type::UUID_ARRAY)]),
            (sql::EXPIRE, &[]),
            (sql::RENEW, &[(&LIVE, Type::UUID), (&lease, Type::INT8)]),
            (sql::COMMANDS, &[(&LIVE, Type::UUID), (&limit, Type::INT8)]),
            (sql::OWNED, &[(&LIVE, Type::UUID), (&after, Type::UUID), (&limit, Type::INT8)]),
            (sql::BACKLOG, &[]),
        ];
        for (sql, params) in statements {
            let cost = cost(&link, sql, params).await;
            assert!(cost < JIT_ABOVE_COST / 10.0, "{cost} for: {sql}");
        }
    }
}

/// The plan of a query, and how many pages it read.
async fn explain_query(link: &Link, query: &Query) -> (String, u64) {
    let cells: Vec<_> = query.params.iter().map(Param::cell).collect();
    let params: Vec<_> = cells.iter().map(super::cells::bind).collect();
    explain(link, &query.sql, &params).await
}

/// A busy shop has many sagas within the minute that autovacuum takes to look at a new table.
#[tokio::test]
async fn a_journal_that_was_made_a_moment_ago_is_read_by_its_indices() {
    let connector = DatabaseConnector::new(&saga_testkit::postgres::shared().create_database()).unwrap();
    let link = schema::prepare(&connector).await.unwrap().link;
    let rows = link.query("SELECT count(*) FROM saga", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 0, "statistics have left no saga");
    let fill = "
        INSERT INTO saga (saga_id, seq, epoch, definition, definition_hash, state, rollback, is_over, final_state,
            created_us, updated_us, labels, summary, owner)
        SELECT gen_random_uuid(), 1, 1, 'checkout', repeat('x', 64), 'DONE', 'none', n % 1000 <> 0,
            CASE WHEN n % 1000 <> 0 THEN 'DONE' END, n, n, repeat('x', 60), '{}', '00000000-0000-0000-0000-000000000050'
        FROM generate_series(1, 200000) AS line (n)";
    link.script(fill).await.unwrap();
    let (limit, far) = (100_i64, i64::MAX / 2);
    let wake: &Params<'_> =
        &[(&LIVE, Type::UUID), (&far, Type::INT8), (&limit, Type::INT8), (&far, Type::INT8)];
    let (after, orphaning) = (None::<Uuid>, vec![Uuid::nil()]);
    for (sql, params) in [
        (sql::WAKE, wake),
        (sql::ORPHANING, &[]),
        (sql::CLAIM, &[(&LIVE, Type::UUID), (&limit, Type::INT8), (&orphaning, Type::UUID_ARRAY)]),
        (sql::COMMANDS, &[(&LIVE, Type::UUID), (&limit, Type::INT8)]),
        (sql::OWNED, &[(&LIVE, Type::UUID), (&after, Type::UUID), (&limit, Type::INT8)]),
        (sql::BACKLOG, &[]),
        (sql::UNDER_WAY, &[(&limit, Type::INT8)]),
        (sql::REPLICAS, &[(&limit, Type::INT8), (&limit, Type::INT8)]),
    ] {
        reads_little(&link, sql, params).await;
    }
    let list = |filter: Filter| query(&filter, None, 50, &super::DIALECT);
    let causes = CauseQuestion { about: CausesAsked::Behind("".into()), rows_max: 10_000, recent_us: 5 };
    let rollback = |rollback| Filter { rollback: Some(rollback), ..Filter::default() };
    for query in [
        figures(&causes, &super::DIALECT),
        list(Filter::default()),
        list(Filter { under_way: true, ..Filter::default() }),
        list(Filter { state: Some("FAILED".into()), ..Filter::default() }),
        list(Filter { failed: Some(FailedAt::Any), ..Filter::default() }),
        list(rollback(Rollback::Blocked)),
        list(rollback(Rollback::Done)),
    ] {
        let cells: Vec<_> = query.params.iter().map(Param::cell).collect();
        let params: Vec<_> = cells.iter().map(super::cells::bind).collect();
        reads_little(&link, &query.sql, &params).await;
    }
}

/// Indices that are made anew would leave the statistics of an empty table behind, and the plans of one until autovacuum has come.
#[tokio::test]
async fn sagas_are_found_by_their_ids_from_the_first_ones_on() {
    let connector = DatabaseConnector::new(&saga_testkit::postgres::shared().create_database()).unwrap();
    let link = schema::prepare(&connector).await.unwrap().link;
    let fill = "
        INSERT INTO saga (saga_id, seq, epoch, definition, definition_hash, state, rollback, is_over, final_state,
            created_us, updated_us, labels, summary, owner)
        SELECT lpad(n::text, 32, '0')::uuid, 1, 1, 'checkout', repeat('x', 64), 'DONE', 'none', TRUE, 'DONE', n, n, repeat('x', 60), '{}',
            '00000000-0000-0000-0000-000000000050'
        FROM generate_series(1, 5000) AS line (n)";
    link.script(fill).await.unwrap();
    let ids: Vec<Uuid> = (0..60_u32).map(|n| format!("{:032}", n * 70).parse().unwrap()).collect();
    let (plan, _) = explain(&link, sql::KNOWN, &[(&ids, Type::UUID_ARRAY)]).await;
    assert!(plan.contains("saga_pkey") && !plan.contains("Seq Scan"), "{plan}");
}

/// Fails for a statement that reads all sagas, or that PostgreSQL compiles.
async fn reads_little(link: &Link, sql: &str, params: &Params<'_>) {
    let (plan, pages) = explain(link, sql, params).await;
    assert!(
        !plan.contains("Seq Scan on saga") || plan.contains("Seq Scan on saga_command"),
        "{plan}\nof: {sql}"
    );
    assert!(pages <= 1_000, "{pages} pages:\n{plan}\nof: {sql}");
    assert!(cost(link, sql, params).await < JIT_ABOVE_COST / 10.0, "{plan}\nof: {sql}");
}

#[tokio::test]
async fn causes_and_failed_steps_are_found_by_their_indices() {
    let link = crowded().await;
    // A tenth of the sagas under way are blocked, for five causes; and a tenth of those that are over have
    // failed, few of them at one step.
    let fill = "
        UPDATE saga SET rollback = 'blocked', blocked_us = created_us, at_stake = 5,
            cause = '1:client|step|compensation_failing|' || lpad((created_us % 100)::text, 16, '0')
            WHERE NOT is_over AND created_us % 20 = 1;
        UPDATE saga SET failed_step = CASE WHEN created_us < 1000 THEN 'rare' ELSE 'stock' END
            WHERE is_over AND created_us % 20 = 0;
        VACUUM ANALYZE saga";
    for statement in fill.split(';') {
        link.script(statement).await.unwrap();
    }
    let key = "1:client|step|compensation_failing|0000000000000021";
    let others = CauseGroup::others(key);
    let question = |about| figures(&CauseQuestion { about, rows_max: 10, recent_us: 5 }, &super::DIALECT);
    let after = Some(CauseCursor { blocked: Timestamp::from_micros(5), saga: SagaId::new(Uuid::max()) });
    let of = |key: &str, definition: Option<&str>| CauseMembers {
        cause: key.into(),
        definition: definition.map(Into::into),
    };
    let list = |filter: Filter| query(&filter, None, 10, &super::DIALECT);
    let cause = |key: &str| Filter { cause: Some(key.into()), ..Filter::default() };
    let failed = |failed| Filter { failed: Some(failed), ..Filter::default() };
    let rare = || failed(FailedAt::Step("rare".into()));
    for (query, index, pages_max) in [
        (question(CausesAsked::Behind("".into())), "saga_cause", 600),
        (question(CausesAsked::All(CauseGroup::range(&others))), "saga_cause", 600),
        (members(&of(key, None), None, 10, &super::DIALECT), "saga_cause", 30),
        (members(&of(key, None), after, 10, &super::DIALECT), "saga_cause", 30),
        (members(&of(key, Some("checkout")), after, 10, &super::DIALECT), "saga_cause", 30),
        (minutes(key, 5, &super::DIALECT), "saga_cause", 600),
        (list(cause(key)), "saga_cause", 600),
        (list(Filter { definition: Some("checkout".into()), ..cause(key) }), "saga_cause", 600),
        (list(rare()), "saga_failed_step", 30),
        (list(Filter { definition: Some("checkout".into()), ..rare() }), "saga_failed_step", 30),
        (list(failed(FailedAt::Any)), "saga_failed", 40),
    ] {
        let (plan, pages) = explain_query(&link, &query).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan on saga"), "{}:\n{plan}", query.sql);
        assert!(pages <= pages_max, "{pages} pages, for {}:\n{plan}", query.sql);
    }
}

#[tokio::test]
async fn the_oldest_sagas_under_way_are_read_in_their_order_and_what_a_replica_owns_by_its_index() {
    let link = crowded().await;
    let (limit, told, counted) = (100_i64, 10_i64, 100_i64);
    let (plan, pages) = explain(&link, sql::UNDER_WAY, &[(&limit, Type::INT8)]).await;
    assert!(plan.contains("saga_under_way") && !plan.contains("Sort"), "{plan}");
    assert!(pages <= DESCENT_PAGES_MAX + 100, "{pages} pages:\n{plan}");
    let (plan, pages) = explain(&link, sql::REPLICAS, &[(&told, Type::INT8), (&counted, Type::INT8)]).await;
    assert!(plan.contains("saga_owner") && !plan.contains("Seq Scan on saga"), "{plan}");
    // A hundred rows for each of four replicas, and the table of replicas.
    assert!(pages <= 4 * (DESCENT_PAGES_MAX + 4) + 2, "{pages} pages:\n{plan}");
}
