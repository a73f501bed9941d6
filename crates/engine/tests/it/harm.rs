//! One order does not harm the others: not by failing for ever, not by its size, not by a bug that it meets.

use std::time::Duration;

use saga_core::CommandKind;
use saga_core::Event;
use saga_core::event::Stuck;
use saga_core::saga::Rollback;
use saga_engine::{Caller, Limits, Refusal, Wait};
use tokio::time::{Instant, sleep};

use crate::support::{Order, PATIENT, Place, Shop, answered, order};

/// Payment is refused, and the stock cannot be given back.
fn refuses_and_cannot_undo(shop: &Shop) {
    shop.participants.always("paiement action", Some(answered(402, r#"{"detail":"no"}"#)));
    shop.participants.always("stock compensation", Some(answered(500, "")));
}

#[tokio::test(start_paused = true)]
async fn orders_that_cannot_be_undone_do_not_keep_new_ones_out() {
    let shop = Shop::with_limits("barrier", Limits { active_sagas_max: 10, ..Limits::default() });
    shop.engine.recover().await;
    refuses_and_cannot_undo(&shop);
    for client in 0..100 {
        let end = shop.engine.place(order(client, None, PATIENT)).await.unwrap();
        assert_eq!(end.rollback, Rollback::Blocked);
    }
    shop.participants.always("paiement action", None);
    let end = shop.engine.place(order(100, None, PATIENT)).await.unwrap();
    assert_eq!(&*end.state, "CONFIRMEE");
    assert!(shop.engine.health().is_ready());
    // They are still tried.
    let tried = shop.participants.calls("stock compensation");
    sleep(Duration::from_secs(120)).await;
    assert!(shop.participants.calls("stock compensation") >= tried + 100);
    shop.participants.always("stock compensation", None);
    sleep(Duration::from_secs(60)).await;
    let health = shop.engine.health();
    assert_eq!((health.active, health.slots, health.bytes), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_orders_that_only_wait_themselves() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    refuses_and_cannot_undo(&shop);
    for client in 0..20 {
        shop.engine.place(order(client, None, PATIENT)).await.unwrap();
    }
    let begun = Instant::now();
    shop.engine.stop(Duration::from_secs(20)).await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_orders_task_parks_that_order_and_no_other() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.panic("paiement action");
    let parked = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    // The result of the barrier before it was not on disk yet.
    assert_eq!((&*parked.state, parked.rollback), ("INITIEE", Rollback::Blocked));
    let (saga, _) = shop.engine.read(parked.saga).await.unwrap().unwrap();
    let blocked = saga.blocked().unwrap();
    assert_eq!(blocked.stuck, Stuck::TaskFailed);
    assert!(blocked.reason.contains("a bug in paiement action"), "{}", blocked.reason);
    let health = shop.engine.health();
    assert!(health.is_ready() && health.active == 0, "{health:?}");
    // No task runs it, and an operator may have it rolled back.
    let calls = shop.log().len();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(shop.log().len(), calls);
    let end = shop.engine.cancel(parked.saga, Duration::from_secs(60)).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("ANNULEE", Rollback::Done));
    assert_eq!(shop.participants.calls("stock compensation"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_parked_order_that_is_resumed_goes_on() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.panic("paiement action");
    let parked = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    shop.participants.mend();
    let resume = CommandKind::Resume { by: "Ana".into(), reason: None };
    shop.engine.command(parked.saga, resume).await.unwrap();
    let end = shop.engine.wait(parked.saga, Wait::tried(Duration::from_secs(60))).await.unwrap();
    assert_eq!(&*end.state, "CONFIRMEE");
}

#[tokio::test(start_paused = true)]
async fn an_order_that_ends_its_owners_is_parked_by_the_one_that_takes_it_over_for_the_third_time() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.never("/payer".into());
    let begun = shop.engine.place(order(7, None, Wait::settled(Duration::from_secs(1)))).await.unwrap();
    for restart in 1..=3 {
        let engine = shop.restarted("barrier").await;
        sleep(Duration::from_secs(1)).await;
        let row = engine.journal().row(begun.saga).await.unwrap().unwrap();
        let parked = row.row.rollback == Rollback::Blocked;
        assert_eq!(parked, restart == 3, "after {restart} restarts");
    }
    let (saga, history) = shop.engine.read(begun.saga).await.unwrap().unwrap();
    assert!(saga.is_parked(), "{:?}", saga.blocked());
    let taken_over = history.records.iter().filter(|record| matches!(record.event, Event::TakenOver { .. }));
    assert_eq!(taken_over.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn large_answers_wait_for_room_and_new_orders_are_turned_away() {
    let limits = Limits { active_bytes_max: 20 << 20, ..Limits::default() };
    let shop = Shop::with_limits("barrier", limits);
    shop.engine.recover().await;
    let line = r#"{"produit_id":1,"quantite":1,"prix":1.5}"#;
    let cart = format!("[{}]", vec![line; 20_000].join(","));
    shop.participants.always("panier action", Some(answered(200, &cart)));
    // Nothing ends: the stock service takes its time.
    shop.participants.never("/reserver".into());
    let mut refused = 0;
    for client in 0..600 {
        match shop.engine.place(order(client, None, Wait::started())).await {
            Ok(_) => {}
            Err(Refusal::Full(no_room)) => {
                assert_eq!(no_room.limit, "active_bytes_max");
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
        assert!(shop.engine.health().bytes <= 32 << 20, "{:?}", shop.engine.health());
    }
    assert!(refused > 0);
    sleep(Duration::from_secs(1)).await;
    let health = shop.engine.health();
    assert!(health.bytes <= 32 << 20, "{health:?}");
    assert!(shop.participants.calls("panier action") < 40, "{}", shop.participants.calls("panier action"));
}

#[tokio::test(start_paused = true)]
async fn one_caller_leaves_room_for_others() {
    let shop = Shop::with_limits("barrier", Limits { active_sagas_max: 10, ..Limits::default() });
    shop.participants.never("/reserver".into());
    let from = |last: u8, client: i64| Order {
        caller: Caller::Address(std::net::IpAddr::from([127, 0, 0, last])),
        ..order(client, None, Wait::started())
    };
    let mut placed = 0;
    let refused = loop {
        match shop.engine.place(from(1, placed)).await {
            Ok(_) => placed += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(placed, 8);
    assert!(
        matches!(&refused, Refusal::Full(no_room) if no_room.limit == "caller_share_percent"),
        "{refused}"
    );
    shop.engine.place(from(2, 100)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_hears_within_seconds_that_the_journal_does_not_answer() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.journal.shut();
    let begun = Instant::now();
    let answer = shop.engine.place(order(7, None, Wait::settled(Duration::from_secs(300)))).await;
    assert!(matches!(answer, Err(Refusal::InDoubt(_))), "{answer:?}");
    assert!(
        begun.elapsed() <= Limits::default().start_wait + Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
}
