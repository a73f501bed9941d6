//! Bulk actions: their items, who carries them out, and the end.

use std::collections::BTreeSet;

use saga_core::saga::SeenUntil;
use saga_core::{BulkActionId, SagaId, Seq};
use saga_journal::{
    BULK_CHOICE_BYTES_MAX, BULK_ITEMS_MAX, BULK_NAME_BYTES_MAX, BULK_WHY_BYTES_MAX, BulkBegun, BulkHead,
    BulkItem, BulkItemResult, BulkKind, BulkState, ClaimedItem, NewBulkAction, Store, UnfitBulkAction,
};
use uuid::Uuid;

use crate::entries::{OWNER, at, replica, saga, word};
use crate::fixture::{Fixture, conformance, join};

conformance! {
    an_action_is_begun_once_for_each_key
    items_are_claimed_in_their_order_the_oldest_action_first
    an_item_has_one_claimer_and_the_next_one_once_that_is_gone
    a_claim_whose_answer_was_lost_gives_the_same_items_again
    an_item_s_first_result_stays
    what_has_not_left_can_be_taken_back
    an_action_ends_with_its_last_item
    actions_and_items_come_page_by_page
    old_actions_are_removed_in_small_steps
    a_nul_in_a_bulk_action_is_replaced
    an_action_can_have_ten_thousand_items
}

const OTHER: saga_journal::ReplicaId = replica(101);

fn action(number: u128) -> BulkActionId {
    BulkActionId::new(Uuid::from_u128(number))
}

/// The action of that number, which was begun at that offset.
fn head(number: u128, offset: i64) -> BulkHead {
    BulkHead {
        id: action(number),
        key: format!("key {number}").into(),
        kind: BulkKind::Resume,
        caller: Some(word("ops")),
        by: word("Ana"),
        reason: Some(word("the stock is back")),
        described: word(r#"{"cause":"1:stock"}"#),
        begun: at(offset),
    }
}

fn items(sagas: impl IntoIterator<Item = u128>) -> Vec<BulkItem> {
    let item =
        |number| BulkItem { saga: saga(number), seen: SeenUntil { at: at(3), position: Some(Seq::new(9)) } };
    sagas.into_iter().map(item).collect()
}

fn new(number: u128, offset: i64, sagas: impl IntoIterator<Item = u128>) -> NewBulkAction {
    NewBulkAction::new(head(number, offset), items(sagas)).unwrap()
}

fn claimed(items: &[ClaimedItem]) -> Vec<(u128, u128)> {
    let numbers = |item: &ClaimedItem| (item.action.as_uuid().as_u128(), item.saga.as_uuid().as_u128());
    items.iter().map(numbers).collect()
}

fn ended(state: BulkState, offset: i64) -> BulkItemResult {
    BulkItemResult { state, why: Some(word("\"why\"")), at: at(offset) }
}

/// Those of the items that `replica` gets, in no order.
async fn claim(store: &dyn Store, replica: saga_journal::ReplicaId, limit: usize) -> BTreeSet<(u128, u128)> {
    let in_hand = store_in_hand();
    claimed(&store.claim_items(replica, in_hand, limit, at(50)).await.unwrap()).into_iter().collect()
}

/// Every item that these tests have: a process knows those that it has, so it does not get them again.
fn store_in_hand() -> Vec<(BulkActionId, SagaId)> {
    (1..=9).flat_map(|number| (1..=40).map(move |of| (action(number), saga(of)))).collect()
}

async fn counts(store: &dyn Store, number: u128) -> Vec<(BulkState, u64)> {
    store.bulk_counts(action(number)).await.unwrap().into_iter().collect()
}

async fn an_action_is_begun_once_for_each_key<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    for _ in 0..2 {
        assert_eq!(store.begin_bulk(new(1, 10, [5, 3, 4])).await, Ok(BulkBegun::Begun));
    }
    let same_key = BulkHead { key: word("key 1"), ..head(2, 11) };
    let second = NewBulkAction::new(same_key, items([7])).unwrap();
    assert_eq!(store.begin_bulk(second).await, Ok(BulkBegun::AlreadyThere(action(1))));
    assert_eq!(store.bulk_action(action(2)).await, Ok(None));
    assert_eq!(counts(&*store, 2).await, []);
    let kept = store.bulk_action(action(1)).await.unwrap().unwrap();
    assert_eq!((kept.head, kept.items, kept.ended), (head(1, 10), 3, None));
    assert_eq!(counts(&*store, 1).await, [(BulkState::Waiting, 3)]);
    let kept = store.bulk_items(action(1), None, None, 10).await.unwrap();
    let order: Vec<_> = kept.iter().map(|item| (item.saga, item.place)).collect();
    assert_eq!(order, [(saga(5), 0), (saga(3), 1), (saga(4), 2)]);
    assert!(kept.iter().all(|item| item.seen == items([5])[0].seen && item.ended.is_none()));
    // What a person knew may be known by the time alone; and a form may say any number.
    for (number, position) in [(3, None), (4, Some(Seq::new(u64::MAX)))] {
        let seen = SeenUntil { at: at(4), position };
        let item = BulkItem { saga: saga(1), seen };
        let begun = store.begin_bulk(NewBulkAction::new(head(number, 12), vec![item]).unwrap()).await;
        assert_eq!(begun, Ok(BulkBegun::Begun));
        let kept = &store.bulk_items(action(number), None, None, 10).await.unwrap()[0];
        assert_eq!((kept.seen.at, kept.seen.position.is_some()), (at(4), position.is_some()));
    }
}

