//! Data on disk that makes no sense concerns one saga, and never the others.

use saga_core::saga::Rollback;
use saga_journal::sqlite::{CheckDepth, check};
use saga_journal::{AppendError, Filter, LoadError, OpenError, Store};

use crate::entries::{OWNER, by, end, next, records, replica, saga, start};
use crate::fixture::{Fixture, InPostgres, InSqlite, Sql, join, keep};
use crate::inbox::command;

macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite { $(#[tokio::test] async fn $name() { super::$name::<crate::fixture::InSqlite>().await })* }
        mod postgres { $(#[tokio::test] async fn $name() { super::$name::<crate::fixture::InPostgres>().await })* }
    };
}

on_both! {
    a_frame_that_is_not_json_damages_its_saga_only
    a_missing_frame_damages_its_saga_only
    a_row_that_knows_another_last_event_damages_its_saga_only
    a_row_without_events_is_damage
    a_row_that_makes_no_sense_is_shown_as_blocked
    an_owner_that_makes_no_sense_is_gone
    a_command_that_makes_no_sense_is_the_owner_s_to_refuse
    a_newer_schema_is_refused
    a_newer_schema_is_used_by_the_programs_that_it_does_not_exclude
    a_newer_schema_that_does_not_say_what_it_needs_is_refused
    a_schema_made_by_other_sql_is_refused
}

/// Three sagas of three frames each; then `damage` is done to number 2.
async fn damaged<F: Sql>(damage: &str) -> (F, std::sync::Arc<dyn Store>) {
    let fixture = F::new();
    let store = fixture.open().await;
    for number in 1..=3 {
        let first = start(number);
        let second = next(&first, "STOCK_RESERVE");
        keep(&*store, &[&first, &second, &next(&second, "PAIEMENT_EFFECTUE")]).await;
    }
    fixture.execute(&damage.replace("$saga", &F::literal(saga(2)))).await;
    (fixture, store)
}

/// Number 2 cannot be loaded because of `why`; all else goes on.
async fn only_number_2_is_damaged(store: &dyn Store, why: &str) {
    match store.load(saga(2)).await {
        Err(LoadError::Damaged(reason)) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{other:?}"),
    }
    // Read together, each has its own result, in the order in which they were asked for.
    let together = store.histories([3, 2, 9, 1, 3].map(saga).into()).await.unwrap();
    let [third, Err(LoadError::Damaged(_)), Ok(None), first, again] = &together[..] else {
        panic!("{together:?}")
    };
    assert_eq!((first, third), (&store.load(saga(1)).await, &store.load(saga(3)).await));
    assert_eq!(again, third);
    assert_eq!(store.histories(Vec::new()).await, Ok(Vec::new()));
    for number in [1, 3] {
        let first = start(number);
        let second = next(&first, "STOCK_RESERVE");
        let third = next(&second, "PAIEMENT_EFFECTUE");
        let history = store.load(saga(number)).await.unwrap().unwrap();
        assert_eq!(history.records, records(&[&first, &second, &third]));
        keep(store, &[&end(&third)]).await;
    }
    assert_eq!(store.owned(OWNER, None, 10).await.unwrap(), [saga(2)]);
    assert_eq!(store.list(Filter::default(), None, 10).await.unwrap().rows.len(), 3);
    store.park(saga(2), OWNER, why.into()).await.unwrap();
    assert_eq!(store.row(saga(2)).await.unwrap().unwrap().rollback(), Rollback::Blocked);
}

async fn a_frame_that_is_not_json_damages_its_saga_only<F: Sql>() {
    let damage = "UPDATE saga_event SET events = '[{\"at\": 1' WHERE saga_id = $saga AND first_seq = 2";
    let (_fixture, store) = damaged::<F>(damage).await;
    only_number_2_is_damaged(&*store, "first_seq 2").await;
}

async fn a_missing_frame_damages_its_saga_only<F: Sql>() {
    // With the row as if it had never been: only the gap tells.
    let damage = "DELETE FROM saga_event WHERE saga_id = $saga AND first_seq = 2; \
                  UPDATE saga SET seq = 3 WHERE saga_id = $saga";
    let (_fixture, store) = damaged::<F>(damage).await;
    only_number_2_is_damaged(&*store, "event 2 is missing").await;
}

async fn a_row_that_knows_another_last_event_damages_its_saga_only<F: Sql>() {
    let (_fixture, store) = damaged::<F>("UPDATE saga SET seq = 3 WHERE saga_id = $saga").await;
    only_number_2_is_damaged(&*store, "the row says that the last event is 3, but it is 5").await;
}

async fn a_row_without_events_is_damage<F: Sql>() {
    let (fixture, store) = damaged::<F>("DELETE FROM saga_event WHERE saga_id = $saga").await;
    assert!(matches!(store.load(saga(2)).await, Err(LoadError::Damaged(_))));
    fixture.execute(&format!("UPDATE saga SET seq = 0 WHERE saga_id = {}", F::literal(saga(2)))).await;
    assert!(matches!(store.load(saga(2)).await, Err(LoadError::Damaged(_))));
}

/// In SQLite, a history is found by its saga's row: that one stays as long as there are events.
#[tokio::test]
async fn a_row_with_events_is_not_deleted_from_sqlite() {
    let (fixture, store) = damaged::<InSqlite>("SELECT 1 WHERE $saga = 1").await;
    let delete = |table: &str| format!("DELETE FROM {table} WHERE saga_id = {}", InSqlite::literal(saga(2)));
    let refused = fixture.connect().execute_batch(&delete("saga")).unwrap_err();
    assert!(refused.to_string().contains("delete them first"), "{refused}");
    assert_eq!(store.load(saga(2)).await.unwrap().unwrap().records.len(), 5);
    fixture.execute(&format!("{}; {}", delete("saga_event"), delete("saga"))).await;
    assert!(store.load(saga(2)).await.unwrap().is_none());
}

async fn a_row_that_makes_no_sense_is_shown_as_blocked<F: Sql>() {
    for (damage, why) in [
        ("rollback = 'PEUT-ETRE'", "PEUT-ETRE"),
        ("epoch = -7", "-7"),
        ("summary = '{'", "its summary"),
        ("labels = '[]'", "its labels"),
    ] {
        let (_fixture, store) =
            damaged::<F>(&format!("UPDATE saga SET {damage} WHERE saga_id = $saga")).await;
        let rows = store.list(Filter::default(), None, 10).await.unwrap().rows;
        let row = rows.iter().find(|row| row.saga == saga(2)).unwrap();
        assert_eq!(row.rollback(), Rollback::Blocked);
        assert!(row.trouble().unwrap().reason.contains(why), "{row:?}");
        assert_eq!(store.row(saga(2)).await.unwrap().as_ref(), Some(row));
        assert_eq!(rows.iter().filter(|row| row.rollback() == Rollback::None).count(), 2);
        assert_eq!(store.owned(OWNER, None, 10).await.unwrap().len(), 3);
        let backlog = store.backlog().await.unwrap()["checkout"];
        let unknown = u64::from(why == "PEUT-ETRE");
        assert_eq!((backlog.forward, backlog.rolling_back, backlog.blocked), (3 - unknown, 0, unknown));
    }
}

#[tokio::test]
async fn a_saga_whose_events_outlived_its_row_does_not_hold_up_a_batch_in_postgres() {
    let damage = "DELETE FROM saga WHERE saga_id = $saga";
    let (_fixture, store) = damaged::<InPostgres>(damage).await;
    let mut other = start(2);
    other.records[0].at = crate::entries::at(1);
    // To the letter what is there, or not: without its row it is no history.
    for again in [start(2), other] {
        let batch = [start(1), again, start(4)];
        let results = store.append(&batch).await.unwrap();
        assert_eq!(results, [Ok(()), Err(AppendError::Conflict), Ok(())]);
    }
    assert!(store.load(saga(4)).await.unwrap().is_some());
    assert!(matches!(store.load(saga(2)).await, Err(LoadError::Damaged(_))));
}

async fn an_owner_that_makes_no_sense_is_gone<F: Sql>() {
    let (_fixture, store) = damaged::<F>(F::ODD_OWNER).await;
    assert_eq!(store.list(Filter::default(), None, 10).await.unwrap().rows.len(), 3);
    let row = store.row(saga(2)).await.unwrap().unwrap();
    assert_ne!(row.owner, OWNER);
    assert!(store.load(saga(2)).await.unwrap().is_some());
    assert_eq!(store.owned(OWNER, None, 10).await.unwrap(), [1, 3].map(saga));
    // So it finds its way back by itself.
    assert_eq!(store.claim(OWNER, 10).await, Ok(vec![saga(2)]));
    assert_eq!(store.row(saga(2)).await.unwrap().unwrap().owner, OWNER);
}

async fn a_command_that_makes_no_sense_is_the_owner_s_to_refuse<F: Sql>() {
    let (fixture, store) = damaged::<F>("SELECT 1").await;
    store.post(command(2, 2)).await.unwrap();
    store.post(command(3, 3)).await.unwrap();
    fixture.execute(F::ODD_COMMAND).await;
    assert_eq!(store.list(Filter::default(), None, 10).await.unwrap().rows.len(), 3);
    let commands = store.commands(OWNER, 10).await.unwrap();
    let sagas: Vec<_> = commands.iter().map(|command| command.saga).collect();
    assert_eq!(sagas, [saga(2), saga(3)]);
    assert_eq!((&*commands[1].body, &*commands[0].body == "\"cancel\""), ("\"cancel\"", false));
    store.leave(OWNER).await.unwrap();
    join(&*store, replica(7)).await;
    assert_eq!(store.claim(replica(7), 10).await.unwrap().len(), 3);
}

async fn a_newer_schema_is_refused<F: Sql>() {
    let fixture = F::new();
    drop(fixture.open().await);
    fixture.execute("INSERT INTO saga_migration (version, name, checksum) VALUES (99, 'later', 'x')").await;
    match fixture.try_open().await.err() {
        Some(OpenError::SchemaNewer { found: 99, needs: 99, known: 2..99 }) => {}
        other => panic!("{other:?}"),
    }
}

/// As a newer release would leave it that adds something, and then takes something away.
async fn a_newer_schema_is_used_by_the_programs_that_it_does_not_exclude<F: Sql>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    drop(store);
    let known = &fixture.query("SELECT max(version) FROM saga_migration").await[0][0];
    let add = format!(
        "ALTER TABLE saga ADD COLUMN later TEXT; INSERT INTO saga_migration (version, name, checksum, needs) VALUES \
         ({known} + 1, 'later', 'x', {known})"
    );
    fixture.execute(&add).await;
    let store = fixture.try_open().await.unwrap();
    join(&*store, replica(8)).await;
    let second = by(OWNER, &next(&start(1), "STOCK_RESERVE"));
    keep(&*store, &[&second, &end(&second)]).await;
    assert_eq!(
        store.load(saga(1)).await.unwrap().unwrap().records,
        records(&[&start(1), &second, &end(&second)])
    );
    drop(store);
    // One step that excludes this program is enough.
    let take = format!(
        "INSERT INTO saga_migration (version, name, checksum, needs) VALUES ({known} + 2, 'gone', 'x', {known} + 1), \
         ({known} + 3, 'latest', 'x', {known})"
    );
    fixture.execute(&take).await;
    let known: i64 = known.parse().unwrap();
    match fixture.try_open().await.err() {
        Some(OpenError::SchemaNewer { found, needs, known: said }) => {
            assert_eq!((found, needs, said), (known + 3, known + 1, known));
        }
        other => panic!("{other:?}"),
    }
}

/// A journal that was made by a release from before the rule, or by one that forgot it.
async fn a_newer_schema_that_does_not_say_what_it_needs_is_refused<F: Sql>() {
    let fixture = F::new();
    drop(fixture.open().await);
    fixture.execute("ALTER TABLE saga_migration DROP COLUMN needs").await;
    fixture.execute("INSERT INTO saga_migration (version, name, checksum) VALUES (99, 'later', 'x')").await;
    match fixture.try_open().await.err() {
        Some(OpenError::SchemaNewer { found: 99, needs: 99, known: 2..99 }) => {}
        other => panic!("{other:?}"),
    }
}

async fn a_schema_made_by_other_sql_is_refused<F: Sql>() {
    let fixture = F::new();
    drop(fixture.open().await);
    fixture.execute("UPDATE saga_migration SET checksum = 'x'").await;
    match fixture.try_open().await.err() {
        Some(OpenError::SchemaChanged { version: 1 }) => {}
        other => panic!("{other:?}"),
    }
}

/// Overwrites the first page of an index or a table.
fn damage_page(path: &std::path::Path, of: &str) {
    use std::os::unix::fs::FileExt;
    let file = rusqlite::Connection::open(path).unwrap();
    let root: u64 = file
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [of], |row| row.get::<_, i64>(0))
        .unwrap()
        .unsigned_abs();
    let size: u64 =
        file.query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs();
    drop(file);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&vec![0xA5; size as usize], (root - 1) * size).unwrap();
}

