//! Each kind of fault, and how faults are added and removed.

use std::time::Duration;

use boutique::{Facon::Moderne, Service};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::shop::{Call, lines, open, pay, reserve, sell, send, until};

/// The bytes that come back on the wire.
async fn bytes_answered(url: &str, head: &str, body: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let request = format!("{head} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answered = Vec::new();
    // A reset counts as an end: the bytes before it are kept in both cases.
    drop(stream.read_to_end(&mut answered).await);
    answered
}

#[tokio::test]
async fn a_status_fault_answers_without_effect() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Client, "POST /api/clients/*/payer client=5 status=503").await;
    assert_eq!(shop.send(Service::Client, pay(5, "1")).await.status, 503);
    assert_eq!(shop.send(Service::Client, pay(6, "1")).await.status, 200);
    assert_eq!(shop.results(Service::Client).await, ["effect"]);
}

#[tokio::test]
async fn a_request_dropped_before_has_no_effect_and_not_a_byte_of_answer() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Stock, "POST /api/stock/reserver drop-before").await;
    let body = r#"{"produits": [{"produit_id": 1, "quantite": 1}]}"#;
    assert_eq!(bytes_answered(&shop.url(Service::Stock), "POST /api/stock/reserver", body).await, b"");
    assert!(send(&shop.url(Service::Stock), reserve(1)).await.is_err());
    assert!(shop.results(Service::Stock).await.is_empty());
}

#[tokio::test]
async fn a_request_dropped_after_has_its_effect_and_not_a_byte_of_answer() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Stock, "POST /api/stock/reserver drop-after times=1").await;
    let body = r#"{"produits": [{"produit_id": 1, "quantite": 1}]}"#;
    assert_eq!(bytes_answered(&shop.url(Service::Stock), "POST /api/stock/reserver", body).await, b"");
    assert_eq!(shop.results(Service::Stock).await, ["effect"]);
}

#[tokio::test]
async fn a_retry_after_a_dropped_answer_gets_the_answer_that_was_dropped() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Ventes, "POST /api/ventes saga=s drop-after times=1").await;
    let sale = sell(4).of("s", "vente", "action");
    assert!(send(&shop.url(Service::Ventes), sale.clone()).await.is_err());
    let again = shop.send(Service::Ventes, sale).await;
    assert_eq!((again.status, again.replayed, &again.body["id"]), (201, true, &json!(1)));
}

#[tokio::test]
async fn latency_delays_the_handling_and_a_caller_who_hangs_up_does_not_stop_it() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Client, "POST /api/clients/*/payer latency=500").await;
    let url = shop.url(Service::Client);
    let hung_up = tokio::time::timeout(Duration::from_millis(50), send(&url, pay(5, "2"))).await;
    assert!(hung_up.is_err());
    assert!(shop.ledger(Service::Client).await.is_empty());
    until("the payment is made late", || async {
        shop.ledger(Service::Client).await.iter().any(|line| line["client_id"] == 5)
    })
    .await;
}

#[tokio::test]
async fn latency_after_delays_the_answer_of_what_is_done() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Client, "POST /api/clients/*/payer latency-after=600000").await;
    let url = shop.url(Service::Client);
    let waiting = tokio::spawn(async move { send(&url, pay(4, "1")).await });
    until("the payment is made", || async { !shop.ledger(Service::Client).await.is_empty() }).await;
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn a_fault_chooses_by_product_or_saga_and_stops_after_its_times() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Stock, "POST /api/stock/reserver produit=1 status=500 times=2").await;
    shop.add_fault(Service::Stock, "POST /api/stock/* saga=lente status=504").await;
    let other =
        Call::post("/api/stock/reserver", json!({ "produits": [{ "produit_id": 2, "quantite": 1 }] }));
    assert_eq!(shop.send(Service::Stock, other.clone()).await.status, 200);
    assert_eq!(shop.send(Service::Stock, other.of("lente", "stock", "action")).await.status, 504);
    for expected in [500, 500, 200] {
        assert_eq!(shop.send(Service::Stock, reserve(1)).await.status, expected);
    }
    let hits: Vec<_> = lines(shop.get(Service::Stock, "/fautes").await)
        .iter()
        .map(|rule| rule["touchees"].clone())
        .collect();
    assert_eq!(hits, [json!(2), json!(1)]);
}

#[tokio::test]
async fn faults_apply_to_reads_of_the_cart_too() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Panier, "GET /api/paniers/client/* client=7 status=503").await;
    assert_eq!(shop.get(Service::Panier, "/api/paniers/client/7").await.status, 503);
    assert_eq!(shop.get(Service::Panier, "/api/paniers/client/8").await.status, 200);
}

#[tokio::test]
async fn faults_are_listed_removed_one_by_one_and_cleared() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Ventes, "POST /api/ventes client=9 status=503").await;
    let listed = lines(shop.get(Service::Ventes, "/fautes").await);
    assert_eq!(listed[0], json!({ "id": 1, "regle": "POST /api/ventes client=3 status=500", "touchees": 0 }));
    assert_eq!(listed.len(), 2);
    assert_eq!(lines(shop.send(Service::Ventes, Call::delete("/fautes/2")).await).len(), 1);
    assert_eq!(shop.send(Service::Ventes, Call::delete("/fautes/2")).await.status, 404);
    assert!(lines(shop.send(Service::Ventes, Call::delete("/fautes")).await).is_empty());
    assert_eq!(shop.send(Service::Ventes, sell(3)).await.status, 201);
}

#[tokio::test]
async fn the_library_switches_faults_for_all_services() {
    let shop = open(Moderne).await;
    shop.running.add_fault(&"* /api/ventes drop-before".parse().unwrap()).unwrap();
    assert!(shop.running.add_fault(&"POST /api/vente drop-before".parse().unwrap()).is_err());
    assert!(send(&shop.url(Service::Ventes), sell(4)).await.is_err());
    shop.running.clear_faults();
    assert_eq!(shop.send(Service::Ventes, sell(3)).await.status, 201);
}

#[tokio::test]
async fn a_wrong_rule_is_refused_with_what_was_expected() {
    let shop = open(Moderne).await;
    for (rule, expected) in [
        ("POST /api/ventes client=3", "no action; expected METHOD PATH"),
        ("POST /api/stock/reserver status=500", "expected one of: DELETE /api/ventes/commande/{saga_id}"),
    ] {
        let reply = shop.send(Service::Ventes, Call::post("/fautes", json!({ "regle": rule }))).await;
        assert_eq!(reply.status, 422);
        assert!(reply.body["detail"].as_str().unwrap().contains(expected), "{reply:?}");
    }
}