async fn items_are_claimed_in_their_order_the_oldest_action_first<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    assert_eq!(store.claim_items(OWNER, vec![], 10, at(50)).await, Ok(vec![]));
    store.begin_bulk(new(2, 20, [1, 2])).await.unwrap();
    store.begin_bulk(new(1, 30, [1, 2])).await.unwrap();
    store.begin_bulk(new(3, 10, [9, 8, 7])).await.unwrap();
    let first = store.claim_items(OWNER, vec![], 1, at(50)).await.unwrap();
    let told = ClaimedItem {
        action: action(3),
        saga: saga(9),
        seen: items([9])[0].seen,
        kind: BulkKind::Resume,
        caller: Some(word("ops")),
        by: word("Ana"),
        reason: Some(word("the stock is back")),
    };
    assert_eq!(first, [told]);
    assert_eq!(claim(&*store, OWNER, 3).await, BTreeSet::from([(3, 8), (3, 7), (2, 1)]));
    assert_eq!(claim(&*store, OWNER, 10).await, BTreeSet::from([(2, 2), (1, 1), (1, 2)]));
    assert_eq!(claim(&*store, OWNER, 10).await, BTreeSet::new());
    // A replica that nobody knows gets none.
    store.begin_bulk(new(4, 40, [1])).await.unwrap();
    assert_eq!(claim(&*store, replica(77), 10).await, BTreeSet::new());
}

async fn an_item_has_one_claimer_and_the_next_one_once_that_is_gone<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    join(&*store, OTHER).await;
    store.begin_bulk(new(1, 10, 1..=6)).await.unwrap();
    assert_eq!(claim(&*store, OWNER, 3).await, BTreeSet::from([(1, 1), (1, 2), (1, 3)]));
    assert_eq!(claim(&*store, OTHER, 2).await, BTreeSet::from([(1, 4), (1, 5)]));
    store.record_item(action(1), saga(2), ended(BulkState::Undone, 60)).await.unwrap();
    store.leave(OWNER).await.unwrap();
    assert_eq!(claim(&*store, OWNER, 9).await, BTreeSet::new(), "it is gone itself");
    let left_behind = store.claim_items(OTHER, vec![], 2, at(70)).await.unwrap();
    assert_eq!(left_behind.len(), 2, "those that somebody has begun come first");
    let rest: Vec<_> = store_in_hand();
    let all = store.claim_items(OTHER, rest[5..].to_vec(), 9, at(70)).await.unwrap();
    let all: BTreeSet<_> = claimed(&left_behind).into_iter().chain(claimed(&all)).collect();
    assert_eq!(all, BTreeSet::from([(1, 1), (1, 3), (1, 4), (1, 5), (1, 6)]));
    assert_eq!(counts(&*store, 1).await, [(BulkState::Sent, 5), (BulkState::Undone, 1)]);
}

async fn a_claim_whose_answer_was_lost_gives_the_same_items_again<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.begin_bulk(new(1, 10, 1..=6)).await.unwrap();
    let lost = claim(&*store, OWNER, 2).await;
    let in_hand: Vec<_> =
        claimed(&store.claim_items(OWNER, vec![(action(1), saga(1))], 1, at(50)).await.unwrap());
    assert_eq!(in_hand, [(1, 2)]);
    let again = store.claim_items(OWNER, vec![], 2, at(50)).await.unwrap();
    assert_eq!(claimed(&again).into_iter().collect::<BTreeSet<_>>(), lost);
}

