//! `POST /api/commande/{id}/annuler`.

use boutique::Service;
use serde_json::json;

use crate::harness::{World, until};
use crate::http::Call;

fn cancel(saga: &str) -> Call {
    Call::post(&format!("/api/commande/{saga}/annuler"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_under_way_is_rolled_back_and_leaves_nothing_behind() {
    let world = World::open().await;
    let stock = world.shop.get(Service::Stock, "/api/stock/1").await;
    // The payment arrives after its refund: the barrier must turn it away.
    world.shop.fault("POST /api/clients/*/payer latency=700");
    let saga = world.begin(4).await;
    world.reaches(&saga, "STOCK_RESERVE").await;
    let body = world.send(&cancel(&saga)).await.expect(200);
    let echec = json!({ "etape": null, "raison": "cancelled on request" });
    assert_eq!(body, json!({ "saga_id": saga, "etat_final": "ANNULEE", "echec": echec }));
    let commande = world.commande(&saga).await;
    assert_eq!(commande["rollback"], "TERMINE");
    assert_eq!(commande["echec"], json!({ "etape": null, "raison": "cancelled on request" }));
    assert_eq!(world.etats(&saga).await, ["INITIEE", "STOCK_RESERVE", "ANNULEE"]);
    until("the late payment arrives", async || {
        world.shop.calls(Service::Client, &saga).await.contains(&"payer hanging".to_owned())
    })
    .await;
    assert_eq!(world.shop.operations(&saga).await, ["reserver", "liberer"]);
    assert_eq!(world.shop.get(Service::Stock, "/api/stock/1").await, stock);
    let compte = world.shop.get(Service::Client, "/api/clients/4").await;
    assert_eq!(compte["solde"], json!(1_000_000_000.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_of_a_cancelled_checkout_learns_of_it() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=700");
    let call = Call::checkout(4).key("attend");
    let waiting = tokio::spawn(crate::http::send(world.server.address, &call));
    until("it is under way", async || world.get("/api/commandes?etat=STOCK_RESERVE").await.text != "[]")
        .await;
    let listed = world.get("/api/commandes").await.expect(200);
    let saga = listed[0]["id"].as_str().unwrap();
    world.send(&cancel(saga)).await.expect(200);
    let echec = json!({ "etape": null, "raison": "cancelled on request" });
    let expected = json!({ "saga_id": saga, "etat_final": "ANNULEE", "echec": echec });
    assert_eq!(waiting.await.unwrap().expect(200), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_order_cannot_be_cancelled_and_the_answer_says_why() {
    let world = World::open().await;
    let saga = world.order(4, "CONFIRMEE").await;
    let problem = world.send(&cancel(&saga)).await.problem(409, "already_completed");
    assert_eq!(problem["detail"], "the order is confirmed; it cannot be cancelled any more");
    assert_eq!(world.etats(&saga).await.last().unwrap(), "CONFIRMEE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_order_cannot_be_cancelled_and_the_answer_says_why() {
    let world = World::open().await;
    for (client, etat) in [(1, "ECHEC_STOCK"), (2, "ECHEC_PAIEMENT")] {
        let saga = world.order(client, etat).await;
        let problem = world.send(&cancel(&saga)).await.problem(409, "already_failed");
        let detail = "the order has failed already; what was done is undone without being asked";
        assert_eq!(problem["detail"], detail);
        assert_eq!(world.commande(&saga).await["etat_actuel"], etat);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_twice_is_no_mistake() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=700");
    let saga = world.begin(4).await;
    let (left, right) = (cancel(&saga), cancel(&saga));
    let (left, right) = tokio::join!(world.send(&left), world.send(&right));
    let later = world.send(&cancel(&saga)).await;
    for reply in [left, right, later] {
        assert_eq!(reply.expect(200)["etat_final"], "ANNULEE");
    }
    assert_eq!(world.etats(&saga).await.iter().filter(|etat| *etat == "ANNULEE").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_need_not_be_waited_for_is_accepted() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=700");
    world.shop.fault("POST /api/stock/liberer latency=500");
    let saga = world.begin(4).await;
    world.reaches(&saga, "STOCK_RESERVE").await;
    let reply = world.send(&cancel(&saga).prefer("respond-async")).await;
    let body = reply.expect(202);
    assert_eq!(body, json!({ "saga_id": saga, "etat_actuel": "ANNULEE", "rollback": "EN_COURS" }));
    assert_eq!(reply.header("location"), Some(&*format!("/api/commande/{saga}")));
    until("it is rolled back", async || world.commande(&saga).await["rollback"] == "TERMINE").await;
    assert_eq!(world.shop.operations(&saga).await, ["reserver", "liberer"]);
}
