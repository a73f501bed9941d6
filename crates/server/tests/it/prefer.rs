//! The `Prefer` header: how long a caller waits.

use serde_json::{Value, json};

use crate::harness::World;
use crate::http::{Call, Reply};

/// The id in a 202 whose headers and body are as they must be.
#[track_caller]
fn accepted(reply: &Reply, applied: &str) -> String {
    let body = reply.expect(202);
    let saga = body["saga_id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), Some(&*format!("/api/commande/{saga}")));
    assert_eq!(reply.header("preference-applied"), Some(applied));
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["etat_actuel", "rollback", "saga_id"], "{body}");
    saga
}

#[tokio::test(flavor = "multi_thread")]
async fn respond_async_answers_at_once_and_the_order_goes_on() {
    let world = World::open().await;
    world.shop.fault("GET /api/paniers/client/* latency=400");
    let reply = world.send(&Call::checkout(4).prefer("respond-async")).await;
    let saga = accepted(&reply, "respond-async");
    assert_eq!(
        (&reply.json()["etat_actuel"], &reply.json()["rollback"]),
        (&json!("INITIEE"), &json!("AUCUN"))
    );
    // An acknowledged order can be asked for at once.
    assert_eq!(world.get(reply.header("location").unwrap()).await.expect(200)["id"], *saga);
    world.reaches(&saga, "CONFIRMEE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_0_answers_as_soon_as_the_order_is_on_disk() {
    let world = World::open().await;
    world.shop.fault("GET /api/paniers/client/* latency=300");
    for client in 4..12 {
        let reply = world.send(&Call::checkout(client).prefer("wait=0")).await;
        let saga = accepted(&reply, "wait=0");
        assert_eq!(world.commande(&saga).await["client_id"], client);
        world.reaches(&saga, "CONFIRMEE").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_runs_out_tells_how_far_the_order_is() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=1500");
    let reply = world.send(&Call::checkout(4).prefer("wait=1")).await;
    let saga = accepted(&reply, "wait=1");
    assert_eq!(reply.json()["etat_actuel"], "STOCK_RESERVE");
    world.reaches(&saga, "CONFIRMEE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_long_enough_gets_the_end() {
    let world = World::open().await;
    for (preference, applied) in [
        ("wait=30", "wait=30"),
        ("respond-async, wait=30", "respond-async, wait=30"),
        ("wait=9999999", "wait=300"),
        ("handling=lenient; a=b, WAIT = \"20\"", "wait=20"),
    ] {
        let reply = world.send(&Call::checkout(4).prefer(preference)).await;
        assert_eq!(reply.expect(200)["etat_final"], "CONFIRMEE");
        assert_eq!(reply.header("preference-applied"), Some(applied), "{preference}");
        assert_eq!(reply.header("location"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_preferences_wait_says_how_long() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=1500");
    let reply = world.send(&Call::checkout(4).prefer("respond-async").prefer("wait=1")).await;
    let saga = accepted(&reply, "respond-async, wait=1");
    assert_eq!(reply.json()["etat_actuel"], "STOCK_RESERVE");
    world.reaches(&saga, "CONFIRMEE").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_that_make_no_sense_are_passed_over() {
    let world = World::open().await;
    for preference in
        ["", ",", "wait", "wait=", "wait=-1", "wait=soon", "wait=1e3", "=", ";;", "asynchronous"]
    {
        let reply = world.send(&Call::checkout(4).prefer(preference)).await;
        assert_eq!(reply.expect(200)["etat_final"], Value::from("CONFIRMEE"), "{preference}");
        assert_eq!(reply.header("preference-applied"), None, "{preference}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_wait_is_a_setting() {
    let shop = crate::harness::Shop::open().await;
    shop.fault("POST /api/clients/*/payer latency=1500");
    let world = World::with(shop, &["--wait-default-s", "0", "--wait-max-s", "1"]).await;
    let reply = world.send(&Call::checkout(4)).await;
    let saga = reply.expect(202)["saga_id"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("preference-applied"), None);
    assert_eq!(world.send(&Call::checkout(5).prefer("wait=60")).await.status, 202);
    world.reaches(&saga, "CONFIRMEE").await;
}
