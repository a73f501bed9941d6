//! The contract of every backend, to the letter the same.

use futures_util::future::join_all;
use saga_core::saga::{Rollback, Waiting, WaitingFor};
use saga_core::{CommandId, Epoch, Seq};
use saga_journal::{
    AppendError, Backlog, Filter, Journal, KeptCommand, KeptDefinition, KeptRow, ROWS_MAX, Row, Store,
    Unfinished,
};

use crate::entries::{
    OWNER, at, by, end, failure, hash, labels, next, next_with, records, replica, saga, start, start_with,
    word,
};
use crate::fixture::{Fixture, conformance, join, keep};

conformance! {
    what_is_appended_is_loaded
    a_saga_that_was_never_started_is_not_there
    an_append_at_another_position_conflicts_and_changes_nothing
    a_batch_keeps_its_good_entries
    an_entry_that_comes_twice_is_kept_once
    an_entry_that_comes_again_late_moves_nothing_back
    a_saga_starts_once
    what_a_saga_starts_with_stays
    a_replica_s_unfinished_sagas_come_page_by_page
    what_is_due_stands_in_the_row
    since_when_a_person_is_needed_stands_in_the_row
    unfinished_sagas_are_counted_by_rollback_with_their_oldest
    a_page_has_at_least_one_row_and_at_most_rows_max
    definitions_are_kept_once
    a_parked_saga_says_why_and_keeps_its_history
    what_was_kept_is_found_again_after_reopening
    many_appends_share_few_commits
    odd_payloads_survive
    a_nul_in_a_reason_is_replaced
}

async fn what_is_appended_is_loaded<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    let second = next(&first, "STOCK_RESERVE");
    let mut third = next(&second, "ECHEC_PAIEMENT");
    third.row.rollback = Rollback::Running;
    third.row.summary.failure = Some(failure(Some("paiement"), "solde insuffisant"));
    third.row.summary.waiting = [(WaitingFor::Call, None), (WaitingFor::Retry, Some(at(7)))]
        .map(|(cause, until)| Waiting { step: word("stock"), cause, until, since: until })
        .into();
    third.row.epoch = Epoch::FIRST.next().next();
    keep(&*store, &[&first, &second, &third]).await;

    let history = store.load(saga(1)).await.unwrap().unwrap();
    assert_eq!(history.records, records(&[&first, &second, &third]));
    assert_eq!(history.definition_hash, hash());
    let row = KeptRow { saga: saga(1), row: third.row, owner: OWNER, parked: None };
    assert_eq!(store.row(saga(1)).await.unwrap(), Some(row));
}

async fn a_saga_that_was_never_started_is_not_there<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    assert_eq!(store.load(saga(2)).await, Ok(None));
    assert_eq!(store.row(saga(2)).await, Ok(None));
    assert_eq!(store.known(vec![saga(2), saga(1), saga(3)]).await, Ok(vec![saga(1)]));
    assert_eq!(store.known(vec![]).await, Ok(vec![]));
    store.park(saga(2), OWNER, word("not there")).await.unwrap();
    assert_eq!(store.row(saga(2)).await, Ok(None));
}

async fn an_append_at_another_position_conflicts_and_changes_nothing<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    let second = next(&first, "STOCK_RESERVE");
    keep(&*store, &[&first, &second]).await;
    let before = (store.load(saga(1)).await, store.row(saga(1)).await);

    let other = |expected| {
        let mut entry = next(&first, "ANNULEE");
        entry.expected = Seq::new(expected);
        entry
    };
    let mut unstarted = other(1);
    unstarted.saga = saga(2);
    // Too early, in the middle of a frame, too late, and a saga that is not there.
    for entry in [other(0), other(1), other(2), other(4), unstarted] {
        let results = store.append(std::slice::from_ref(&entry)).await;
        assert_eq!(results, Ok(vec![Err(AppendError::Conflict)]), "{entry:?}");
    }
    assert_eq!((store.load(saga(1)).await, store.row(saga(1)).await), before);
    assert_eq!(store.load(saga(2)).await, Ok(None));
    keep(&*store, &[&next(&second, "PAIEMENT_EFFECTUE")]).await;
}

