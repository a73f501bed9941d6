//! The sagas that need a person, by cause: on all stores alike.

use std::collections::BTreeSet;

use saga_core::saga::{Failure, Rollback};
use saga_core::{CauseGroup, Timestamp};
use saga_journal::{
    CAUSE_SAGAS_COUNTED_MAX, CAUSES_OF_STEP_MAX, CauseCursor, CauseMembers, Causes, Entry, FailedAt, Filter,
    KeptRow, Row, Store,
};

use crate::entries::{OWNER, at, end, labels, next, saga, start, word};
use crate::fixture::{Fixture, InPostgres, InSqlite, Sql, conformance, join, keep};

conformance! {
    causes_are_told_in_figures
    a_step_with_many_reasons_is_told_as_a_few_and_the_others
    a_saga_that_cannot_be_read_has_a_cause_until_its_next_event
    sagas_are_listed_by_cause_and_by_failed_step
}

const MINUTE_US: i64 = 60_000_000;

/// A saga that has waited for a person since that many microseconds after the first one, for this cause.
fn blocked(number: u128, cause: &str, since_us: i64) -> Entry {
    let mut entry = start(number);
    entry.row.rollback = Rollback::Blocked;
    entry.row.cause = Some(cause.into());
    entry.row.blocked_since = Some(at(since_us));
    entry.row.labels = labels(&[("client_id", 4), ("total_cents", 100 + number as i64), ("points", 7)]);
    entry
}

fn key(step: &str, hash: u64) -> String {
    format!("1:client|{step}|compensation_failing|{hash:016x}")
}

async fn members(store: &dyn Store, cause: &str, definition: Option<&str>, limit: usize) -> Vec<KeptRow> {
    let of = CauseMembers { cause: cause.into(), definition: definition.map(Into::into) };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.cause_members(of.clone(), after, limit).await.unwrap();
        assert!(page.len() <= limit);
        let Some(last) = page.last() else { return all };
        let since = last.row.blocked_since.unwrap_or(last.row.updated);
        after = Some(CauseCursor { blocked: since, saga: last.saga });
        all.extend(page);
    }
}

async fn causes_are_told_in_figures<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(store.causes(at(0), 10).await, Ok(Causes::default()));
    let (one, two) = (key("paiement", 1), key("paiement", 2));
    let mut all = Vec::new();
    for number in 1..=7_u128 {
        // Two at one instant.
        let since = (number as i64 / 2) * MINUTE_US;
        all.push(blocked(number, if number == 7 { &two } else { &one }, since));
    }
    let travel = &mut all[2].row;
    (travel.definition, travel.labels) = ("travel".into(), labels(&[("client_id", 4)]));
    keep(&*store, &all.iter().collect::<Vec<_>>()).await;
    // These sagas need nobody.
    keep(&*store, &[&start(20), &start(21), &end(&start(21))]).await;

    let causes = store.causes(at(2 * MINUTE_US), 10).await.unwrap();
    assert!(!causes.more);
    let [most, least] = &causes.figures[..] else { panic!("{causes:?}") };
    assert_eq!((&*most.cause, most.count, most.more), (&*one, 6, false));
    assert_eq!((most.oldest, most.newest, most.recent), (at(0), at(3 * MINUTE_US), 3));
    assert_eq!(most.at_stake, Some(5 * 100 + 1 + 2 + 4 + 5 + 6), "of those that say so");
    assert_eq!(most.sample, saga(1));
    assert_eq!((&*least.cause, least.count, least.at_stake), (&*two, 1, Some(107)));
    let fewer = store.causes(at(0), 1).await.unwrap();
    assert_eq!((fewer.figures.len(), fewer.more), (1, true));

    let ids = |rows: Vec<KeptRow>| rows.into_iter().map(|kept| kept.saga).collect::<Vec<_>>();
    let expected: Vec<_> = (1..=6).map(saga).collect();
    for limit in [1, 2, 5, 6, 100] {
        assert_eq!(ids(members(&*store, &one, None, limit).await), expected, "{limit} a page");
    }
    assert_eq!(ids(members(&*store, &one, Some("travel"), 10).await), [saga(3)]);
    assert_eq!(ids(members(&*store, "1:client|paiement|compensation_failing|' OR 1=1", None, 10).await), []);
    let kept = &members(&*store, &two, None, 10).await[0];
    assert_eq!((kept.cause().as_deref(), kept.row.cause.as_deref()), (Some(&*two), Some(&*two)));

    let minutes = |rows: Vec<saga_journal::CauseMinute>| {
        rows.into_iter().map(|one| (one.minute, one.count)).collect::<Vec<_>>()
    };
    let minute =
        |number: i64| Timestamp::from_micros(at(number * MINUTE_US).as_micros() / MINUTE_US * MINUTE_US);
    let all = store.cause_minutes(one.as_str().into(), at(0)).await.unwrap();
    assert_eq!(minutes(all), [(minute(0), 1), (minute(1), 2), (minute(2), 2), (minute(3), 1)]);
    let last = store.cause_minutes(one.as_str().into(), at(3 * MINUTE_US)).await.unwrap();
    assert_eq!(minutes(last), [(minute(3), 1)]);

    // A saga that goes on needs no person any more.
    let mut going_on = next(&blocked(1, &one, 0), "STOCK_RESERVE");
    going_on.row.rollback = Rollback::Running;
    (going_on.row.cause, going_on.row.blocked_since) = (None, None);
    keep(&*store, &[&going_on]).await;
    assert_eq!(store.causes(at(0), 10).await.unwrap().figures[0].count, 5);
    assert_eq!(store.row(saga(1)).await.unwrap().unwrap().cause(), None);
}

