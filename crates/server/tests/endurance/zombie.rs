//! A paused owner that wakes up after its orders were taken over.

use std::sync::Arc;

use boutique::{Facon, Service};
use saga_endurance::client::until;
use saga_endurance::ledgers::{self, End};
use saga_endurance::load::{Book, CallerResult, Wish};
use saga_endurance::serve::Setup;
use saga_endurance::shop::Shop;
use saga_endurance::store::StoreEngine;
use tokio::task::JoinSet;

const ORDERS: i64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn it_does_no_harm_and_says_what_happened() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Postgres);
    let book = Arc::new(Book::default());
    setup.variable("ORCHESTRATEUR_REPLICA", "paused".to_owned());
    let paused = setup.start().await;
    paused.quiet().await;
    setup.variable("ORCHESTRATEUR_REPLICA", "other".to_owned());
    let other = setup.start().await;
    other.quiet().await;
    // It falls asleep with all its calls under way, between having called and having heard.
    shop.fault("POST /api/stock/reserver latency-after=500");
    let address = paused.address;
    let clients: JoinSet<CallerResult> = (0..ORDERS)
        .map(|number| {
            let book = book.clone();
            async move { Wish::plain(number, 4 + number).ask(address, &book).await }
        })
        .collect();
    until("all stock is reserved", async || {
        (shop.ledger(Service::Stock).await.len() as i64 == ORDERS).then_some(())
    })
    .await;
    paused.signal("STOP");
    shop.mend();
    until("the other one has taken all orders over", async || {
        (other.metric("sagas_taken_over_total").await as i64 == ORDERS).then_some(())
    })
    .await;
    other.quiet().await;
    paused.signal("CONT");
    until("it notices", async || paused.leases_lost().await.is_ok_and(|times| times > 0).then_some(())).await;
    assert_eq!((paused.metric("leases_lost_total").await, other.metric("leases_lost_total").await), (1, 0));
    paused.quiet().await;
    // Callers that waited with it are answered, too: with the end that others came to.
    for told in clients.join_all().await {
        assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"), "{told:?}");
    }
    let effects = ledgers::effects(&shop).await;
    assert_eq!(effects.len() as i64, ORDERS);
    for (saga, effects) in &effects {
        let order = paused.commande(saga).await;
        let client_id = order["client_id"].as_i64().unwrap();
        let text = |name: &str| order[name].as_str().unwrap();
        let end = End { client_id, etat: text("etat_actuel"), rollback: text("rollback"), sells: true };
        ledgers::check(end, effects, &shop.cart(client_id).await).unwrap();
    }
    // It is of use again.
    let told = Wish::plain(100, 4).ask(paused.address, &book).await;
    assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"), "{told:?}");
}