async fn a_batch_keeps_its_good_entries<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (one, two, three) = (start(1), start(2), start(3));
    keep(&*store, &[&one, &two, &three]).await;
    let mut stale = next(&two, "STOCK_RESERVE");
    stale.expected = Seq::new(7);
    let batch =
        [next(&one, "STOCK_RESERVE"), stale, three.clone(), start(4), next(&start(5), "STOCK_RESERVE")];
    let conflict = Err(AppendError::Conflict);
    let results = store.append(&batch).await.unwrap();
    assert_eq!(results, [Ok(()), conflict.clone(), Ok(()), Ok(()), conflict]);
    for (number, seq) in [(1, 3), (2, 1), (3, 1), (4, 1)] {
        assert_eq!(store.load(saga(number)).await.unwrap().unwrap().records.len(), seq, "saga {number}");
    }
    assert_eq!(store.load(saga(5)).await, Ok(None));
    assert_eq!(store.append(&[]).await, Ok(vec![]));
}

async fn an_entry_that_comes_twice_is_kept_once<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    let second = next(&first, "STOCK_RESERVE");
    keep(&*store, &[&first, &second, &second, &second]).await;
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&first, &second]));

    // As long, and at the same place, but not the same.
    let mut other = second.clone();
    other.records[1].at = at(99);
    assert_eq!(store.append(&[other]).await, Ok(vec![Err(AppendError::Conflict)]));
}

async fn an_entry_that_comes_again_late_moves_nothing_back<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    let second = next(&first, "STOCK_RESERVE");
    let third = next(&second, "PAIEMENT_EFFECTUE");
    keep(&*store, &[&first, &second, &third, &second, &first]).await;
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&first, &second, &third]));
    assert_eq!(store.row(saga(1)).await.unwrap().unwrap().row, third.row);
}

async fn a_saga_starts_once<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1), &start(1)]).await;
    let other = start_with(1, r#"{"client_id": 5, "magasin_id": 1}"#);
    assert_eq!(store.append(&[other]).await, Ok(vec![Err(AppendError::Conflict)]));
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, start(1).records);
}

async fn what_a_saga_starts_with_stays<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    let mut second = next(&first, "STOCK_RESERVE");
    second.row.labels = labels(&[]);
    second.row.definition = word("another");
    second.row.created = at(5);
    keep(&*store, &[&first, &second]).await;
    let expected =
        Row { definition: word("checkout"), labels: first.row.labels, created: at(0), ..second.row };
    assert_eq!(store.row(saga(1)).await.unwrap().unwrap().row, expected);
}

async fn a_replica_s_unfinished_sagas_come_page_by_page<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    // The smallest id and the largest are ids like any other.
    for number in [u128::MAX, 3, 0, 1 << 100, 2] {
        keep(&*store, &[&start(number)]).await;
    }
    let over = start(1);
    keep(&*store, &[&over, &end(&over)]).await;
    join(&*store, replica(7)).await;
    keep(&*store, &[&by(replica(7), &start(4))]).await;

    let mut walked = Vec::new();
    let mut after = None;
    loop {
        let page = store.owned(OWNER, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(*last);
        walked.extend(page);
    }
    // Each once, in whatever order.
    walked.sort_unstable();
    assert_eq!(walked, [0, 2, 3, 1 << 100, u128::MAX].map(saga));
}

async fn what_is_due_stands_in_the_row<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    let second = next(&first, "STOCK_RESERVE");
    let mut waiting = next(&second, "PAIEMENT_EFFECTUE");
    waiting.row.due = None;
    for entry in [&first, &second, &waiting, &end(&waiting)] {
        keep(&*store, &[entry]).await;
        assert_eq!(store.row(saga(1)).await.unwrap().unwrap().row.due, entry.row.due);
    }
    assert!(first.row.due.is_some() && first.row.due != second.row.due);
}

async fn since_when_a_person_is_needed_stands_in_the_row<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    let mut blocked = next(&first, "ECHEC_STOCK");
    (blocked.row.rollback, blocked.row.blocked_since) = (Rollback::Blocked, Some(at(7)));
    // A compensation that goes on failing is heard of again and again, and blocked all the while.
    let mut tried = next(&blocked, "ECHEC_STOCK");
    tried.row.updated = at(5_000);
    for entry in [&first, &blocked, &tried] {
        keep(&*store, &[entry]).await;
        let row = store.row(saga(1)).await.unwrap().unwrap();
        assert_eq!(row.row.blocked_since, entry.row.blocked_since);
    }
    assert_eq!(unfinished(&*store).await.blocked_since, Some(at(7)));
    let mut undone = end(&tried);
    undone.row.blocked_since = None;
    keep(&*store, &[&undone]).await;
    assert_eq!(store.row(saga(1)).await.unwrap().unwrap().row.blocked_since, None);
}

