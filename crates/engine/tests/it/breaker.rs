//! A participant that fails is left alone, and what waited for it goes on when it is back.

use std::time::Duration;

use saga_core::definition::StateName;
use saga_engine::breaker::{BreakerKind, BreakerState};
use saga_engine::{Engine, Wait};
use tokio::time::{Instant, sleep};

use crate::support::{PATIENT, Place, Shop, answered, order};

/// As many failures as open the default breaker.
const FAILURES: usize = 20;

fn breaker(engine: &Engine, participant: &str) -> BreakerState {
    let participants = engine.participants();
    participants.iter().find(|known| &*known.name == participant).expect("a participant").breaker
}

fn stock(engine: &Engine) -> BreakerState {
    breaker(engine, "stock")
}

/// Starts an order, and gives its end.
fn ordered(engine: &Engine, client: i64) -> tokio::task::JoinHandle<StateName> {
    let engine = engine.clone();
    #[expect(clippy::disallowed_methods, reason = "callers, who wait side by side")]
    tokio::spawn(async move { engine.place(order(client, None, PATIENT)).await.expect("an answer").state })
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
    assert_eq!(open.kind, BreakerKind::Open, "{open:?}");
    assert!(open.waiting >= 10, "{open:?}");
    assert_eq!(shop.participants.calls("stock action"), FAILURES);
    for order in orders {
        assert_eq!(&*order.await.expect("no panic"), "CONFIRMEE");
    }
    // Every order's call, and the failures: no order asked in vain.
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
    assert_ne!(stock(&shop.engine).kind, BreakerKind::Closed);
    let waiting = ordered(&shop.engine, 99);
    assert_eq!(&*waiting.await.expect("no panic"), "ANNULEE");
    for order in first {
        let state = order.await.expect("no panic");
        assert!(matches!(&*state, "ECHEC_STOCK" | "ANNULEE"), "{state}");
    }
    assert_eq!(shop.participants.calls("stock compensation"), 0);
    let row = shop.engine.place(order(100, None, Wait::started())).await.expect("an answer");
    assert!(row.started);
}

/// Orders that a service cannot handle say nothing of the others.
#[tokio::test(start_paused = true)]
async fn whoever_answers_500_is_there_and_is_not_suspended() {
    let shop = Shop::new("barrier");
    for _ in 0..2 * FAILURES {
        shop.participants.next("stock action", Duration::ZERO, answered(500, ""));
    }
    let orders: Vec<_> = (0..30).map(|client| ordered(&shop.engine, client)).collect();
    for order in orders {
        assert_eq!(&*order.await.expect("no panic"), "CONFIRMEE");
        let stock = stock(&shop.engine);
        assert_eq!((stock.kind, stock.failures), (BreakerKind::Closed, 0), "{stock:?}");
    }
}

/// Orders whose payment never gets an answer (a locked account, say) are tried again and again. After an outage they
/// must not be the ones that tell, again and again, that the service is not back.
#[tokio::test(start_paused = true)]
async fn orders_that_never_get_an_answer_do_not_hold_up_the_others_after_an_outage() {
    let shop = Shop::new("barrier");
    let hopeless = 0..10;
    for client in hopeless.clone() {
        shop.participants.never(format!("/clients/{client}/payer"));
    }
    for _ in 0..FAILURES {
        shop.participants.next("paiement action", Duration::ZERO, answered(503, ""));
    }
    let first: Vec<_> = (100..100 + FAILURES as i64).map(|client| ordered(&shop.engine, client)).collect();
    let hopeless: Vec<_> = hopeless.map(|client| ordered(&shop.engine, client)).collect();
    sleep(Duration::from_millis(700)).await;
    let client = breaker(&shop.engine, "client");
    assert!(client.kind == BreakerKind::Open && client.waiting > 5, "{client:?}");
    let begun = Instant::now();
    sleep(Duration::from_secs(9)).await;
    let later: Vec<_> = (200..230).map(|client| ordered(&shop.engine, client)).collect();
    for order in first.into_iter().chain(later) {
        assert_eq!(&*order.await.expect("no panic"), "CONFIRMEE");
    }
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
    for order in hopeless {
        let state = order.await.expect("no panic");
        assert!(matches!(&*state, "ECHEC_PAIEMENT" | "ANNULEE"), "{state}");
    }
}
