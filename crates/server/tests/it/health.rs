//! `/livez`, `/readyz`, `/`, and what does not exist.

use serde_json::json;

use crate::harness::{World, until};
use crate::http::Call;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_live_and_ready() {
    let world = World::open().await;
    assert_eq!(world.get("/livez").await.text, "ok\n");
    until("it has looked for unfinished orders", async || {
        world.get("/readyz").await.expect(200)["recovered"] == true
    })
    .await;
    let ready = json!({
        "ready": true, "sagas_active": 0, "recovered": true, "stopping": false, "lease_ran_out": false,
        "oldest_due_age_s": 0.0,
    });
    assert_eq!(world.get("/readyz").await.expect(200), ready);
    assert_eq!(world.metric("orchestrateur_ready").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_stops_it_is_live_but_not_ready_and_finishes_what_it_began() {
    let mut world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=1500");
    let waiting = tokio::spawn(crate::http::send(world.server.address, &Call::checkout(4)));
    until("it is under way", async || world.metric("sagas_active").await == 1.0).await;
    world.server.terminate();
    until("it stops", async || world.get("/readyz").await.status == 503).await;
    let reply = world.get("/readyz").await;
    let body = reply.expect(503);
    assert_eq!((&body["ready"], &body["stopping"]), (&json!(false), &json!(true)), "{body}");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(world.get("/livez").await.status, 200);
    let problem = world.send(&Call::checkout(5)).await.problem(503, "stopping");
    assert_eq!(problem["detail"], "this process is shutting down; nothing was done, try again");
    assert_eq!(waiting.await.unwrap().expect(200)["etat_final"], "CONFIRMEE");
    let World { server, .. } = &mut world;
    for _ in 0..1_000 {
        if server.has_ended() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it does not end: {}", server.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_page_says_that_it_works() {
    let world = World::open().await;
    let page = world.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text.contains("It works") && page.text.contains("/docs/"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_a_problem_too() {
    let world = World::open().await;
    for path in ["/nothing", "/api", "/api/commande", "/api/commande/", "/api/commandes/", "/docs/nothing.js"]
    {
        world.get(path).await.problem(404, "no_such_path");
    }
    for (method, path, allow) in [
        ("GET", "/api/commande/checkout", "POST"),
        ("PUT", "/api/commande/checkout", "POST"),
        ("POST", "/api/commandes", "GET,HEAD"),
        ("DELETE", "/metrics", "GET,HEAD"),
        ("BREW", "/", "GET,HEAD"),
        ("PATCH", "/openapi.json", "GET,HEAD"),
    ] {
        let reply = world.send(&Call::new(method, path)).await;
        reply.problem(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
}