async fn unfinished_sagas_are_counted_by_rollback_with_their_oldest<F: Fixture>() {
    let fixture = F::new();
    {
        let store = fixture.open().await;
        assert_eq!(store.backlog().await, Ok(Backlog::default()));
        // Over, and older than all others: of no interest.
        let over = start(1);
        keep(&*store, &[&over, &end(&over)]).await;
        assert_eq!(store.backlog().await, Ok(Backlog::default()));
        for (number, rollback, updated) in [
            (10, Rollback::None, 900),
            (11, Rollback::None, 700),
            (12, Rollback::None, 800),
            (20, Rollback::Running, 500),
            (21, Rollback::Running, 600),
            // Older than any that is due: only an operator moves it.
            (30, Rollback::Blocked, 300),
            (31, Rollback::Blocked, 400),
        ] {
            let first = start(number);
            let mut second = next(&first, "STOCK_RESERVE");
            second.row.rollback = rollback;
            second.row.updated = at(updated);
            second.row.due = Some(at(updated));
            keep(&*store, &[&first, &second]).await;
        }
    }
    // The same for the next process that opens it.
    let store = fixture.open().await;
    let expected = Unfinished {
        asleep: 0,
        forward: 3,
        rolling_back: 2,
        blocked: 2,
        oldest_due: Some(at(500)),
        blocked_since: Some(at(300)),
    };
    assert_eq!(unfinished(&*store).await, expected);
    store.park(saga(20), OWNER, word("its history is damaged")).await.unwrap();
    let expected =
        Unfinished { asleep: 0, rolling_back: 1, blocked: 3, oldest_due: Some(at(600)), ..expected };
    assert_eq!(unfinished(&*store).await, expected);

    let mut of_another = start(40);
    of_another.row.definition = word("travel");
    keep(&*store, &[&of_another]).await;
    let due = of_another.row.due.or(Some(of_another.row.updated));
    let backlog = store.backlog().await.unwrap();
    let names: Vec<&str> = backlog.keys().map(|name| &**name).collect();
    assert_eq!(names, ["checkout", "travel"]);
    assert_eq!(backlog["checkout"], expected);
    assert_eq!(backlog["travel"], Unfinished { forward: 1, oldest_due: due, ..Unfinished::default() });
}

/// The unfinished sagas of all definitions.
async fn unfinished(store: &dyn Store) -> Unfinished {
    store.backlog().await.unwrap().into_values().fold(Unfinished::default(), Unfinished::and)
}

async fn a_page_has_at_least_one_row_and_at_most_rows_max<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let batch: Vec<_> = (0..=ROWS_MAX as u128).map(start).collect();
    assert!(store.append(&batch).await.unwrap().iter().all(Result::is_ok));
    for entry in &batch {
        let id = CommandId::new(*entry.saga.as_uuid());
        let (body, asked) = (word("cancel"), entry.row.created);
        store.post(KeptCommand { saga: entry.saga, id, body, asked }).await.unwrap();
    }
    for (limit, rows) in [(0, 1), (1, 1), (ROWS_MAX, ROWS_MAX), (usize::MAX, ROWS_MAX)] {
        assert_eq!(store.owned(OWNER, None, limit).await.unwrap().len(), rows);
        assert_eq!(store.commands(OWNER, limit).await.unwrap().len(), rows);
        let page = store.list(Filter::default(), None, limit).await.unwrap();
        assert_eq!(page.rows.len(), rows);
        assert!(page.next.is_some());
    }
    store.leave(OWNER).await.unwrap();
    join(&*store, replica(7)).await;
    for (limit, rows) in [(0, 1), (usize::MAX, ROWS_MAX), (1, 0)] {
        assert_eq!(store.claim(replica(7), limit).await.unwrap().len(), rows);
    }
}

async fn definitions_are_kept_once<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(store.definition(hash()).await, Ok(None));
    let source = word("saga: checkout # é \u{1f6d2} 'quoted'\n");
    // Formats that this release does not know are kept like any other.
    let kept = KeptDefinition { name: word("checkout"), source, format: i64::MAX, orders: false };
    for _ in 0..2 {
        store.define(hash(), kept.clone()).await.unwrap();
    }
    assert_eq!(store.definition(hash()).await, Ok(Some(kept.clone())));
    // The format that was kept first stands: orders are pinned to it.
    store.define(hash(), KeptDefinition { format: 1, ..kept.clone() }).await.unwrap();
    assert_eq!(store.definition(hash()).await, Ok(Some(kept.clone())));
    // Its sagas become orders, and stay it.
    for orders in [true, false] {
        store.define(hash(), KeptDefinition { orders, ..kept.clone() }).await.unwrap();
        assert_eq!(store.definition(hash()).await, Ok(Some(KeptDefinition { orders: true, ..kept.clone() })));
    }
}

