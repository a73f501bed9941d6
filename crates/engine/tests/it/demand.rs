//! A word for an order that another process runs, which does not answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::saga::Rollback;
use saga_engine::{Demand, Limits, Refusal, Wait};
use saga_journal::{Joining, Membership, ReplicaId};
use tokio::time::{Instant, sleep};

use crate::support::{PATIENT, Shop, answered, order};

/// Somebody whose lease holds, and who does nothing.
const SILENT: ReplicaId = ReplicaId::new(uuid::Uuid::from_u128(7));

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_so_and_the_word_stays_for_whoever_runs_the_order_next() {
    let shop = Shop::new("barrier");
    shop.participants.next("paiement action", Duration::from_secs(5), answered(503, ""));
    let saga = shop.engine.checkout(order(7, None, Wait::started())).await.unwrap().saga;
    sleep(Duration::from_secs(1)).await;
    shop.engine.stop(Duration::ZERO).await;
    shop.journal.join(SILENT, "muet".into(), Joining::Started, Duration::from_secs(3_600)).await.unwrap();
    assert_eq!(shop.journal.claim(SILENT, 10).await.unwrap(), [saga]);

    let engine = shop.restarted("barrier").await;
    let begun = Instant::now();
    let resume = Demand::Resume { by: "Ana".into(), reason: None };
    assert_eq!(engine.demand(saga, &Demand::Cancel).await, Err(Refusal::Asked(saga)));
    assert!(begun.elapsed() >= Limits::default().demand_wait, "{:?}", begun.elapsed());
    // The same again is the same word; another one does not take its place.
    assert_eq!(engine.demand(saga, &Demand::Cancel).await, Err(Refusal::Asked(saga)));
    assert_eq!(engine.demand(saga, &resume).await, Err(Refusal::Busy(saga)));

    shop.journal.leave(SILENT).await.unwrap();
    let end = engine.wait(saga, PATIENT).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("ANNULEE", Rollback::Done));
    assert_eq!(shop.participants.calls("vente action"), 0);
}

#[tokio::test(start_paused = true)]
async fn words_that_cannot_be_read_do_not_keep_claimed_orders_from_running() {
    let shop = Shop::new("barrier");
    shop.participants.next("paiement action", Duration::from_secs(5), answered(503, ""));
    let saga = shop.engine.checkout(order(7, None, Wait::started())).await.unwrap().saga;
    sleep(Duration::from_secs(1)).await;
    shop.engine.stop(Duration::ZERO).await;
    shop.journal.deaf.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let engine = shop.restarted("barrier").await;
    assert_eq!(&*engine.wait(saga, PATIENT).await.unwrap().state, "CONFIRMEE");
    // At once, but for the retry's wait by a clock that is behind; not by the sweep that looks for strays.
    assert!(begun.elapsed() < Limits::default().sweep, "{:?}", begun.elapsed());
}
