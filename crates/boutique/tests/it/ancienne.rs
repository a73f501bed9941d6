//! The old façon: other paths and names, refusals with other statuses, no idempotency.

use boutique::{Facon::Ancienne, Service};
use serde_json::json;

use crate::shop::{Call, open, pay, refund, release, reserve, sell};

#[tokio::test]
async fn the_cart_has_another_path_other_names_and_more_fields() {
    let shop = open(Ancienne).await;
    let cart = shop.get(Service::Panier, "/api/panier/4").await.body;
    assert_eq!(
        cart["articles"][0],
        json!({
            "id": 1, "produit_id": 1, "nom": "Café en grains, 1 kg", "quantite": 3,
            "prix_unitaire": 19.99, "ajoute_le": "2025-01-06T09:30:00Z",
        })
    );
    assert_eq!(shop.get(Service::Panier, "/api/paniers/client/4").await.status, 404);
}

#[tokio::test]
async fn a_refused_reservation_is_a_500_that_quotes_the_400() {
    let shop = open(Ancienne).await;
    let call = Call::post("/api/stock/reserver", json!({ "produits": [{ "produit_id": 3, "quantite": 5 }] }));
    let refused = shop.send(Service::Stock, call).await;
    assert_eq!((refused.status, refused.body), (500, json!({ "detail": "400: Stock insuffisant" })));
    assert_eq!(shop.results(Service::Stock).await, ["refused"]);
}

#[tokio::test]
async fn a_refused_payment_is_a_200_that_is_not_ok() {
    let shop = open(Ancienne).await;
    let refused = shop.send(Service::Client, pay(2, "80.97")).await;
    assert_eq!((refused.status, refused.body), (200, json!({ "ok": false, "detail": "Solde insuffisant" })));
    assert_eq!(shop.send(Service::Client, pay(4, "80.97")).await.body["ok"], json!(true));
}

#[tokio::test]
async fn keys_and_epochs_are_ignored_and_every_call_has_its_effect() {
    let shop = open(Ancienne).await;
    let before = shop.stock_of(1).await;
    for epoch in [2, 1] {
        let call = reserve(3).of("s", "stock", "action").epoch(epoch);
        assert_eq!(shop.send(Service::Stock, call).await.status, 200);
    }
    assert_eq!(shop.stock_of(1).await, before - 6);
    // A compensation without an action still gives the stock back.
    shop.send(Service::Stock, release(1).of("t", "stock", "compensation")).await;
    assert_eq!(shop.stock_of(1).await, before - 5);
    shop.send(Service::Client, refund(2, "1.50").header("saga-epoch", "no number").header("saga-id", "s"))
        .await;
    assert_eq!(shop.balance_of(2).await, json!(6.5));
    let saga_ids: Vec<_> =
        shop.ledger(Service::Stock).await.iter().map(|line| line["saga_id"].clone()).collect();
    assert_eq!(saga_ids, ["s", "s", "t"]);
}

#[tokio::test]
async fn a_sale_is_cancelled_only_by_the_id_that_the_answer_gave() {
    let shop = open(Ancienne).await;
    let sale = shop.send(Service::Ventes, sell(4).of("s", "vente", "action")).await;
    assert_eq!(sale.status, 201);
    assert_eq!(shop.send(Service::Ventes, Call::delete("/api/ventes/commande/s")).await.status, 404);
    let shop = shop.reopen().await;
    let by_id = Call::delete(&format!("/api/ventes/{}", sale.body["id"])).header("saga-id", "s");
    assert_eq!(shop.send(Service::Ventes, by_id.clone()).await.status, 200);
    assert_eq!(shop.send(Service::Ventes, by_id).await.status, 404);
    let ledger = shop.ledger(Service::Ventes).await;
    let effects: Vec<_> =
        ledger.iter().map(|line| (&line["operation"], &line["vente_id"], &line["saga_id"])).collect();
    let (id, saga) = (json!(1), json!("s"));
    assert_eq!(effects, [(&json!("enregistrer"), &id, &saga), (&json!("annuler"), &id, &saga)]);
}
