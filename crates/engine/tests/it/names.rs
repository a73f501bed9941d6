//! Processes under one name: a restart, or a mistake.

use std::time::Duration;

use tokio::time::sleep;

use crate::support::{PATIENT, Place, Shop, answered, order};

/// The second one is taken for the first one, started again, and gets its orders; that happens once, and not to each in
/// turn.
#[tokio::test(start_paused = true)]
async fn two_processes_of_one_name_do_not_drive_each_other_out() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    let twin = shop.restarted("barrier").await;
    sleep(Duration::from_secs(10)).await;
    for (client, engine) in [(7, &shop.engine), (8, &twin)] {
        shop.participants.next("paiement action", Duration::from_secs(4), answered(200, "{}"));
        let end = engine.place(order(client, None, PATIENT)).await.unwrap();
        assert_eq!(&*end.state, "CONFIRMEE");
    }
    let taken_over: Vec<String> = shop.log().into_iter().filter(|line| line.contains("epoch 2")).collect();
    assert!(taken_over.is_empty(), "{taken_over:?}");
}