async fn a_step_with_many_reasons_is_told_as_a_few_and_the_others<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let reasons = CAUSES_OF_STEP_MAX as u64 + 10;
    let mut all: Vec<Entry> = (0..reasons)
        .map(|number| blocked(u128::from(number) + 1, &key("b-noisy", number), number as i64))
        .collect();
    all.push(blocked(100, &key("a-first", 1), 100));
    all.push(blocked(101, &key("c-last", u64::MAX), 101));
    all.push(blocked(102, "1:client|b-noisy|action_unknown|00", 102));
    keep(&*store, &all.iter().collect::<Vec<_>>()).await;
    let causes = store.causes(at(0), 100).await.unwrap();
    let keys: BTreeSet<&str> = causes.figures.iter().map(|figures| &*figures.cause).collect();
    assert_eq!((keys.len(), causes.more), (CAUSES_OF_STEP_MAX + 4, false), "{keys:?}");
    let last = key("b-noisy", CAUSES_OF_STEP_MAX as u64 - 1);
    let others = CauseGroup::others(&last);
    for known in [&key("a-first", 1), &key("c-last", u64::MAX), &last, &others] {
        assert!(keys.contains(known.as_str()), "{known} in {keys:?}");
    }
    let told = causes.figures.iter().find(|figures| *figures.cause == *others).unwrap();
    assert_eq!((told.count, told.sample), (10, saga(u128::from(reasons) - 9)));
    assert_eq!((told.oldest, told.newest), (at(reasons as i64 - 10), at(reasons as i64 - 1)));
    assert_eq!(causes.figures.iter().map(|figures| figures.count).sum::<u64>(), all.len() as u64);
    assert_eq!(members(&*store, &others, None, 3).await.len(), 10);
    let minutes = store.cause_minutes(others.as_str().into(), at(0)).await.unwrap();
    assert_eq!(minutes.iter().map(|one| one.count).sum::<u64>(), 10);
    let filter = Filter { cause: Some(others.into()), ..Filter::default() };
    assert_eq!(store.list(filter, None, 100).await.unwrap().rows.len(), 10);
}

