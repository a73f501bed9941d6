//! The list of all that one name did.

use std::sync::Arc;

use saga_core::{Event, Json, Record, Timestamp};
use saga_journal::{AppendError, DeedsOf, Entry, KeptDeed, Store};

use crate::entries::{at, next, saga, start, word};
use crate::fixture::{Fixture, conformance, keep};

conformance! {
    deeds_are_listed_by_name_and_time_newest_first
    an_entry_that_is_not_kept_has_no_deeds
    deeds_come_page_by_page
}

/// A start by that name.
fn started(by: &str, number: u128, at_us: i64) -> Entry {
    let mut entry = start(number);
    (entry.records[0].by, entry.records[0].at) = (Some(word(by)), at(at_us));
    entry
}

/// A signal and a resume by that name, which follow `before`.
fn asked(by: &str, before: &Entry, at_us: i64) -> Entry {
    let mut entry = next(before, "STOCK_RESERVE");
    let record =
        |at_us, event| Record { at: at(at_us), state: None, command: None, by: Some(word(by)), event };
    let body = Json::parse(b"1").unwrap();
    entry
        .records
        .insert(1, record(at_us, Event::Signalled { name: "paid".into(), key: None, body, trace: None }));
    let resumed = Event::Resumed { by: "somebody".into(), reason: None, unseen: false };
    entry.records.push(record(at_us + 1, resumed));
    entry
}

fn of(name: &str, since: Option<Timestamp>, until: Option<Timestamp>) -> DeedsOf {
    DeedsOf { name: word(name), since, until }
}

async fn all(store: &dyn Store, of: DeedsOf) -> Vec<(u128, u64, Arc<str>)> {
    let deeds = store.deeds(of, None, 100).await.unwrap();
    assert!(deeds.iter().all(|deed| deed.definition.as_deref() == Some("checkout")));
    let shown = |deed: KeptDeed| (deed.saga.as_uuid().as_u128(), deed.seq.get(), deed.deed);
    deeds.into_iter().map(shown).collect()
}

async fn deeds_are_listed_by_name_and_time_newest_first<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (one, two, other) = (started("ann", 1, 10), started("ann", 2, 30), started("bob", 3, 20));
    keep(&*store, &[&one, &two, &other, &start(4), &asked("bob", &one, 40), &asked("ann", &other, 40)]).await;
    let start = |number| (number, 1, word("start"));
    let (signal, resume) = (|number| (number, 3, word("signal")), |number| (number, 5, word("resume")));
    assert_eq!(all(&*store, of("ann", None, None)).await, [resume(3), signal(3), start(2), start(1)]);
    assert_eq!(all(&*store, of("bob", None, None)).await, [resume(1), signal(1), start(3)]);
    assert_eq!(all(&*store, of("ann", Some(at(10)), Some(at(30)))).await, [start(1)]);
    assert_eq!(all(&*store, of("ann", Some(at(30)), Some(at(41)))).await, [signal(3), start(2)]);
    assert_eq!(all(&*store, of("ann", Some(at(30)), Some(at(30)))).await, []);
    assert_eq!(all(&*store, of("an", None, None)).await, []);
}

async fn an_entry_that_is_not_kept_has_no_deeds<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let one = started("ann", 1, 10);
    keep(&*store, &[&one, &one]).await;
    let again = started("eve", 1, 10);
    let stale = asked("eve", &next(&one, "STOCK_RESERVE"), 20);
    for entry in [again, stale] {
        assert_eq!(store.append(&[entry]).await, Ok(vec![Err(AppendError::Conflict)]));
    }
    assert_eq!(
        all(&*store, of("ann", None, None)).await,
        [(1, 1, word("start"))],
        "once, though it came twice"
    );
    assert_eq!(all(&*store, of("eve", None, None)).await, []);
}

async fn deeds_come_page_by_page<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let entries: Vec<Entry> = (1..=9).map(|number| started("ann", number, (number / 4) as i64)).collect();
    let last = asked("ann", &entries[8], 2);
    keep(&*store, &entries.iter().chain([&last]).collect::<Vec<_>>()).await;
    let mut walked = Vec::new();
    let mut after = None;
    loop {
        let page = store.deeds(of("ann", None, None), after, 2).await.unwrap();
        let Some(deed) = page.last() else { break };
        assert!(page.len() <= 2);
        after = Some(deed.cursor());
        walked.extend(page);
    }
    assert_eq!(walked, store.deeds(of("ann", None, None), None, 100).await.unwrap());
    assert_eq!(walked.len(), 11);
    assert!(walked.is_sorted_by(|one, next| one.cursor() > next.cursor()));
    assert_eq!(walked.first().map(|deed| deed.saga), Some(saga(9)));
}
