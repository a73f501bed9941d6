//! The process knows when a part of it is dead, and when it may have lost its lease.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_engine::{Refusal, Wait};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{PATIENT, Place, Shop, order};

#[tokio::test(start_paused = true)]
async fn when_the_lease_is_not_kept_any_more_the_process_says_so_and_takes_nothing() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    assert!(shop.engine.health().is_ready());
    shop.journal.panics.store(true, Ordering::SeqCst);
    let what = timeout(Duration::from_secs(1), shop.engine.died()).await.expect("it is noticed at once");
    assert_eq!(&*what, "the task `lease` has panicked");
    let health = shop.engine.health();
    assert!(!health.is_ready() && health.dead.as_deref() == Some(&*what), "{health:?}");
    let answer = shop.engine.place(order(7, None, PATIENT)).await;
    assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_journal_s_writer_panics_the_process_says_so_and_takes_nothing() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.journal.appends_panic.store(true, Ordering::SeqCst);
    let answer = shop.engine.place(order(7, None, PATIENT)).await;
    assert!(answer.is_err(), "{answer:?}");
    let what = timeout(Duration::from_secs(1), shop.engine.died()).await.expect("it is noticed at once");
    assert_eq!(&*what, "the journal's writer has panicked: on purpose");
    assert!(!shop.engine.health().is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_no_death() {
    let shop = Shop::new("barrier");
    shop.engine.recover_in_background();
    sleep(Duration::from_secs(1)).await;
    shop.engine.stop(Duration::from_secs(1)).await;
    assert!(timeout(Duration::from_secs(60), shop.engine.died()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_may_have_lost_its_lease_is_not_ready_and_says_so_at_once() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.journal.broken.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(4)).await;
    let health = shop.engine.health();
    assert!(health.lease_ran_out && !health.is_ready(), "{health:?}");
    let begun = Instant::now();
    let answer = shop.engine.place(order(7, None, Wait::settled(Duration::from_secs(30)))).await;
    assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    shop.journal.broken.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(2)).await;
    assert!(shop.engine.health().is_ready(), "{:?}", shop.engine.health());
    shop.engine.place(order(7, None, PATIENT)).await.unwrap();
}