async fn a_saga_that_cannot_be_read_has_a_cause_until_its_next_event<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let mut first = start(1);
    first.row.labels = labels(&[("total_cents", 500)]);
    keep(&*store, &[&first, &start(2)]).await;
    store.park(saga(1), OWNER, word("variable VENTES_TOKEN is not set")).await.unwrap();
    let figures = store.causes(at(0), 10).await.unwrap().figures;
    let [told] = &figures[..] else { panic!("{figures:?}") };
    let key = CauseGroup::unreadable("variable VENTES_TOKEN is not set").key().clone();
    assert_eq!((&told.cause, told.count, told.at_stake, told.oldest), (&key, 1, Some(500), at(0)));
    let kept = &members(&*store, &key, None, 10).await[0];
    assert_eq!((kept.saga, kept.cause(), kept.row.blocked_since), (saga(1), Some(key), Some(at(0))));
    keep(&*store, &[&next(&first, "STOCK_RESERVE")]).await;
    assert_eq!(store.causes(at(0), 10).await, Ok(Causes::default()));
    let row = store.row(saga(1)).await.unwrap().unwrap();
    assert_eq!((row.cause(), row.row.cause, row.row.blocked_since), (None, None, None));
}

async fn sagas_are_listed_by_cause_and_by_failed_step<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (one, two) = (key("paiement", 1), key("paiement", 2));
    for number in 0..12_u128 {
        let mut entry = blocked(number + 1, if number % 3 == 0 { &two } else { &one }, 1_000 - number as i64);
        entry.row.created = at(number as i64);
        let step = ["stock", "vente"][usize::from(number % 4 == 0)];
        entry.row.summary.failure = Some(Failure { step: Some(step.into()), reason: "why".into() });
        keep(&*store, &[&entry]).await;
        // The same once it is over, and nobody is needed any more.
        let mut over = start(number + 101);
        over.row =
            Row { over: true, rollback: Rollback::Done, blocked_since: None, cause: None, ..entry.row };
        keep(&*store, &[&over]).await;
    }
    let cancelled = Some(Failure { step: None, reason: "cancelled".into() });
    for (number, failure) in [(150, cancelled), (151, None)] {
        let mut entry = start(number);
        entry.row.summary.failure = failure;
        entry.row.over = true;
        entry.row.created = at(number as i64);
        keep(&*store, &[&entry]).await;
    }
    keep(&*store, &[&start(160), &start(161)]).await;
    store.park(saga(161), OWNER, "unreadable".into()).await.unwrap();
    let list = async |filter: Filter| {
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(filter.clone(), after, 2).await.unwrap();
            ids.extend(page.rows.iter().map(|kept| kept.saga.as_uuid().as_u128()));
            after = page.next;
            if after.is_none() {
                return ids;
            }
        }
    };
    let ids =
        |numbers: &[u128]| numbers.iter().map(|number| saga(*number).as_uuid().as_u128()).collect::<Vec<_>>();
    let cause = |key: &str| Filter { cause: Some(key.into()), ..Filter::default() };
    let failed = |failed| Filter { failed: Some(failed), ..Filter::default() };
    assert_eq!(list(cause(&two)).await, ids(&[10, 7, 4, 1]));
    assert_eq!(list(cause("0:")).await, ids(&[]));
    assert_eq!(list(failed(FailedAt::Step(word("vente")))).await, ids(&[109, 105, 101]));
    let any = [150, 112, 111, 110, 109, 108, 107, 106, 105, 104, 103, 102, 101];
    assert_eq!(list(failed(FailedAt::Any)).await, ids(&any));
    let under_way = Filter { under_way: true, ..Filter::default() };
    assert_eq!(list(under_way.clone()).await.len(), 14);
    assert_eq!(list(Filter { needs_nobody: true, ..under_way }).await, ids(&[160]));
    let label = vec![(word("total_cents"), word("101"))];
    for (labels, expected) in [(label, &[101][..]), (vec![(word("client_id"), word("5"))], &[])] {
        let filter = Filter { labels, failed: Some(FailedAt::Step(word("vente"))), ..Filter::default() };
        assert_eq!(list(filter).await, ids(expected));
    }
    let filter = Filter { definition: Some(word("travel")), ..cause(&two) };
    assert_eq!(list(filter).await, ids(&[]));
}