#[tokio::test]
async fn a_damaged_page_is_told_with_what_to_do_and_stays_told() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1), &start(2)]).await;
    store.probe().await.unwrap();
    drop(store);
    for depth in [CheckDepth::Quick, CheckDepth::Whole] {
        assert_eq!(check(&fixture.path(), depth).unwrap().findings, [""; 0]);
    }
    damage_page(&fixture.path(), "saga_event");
    for depth in [CheckDepth::Quick, CheckDepth::Whole] {
        let checked = check(&fixture.path(), depth).unwrap();
        assert!(!checked.findings.is_empty() && checked.bytes > 0, "{checked:?}");
    }
    let store = fixture.open().await;
    // Nothing has met that page yet, and the head of the file can be written.
    store.probe().await.unwrap();
    let told = store.load(saga(1)).await.unwrap_err().to_string();
    assert!(
        told.contains("journal.db is damaged") && told.contains("`orchestrateur database check`"),
        "{told}"
    );
    let probed = store.probe().await.unwrap_err().to_string();
    assert!(told.ends_with(&probed), "{probed} is not {told}");
    let appended = store.append(&[start(3)]).await.unwrap_err().to_string();
    assert_eq!(appended, probed);
}

#[test]
fn only_a_file_of_sqlite_can_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text"), "no database, but longer than the head of one".repeat(9))
        .unwrap();
    for (name, why) in [("text", "not an SQLite database"), ("missing", "no such file")] {
        let told = check(&folder.path().join(name), CheckDepth::Quick).unwrap_err().to_string();
        assert!(told.contains(why), "{name}: {told}");
    }
    assert!(!folder.path().join("missing").exists());
}
