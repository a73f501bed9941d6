//! Sagas that are taken away: all that was kept of them goes, and nothing of another one.

use std::sync::Arc;

use saga_core::saga::Rollback;
use saga_core::{CommandId, Timestamp};
use saga_journal::{
    AgedSaga, Cursor, DeedsOf, Entry, FORGOTTEN_TOGETHER_MAX, FeedPlace, Filter, Forgotten, KeptCommand,
    KeptDefinition, Posted, Store,
};
use uuid::Uuid;

use crate::entries::{OWNER, at, end, failure, labels, next, replica, saga, start, word};
use crate::fixture::{Fixture, InMemory, InPostgres, InSqlite, Leases, SHORT, Sql, join, keep};
use crate::roles::AsService;

/// Tests that all three backends pass, PostgreSQL with the rights of an owner.
macro_rules! with_all_rights {
    ($($name:ident)*) => {
        mod memory { $(#[tokio::test] async fn $name() { super::$name::<super::InMemory>().await })* }
        mod sqlite { $(#[tokio::test] async fn $name() { super::$name::<super::InSqlite>().await })* }
        mod postgres { $(#[tokio::test] async fn $name() { super::$name::<super::InPostgres>().await })* }
    };
}

with_all_rights! {
    sagas_of_a_definition_come_in_the_order_of_their_starts
    a_saga_goes_with_all_that_was_kept_of_it
    a_saga_that_somebody_has_to_look_at_stays
    a_key_is_free_again_once_its_saga_is_gone
    definitions_are_named_once
}

/// A start of that definition, so many seconds after midnight.
fn started(number: u128, definition: &str, second: i64) -> Entry {
    let mut entry = start(number);
    entry.row.definition = definition.into();
    (entry.row.created, entry.row.updated) = (at(second * 1_000_000), at(second * 1_000_000));
    entry.records[0].at = at(second * 1_000_000);
    (entry.row.labels, entry.records[0].by) = (labels(&[("client_id", number as i64)]), Some(word("ann")));
    entry
}

/// Its end: rolled back.
fn failed(before: &Entry) -> Entry {
    let mut entry = end(before);
    entry.row.rollback = Rollback::Done;
    entry.row.summary.failure = Some(failure(Some("stock"), "sold out"));
    entry
}

async fn aged(store: &dyn Store, definition: &str, until: Timestamp) -> Vec<AgedSaga> {
    store.aged(word(definition), until, None, 1_000).await.unwrap()
}

fn numbers(aged: &[AgedSaga]) -> Vec<u128> {
    aged.iter().map(|aged| aged.saga.as_uuid().as_u128()).collect()
}

/// Takes these sagas away, whatever they are, and tells how many went.
async fn forget(store: &dyn Store, sagas: &[u128]) -> usize {
    let mut forgotten = Vec::new();
    for definition in ["checkout", "booking"] {
        for aged in aged(store, definition, at(i64::MAX / 4)).await {
            if sagas.contains(&aged.saga.as_uuid().as_u128()) {
                let history = store.load(aged.saga).await.unwrap().unwrap();
                forgotten.push(Forgotten::of(&aged, &history.records));
            }
        }
    }
    assert_eq!(forgotten.len(), sagas.len());
    store.forget(forgotten).await.unwrap()
}

/// The newest saga, which a store may keep, and the last frame.
async fn keep_a_newer_one(store: &dyn Store) {
    keep(store, &[&started(1_000, "other", 1_000)]).await;
}

async fn sagas_of_a_definition_come_in_the_order_of_their_starts<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (one, two, three) = (started(3, "checkout", 1), started(1, "checkout", 2), started(2, "checkout", 2));
    let other = started(4, "booking", 0);
    keep(&*store, &[&two, &three, &one, &other, &end(&one), &failed(&two)]).await;
    let all = aged(&*store, "checkout", at(3_000_000)).await;
    assert_eq!(numbers(&all), [3, 1, 2]);
    let told = |number: usize| (all[number].is_settled, all[number].has_failed);
    assert_eq!([told(0), told(1), told(2)], [(true, false), (true, true), (false, false)]);
    assert_eq!((all[0].created, all[0].updated), (at(1_000_000), end(&one).row.updated));
    assert_eq!(all[1].labels, two.row.labels);
    assert_eq!(numbers(&aged(&*store, "checkout", at(2_000_000)).await), [3], "before, and not at");
    assert_eq!(numbers(&aged(&*store, "booking", at(2_000_000)).await), [4]);
    assert_eq!(aged(&*store, "bookin", at(2_000_000)).await, []);
    let mut paged = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = store.aged(word("checkout"), at(3_000_000), after, 1).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(Cursor { created: last.created, saga: last.saga });
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

async fn a_saga_goes_with_all_that_was_kept_of_it<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let sagas: Vec<Entry> = (1..=40).map(|number| started(number, "checkout", number as i64)).collect();
    let command = |number| KeptCommand {
        saga: saga(number),
        id: CommandId::new(Uuid::from_u128(number)),
        body: word("cancel"),
        asked: at(0),
    };
    for start in &sagas {
        keep(&*store, &[start]).await;
        if start.saga == saga(1) || start.saga == saga(2) {
            let posted = store.post(command(start.saga.as_uuid().as_u128())).await;
            assert_eq!(posted, Ok(Posted::Kept));
        }
        keep(&*store, &[&end(start)]).await;
    }
    keep_a_newer_one(&*store).await;
    let going: Vec<u128> = (1..=40).filter(|number| number % 2 == 1).collect();
    assert_eq!(forget(&*store, &going).await, 20);
    for number in 1..=40 {
        let is_gone = number % 2 == 1;
        assert_eq!(store.load(saga(number)).await.unwrap().is_none(), is_gone, "{number}");
        assert_eq!(store.row(saga(number)).await.unwrap().is_none(), is_gone);
        let label =
            Filter { labels: vec![(word("client_id"), number.to_string().into())], ..Filter::default() };
        assert_eq!(store.list(label, None, 10).await.unwrap().rows.is_empty(), is_gone, "{number}");
    }
    let known = store.known((1..=40).map(saga).collect()).await.unwrap();
    assert_eq!(known.len(), 20);
    let deeds = DeedsOf { name: word("ann"), since: None, until: None };
    let deeds = store.deeds(deeds, None, 100).await.unwrap();
    assert_eq!(deeds.len(), 20 + 1);
    assert!(deeds.iter().all(|deed| deed.saga.as_uuid().as_u128() % 2 == 0));
    let commands = store.commands(OWNER, 10).await.unwrap();
    assert_eq!(commands.iter().map(|command| command.saga).collect::<Vec<_>>(), [saga(2)]);
    let frames = store.feed(FeedPlace::BEGINNING, 100).await.unwrap();
    assert_eq!(frames.len(), 2 * 20 + 1);
    assert!(frames.iter().all(|frame| frame.saga.as_uuid().as_u128() % 2 == 0));
    // Later frames come behind all that were there.
    let last = frames.last().unwrap().after();
    keep(&*store, &[&started(2_000, "checkout", 2_000)]).await;
    let later = store.feed(last, 100).await.unwrap();
    assert_eq!(later.iter().map(|frame| frame.saga).collect::<Vec<_>>(), [saga(2_000)]);
    assert_eq!(store.backlog().await.unwrap().values().map(|unfinished| unfinished.forward).sum::<u64>(), 2);
}

async fn a_saga_that_somebody_has_to_look_at_stays<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (open, parked) = (started(1, "checkout", 1), started(2, "checkout", 2));
    keep(&*store, &[&open, &parked, &end(&parked)]).await;
    keep_a_newer_one(&*store).await;
    store.park(saga(2), OWNER, word("its history cannot be read")).await.unwrap();
    assert_eq!(
        aged(&*store, "checkout", at(9_000_000)).await.iter().filter(|saga| saga.is_settled).count(),
        0
    );
    assert_eq!(forget(&*store, &[1, 2]).await, 0);
    for number in [1, 2] {
        assert!(store.load(saga(number)).await.unwrap().is_some());
    }
    let label = Filter { labels: vec![(word("client_id"), word("2"))], ..Filter::default() };
    assert_eq!(store.list(label, None, 10).await.unwrap().rows.len(), 1);
    let deeds = DeedsOf { name: word("ann"), since: None, until: None };
    assert_eq!(store.deeds(deeds, None, 100).await.unwrap().len(), 3);
    // The one that has ended meanwhile goes.
    keep(&*store, &[&end(&open)]).await;
    keep(&*store, &[&started(1_001, "other", 1_001)]).await;
    assert_eq!(forget(&*store, &[1, 2]).await, 1);
    let label = Filter { labels: vec![(word("client_id"), word("2"))], ..Filter::default() };
    assert_eq!(store.list(label, None, 10).await.unwrap().rows.len(), 1, "the other one's label");
    assert_eq!(forget(&*store, &[2]).await, 0);
}

async fn a_key_is_free_again_once_its_saga_is_gone<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = started(1, "checkout", 1);
    keep(&*store, &[&first, &end(&first)]).await;
    keep_a_newer_one(&*store).await;
    assert_eq!(forget(&*store, &[1]).await, 1);
    let again = started(1, "checkout", 500);
    keep(&*store, &[&again, &next(&again, "STOCK_RESERVE")]).await;
    let history = store.load(saga(1)).await.unwrap().unwrap();
    assert_eq!(history.records.len(), 3);
    assert_eq!(history.records[0].at, at(500_000_000));
}

#[tokio::test]
async fn one_replica_takes_sagas_away_until_it_is_gone_in_memory() {
    one_replica_takes_sagas_away_until_it_is_gone::<InMemory>().await;
}

#[tokio::test]
async fn one_replica_takes_sagas_away_until_it_is_gone_in_postgres() {
    one_replica_takes_sagas_away_until_it_is_gone::<AsService>().await;
}

async fn one_replica_takes_sagas_away_until_it_is_gone<F: Leases>() {
    let fixture = F::new();
    let store = fixture.open_for_nobody().await;
    let (one, two) = (replica(1), replica(2));
    assert!(!store.hold_retention(one).await.unwrap(), "it has not joined");
    join(&*store, one).await;
    assert!(store.hold_retention(one).await.unwrap());
    join(&*store, two).await;
    assert!(store.hold_retention(one).await.unwrap());
    assert!(!store.hold_retention(two).await.unwrap());
    store.leave(one).await.unwrap();
    assert!(store.hold_retention(two).await.unwrap());
    assert!(!store.hold_retention(one).await.unwrap());
    let three = replica(3);
    store.join(three, word("three"), saga_journal::Joining::Started, SHORT).await.unwrap();
    fixture.run_out(three).await;
    store.expire().await.unwrap();
    assert!(!store.hold_retention(three).await.unwrap());
    assert!(store.hold_retention(two).await.unwrap());
}

async fn definitions_are_named_once<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    for (number, name) in ["checkout", "booking", "checkout"].into_iter().enumerate() {
        let hash = saga_core::definition::DefinitionHash::new(&format!("{number}").repeat(64));
        let kept = KeptDefinition { name: word(name), source: word("x"), format: 1, orders: false };
        store.define(hash, kept).await.unwrap();
    }
    assert_eq!(store.definition_names().await.unwrap(), [word("booking"), word("checkout")]);
}

#[tokio::test]
async fn a_service_that_may_not_delete_says_which_rights_are_missing() {
    let fixture = AsService::new();
    let store = fixture.open().await;
    assert_eq!(
        store.missing_grants().await.unwrap(),
        "GRANT DELETE ON saga TO the role; GRANT DELETE ON saga_deed TO the role; GRANT DELETE ON saga_event TO the role; \
         GRANT DELETE ON saga_label TO the role;"
    );
    let first = started(1, "checkout", 1);
    keep(&*store, &[&first, &end(&first)]).await;
    let aged = aged(&*store, "checkout", at(9_000_000)).await;
    let history = store.load(saga(1)).await.unwrap().unwrap();
    let refused = store.forget(vec![Forgotten::of(&aged[0], &history.records)]).await.unwrap_err();
    assert!(refused.to_string().contains("permission denied"), "{refused}");
    assert!(store.load(saga(1)).await.unwrap().is_some());
    let owner = InPostgres::new();
    assert_eq!(owner.open().await.missing_grants().await.unwrap(), "");
}

/// Row numbers are given in the order of starts, and the feed's places are row numbers, too.
#[tokio::test]
async fn a_file_does_not_give_the_number_of_a_saga_that_is_gone_to_another_one() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    let (one, two) = (started(1, "checkout", 1), started(2, "checkout", 2));
    // The older one has ended last, so that the newest number and the last frame are not of one saga.
    keep(&*store, &[&one, &two, &end(&two), &end(&one)]).await;
    assert_eq!(forget(&*store, &[1, 2]).await, 0);
    keep(&*store, &[&started(3, "checkout", 3)]).await;
    assert_eq!(forget(&*store, &[1, 2]).await, 2);
    assert_eq!(fixture.query("SELECT number FROM saga").await, [["3"]]);
    assert_eq!(fixture.query("SELECT min(rowid), max(rowid) FROM saga_event").await, [["5", "5"]]);
    assert_eq!(fixture.query("SELECT count(*) FROM saga_label").await, [["0"]]);
    assert_eq!(fixture.query("SELECT count(*) FROM saga_deed").await, [["1"]]);
    drop(store);
    let store = fixture.open().await;
    keep(&*store, &[&started(4, "checkout", 4)]).await;
    assert_eq!(fixture.query("SELECT number FROM saga ORDER BY number").await, [["3"], ["4"]]);
}

/// Labels are written in bulk, so a saga can go before, while and after its labels are.
#[tokio::test]
async fn a_file_has_no_labels_of_sagas_that_are_gone() {
    const SAGAS: u128 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let store: Arc<dyn Store> = Arc::new(saga_journal::sqlite::open(&path).unwrap());
    join(&*store, OWNER).await;
    for first in (1..=SAGAS).step_by(500) {
        let starts: Vec<Entry> =
            (first..first + 500).map(|number| started(number, "checkout", number as i64)).collect();
        let ends: Vec<Entry> = starts.iter().map(end).collect();
        for batch in [&starts, &ends] {
            assert_eq!(store.append(batch).await.unwrap(), vec![Ok(()); 500]);
        }
        // Every third saga of those that started a while ago, and of these.
        for from in [first.saturating_sub(9_000) + 200, first] {
            let going: Vec<u128> = (from.max(1)..from + 90)
                .filter(|number| number % 3 == 1)
                .take(FORGOTTEN_TOGETHER_MAX)
                .collect();
            let mut forgotten = Vec::new();
            for number in going {
                let one = saga(number);
                let Some(history) = store.load(one).await.unwrap() else { continue };
                let row = store.row(one).await.unwrap().unwrap().row;
                let aged = AgedSaga {
                    saga: one,
                    created: row.created,
                    updated: row.updated,
                    is_settled: row.over,
                    has_failed: false,
                    labels: row.labels,
                };
                forgotten.push(Forgotten::of(&aged, &history.records));
            }
            store.forget(forgotten).await.unwrap();
        }
    }
    // So many more that the labels of all of these are written.
    for first in (SAGAS + 1..=SAGAS + 30_000).step_by(1_000) {
        let starts: Vec<Entry> =
            (first..first + 1_000).map(|number| started(number, "checkout", number as i64)).collect();
        assert_eq!(store.append(&starts).await.unwrap(), vec![Ok(()); 1_000]);
    }
    let file = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let labelled = count("SELECT number FROM saga_labelled");
    assert!(labelled > SAGAS as i64, "{labelled}");
    let stray = "SELECT count(*) FROM saga_label WHERE saga_id NOT IN (SELECT saga_id FROM saga)";
    assert_eq!(count(stray), 0);
    let missing = "SELECT count(*) FROM saga WHERE number <= (SELECT number FROM saga_labelled) \
         AND saga_id NOT IN (SELECT saga_id FROM saga_label)";
    assert_eq!(count(missing), 0);
    assert!(count("SELECT count(*) FROM saga") < (SAGAS + 30_000) as i64 - 1_500);
}