async fn an_item_s_first_result_stays<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.begin_bulk(new(1, 10, [1, 2])).await.unwrap();
    store.record_item(action(1), saga(1), ended(BulkState::Undone, 60)).await.unwrap();
    assert_eq!(counts(&*store, 1).await, [(BulkState::Waiting, 2)], "no replica has it");
    claim(&*store, OWNER, 1).await;
    store.record_item(action(1), saga(1), ended(BulkState::FailedAgain, 60)).await.unwrap();
    store.record_item(action(1), saga(1), ended(BulkState::Undone, 61)).await.unwrap();
    store.record_item(action(7), saga(1), ended(BulkState::Undone, 61)).await.unwrap();
    let kept = &store.bulk_items(action(1), Some(BulkState::FailedAgain), None, 10).await.unwrap()[..];
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].why.as_deref(), kept[0].ended), (Some("\"why\""), Some(at(60))));
}

async fn what_has_not_left_can_be_taken_back<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    store.begin_bulk(new(1, 10, 1..=5)).await.unwrap();
    claim(&*store, OWNER, 2).await;
    assert_eq!(store.take_back(action(1), at(70)).await, Ok(3));
    assert_eq!(store.take_back(action(1), at(71)).await, Ok(0));
    assert_eq!(store.take_back(action(9), at(71)).await, Ok(0));
    assert_eq!(counts(&*store, 1).await, [(BulkState::Sent, 2), (BulkState::TakenBack, 3)]);
    assert_eq!(claim(&*store, OWNER, 9).await, BTreeSet::new());
    let taken = store.bulk_items(action(1), Some(BulkState::TakenBack), None, 10).await.unwrap();
    assert!(taken.iter().all(|item| item.ended == Some(at(70))));
    assert_eq!(store.bulk_action(action(1)).await.unwrap().unwrap().ended, None);
}

async fn an_action_ends_with_its_last_item<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let ended_at = async |number| store.bulk_action(action(number)).await.unwrap().unwrap().ended;
    store.begin_bulk(new(1, 10, 1..=3)).await.unwrap();
    store.begin_bulk(new(2, 11, 1..=3)).await.unwrap();
    claim(&*store, OWNER, 2).await;
    store.record_item(action(1), saga(1), ended(BulkState::Undone, 60)).await.unwrap();
    store.take_back(action(1), at(61)).await.unwrap();
    assert_eq!(ended_at(1).await, None);
    store.record_item(action(1), saga(2), ended(BulkState::Undone, 62)).await.unwrap();
    assert_eq!((ended_at(1).await, ended_at(2).await), (Some(at(62)), None));
    store.take_back(action(2), at(63)).await.unwrap();
    assert_eq!(ended_at(2).await, Some(at(63)));
    claim(&*store, OWNER, 2).await;
    assert_eq!((ended_at(1).await, ended_at(2).await), (Some(at(62)), Some(at(63))));
}

async fn actions_and_items_come_page_by_page<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    for (number, offset) in [(1, 5), (2, 7), (3, 7), (4, 1), (5, 9)] {
        store.begin_bulk(new(number, offset, 1..=7)).await.unwrap();
    }
    let (mut walked, mut after) = (Vec::new(), None);
    loop {
        let page = store.bulk_actions(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 2);
        after = Some(last.cursor());
        walked.extend(page.iter().map(|kept| kept.head.id.as_uuid().as_u128()));
    }
    assert_eq!(walked, [5, 3, 2, 1, 4]);
    claim(&*store, OWNER, 6).await;
    for number in [2, 5] {
        store.record_item(action(4), saga(number), ended(BulkState::FailedAgain, 60)).await.unwrap();
    }
    for (state, wanted) in [
        (None, vec![0, 1, 2, 3, 4, 5, 6]),
        (Some(BulkState::FailedAgain), vec![1, 4]),
        (Some(BulkState::Waiting), vec![6]),
    ] {
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let page = store.bulk_items(action(4), state, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 2);
            after = Some(last.place);
            walked.extend(page.iter().map(|item| item.place));
        }
        assert_eq!(walked, wanted, "{state:?}");
    }
    assert_eq!(store.bulk_items(action(4), None, Some(u64::MAX), 2).await, Ok(vec![]));
}

