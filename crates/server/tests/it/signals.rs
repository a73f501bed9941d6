//! `POST /api/sagas/{id}/signals/{name}`.

use saga_testkit::definition::change;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Shop, World};
use crate::http::{Call, Reply};

const CHECKOUT: &str = include_str!("../../../../sagas/checkout.yaml");

/// A world whose orders wait for an approval before the sale.
async fn with_approval() -> (World, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("approval.yaml");
    let approval = "  - step: approval\n    signal: { name: approved, within: 1h, refused: .body.approved == false, ok: .body.approved }\n    \
                    success: APPROVED\n    failure: NOT_APPROVED\n  - step: vente";
    let source =
        change(CHECKOUT).swap("  - step: vente", approval).swap("deadline: 60s", "deadline: 2h").text();
    std::fs::write(&file, source).expect("a file");
    let world = World::with(Shop::open().await, &["--definition", &file.display().to_string()]).await;
    (world, folder)
}

async fn sent(world: &World, saga: &str, name: &str, key: Option<&str>, body: serde_json::Value) -> Reply {
    let call = Call::post(&format!("/api/sagas/{saga}/signals/{name}")).json(&body);
    let call = match key {
        Some(key) => call.key(key),
        None => call,
    };
    world.send(&call).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_for_its_signal_through_a_restart() {
    let (mut world, _folder) = with_approval().await;
    let saga = world.begin(4).await;
    world.reaches(&saga, "PAIEMENT_EFFECTUE").await;
    world.restart().await;
    let send = async |key, body| sent(&world, &saga, "approved", key, body).await;
    send(None, json!({ "approved": 7 })).await.problem(422, "bad_signal");
    send(None, json!(7)).await.problem(422, "bad_signal");
    assert_eq!(send(Some("a"), json!({ "approved": true })).await.status, 202);
    world.reaches(&saga, "CONFIRMEE").await;
    let passed =
        ["INITIEE", "STOCK_RESERVE", "PAIEMENT_EFFECTUE", "APPROVED", "COMMANDE_ENREGISTREE", "CONFIRMEE"];
    assert_eq!(world.etats(&saga).await, passed);
    assert_eq!(send(Some("a"), json!({ "approved": true })).await.status, 202, "the same signal");
    send(Some("a"), json!({ "approved": true, "x": 1 })).await.problem(422, "signal_key_reused");
    send(None, json!({ "approved": true })).await.problem(409, "takes_no_signals");
    let history = world.get(&format!("/api/commande/{saga}/historique?detail=etapes")).await.expect(200);
    let told = history.as_array().unwrap().iter().filter_map(|line| line["evenement"].as_str());
    // It was asleep when its process ended, unless that was quick.
    let told: Vec<&str> = told.filter(|event| *event != "pris_en_charge").collect();
    assert_eq!(told, ["attend", "signal", "signal_pris"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_signal_is_a_refusal_is_undone() {
    let (world, _folder) = with_approval().await;
    let saga = world.begin(4).await;
    assert_eq!(sent(&world, &saga, "approved", None, json!({ "approved": false })).await.status, 202);
    world.reaches(&saga, "NOT_APPROVED").await;
    let commande = world.commande(&saga).await;
    assert_eq!(commande["echec"]["etape"], "approval");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_signal_is_told_so() {
    let world = World::open().await;
    let saga = world.order(4, "CONFIRMEE").await;
    sent(&world, &saga, "approved", None, json!({})).await.problem(404, "no_such_signal");
    sent(&world, "x", "approved", None, json!({})).await.problem(404, "no_such_saga");
    let nobody = "00000000-0000-4000-8000-000000000000";
    sent(&world, nobody, "approved", None, json!({})).await.problem(404, "no_such_saga");
    let path = format!("/api/sagas/{saga}/signals/approved");
    world
        .send(&Call::post(&path).body("{").header("content-type", "application/json"))
        .await
        .problem(400, "not_json");
    world
        .send(&Call::post(&path).body("x=1").header("content-type", "text/plain"))
        .await
        .problem(415, "not_json");
}
