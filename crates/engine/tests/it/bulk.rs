//! One wish for many orders: each is tried once, whoever else acts and whichever process ends meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use saga_core::saga::{CameSince, Rollback, SeenUntil};
use saga_core::{BulkActionId, CommandId, CommandKind, Deed, Event, SagaId};
use saga_engine::{BulkReason, BulkRefused, BulkWish, Engine, Limits, Wait};
use saga_journal::{BULK_ITEMS_MAX, BulkItem, BulkState, KeptBulkItem, UnfitBulkAction};
use saga_testkit::definition::change;
use saga_testkit::dice::Dice;
use tokio::time::sleep;

use crate::support::{CHECKOUT, PATIENT, Place, Shop, answered, order, parse};

/// A day: few orders of a test are tried by themselves within minutes.
const SELDOM: &str = "{ attempts: 1, base: 24h, cap: 24h }";

/// A shop with so many orders that wait for an operator: their stock cannot be given back.
async fn with_blocked(orders: usize) -> (Shop, Vec<SagaId>) {
    blocked_in("5s", orders).await
}

/// The same with a time that calls may take.
async fn blocked_in(timeout: &str, orders: usize) -> (Shop, Vec<SagaId>) {
    let definition = change(CHECKOUT).add("participants.*.timeout", timeout);
    let definition = parse(&definition.add("steps.stock.persist", SELDOM).text());
    let shop = Shop::serving(definition, Limits::default());
    shop.engine.recover().await;
    shop.participants.always("paiement action", Some(answered(402, "")));
    shop.participants.always("stock compensation", Some(answered(500, "")));
    let mut sagas = Vec::new();
    for client in 0..orders {
        let end = shop.engine.place(order(client as i64, None, PATIENT)).await.unwrap();
        assert_eq!(end.rollback, Rollback::Blocked);
        sagas.push(end.saga);
    }
    (shop, sagas)
}

/// Ana's wish to have these tried, who has seen all until now.
fn wish(engine: &Engine, key: &str, by: &str, sagas: &[SagaId]) -> BulkWish {
    let seen = SeenUntil::by(engine.clock().now());
    BulkWish {
        key: key.into(),
        caller: Some("ops".into()),
        by: by.into(),
        reason: Some("the stock is back".into()),
        described: "{}".into(),
        items: sagas.iter().map(|saga| BulkItem { saga: *saga, seen }).collect(),
    }
}

async fn begun(shop: &Shop, sagas: &[SagaId]) -> BulkActionId {
    shop.engine.begin_bulk(wish(&shop.engine, "1", "Ana", sagas)).await.unwrap()
}

async fn items(engine: &Engine, action: BulkActionId) -> Vec<KeptBulkItem> {
    engine.journal().bulk_items(action, None, None, 1_000).await.unwrap()
}

/// The results, once the action has ended.
async fn results(engine: &Engine, action: BulkActionId) -> BTreeMap<BulkState, u64> {
    while engine.journal().bulk_action(action).await.unwrap().unwrap().ended.is_none() {
        sleep(Duration::from_millis(100)).await;
    }
    engine.journal().bulk_counts(action).await.unwrap()
}

/// The commands that had this saga tried, and the names that they gave.
async fn resumed(engine: &Engine, saga: SagaId) -> Vec<(CommandId, Option<Arc<str>>, Box<str>)> {
    let (_, history) = engine.read(saga).await.unwrap().unwrap();
    let of = |record: saga_core::Record| match record.event {
        Event::Resumed { by, .. } => Some((record.command?, record.by, by)),
        _ => None,
    };
    history.records.into_iter().filter_map(of).collect()
}

/// Whether each of these was tried once by the action, and by nothing else. An order that is being tried by itself just then
/// is not told to: few are.
async fn each_was_tried_once(engine: &Engine, action: BulkActionId, sagas: &[SagaId]) {
    let mut by_itself = 0;
    for saga in sagas {
        let command = CommandId::of_bulk_action(action, *saga);
        let once = [(command, Some("ops".into()), "Ana".into())];
        match &resumed(engine, *saga).await[..] {
            [] => by_itself += 1,
            resumed => assert_eq!(resumed, once, "{saga}"),
        }
    }
    assert!(by_itself <= sagas.len() / 10, "{by_itself} of {} were not tried", sagas.len());
}

fn all(state: BulkState, count: usize) -> BTreeMap<BulkState, u64> {
    BTreeMap::from([(state, count as u64)])
}

fn reason(item: &KeptBulkItem) -> Option<BulkReason> {
    item.why.as_deref().map(BulkReason::read)
}

