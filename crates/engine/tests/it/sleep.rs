//! Orders that have nothing to do for a while wait on disk.

use std::time::Duration;

use saga_core::CommandKind;
use saga_core::Event;
use saga_core::saga::Rollback;
use saga_engine::{Engine, Wait};
use tokio::time::sleep;

use crate::support::{PATIENT, Place, Shop, answered, order};

/// A shop with one order that is blocked, and asleep.
async fn with_a_sleeper() -> (Shop, saga_core::SagaId) {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.always("paiement action", Some(answered(402, "")));
    shop.participants.always("stock compensation", Some(answered(500, "")));
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!(end.rollback, Rollback::Blocked);
    // Waits are random: in the end there is a long one.
    while shop.engine.health().asleep == 0 {
        sleep(Duration::from_millis(100)).await;
    }
    (shop, end.saga)
}

async fn take_overs(engine: &Engine, saga: saga_core::SagaId) -> usize {
    let (_, history) = engine.read(saga).await.unwrap().unwrap();
    history.records.iter().filter(|record| matches!(record.event, Event::TakenOver { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_is_not_in_memory_and_wakes_by_itself() {
    let (shop, saga) = with_a_sleeper().await;
    assert_eq!((shop.engine.health().active, shop.engine.health().bytes), (0, 0));
    shop.participants.always("stock compensation", None);
    sleep(Duration::from_secs(31)).await;
    let row = shop.engine.journal().row(saga).await.unwrap().unwrap();
    assert_eq!(row.row.rollback, Rollback::Done);
    assert_eq!(take_overs(&shop.engine, saga).await, 0, "its owner has never changed");
    assert_eq!(shop.engine.health().asleep, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_person_wants_wakes_a_sleeper() {
    let (shop, saga) = with_a_sleeper().await;
    shop.participants.always("stock compensation", None);
    let resume = CommandKind::Resume { by: "Ana".into(), reason: None };
    shop.engine.command(saga, resume).await.unwrap();
    let end = shop.engine.wait(saga, Wait::tried(Duration::from_secs(1))).await.unwrap();
    assert_eq!(end.rollback, Rollback::Done);
    assert_eq!(take_overs(&shop.engine, saga).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_leaves_sleepers_alone_and_a_restart_takes_them_over() {
    let (shop, saga) = with_a_sleeper().await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(take_overs(&shop.engine, saga).await, 0);
    let next = shop.restarted("barrier").await;
    sleep(Duration::from_secs(31)).await;
    assert_eq!(take_overs(&next, saga).await, 1);
    assert_eq!(shop.engine.health().asleep, 0, "what another process owns is forgotten here");
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_that_has_moved_on_elsewhere_is_not_run_twice() {
    let (shop, saga) = with_a_sleeper().await;
    shop.participants.always("stock compensation", None);
    let next = shop.restarted("barrier").await;
    sleep(Duration::from_secs(60)).await;
    let row = next.journal().row(saga).await.unwrap().unwrap();
    assert_eq!(row.row.rollback, Rollback::Done);
    let undone = shop.log().iter().filter(|line| line.starts_with("call stock compensation")).count();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(shop.log().iter().filter(|line| line.starts_with("call stock compensation")).count(), undone);
}
