//! A participant that fails is left alone, and what waited for it goes on when it is back.

use std::time::Duration;

use saga_core::definition::Etat;
use saga_engine::breaker::Kind;
use saga_engine::{Engine, Wait};
use tokio::time::sleep;

use crate::support::{PATIENT, Shop, answered, order};

/// As many failures as open the default breaker.
const FAILURES: usize = 20;

fn stock(engine: &Engine) -> saga_engine::breaker::State {
    let participants = engine.participants();
    participants.iter().find(|participant| &*participant.name == "stock").expect("stock").breaker
}

/// Starts an order, and gives its end.
fn ordered(engine: &Engine, client: i64) -> tokio::task::JoinHandle<Etat> {
    let engine = engine.clone();
    #[expect(clippy::disallowed_methods, reason = "callers, who wait side by side")]
    tokio::spawn(async move { engine.checkout(order(client, None, PATIENT)).await.expect("an answer").etat })
}

#[tokio::test(start_paused = true)]
async fn while_it_is_open_orders_wait_without_using_up_their_attempts() {
    let shop = Shop::new("barrier");
    for _ in 0..FAILURES {
        shop.participants.next("stock action", Duration::ZERO, answered(503, ""));
    }
    let orders: Vec<_> = (0..30).map(|client| ordered(&shop.engine, client)).collect();
    sleep(Duration::from_millis(700)).await;
    let open = stock(&shop.engine);
    assert_eq!(open.kind, Kind::Open, "{open:?}");
    assert!(open.waiting >= 10, "{open:?}");
    assert_eq!(shop.participants.calls("stock action"), FAILURES);
    for order in orders {
        assert_eq!(&*order.await.expect("no panic"), "CONFIRMEE");
    }
    // Every order's call, and the failures: nobody asked in vain.
    assert_eq!(shop.participants.calls("stock action"), FAILURES + 30);
    assert_eq!(stock(&shop.engine).waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn deadlines_hold_while_it_is_open_and_what_never_left_leaves_nothing_to_undo() {
    let shop = Shop::new("none");
    for _ in 0..1_000 {
        shop.participants.next("stock action", Duration::ZERO, answered(503, ""));
    }
    // These open it, and fail.
    let first: Vec<_> = (0..30).map(|client| ordered(&shop.engine, client)).collect();
    sleep(Duration::from_secs(3)).await;
    assert_ne!(stock(&shop.engine).kind, Kind::Closed);
    let waiting = ordered(&shop.engine, 99);
    assert_eq!(&*waiting.await.expect("no panic"), "ANNULEE");
    for order in first {
        let etat = order.await.expect("no panic");
        assert!(matches!(&*etat, "ECHEC_STOCK" | "ANNULEE"), "{etat}");
    }
    assert_eq!(shop.participants.calls("stock compensation"), 0);
    let row = shop.engine.checkout(order(100, None, Wait::Started)).await.expect("an answer");
    assert!(row.started);
}
