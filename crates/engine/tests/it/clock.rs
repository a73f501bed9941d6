//! A machine's wall clock may be wrong, and may step; orders go by the journal's and the monotonic one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::reply::{Answer, Reply};
use saga_core::saga::Rollback;
use saga_engine::Wait;
use tokio::time::{Instant, sleep};

use crate::support::{PATIENT, Place, Shop, order};

const HOUR: i64 = 3_600;

async fn while_a_retry_waits_the_clock_steps(by: i64) -> (String, Duration) {
    let shop = Shop::new("idempotent");
    shop.engine.recover().await;
    for _ in 0..3 {
        let refused = Reply::NotSent { reason: "connection refused".into() };
        shop.participants.next("stock action", Duration::ZERO, refused);
    }
    let begun = Instant::now();
    let ahead = shop.ahead.clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(20)).await;
        ahead.store(by, Ordering::SeqCst);
    });
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    (end.state.to_string(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_back_holds_no_order_up() {
    let (state, took) = while_a_retry_waits_the_clock_steps(-600).await;
    assert_eq!(state, "CONFIRMEE");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_steps_forward_cancels_no_order() {
    let (state, _) = while_a_retry_waits_the_clock_steps(HOUR).await;
    assert_eq!(state, "CONFIRMEE");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_fires_in_time_though_the_clock_has_stepped_back() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    let later = Answer { status: 503, retry_after: Some(Duration::from_secs(50)), ..Answer::default() };
    shop.participants.always("stock action", Some(Reply::Answered(later)));
    let begun = shop.engine.place(order(7, None, Wait::started())).await.unwrap();
    shop.ahead.store(-HOUR, Ordering::SeqCst);
    sleep(Duration::from_secs(61)).await;
    let row = shop.engine.journal().row(begun.saga).await.unwrap().unwrap();
    assert_eq!(&*row.row.state, "ANNULEE");
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_clock_is_ahead_cancels_nothing_that_it_takes_over() {
    let shop = Shop::new("barrier");
    shop.journal.has_clock.store(true, Ordering::SeqCst);
    shop.engine.recover().await;
    shop.participants.next("stock action", Duration::from_secs(4), crate::support::answered(200, "{}"));
    let begun = shop.engine.place(order(7, None, Wait::settled(Duration::from_secs(1)))).await.unwrap();
    let next = shop.restarted_ahead("barrier", 600).await;
    let end = next.wait(begun.saga, Wait::settled(Duration::from_secs(30))).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("CONFIRMEE", Rollback::None));
    let right = shop.engine.clock().now();
    let off = next.clock().now().as_micros() - right.as_micros();
    assert!(off.abs() < 1_000_000, "off by {off} us");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_a_little_off_is_followed() {
    let shop = Shop::new("barrier");
    shop.journal.has_clock.store(true, Ordering::SeqCst);
    shop.engine.recover().await;
    let right = || shop.engine.clock().now();
    // The journal's clock is set on by a second, and by an hour.
    let before = right();
    shop.journal.step_clock(1);
    sleep(Duration::from_secs(200)).await;
    let gone = right().since(before);
    assert!((Duration::from_millis(200_900)..=Duration::from_millis(201_100)).contains(&gone), "{gone:?}");
    let before = right();
    shop.journal.step_clock(HOUR);
    sleep(Duration::from_secs(60)).await;
    let gone = right().since(before);
    assert!(gone < Duration::from_secs(61), "an hour is no drift: {gone:?}");
}
