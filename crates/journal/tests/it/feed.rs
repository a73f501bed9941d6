//! The feed: the frames of all sagas in one order, which never changes behind a reader.

use saga_core::Seq;
use saga_journal::{AppendError, FedFrame, FeedPlace, Store};

use crate::entries::{end, next, records, saga, start};
use crate::fixture::{Fixture, InPostgres, InSqlite, Sql, conformance, keep};

conformance! {
    frames_come_in_the_order_in_which_they_were_kept
    a_reader_goes_on_from_any_event
    a_reader_of_now_is_told_what_comes_afterwards
    an_entry_that_is_not_kept_or_kept_before_is_not_fed
    frames_come_page_by_page_and_a_large_one_comes_alone
}

/// Which frames: sagas by number, and the positions of first events.
fn shown(frames: &[FedFrame]) -> Vec<(u128, u64)> {
    frames.iter().map(|frame| (frame.saga.as_uuid().as_u128(), frame.first_seq.get())).collect()
}

async fn from(store: &dyn Store, place: FeedPlace) -> Vec<FedFrame> {
    store.feed(place, 100).await.unwrap()
}

async fn frames_come_in_the_order_in_which_they_were_kept<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(from(&*store, FeedPlace::BEGINNING).await, []);
    let (one, two) = (start(1), start(2));
    let more = next(&two, "STOCK_RESERVE");
    keep(&*store, &[&two, &one, &more, &end(&one)]).await;
    let frames = from(&*store, FeedPlace::BEGINNING).await;
    assert_eq!(shown(&frames), [(2, 1), (1, 1), (2, 2), (1, 2)]);
    assert_eq!(frames[2].records, Ok(records(&[&more])));
    assert_eq!((&*frames[0].definition, &frames[0].definition_hash), ("checkout", &two.row.definition_hash));
    assert_eq!(frames[0].labels, two.row.labels);
    assert!(frames.is_sorted_by_key(|frame| (frame.commit, frame.saga)));
}

async fn a_reader_goes_on_from_any_event<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let (one, two) = (start(1), start(2));
    // A batch is one transaction, whose frames have an order, too.
    let kept = store.append(&[two.clone(), one.clone(), start(3)]).await;
    assert_eq!(kept, Ok(vec![Ok(()); 3]));
    keep(&*store, &[&next(&two, "STOCK_RESERVE"), &next(&one, "STOCK_RESERVE")]).await;
    let all = from(&*store, FeedPlace::BEGINNING).await;
    assert_eq!(all.len(), 5);
    for (number, frame) in all.iter().enumerate() {
        for place in frame.places() {
            assert_eq!(from(&*store, place).await, all[number..], "from {place:?}");
        }
        assert_eq!(from(&*store, frame.after()).await, all[number + 1..], "after {frame:?}");
    }
    assert!(all[3].places().count() > 1, "a frame has several events");
}

async fn a_reader_of_now_is_told_what_comes_afterwards<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let one = start(1);
    let beginning = store.feed_end().await.unwrap();
    keep(&*store, &[&one]).await;
    let now = store.feed_end().await.unwrap();
    assert!(beginning < now);
    assert_eq!(from(&*store, now).await, []);
    keep(&*store, &[&end(&one)]).await;
    assert_eq!(shown(&from(&*store, now).await), [(1, 2)]);
    assert_eq!(shown(&from(&*store, beginning).await), [(1, 1), (1, 2)]);
}

async fn an_entry_that_is_not_kept_or_kept_before_is_not_fed<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let one = start(1);
    keep(&*store, &[&one, &one]).await;
    let stale = next(&next(&one, "STOCK_RESERVE"), "PAIEMENT_EFFECTUE");
    assert_eq!(store.append(&[stale]).await, Ok(vec![Err(AppendError::Conflict)]));
    assert_eq!(shown(&from(&*store, FeedPlace::BEGINNING).await), [(1, 1)]);
}

async fn frames_come_page_by_page_and_a_large_one_comes_alone<F: Fixture>() {
    const LARGE_BYTES: usize = 700_000;
    let fixture = F::new();
    let store = fixture.open().await;
    let large = |number| {
        let input = format!(r#"{{"text": "{}"}}"#, "x".repeat(LARGE_BYTES));
        crate::entries::start_with(number, &input)
    };
    keep(&*store, &[&start(1), &large(2), &large(3), &start(4), &start(5)]).await;
    let mut pages = Vec::new();
    let mut place = FeedPlace::BEGINNING;
    loop {
        let page = store.feed(place, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        pages.push(shown(&page));
        place = last.after();
    }
    assert_eq!(pages, [vec![(1, 1), (2, 1)], vec![(3, 1), (4, 1)], vec![(5, 1)]]);
    let first = from(&*store, FeedPlace::BEGINNING).await;
    assert_eq!(shown(&first), [(1, 1), (2, 1)], "two large ones are more than a page");
    let second = FeedPlace { commit: first[1].commit, ..FeedPlace::BEGINNING };
    assert_eq!(shown(&from(&*store, second).await), [(2, 1)]);
}

/// A transaction that has not ended may have brought frames: a reader that went past them would never see them. Others are not
/// waited for, however long they take.
#[tokio::test]
async fn no_frame_comes_behind_a_reader_of_postgresql() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    let all = async || shown(&from(&*store, FeedPlace::BEGINNING).await);
    let stranger = fixture.connect().await;
    stranger.batch_execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    keep(&*store, &[&start(1)]).await;
    assert_eq!(all().await, [(1, 1)], "this transaction writes no frames");

    let writer = fixture.connect().await;
    let frame = "BEGIN; INSERT INTO saga_event (saga_id, first_seq, events) VALUES ($saga, 1, '[]')";
    writer.batch_execute(&frame.replace("$saga", &InPostgres::literal(saga(3)))).await.unwrap();
    keep(&*store, &[&start(2)]).await;
    assert_eq!(all().await, [(1, 1)], "2 waits for what comes before it");
    let now = store.feed_end().await.unwrap();
    writer.batch_execute("COMMIT").await.unwrap();
    assert_eq!(all().await, [(1, 1), (3, 1), (2, 1)]);
    assert_eq!(shown(&from(&*store, now).await), [(3, 1), (2, 1)]);
}

async fn a_damaged_frame_is_told_and_hides_no_other<F: Sql>() {
    let fixture = F::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1), &start(2), &start(3)]).await;
    let spoil = "UPDATE saga_event SET events = '{' WHERE saga_id = $saga; $unguard DELETE FROM saga WHERE saga_id = $other";
    let spoil = spoil
        .replace("$unguard", F::UNGUARD)
        .replace("$saga", &F::literal(saga(1)))
        .replace("$other", &F::literal(saga(2)));
    fixture.execute(&spoil).await;
    let frames = from(&*store, FeedPlace::BEGINNING).await;
    assert_eq!(shown(&frames), [(1, 1), (2, 1), (3, 1)]);
    assert!(frames[0].records.is_err() && frames[1].records.is_ok() && frames[1].definition.is_empty());
    assert_eq!(frames[2].places().next().map(|place| place.seq), Some(Seq::new(1)));
}

#[tokio::test]
async fn a_damaged_frame_is_told_and_hides_no_other_in_sqlite() {
    a_damaged_frame_is_told_and_hides_no_other::<InSqlite>().await;
}

#[tokio::test]
async fn a_damaged_frame_is_told_and_hides_no_other_in_postgresql() {
    a_damaged_frame_is_told_and_hides_no_other::<InPostgres>().await;
}
