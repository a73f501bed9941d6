//! The figures of each minute, from the events of a real engine, and for how long they are kept.

use std::time::Duration;

use saga_core::Timestamp;
use tokio::time::sleep;

use crate::support::{PATIENT, Place, Shop, answered, order};

/// Outcome, step and number of each, whatever the minute.
async fn figures(shop: &Shop) -> Vec<String> {
    let (since, until) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
    let figures = shop.engine.journal().figures(since, until).await.unwrap();
    let line = |figures: &saga_journal::MinuteFigures| {
        format!("{} {} {}", figures.outcome, figures.step.as_deref().unwrap_or("-"), figures.count)
    };
    figures.iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn orders_are_counted_and_their_figures_forgotten_after_35_days() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    shop.participants.always("paiement action", Some(answered(402, "")));
    shop.engine.place(order(8, None, PATIENT)).await.unwrap();
    let counted = ["started - 2", "completed - 1", "failed paiement 1"];
    assert_eq!(figures(&shop).await, counted);
    const DAY_S: i64 = 24 * 60 * 60;
    for (days, left) in [(34, &counted[..]), (36, &[])] {
        let later = shop.restarted_ahead("barrier", days * DAY_S).await;
        sleep(Duration::from_secs(15)).await;
        assert_eq!(figures(&shop).await, left, "after {days} days");
        drop(later);
    }
}
