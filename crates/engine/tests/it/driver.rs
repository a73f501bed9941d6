//! The order in which calls and answers leave, and the failures that they survive.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use saga_core::Event;
use saga_core::reply::Reply;
use saga_core::saga::Rollback;
use saga_engine::{Engine, Limits, NoRoom, Refusal, Wait};
use saga_journal::{Joining, Membership, ReplicaId};
use saga_testkit::definition::change;
use uuid::Uuid;

use crate::support::{CHECKOUT, PATIENT, Place, Shop, answered, order, parse};

#[tokio::test(start_paused = true)]
async fn a_happy_checkout_against_barriers_waits_for_the_disk_twice() {
    let shop = Shop::new("barrier");
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!(&*end.state, "CONFIRMEE");
    assert_eq!(
        shop.log(),
        [
            "call panier action #1 epoch 1",
            "durable 1-4",
            "call stock action #1 epoch 1",
            "call paiement action #1 epoch 1",
            "call vente action #1 epoch 1",
            "durable 5-10",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_barrier_each_call_waits_for_the_result_before_it() {
    for safety in ["idempotent", "none"] {
        let shop = Shop::new(safety);
        shop.engine.place(order(7, None, PATIENT)).await.unwrap();
        assert_eq!(
            shop.log(),
            [
                "call panier action #1 epoch 1",
                "durable 1-4",
                "call stock action #1 epoch 1",
                "durable 5-6",
                "call paiement action #1 epoch 1",
                "durable 7-8",
                "call vente action #1 epoch 1",
                "durable 9-10",
            ],
            "{safety}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_with_an_effect_leaves_while_the_disk_is_held_up() {
    let shop = Shop::new("barrier");
    shop.journal.shut();
    let engine = shop.engine.clone();
    let waiting = tokio::spawn(async move { engine.place(order(7, None, PATIENT)).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(shop.log(), ["call panier action #1 epoch 1"]);
    shop.journal.open();
    assert_eq!(&*waiting.await.unwrap().unwrap().state, "CONFIRMEE");
}

#[tokio::test(start_paused = true)]
async fn the_first_compensation_waits_for_the_decision_to_roll_back() {
    let shop = Shop::new("barrier");
    shop.participants.next(
        "paiement action",
        Duration::ZERO,
        answered(402, r#"{"detail":"Solde insuffisant"}"#),
    );
    let end = shop.engine.place(order(2, None, PATIENT)).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("ECHEC_PAIEMENT", Rollback::Done));
    let log = shop.log();
    let decided = log.iter().position(|line| line == "durable 5-9").expect("the decision is written");
    let undone =
        log.iter().position(|line| line.starts_with("call stock compensation")).expect("it is undone");
    assert!(decided < undone, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_changes_nothing() {
    let shop = Shop::new("barrier");
    shop.participants.next("stock action", Duration::from_secs(2), answered(200, "{}"));
    let gone =
        tokio::time::timeout(Duration::from_secs(1), shop.engine.place(order(7, Some("k"), PATIENT))).await;
    assert!(gone.is_err());
    let end = shop.engine.place(order(7, Some("k"), PATIENT)).await.unwrap();
    assert_eq!(&*end.state, "CONFIRMEE");
    assert_eq!(shop.participants.calls("stock action"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_is_the_same_order_before_during_and_after() {
    let shop = Shop::new("barrier");
    shop.participants.next("stock action", Duration::from_secs(2), answered(200, "{}"));
    let racing = (0..20).map(|_| {
        let engine = shop.engine.clone();
        tokio::spawn(async move { engine.place(order(7, Some("k"), PATIENT)).await.unwrap().saga })
    });
    let mut ids = Vec::new();
    for one in racing.collect::<Vec<_>>() {
        ids.push(one.await.unwrap());
    }
    ids.push(shop.engine.place(order(7, Some("k"), PATIENT)).await.unwrap().saga);
    ids.push(shop.restarted("barrier").await.place(order(7, Some("k"), PATIENT)).await.unwrap().saga);
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(shop.participants.calls("vente action"), 1);
    let other = shop.engine.place(order(8, Some("k"), PATIENT)).await;
    assert_eq!(other, Err(Refusal::KeyReused(ids[0])));
    assert_eq!(
        shop.participants.calls("panier action"),
        1,
        "for a key that the journal has, nobody is called"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_looked_up_where_their_orders_may_be_known() {
    let shop = Shop::new("barrier");
    let looked_up = |shop: &Shop| shop.journal.looked_up.swap(0, Ordering::SeqCst);
    let place =
        async |shop: &Shop, client, key| shop.engine.place(order(client, Some(key), PATIENT)).await.unwrap();
    place(&shop, 7, "first").await;
    assert_eq!(looked_up(&shop), 1, "after a start, any key may be a repeated one");
    tokio::time::sleep(Duration::from_secs(60)).await;
    place(&shop, 7, "second").await;
    shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!(looked_up(&shop), 0);
    let called = shop.participants.calls("panier action");
    for key in ["first", "second"] {
        place(&shop, 7, key).await;
        assert_eq!(looked_up(&shop), 1, "{key}");
    }
    assert_eq!(shop.participants.calls("panier action"), called);
}

/// A process that has died may have been ended by an order, whose caller asks again elsewhere.
#[tokio::test(start_paused = true)]
async fn every_key_is_looked_up_for_a_minute_after_a_take_over() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    let looked_up = || shop.journal.looked_up.swap(0, Ordering::SeqCst);
    let place = async |key| shop.engine.place(order(8, Some(key), PATIENT)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    shop.participants.next("stock action", Duration::from_secs(3_600), answered(200, "{}"));
    let begun = shop.engine.place(order(7, None, Wait::started())).await.unwrap();
    place("before").await;
    assert_eq!(looked_up(), 0);

    // Another process comes under this one's name, and dies at once. This one joins anew, and takes its own order over.
    let other = ReplicaId::new(Uuid::from_u128(7));
    shop.journal.join(other, "essai".into(), Joining::Started, Duration::from_secs(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (_, history) = shop.engine.read(begun.saga).await.unwrap().unwrap();
    assert!(history.records.iter().any(|record| matches!(record.event, Event::TakenOver { .. })));
    place("soon").await;
    assert_eq!(looked_up(), 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    place("later").await;
    assert_eq!(looked_up(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_nobody_waits_for_is_acknowledged_when_its_start_is_durable() {
    let shop = Shop::new("barrier");
    shop.participants.next(
        "panier action",
        Duration::from_secs(3),
        answered(200, r#"[{"produit_id":1,"quantite":1,"prix":1}]"#),
    );
    let begun = shop.engine.place(order(7, None, Wait::started())).await.unwrap();
    assert!(begun.started && !begun.settled);
    assert_eq!(shop.log(), ["call panier action #1 epoch 1", "durable 1-2"]);
    let end = shop.engine.wait(begun.saga, PATIENT).await.unwrap();
    assert_eq!(&*end.state, "CONFIRMEE");
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_answer_was_lost_is_offered_again_and_counts_once() {
    let shop = Shop::new("barrier");
    shop.journal.lose_answer.store(true, Ordering::SeqCst);
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!(&*end.state, "CONFIRMEE");
    assert_eq!(shop.participants.calls("stock action"), 1);
    assert_eq!(shop.log().iter().filter(|line| *line == "durable 1-4").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_journal_fails_running_orders_wait_and_new_ones_are_refused() {
    let shop = Shop::new("none");
    shop.participants.next("stock action", Duration::from_secs(1), answered(200, "{}"));
    let engine = shop.engine.clone();
    let running = tokio::spawn(async move { engine.place(order(7, None, PATIENT)).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    shop.journal.broken.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(shop.participants.calls("paiement"), 0);
    assert!(matches!(shop.engine.place(order(8, None, PATIENT)).await, Err(Refusal::Unavailable(_))));
    assert!(shop.engine.health().journal_failing.is_some());
    shop.journal.broken.store(false, Ordering::SeqCst);
    // The reply that came meanwhile was not lost: nothing is parked, nothing is called twice.
    assert_eq!(&*running.await.unwrap().unwrap().state, "CONFIRMEE");
    assert_eq!(shop.participants.calls("stock action"), 1);
    assert_eq!(shop.engine.health().journal_failing, None);
    assert_eq!(&*shop.engine.place(order(8, None, PATIENT)).await.unwrap().state, "CONFIRMEE");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_be_written_in_time_is_in_doubt_and_says_so() {
    let shop = Shop::new("barrier");
    shop.journal.shut();
    let wait = Wait::settled(Duration::from_secs(2));
    let refused = shop.engine.place(order(7, Some("k"), wait)).await;
    assert!(matches!(refused, Err(Refusal::InDoubt(_))), "{refused:?}");
    shop.journal.open();
    assert_eq!(&*shop.engine.place(order(7, Some("k"), PATIENT)).await.unwrap().state, "CONFIRMEE");
    assert_eq!(shop.participants.calls("vente action"), 1);
}

#[tokio::test(start_paused = true)]
async fn another_process_goes_on_with_the_next_epoch_and_the_former_owner_drops_out() {
    let shop = Shop::new("barrier");
    shop.participants.next("paiement action", Duration::from_secs(4), answered(200, "{}"));
    let engine = shop.engine.clone();
    let former = tokio::spawn(async move { engine.place(order(7, Some("k"), PATIENT)).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other = shop.restarted("barrier").await;
    let end = other.place(order(7, Some("k"), PATIENT)).await.unwrap();
    assert_eq!(&*end.state, "CONFIRMEE");
    // The former owner finds out when it renews its lease, and answers from the journal.
    assert_eq!(&*former.await.unwrap().unwrap().state, "CONFIRMEE");
    let log = shop.log();
    assert!(log.contains(&"call paiement action #2 epoch 2".to_owned()), "{log:?}");
    assert_eq!(shop.engine.health().active, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_any_promise_that_was_cut_short_is_never_repeated() {
    let shop = Shop::new("none");
    shop.participants.next("paiement action", Duration::from_secs(4), answered(200, "{}"));
    let begun = shop.engine.place(order(7, None, Wait::settled(Duration::from_secs(1)))).await.unwrap();
    assert_eq!((&*begun.state, begun.settled), ("STOCK_RESERVE", false));
    let other = shop.restarted("none").await;
    let end = other.wait(begun.saga, PATIENT).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("ECHEC_PAIEMENT", Rollback::Blocked));
    assert_eq!(shop.participants.calls("paiement action"), 1);
    assert_eq!(other.health().active, 0, "a parked order takes no room");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_order_is_rolled_back_and_a_finished_one_cannot_be_cancelled() {
    let shop = Shop::new("barrier");
    shop.participants.next("vente action", Duration::from_secs(4), answered(201, "{}"));
    let begun = shop.engine.place(order(7, None, Wait::settled(Duration::from_secs(1)))).await.unwrap();
    let end = shop.engine.cancel(begun.saga, Duration::from_secs(60)).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("ANNULEE", Rollback::Done));
    for step in ["vente", "paiement", "stock"] {
        assert_eq!(shop.participants.calls(&format!("{step} compensation")), 1, "{step}");
    }
    assert!(shop.engine.cancel(begun.saga, Duration::ZERO).await.is_ok(), "asking twice is no mistake");
    let done = shop.engine.place(order(8, None, PATIENT)).await.unwrap();
    assert!(matches!(shop.engine.cancel(done.saga, Duration::ZERO).await, Err(Refusal::Rejected(_))));
}

#[tokio::test(start_paused = true)]
async fn more_orders_than_may_run_are_refused_before_anything_is_written() {
    let limits = Limits { active_sagas_max: 1, ..Limits::default() };
    let shop = Shop::with_limits("barrier", limits);
    shop.participants.next("panier action", Duration::from_secs(2), answered(200, "[]"));
    let engine = shop.engine.clone();
    let first = tokio::spawn(async move { engine.place(order(7, None, PATIENT)).await });
    tokio::task::yield_now().await;
    let no_room = NoRoom { limit: "active_sagas_max", value: 1, retry_after: Duration::from_secs(10) };
    assert_eq!(shop.engine.place(order(8, None, PATIENT)).await, Err(Refusal::Full(no_room)));
    assert_eq!(shop.log(), ["call panier action #1 epoch 1"]);
    first.await.unwrap().unwrap();
}

/// Notes how many sagas run each time that it wakes somebody.
struct ActiveAtWake {
    engine: Engine,
    seen: Mutex<Vec<usize>>,
}

impl Wake for ActiveAtWake {
    fn wake(self: Arc<Self>) {
        self.seen.lock().unwrap().push(self.engine.health().active);
    }
}

/// Otherwise they would find the task that has ended, once more and at once, for as long as its thread has no processor.
#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_task_hear_of_its_end_when_it_cannot_be_found_any_more() {
    let shop = Shop::new("none");
    let busy = Reply::NotSent { reason: "connection refused".into() };
    shop.participants.next("paiement action", Duration::from_millis(900), busy);
    let noted = Arc::new(ActiveAtWake { engine: shop.engine.clone(), seen: Mutex::default() });
    let waker = Waker::from(noted.clone());
    let mut caller = pin!(shop.engine.place(order(7, Some("k"), PATIENT)));
    for _ in 0..20 {
        assert!(caller.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(shop.engine.health().active, 1);
    noted.seen.lock().unwrap().clear();
    shop.engine.stop(Duration::from_millis(500)).await;
    assert_eq!(*noted.seen.lock().unwrap(), [0]);
}

#[tokio::test(start_paused = true)]
async fn stopping_drains_and_leaves_the_rest_without_parking_anything() {
    let shop = Shop::new("none");
    // One order is done within the drain time, the other waits for its participant's next try.
    let busy = || Reply::NotSent { reason: "connection refused".into() };
    for _ in 0..3 {
        shop.participants.next("paiement action", Duration::from_millis(900), busy());
    }
    let engine = shop.engine.clone();
    let caller = tokio::spawn(async move { engine.place(order(7, Some("k"), PATIENT)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    shop.engine.stop(Duration::from_millis(500)).await;
    assert_eq!(shop.engine.health().active, 0);
    assert_eq!(shop.engine.place(order(8, None, PATIENT)).await, Err(Refusal::Stopping));
    let _ = caller.await.unwrap();
    let next = shop.restarted("none").await;
    let end = next.place(order(7, Some("k"), PATIENT)).await.unwrap();
    assert_eq!(&*end.state, "CONFIRMEE");
    assert_eq!(shop.participants.calls("stock action"), 1);
}

#[tokio::test(start_paused = true)]
async fn events_that_nothing_waits_for_are_written_soon_all_the_same() {
    let shop = Shop::new("barrier");
    shop.participants.next("vente action", Duration::from_secs(3), answered(201, "{}"));
    let begun = shop.engine.place(order(7, None, Wait::settled(Duration::from_secs(1)))).await.unwrap();
    let row = shop.engine.journal().row(begun.saga).await.unwrap().unwrap();
    assert_eq!(&*row.row.state, "PAIEMENT_EFFECTUE");
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_has_waited_for_the_disk_beyond_the_horizon_does_not_leave() {
    let forgetful = change(CHECKOUT).swap_first("safety: barrier", "safety: barrier, horizon: 3s");
    let shop = Shop::serving(parse(&forgetful.text()), Limits::default());
    shop.participants.always("paiement action", Some(answered(409, "{}")));
    shop.participants.next("paiement action", Duration::from_secs(1), answered(409, "{}"));
    let engine = shop.engine.clone();
    let waiting = tokio::spawn(async move { engine.place(order(7, None, PATIENT)).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    shop.journal.shut();
    tokio::time::sleep(Duration::from_secs(10)).await;
    shop.journal.open();
    let end = waiting.await.unwrap().unwrap();
    assert_eq!((&*end.state, end.rollback), ("ECHEC_PAIEMENT", Rollback::Blocked));
    assert_eq!(shop.participants.calls("stock compensation"), 0, "{:?}", shop.log());
}