/// The key of sagas that a release without keys has blocked is one like the others, until the next event.
async fn rows_without_a_key_are_told<F: Sql>() {
    let fixture = F::new();
    let store = fixture.open_for_nobody().await;
    join(&*store, OWNER).await;
    keep(&*store, &[&blocked(1, &key("paiement", 1), 5), &blocked(2, &key("paiement", 1), 7)]).await;
    fixture.execute("UPDATE saga SET cause = '0:', at_stake = NULL").await;
    let figures = store.causes(at(0), 10).await.unwrap().figures;
    let [told] = &figures[..] else { panic!("{figures:?}") };
    assert_eq!((&*told.cause, told.count), (CauseGroup::BEFORE_KEYS, 2));
    assert_eq!((told.oldest, told.at_stake, told.sample), (at(5), None, saga(1)));
    let all = members(&*store, CauseGroup::BEFORE_KEYS, None, 1).await;
    assert_eq!(all.iter().map(|kept| kept.saga).collect::<Vec<_>>(), [saga(1), saga(2)]);
    assert_eq!(all[0].cause().as_deref(), Some(CauseGroup::BEFORE_KEYS));
    keep(&*store, &[&next(&blocked(2, &key("paiement", 1), 7), "STOCK_RESERVE")]).await;
    assert_eq!(store.causes(at(0), 10).await.unwrap().figures.len(), 2);
}

#[tokio::test]
async fn rows_without_a_key_are_told_in_sqlite() {
    rows_without_a_key_are_told::<InSqlite>().await;
}

#[tokio::test]
async fn rows_without_a_key_are_told_in_postgres() {
    rows_without_a_key_are_told::<InPostgres>().await;
}

/// More sagas than are counted.
async fn what_is_too_many_to_count_is_told_as_more<F: Sql>(numbers: &str, id: &str) {
    let fixture = F::new();
    let store = fixture.open_for_nobody().await;
    let most = CAUSE_SAGAS_COUNTED_MAX;
    let sql = format!(
        "INSERT INTO saga (saga_id, seq, epoch, definition, definition_hash, state, rollback, is_over, created_us, \
         updated_us, blocked_us, labels, summary, owner, cause, at_stake) \
         SELECT {id}, 1, 1, 'checkout', '', 'STARTED', 'blocked', FALSE, n, n, n, '{{}}', '{{}}', {}, \
         CASE WHEN n > {most} + 1 THEN 'b' ELSE 'a' END, 900000000000000 FROM {numbers}",
        F::literal(saga(0))
    );
    fixture.execute(&sql.replace("$most", &(2 * most + 1).to_string())).await;
    let figures = store.causes(Timestamp::from_micros(0), 10).await.unwrap().figures;
    let told: Vec<_> = figures.iter().map(|one| (&*one.cause, one.count, one.more, one.recent)).collect();
    let most = most as u64;
    assert_eq!(told, [("a", most, true, most), ("b", most, false, most)]);
    assert_eq!(figures[0].newest.as_micros(), most as i64 + 1);
    assert!(figures[0].at_stake.unwrap() > 0);
}

#[tokio::test]
async fn what_is_too_many_to_count_is_told_as_more_in_sqlite() {
    let numbers =
        "(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < $most) SELECT n FROM c)";
    what_is_too_many_to_count_is_told_as_more::<InSqlite>(numbers, "unhex(printf('%032x', n))").await;
}

#[tokio::test]
async fn what_is_too_many_to_count_is_told_as_more_in_postgres() {
    let numbers = "generate_series(1, $most) AS line (n)";
    what_is_too_many_to_count_is_told_as_more::<InPostgres>(numbers, "md5(n::text)::uuid").await;
}