async fn a_parked_saga_says_why_and_keeps_its_history<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let first = start(1);
    keep(&*store, &[&first, &start(2)]).await;
    store.park(saga(1), replica(2), word("of another's")).await.unwrap();
    assert_eq!(store.row(saga(1)).await.unwrap().unwrap().parked, None);
    store.park(saga(1), OWNER, word("its history is damaged")).await.unwrap();

    let blocked = Filter { rollback: Some(Rollback::Blocked), ..Filter::default() };
    let rows = store.list(blocked, None, 10).await.unwrap().rows;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(row.saga, saga(1));
    assert_eq!(row.trouble(), Some(failure(None, "its history is damaged")));
    assert_eq!(
        (row.rollback(), row.row.rollback),
        (Rollback::Blocked, Rollback::None),
        "the row itself is as it was"
    );
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, first.records);
    assert_eq!(store.owned(OWNER, None, 10).await.unwrap(), [saga(1), saga(2)]);
}

async fn what_was_kept_is_found_again_after_reopening<F: Fixture>() {
    let fixture = F::new();
    let first = start(1);
    let second = next(&first, "STOCK_RESERVE");
    let kept = KeptDefinition { name: word("checkout"), source: word("source"), format: 2, orders: true };
    {
        let store = fixture.open().await;
        keep(&*store, &[&first, &second]).await;
        store.define(hash(), kept.clone()).await.unwrap();
    }
    let store = fixture.open().await;
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&first, &second]));
    assert_eq!(store.row(saga(1)).await.unwrap().unwrap().row, second.row);
    assert_eq!(store.definition(hash()).await, Ok(Some(kept)));
    keep(&*store, &[&next(&second, "PAIEMENT_EFFECTUE")]).await;
}

async fn many_appends_share_few_commits<F: Fixture>() {
    let fixture = F::new();
    let journal = Journal::new(fixture.open().await);
    let results = join_all((0..1_000).map(|number| journal.append(start(number)))).await;
    assert!(results.iter().all(Result::is_ok));
    let stats = journal.stats();
    assert_eq!((stats.entries, stats.events, stats.failures, stats.queued), (1_000, 1_000, 0, 0));
    assert!(stats.commits <= 100, "{stats:?}");
    assert_eq!(stats.batch_entries.sum, 1_000, "{stats:?}");
    assert_eq!(stats.batch_entries.counts.iter().sum::<u64>(), stats.commits, "{stats:?}");
    assert_eq!(stats.commit_us.counts.iter().sum::<u64>(), stats.commits, "{stats:?}");
    assert!(stats.commit_us.bounds.is_sorted() && stats.batch_entries.bounds.is_sorted());
    assert_eq!(journal.owned(OWNER, None, 1_000).await.unwrap().len(), 1_000);
}

async fn odd_payloads_survive<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let long = format!(r#"{{"text": "{}"}}"#, "é".repeat(512 * 1024));
    let inputs = [
        r#"{"text": "\u0000 \"quoted\" 'too' \\ \ud83d\ude00 😀 \r\n"}"#,
        r#"{"n": 59.970000000000000000001, "n": 1e400, " space " : [ ] }"#,
        r#"{"$1": "?1", "%": "; DROP TABLE saga; --"}"#,
        r#"["\udc00 \ud83d", ""]"#,
        &long,
    ];
    for (number, input) in inputs.into_iter().enumerate() {
        let first = start_with(number as u128, input);
        let second = next_with(&first, "STOCK_RESERVE", input);
        keep(&*store, &[&first, &second, &second]).await;
        let history = store.load(first.saga).await.unwrap().unwrap();
        assert_eq!(history.records, records(&[&first, &second]));
    }
}

async fn a_nul_in_a_reason_is_replaced<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let mut entry = start(1);
    entry.row.summary.failure = Some(failure(Some("a\0b"), "c\0 \\u0000"));
    keep(&*store, &[&entry]).await;
    let trouble = || async { store.row(saga(1)).await.unwrap().unwrap().trouble() };
    assert_eq!(trouble().await, Some(failure(Some("a\u{fffd}b"), "c\u{fffd} \\u0000")));
    store.park(saga(1), OWNER, word("d\0")).await.unwrap();
    assert_eq!(trouble().await, Some(failure(None, "d\u{fffd}")));
    // An append takes the mark away: a saga that can be appended to can be read.
    keep(&*store, &[&next(&entry, "STOCK_RESERVE")]).await;
    assert_eq!(store.row(saga(1)).await.unwrap().unwrap().parked, None);
}
