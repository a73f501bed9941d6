//! Orders that a crash has left, and the new ones beside them.

use std::time::Duration;

use saga_engine::{Limits, Wait};
use tokio::time::sleep;

use crate::support::{PATIENT, Place, Shop, order};

const LEFT_BEHIND: i64 = 300;

#[tokio::test(start_paused = true)]
async fn a_new_order_does_not_wait_for_all_orders_that_a_crash_has_left() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    for client in 0..LEFT_BEHIND {
        shop.participants.never(format!("/clients/{client}/payer"));
        shop.engine.place(order(client, None, Wait::started())).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    let shop = shop.killed("barrier");
    shop.journal.shut();
    let recovery = tokio::spawn({
        let engine = shop.engine.clone();
        async move { engine.recover().await }
    });
    sleep(Duration::from_secs(10)).await;
    assert_eq!(shop.engine.health().active, Limits::default().take_ups_max, "the others are not read yet");

    let begun = shop.log().len();
    let new = tokio::spawn({
        let engine = shop.engine.clone();
        async move { engine.place(order(1_000, None, PATIENT)).await.unwrap().saga }
    });
    sleep(Duration::from_millis(100)).await;
    shop.journal.open();
    let new = new.await.unwrap();
    let before = shop.log()[begun..].iter().filter(|line| line.starts_with("durable")).count();
    recovery.await.unwrap();
    let all = shop.log()[begun..].iter().filter(|line| line.starts_with("durable")).count();
    assert!(all >= LEFT_BEHIND as usize && before < all / 2, "{before} of {all} entries came before its end");
    assert!(shop.engine.journal().row(new).await.unwrap().unwrap().row.over);
    assert_eq!(shop.engine.health().active, LEFT_BEHIND as usize);
}
