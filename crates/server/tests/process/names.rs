//! Processes with different definitions on one database.

use boutique::Facon;
use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;

use crate::client::{self, until};
use crate::load::{Book, CallerResult, Manner, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

/// Starts an order whose stock takes a while, and kills its process meanwhile.
async fn begun_and_killed(shop: &Shop, serve: ServeProcess, number: i64) -> String {
    let before = shop.effects().await;
    shop.fault("POST /api/stock/reserver latency-after=3000");
    let wish = Wish { manner: Manner::Async, ..Wish::plain(number, 4) };
    let CallerResult::Accepted { saga } = wish.ask(serve.address, &Book::default()).await else {
        panic!("not accepted")
    };
    until("the stock is reserved", async || (shop.effects().await == before + 1).then_some(())).await;
    serve.kill();
    shop.mend();
    saga
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_with_different_definitions_finish_each_others_sagas() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut travelling = Setup::new(&shop, StoreEngine::Postgres);
    let travel = change(CHECKOUT).set("saga", "travel").set("states.completed", "ARRIVEE").text();
    travelling.definition(&travel).argument("--commande-saga=travel");
    let selling = Setup::of(&shop, travelling.database_url.clone());
    let seller = selling.start_as("seller").await;
    let traveller = travelling.start_as("traveller").await;

    let journey = begun_and_killed(&shop, traveller, 1).await;
    until("the journey is over", async || {
        let over = r#"saga_duration_seconds_count{etat="ARRIVEE",saga="other"} 1"#;
        seller.get("/metrics").await.text.contains(over).then_some(())
    })
    .await;
    let metrics = seller.get("/metrics").await.text;
    assert!(
        !metrics.contains("saga=\"travel\"") && !metrics.contains("commande_etat_total{etat=\"ARRIVEE\"}")
    );
    let path = format!("/api/commande/{journey}");
    let answer = client::send(seller.address, "GET", &path, &[], None).await.unwrap();
    assert_eq!(answer.status, 404, "{answer:?}");

    let traveller = travelling.start_as("traveller").await;
    assert_eq!(traveller.commande(&journey).await["etat_actuel"], "ARRIVEE");
    let sale = begun_and_killed(&shop, seller, 2).await;
    let seller = {
        until("the sale is over", async || {
            // The built-in checkout is loaded there, too.
            let over = r#"saga_duration_seconds_count{etat="CONFIRMEE",saga="checkout"} 1"#;
            traveller.get("/metrics").await.text.contains(over).then_some(())
        })
        .await;
        selling.start_as("seller").await
    };
    assert_eq!(seller.commande(&sale).await["etat_actuel"], "CONFIRMEE");
    for (serve, saga) in [(&seller, &sale), (&traveller, &journey)] {
        let listed = serve.get("/api/commandes").await.json();
        let ids: Vec<_> = listed.as_array().unwrap().iter().map(|order| order["id"].clone()).collect();
        assert_eq!(ids, [saga.as_str()]);
    }
}
