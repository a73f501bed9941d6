//! The contract's table and the scenarios.

use boutique::{Facon::Moderne, Service};
use serde_json::{Value, json};

use crate::shop::{Call, lines, open, pay, refund, release, reserve, sell};

#[tokio::test]
async fn a_client_without_a_cart_of_their_own_has_the_default_one() {
    let shop = open(Moderne).await;
    let cart = shop.get(Service::Panier, "/api/paniers/client/4").await;
    assert_eq!(cart.status, 200);
    let expected = json!([
        { "produit_id": 1, "quantite": 3, "prix": 19.99 },
        { "produit_id": 2, "quantite": 2, "prix": 10.5 },
    ]);
    assert_eq!(cart.body, expected);
    assert_eq!(shop.get(Service::Panier, "/api/paniers/client/123456789").await.body, expected);
    assert_eq!(shop.ledger(Service::Panier).await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_cart_of_client_1_asks_for_more_than_the_stock() {
    let shop = open(Moderne).await;
    let cart = shop.get(Service::Panier, "/api/paniers/client/1").await.body;
    let refused =
        shop.send(Service::Stock, Call::post("/api/stock/reserver", json!({ "produits": cart }))).await;
    assert_eq!((refused.status, refused.body), (400, json!({ "detail": "Stock insuffisant" })));
    assert_eq!(shop.stock_of(3).await, 2);
}

#[tokio::test]
async fn client_2_has_too_little_money() {
    let shop = open(Moderne).await;
    let refused = shop.send(Service::Client, pay(2, "80.97")).await;
    assert_eq!((refused.status, refused.body), (402, json!({ "detail": "Solde insuffisant" })));
    assert_eq!(shop.balance_of(2).await, json!(5.0));
}

#[tokio::test]
async fn the_sale_of_client_3_hits_the_fault_of_the_data() {
    let shop = open(Moderne).await;
    assert_eq!(shop.send(Service::Ventes, sell(3)).await.status, 500);
    assert_eq!(shop.send(Service::Ventes, sell(4)).await.status, 201);
    assert_eq!(shop.ledger(Service::Ventes).await.len(), 1);
}

#[tokio::test]
async fn a_checkout_and_its_undoing_leave_everything_as_it_was() {
    let shop = open(Moderne).await;
    let (stock, balance) = (shop.stock_of(1).await, shop.balance_of(4).await);
    assert_eq!(shop.send(Service::Stock, reserve(3).of("s", "stock", "action")).await.status, 200);
    assert_eq!(shop.send(Service::Client, pay(4, "59.97").of("s", "paiement", "action")).await.status, 200);
    let sale = shop.send(Service::Ventes, sell(4).of("s", "vente", "action")).await;
    assert_eq!((sale.status, &sale.body["id"], &sale.body["montant"]), (201, &json!(1), &json!(59.97)));
    assert_eq!(shop.stock_of(1).await, stock - 3);
    assert_eq!(shop.balance_of(4).await, json!(999_999_940.03));

    let cancel = Call::delete("/api/ventes/commande/s").of("s", "vente", "compensation");
    assert_eq!(shop.send(Service::Ventes, cancel).await.status, 200);
    let refunded = shop.send(Service::Client, refund(4, "59.97").of("s", "paiement", "compensation")).await;
    assert_eq!(refunded.status, 200);
    assert_eq!(shop.send(Service::Stock, release(3).of("s", "stock", "compensation")).await.status, 200);
    assert_eq!((shop.stock_of(1).await, shop.balance_of(4).await), (stock, balance));
    let sales = shop.get(Service::Ventes, "/api/ventes?saga_id=s").await.body;
    assert_eq!(sales[0]["etat"], "ANNULEE");
}

#[tokio::test]
async fn a_reservation_is_made_for_all_lines_or_for_none() {
    let shop = open(Moderne).await;
    let before = shop.stock_of(1).await;
    // The second line of product 3 exceeds the stock of 2.
    let produits = json!([
        { "produit_id": 1, "quantite": 1 },
        { "produit_id": 3, "quantite": 2 },
        { "produit_id": 3, "quantite": 1 },
    ]);
    let refused =
        shop.send(Service::Stock, Call::post("/api/stock/reserver", json!({ "produits": produits }))).await;
    assert_eq!(refused.status, 400);
    assert_eq!((shop.stock_of(1).await, shop.stock_of(3).await), (before, 2));
}

#[tokio::test]
async fn amounts_are_exact_to_the_cent_and_nothing_finer_is_taken() {
    let shop = open(Moderne).await;
    for good in ["59.97", "0.01", "0.1", "5", "5.0", "5997e-2", "0"] {
        assert_eq!(shop.send(Service::Client, pay(4, good)).await.status, 200, "{good}");
    }
    for bad in ["59.970000001", "0.30000000000000004", "-1", "\"59.97\"", "1e300", "null", "[]"] {
        let refused = shop.send(Service::Client, pay(4, bad)).await;
        assert_eq!(refused.status, 422, "{bad}");
        assert!(refused.body["detail"].is_string(), "{bad}");
    }
    let montants: Vec<_> =
        shop.ledger(Service::Client).await.iter().map(|line| line["montant"].to_string()).collect();
    assert_eq!(montants, ["59.97", "0.01", "0.1", "5.0", "5.0", "59.97", "0.0"]);
    assert_eq!(shop.balance_of(4).await.to_string(), "999999869.95");
}

#[tokio::test]
async fn bad_requests_are_answered_with_a_detail_and_have_no_effect() {
    let shop = open(Moderne).await;
    let big = format!("{{\"x\": \"{}\"}}", "x".repeat(300 * 1024));
    for (service, call, status) in [
        (Service::Stock, Call::post_text("/api/stock/reserver", "{"), 422),
        (Service::Stock, Call::post_text("/api/stock/reserver", ""), 422),
        (Service::Stock, Call::post("/api/stock/reserver", json!({ "produits": [] })), 422),
        (Service::Stock, Call::post("/api/stock/reserver", json!({ "produits": 3 })), 422),
        (Service::Stock, reserve(0), 422),
        (Service::Stock, reserve(-1), 422),
        (Service::Stock, reserve(i64::MAX), 422),
        (Service::Stock, reserve(1).header("saga-epoch", "soon"), 422),
        (Service::Stock, reserve(1).header("idempotency-key", "\"\""), 422),
        (Service::Stock, reserve(1).header("idempotency-key", "a:s:action").header("saga-id", "b"), 422),
        (Service::Stock, Call::post_text("/api/stock/reserver", &big), 413),
        (Service::Stock, Call::post("/api/stocks/reserver", json!({})), 404),
        (Service::Stock, Call::delete("/api/stock/reserver"), 405),
        (Service::Stock, Call::get("/api/stock/99"), 404),
        (Service::Client, pay(0, "1"), 422),
        (Service::Client, Call::post("/api/clients/x/payer", json!({ "montant": 1 })), 422),
        (Service::Ventes, Call::post("/api/ventes", json!({ "client_id": 4 })), 422),
        (Service::Ventes, Call::get("/ledger?all=maybe"), 422),
        (Service::Panier, Call::get("/api/paniers/client/moi"), 422),
    ] {
        let what = format!("{call:.300?}");
        let reply = shop.send(service, call).await;
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert!(reply.body["detail"].is_string(), "{what}: {reply:?}");
    }
    for &service in Service::ALL {
        assert!(shop.results(service).await.is_empty(), "{service}");
    }
    let refused = shop.send(Service::Stock, Call::delete("/ledger")).await;
    assert_eq!(refused.allow.as_deref(), Some("GET"));
}

#[tokio::test]
async fn the_ledger_tells_who_did_what_and_can_be_asked_for_one_saga() {
    let shop = open(Moderne).await;
    shop.send(Service::Stock, reserve(3).of("s1", "stock", "action").epoch(2)).await;
    shop.send(Service::Stock, reserve(1)).await;
    shop.send(Service::Stock, release(3).of("s1", "stock", "compensation").epoch(2)).await;
    let mut ledger = shop.ledger(Service::Stock).await;
    for line in &mut ledger {
        assert!(line["at"].as_str().unwrap().ends_with('Z'));
        line.as_object_mut().unwrap().remove("at");
    }
    assert_eq!(
        ledger[0],
        json!({
            "seq": 1, "operation": "reserver", "direction": "action", "result": "effect",
            "saga_id": "s1", "step": "stock", "key": "s1:stock:action", "epoch": 2, "attempt": 1,
            "client_id": null, "produits": [{ "produit_id": 1, "quantite": 3 }],
        })
    );
    assert_eq!((&ledger[1]["key"], &ledger[1]["direction"]), (&Value::Null, &json!("action")));
    assert_eq!(ledger.len(), 3);
    let of_saga = lines(shop.get(Service::Stock, "/ledger?saga_id=s1").await);
    assert_eq!(of_saga.iter().map(|line| line["seq"].clone()).collect::<Vec<_>>(), [json!(1), json!(3)]);
    assert_eq!(lines(shop.get(Service::Stock, "/ledger?after=1&limit=1").await)[0]["seq"], 2);
}
