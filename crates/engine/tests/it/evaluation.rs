//! Answers about which expressions take long.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::saga::Rollback;

use crate::support::{PATIENT, Place, Shop, answered, order};

/// A cart with so many lines.
fn cart(lines: usize) -> String {
    let line = r#"{"produit_id":1,"quantite":3,"prix":19.99}"#;
    format!("[{}{line}]", format!("{line},").repeat(lines - 1))
}

#[tokio::test(start_paused = true)]
async fn a_large_cart_is_evaluated_elsewhere_and_goes_through() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    let elsewhere = || shop.elsewhere.load(Ordering::SeqCst);
    let small = shop.engine.place(order(6, None, PATIENT)).await.unwrap();
    assert_eq!((&*small.state, elsewhere()), ("CONFIRMEE", 0));
    shop.participants.next("panier action", Duration::ZERO, answered(200, &cart(10_000)));
    let large = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!((&*large.state, elsewhere()), ("CONFIRMEE", 1));
}

#[tokio::test(start_paused = true)]
async fn a_cart_beyond_the_budget_is_an_unreadable_answer() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.always("panier action", Some(answered(200, &cart(400_000))));
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!((&*end.state, end.rollback), ("ECHEC_STOCK", Rollback::None));
    let reason = end.failure.unwrap().reason;
    assert!(reason.contains("EXPRESSION_BYTES_MAX"), "{reason}");
    // The process is as well as before.
    shop.participants.always("panier action", None);
    let next = shop.engine.place(order(8, None, PATIENT)).await.unwrap();
    assert_eq!(&*next.state, "CONFIRMEE");
}