async fn old_actions_are_removed_in_small_steps<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    for number in [1, 2, 3] {
        store.begin_bulk(new(number, number as i64, 1..=5)).await.unwrap();
    }
    // The first one has not ended; the third one ended late.
    store.take_back(action(2), at(10)).await.unwrap();
    store.take_back(action(3), at(90)).await.unwrap();
    let left = async || {
        let mut left = Vec::new();
        for number in [1, 2, 3] {
            let kept = store.bulk_action(action(number)).await.unwrap();
            left.push((
                kept.is_some(),
                store.bulk_items(action(number), None, None, 10).await.unwrap().len(),
            ));
        }
        left
    };
    store.forget_bulk(at(10), 3).await.unwrap();
    assert_eq!(left().await, [(true, 5), (true, 5), (true, 5)]);
    store.forget_bulk(at(11), 3).await.unwrap();
    assert_eq!(left().await, [(true, 5), (true, 2), (true, 5)]);
    for _ in 0..3 {
        store.forget_bulk(at(11), 3).await.unwrap();
        assert_eq!(left().await, [(true, 5), (false, 0), (true, 5)]);
    }
}

async fn a_nul_in_a_bulk_action_is_replaced<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let nul = || word("a\0b");
    let head = BulkHead {
        key: nul(),
        caller: Some(nul()),
        by: nul(),
        reason: Some(nul()),
        described: nul(),
        ..head(1, 1)
    };
    store.begin_bulk(NewBulkAction::new(head, items([1])).unwrap()).await.unwrap();
    let kept = store.bulk_action(action(1)).await.unwrap().unwrap().head;
    let texts = [kept.key, kept.caller.unwrap(), kept.by, kept.reason.unwrap(), kept.described];
    assert_eq!(texts, [(); 5].map(|()| word("a\u{fffd}b")));
    claim(&*store, OWNER, 1).await;
    let result = BulkItemResult { state: BulkState::NotSent, why: Some(nul()), at: at(9) };
    store.record_item(action(1), saga(1), result).await.unwrap();
    let kept = &store.bulk_items(action(1), None, None, 1).await.unwrap()[0];
    assert_eq!(kept.why.as_deref(), Some("a\u{fffd}b"));
}

async fn an_action_can_have_ten_thousand_items<F: Fixture>() {
    let fixture = F::new();
    let store = fixture.open().await;
    let all = BULK_ITEMS_MAX as u128;
    let key = "k".repeat(BULK_NAME_BYTES_MAX).into();
    let action = NewBulkAction::new(BulkHead { key, ..head(1, 1) }, items(1..=all)).unwrap();
    assert_eq!(store.begin_bulk(action).await, Ok(BulkBegun::Begun));
    assert_eq!(counts(&*store, 1).await, [(BulkState::Waiting, BULK_ITEMS_MAX as u64)]);
    assert_eq!(claim(&*store, OWNER, 16).await.len(), 16);
}

#[test]
fn an_action_has_a_saga_at_least_and_each_once() {
    assert_eq!(NewBulkAction::new(head(1, 1), vec![]), Err(UnfitBulkAction::Empty));
    let all = BULK_ITEMS_MAX as u128;
    assert_eq!(
        NewBulkAction::new(head(1, 1), items(0..=all)),
        Err(UnfitBulkAction::TooMany(BULK_ITEMS_MAX + 1))
    );
    assert_eq!(NewBulkAction::new(head(1, 1), items([1, 2, 1])), Ok(new(1, 1, [1, 2])));
    let long = |bytes: usize| -> std::sync::Arc<str> { "x".repeat(bytes + 1).into() };
    let by = BulkHead { by: long(BULK_NAME_BYTES_MAX), ..head(1, 1) };
    let reason = BulkHead { reason: Some(long(BULK_WHY_BYTES_MAX)), ..head(1, 1) };
    let described = BulkHead { described: long(BULK_CHOICE_BYTES_MAX), ..head(1, 1) };
    for (head, name, limit) in [
        (by, "`by`", "BULK_NAME_BYTES_MAX"),
        (reason, "`reason`", "BULK_WHY_BYTES_MAX"),
        (described, "`described`", "BULK_CHOICE_BYTES_MAX"),
    ] {
        let error = NewBulkAction::new(head, items([1])).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(limit), "{error}");
    }
}