#[tokio::test(start_paused = true)]
async fn three_hundred_orders_are_tried_once_each_and_a_newcomer_is_not() {
    let (shop, sagas) = with_blocked(300).await;
    let action = begun(&shop, &sagas).await;
    let newcomer = shop.engine.place(order(301, None, PATIENT)).await.unwrap();
    assert_eq!(newcomer.rollback, Rollback::Blocked);
    assert_eq!(results(&shop.engine, action).await, all(BulkState::FailedAgain, 300));
    each_was_tried_once(&shop.engine, action, &sagas).await;
    let failed = items(&shop.engine, action).await;
    assert!(failed.iter().all(|item| matches!(reason(item), Some(BulkReason::Says(_)))), "{:?}", failed[0]);

    shop.participants.always("stock compensation", None);
    let again = wish(&shop.engine, "2", "Ana", &sagas);
    let action = shop.engine.begin_bulk(again.clone()).await.unwrap();
    assert_eq!(shop.engine.begin_bulk(again).await, Ok(action), "the same key is the same wish");
    let mut counts = results(&shop.engine, action).await;
    // Orders that come to their end by themselves before their turn are not tried.
    let skipped = counts.remove(&BulkState::Skipped).unwrap_or_default();
    assert_eq!(counts, all(BulkState::Undone, 300 - skipped as usize));
    for item in items(&shop.engine, action).await {
        let (tried, is_skipped) =
            (resumed(&shop.engine, item.saga).await.len(), item.state == BulkState::Skipped);
        assert!(tried == 2 || is_skipped, "{item:?}");
        assert!(!is_skipped || reason(&item) == Some(BulkReason::NotBlocked), "{item:?}");
    }
    assert!(skipped <= 30, "{skipped}");
    assert_eq!(resumed(&shop.engine, newcomer.saga).await, []);
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_are_tried_at_once_and_the_others_can_be_taken_back() {
    let (shop, sagas) = with_blocked(40).await;
    for _ in 0..sagas.len() {
        shop.participants.next("stock compensation", Duration::from_secs(2), answered(500, ""));
    }
    let action = begun(&shop, &sagas).await;
    sleep(Duration::from_secs(1)).await;
    let counts = shop.engine.journal().bulk_counts(action).await.unwrap();
    assert_eq!(counts, BTreeMap::from([(BulkState::Sent, 16), (BulkState::Waiting, 24)]));
    assert_eq!(shop.engine.take_back_bulk(action).await, Ok(24));
    let counts = results(&shop.engine, action).await;
    assert_eq!(counts, BTreeMap::from([(BulkState::FailedAgain, 16), (BulkState::TakenBack, 24)]));
    each_was_tried_once(&shop.engine, action, &sagas[..16]).await;
    for saga in &sagas[16..] {
        assert_eq!(resumed(&shop.engine, *saga).await, [], "{saga}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_people_the_second_one_is_told_of_the_first() {
    let (shop, sagas) = with_blocked(40).await;
    let second = wish(&shop.engine, "2", "Ben", &sagas);
    sleep(Duration::from_millis(1)).await;
    let first = begun(&shop, &sagas).await;
    // Of actions that are begun at the same instant, either may be the first.
    sleep(Duration::from_millis(1)).await;
    let second = shop.engine.begin_bulk(second).await.unwrap();
    assert_eq!(results(&shop.engine, first).await, all(BulkState::FailedAgain, 40));
    assert_eq!(results(&shop.engine, second).await, all(BulkState::Skipped, 40));
    each_was_tried_once(&shop.engine, first, &sagas).await;
    for item in items(&shop.engine, second).await {
        let Some(BulkReason::Since(CameSince::Person { by: Some(by), deed: Deed::Resume, .. })) =
            reason(&item)
        else {
            panic!("{item:?}");
        };
        assert_eq!(&*by, "ops");
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_not_where_it_was_seen_is_skipped() {
    let (shop, sagas) = with_blocked(3).await;
    let early = SeenUntil::by(shop.engine.clock().now().minus(Duration::from_secs(24 * 60 * 60)));
    let mut wish = wish(&shop.engine, "1", "Ana", &sagas);
    wish.items[0].seen = early;
    wish.items.push(BulkItem { saga: SagaId::from_idempotency_key("nothing"), seen: early });
    // An order that goes forward, and waits for nobody.
    shop.participants.next("stock action", Duration::from_secs(4), answered(500, ""));
    let forward = shop.engine.place(order(7, None, Wait::started())).await.unwrap().saga;
    sleep(Duration::from_millis(10)).await;
    wish.items.push(BulkItem { saga: forward, seen: SeenUntil::by(shop.engine.clock().now()) });
    // The second one is over by itself before it is tried.
    shop.participants.always("stock compensation", None);
    shop.engine.command(sagas[1], CommandKind::Resume { by: "Ben".into(), reason: None }).await.unwrap();
    shop.engine.wait(sagas[1], PATIENT).await.unwrap();
    wish.items[1].seen = SeenUntil::by(shop.engine.clock().now());
    let action = shop.engine.begin_bulk(wish).await.unwrap();
    let counts = results(&shop.engine, action).await;
    assert_eq!(counts, BTreeMap::from([(BulkState::Undone, 1), (BulkState::Skipped, 4)]));
    let items = items(&shop.engine, action).await;
    assert!(
        matches!(reason(&items[0]), Some(BulkReason::Since(CameSince::Blocked { step, .. })) if &*step == "stock"),
        "{items:?}"
    );
    assert_eq!(reason(&items[1]), Some(BulkReason::NotBlocked));
    assert_eq!(items[2].state, BulkState::Undone);
    assert_eq!(reason(&items[3]), Some(BulkReason::Unknown));
    assert_eq!(reason(&items[4]), Some(BulkReason::NotBlocked));
    assert_eq!(resumed(&shop.engine, sagas[0]).await, []);
}

#[tokio::test(start_paused = true)]
async fn calls_that_the_breaker_holds_back_are_counted_as_not_sent() {
    let (shop, sagas) = with_blocked(60).await;
    // The breaker has forgotten the calls that were answered.
    sleep(Duration::from_secs(120)).await;
    shop.participants.always("stock compensation", Some(answered(503, "")));
    let action = begun(&shop, &sagas).await;
    let counts = results(&shop.engine, action).await;
    let of = |state| counts.get(&state).copied().unwrap_or_default();
    assert!(of(BulkState::FailedAgain) > 0 && of(BulkState::NotSent) > 0, "{counts:?}");
    assert_eq!(of(BulkState::FailedAgain) + of(BulkState::NotSent), 60, "{counts:?}");
    each_was_tried_once(&shop.engine, action, &sagas).await;
    for item in items(&shop.engine, action).await.iter().filter(|item| item.state == BulkState::NotSent) {
        assert_eq!(reason(item), Some(BulkReason::HeldBack { steps: vec!["stock".into()] }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_that_takes_long_is_counted_as_going_on() {
    let (shop, sagas) = blocked_in("60s", 1).await;
    shop.participants.next("stock compensation", Duration::from_secs(40), answered(500, ""));
    let action = begun(&shop, &sagas).await;
    assert_eq!(results(&shop.engine, action).await, all(BulkState::GoingOn, 1));
    each_was_tried_once(&shop.engine, action, &sagas).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_killed_in_the_middle_leaves_nothing_undone_and_nothing_done_twice() {
    for seed in 0..8 {
        let dice = Dice::new(seed);
        let (mut shop, sagas) = with_blocked(60).await;
        for _ in 0..1_000 {
            let delay = Duration::from_millis(dice.next() % 400);
            shop.participants.next("stock compensation", delay, answered(500, ""));
        }
        let action = begun(&shop, &sagas).await;
        for _ in 0..4 {
            sleep(Duration::from_millis(dice.next() % 500)).await;
            shop = shop.killed_and_restarted("barrier").await;
        }
        assert_eq!(results(&shop.engine, action).await, all(BulkState::FailedAgain, 60), "seed {seed}");
        each_was_tried_once(&shop.engine, action, &sagas).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stops_leaves_the_rest_to_the_next_one() {
    let (shop, sagas) = with_blocked(60).await;
    for _ in 0..1_000 {
        shop.participants.next("stock compensation", Duration::from_millis(200), answered(500, ""));
    }
    let action = begun(&shop, &sagas).await;
    sleep(Duration::from_millis(300)).await;
    shop.engine.stop(Duration::from_secs(1)).await;
    let counts = shop.engine.journal().bulk_counts(action).await.unwrap();
    assert!(
        counts.contains_key(&BulkState::Waiting) && counts.contains_key(&BulkState::FailedAgain),
        "{counts:?}"
    );
    let next = shop.restarted("barrier").await;
    assert_eq!(results(&next, action).await, all(BulkState::FailedAgain, 60));
    each_was_tried_once(&next, action, &sagas).await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_away_for_a_while_holds_an_action_up_and_no_more() {
    let (shop, sagas) = with_blocked(30).await;
    shop.journal.shut();
    let action = begun(&shop, &sagas).await;
    sleep(Duration::from_secs(8)).await;
    shop.journal.open();
    assert_eq!(results(&shop.engine, action).await, all(BulkState::FailedAgain, 30));
    each_was_tried_once(&shop.engine, action, &sagas).await;
}

#[tokio::test(start_paused = true)]
async fn a_wish_beyond_a_limit_is_refused_and_nothing_is_kept() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    let refused = |unfit| Err(BulkRefused::Unfit(unfit));
    let none = wish(&shop.engine, "1", "Ana", &[]);
    assert_eq!(shop.engine.begin_bulk(none).await, refused(UnfitBulkAction::Empty));
    let many: Vec<SagaId> =
        (0..=BULK_ITEMS_MAX as u128).map(|n| SagaId::new(uuid::Uuid::from_u128(n))).collect();
    let many = wish(&shop.engine, "1", "Ana", &many);
    assert_eq!(shop.engine.begin_bulk(many).await, refused(UnfitBulkAction::TooMany(BULK_ITEMS_MAX + 1)));
    assert_eq!(shop.engine.journal().bulk_actions(None, 10).await, Ok(vec![]));
}
