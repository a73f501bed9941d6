//! Requests that a browser sends for a page of another site: none does anything, and none gets data.

use std::path::Path;

use saga_testkit::definition::change;
use serde_json::{Value, json};

use crate::harness::{Shop, World};
use crate::http::Call;

/// An orchestrator that waits for a payment for as long as the test takes, and an order that does.
async fn waiting() -> (World, String) {
    let patient = change(orchestrateur::definitions::CHECKOUT)
        .set("deadline", "2h")
        .add("participants.client.timeout", "1h")
        .text();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("patient.yaml");
    std::fs::write(&file, patient).unwrap();
    let world = World::with(Shop::open().await, &["--definition", file.to_str().unwrap()]).await;
    world.shop.fault("POST /api/clients/*/payer client=5 latency=600000");
    let saga = world.begin(5).await;
    world.reaches(&saga, "STOCK_RESERVE").await;
    (world, saga)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_forms_and_scripts_of_other_sites_can_send_is_refused() {
    let (world, saga) = waiting().await;
    let order = json!({ "client_id": 4, "magasin_id": 1 });
    let by_ana = json!({ "par": "Ana" });
    let post = |what: &str| Call::post(&format!("/api/commande/{saga}/{what}"));
    // The types that a form can declare, and that a browser without `Sec-Fetch-Site` would send.
    for media in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"] {
        for body in ["", "par=Ana", "{\"par\": \"Ana\"}"] {
            for what in ["annuler", "reprendre", "resoudre"] {
                let call = post(what).header("content-type", media).body(body);
                world.send(&call).await.problem(415, "not_json");
            }
        }
        let call = Call::post("/api/commande/checkout").header("content-type", media).body(order.to_string());
        world.send(&call).await.problem(415, "not_json");
    }
    world.send(&post("annuler").body("x")).await.problem(415, "not_json");
    // The headers in which a browser says where a request comes from, even with an otherwise correct request.
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://test:1"),
    ] {
        for call in [
            Call::post("/api/commande/checkout").json(&order),
            post("annuler"),
            post("annuler").json(&json!({})),
            post("reprendre").json(&by_ana),
            Call::get("/api/commandes"),
            Call::get(&format!("/api/commande/{saga}")),
            Call::get("/metrics"),
            Call::get("/openapi.json"),
            Call::new("DELETE", "/api/commandes"),
            Call::get("/no/such/path"),
        ] {
            world.send(&call.header(name, value)).await.problem(403, "cross_site");
        }
    }
    // A preflight gets no permission.
    let preflight = Call::new("OPTIONS", "/api/commande/checkout")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST");
    for call in [preflight.clone().header("sec-fetch-site", "cross-site"), preflight] {
        let reply = world.send(&call).await;
        reply.problem(403, "cross_site");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{reply:?}");
    }
    assert_eq!(world.commande(&saga).await["etat_actuel"], "STOCK_RESERVE");
    assert_eq!(world.get("/api/commandes").await.json().as_array().unwrap().len(), 1);
    // Programs say nothing, and our own pages are ours.
    world
        .send(&Call::checkout(6).header("sec-fetch-site", "same-origin").header("origin", "http://test"))
        .await
        .expect(200);
    world.send(&Call::checkout(6).header("origin", "http://test")).await.expect(200);
    world.shop.heal();
    assert_eq!(world.send(&post("annuler")).await.expect(200)["etat_final"], "ANNULEE");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_names_of_its_own_are_answered_and_the_answer_names_the_flag() {
    let world = World::with(Shop::open().await, &["--allowed-host", "orders.example.com"]).await;
    let port = world.server.address.port();
    for host in ["127.0.0.1", "localhost", "[::1]", "orchestrateur-service", "orders.example.com", "10.1.2.3"]
    {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            assert_eq!(world.send(&Call::get("/readyz").host(&host)).await.status, 200, "{host}");
        }
    }
    for host in ["evil.example", "evil.example:8023", "127.0.0.1.evil.example", "example.com"] {
        for call in [Call::checkout(4), Call::get("/readyz"), Call::get("/docs/"), Call::get("/nothing")] {
            let problem = world.send(&call.host(host)).await.problem(421, "host_not_allowed");
            assert!(problem["detail"].as_str().unwrap().contains("--allowed-host "), "{problem}");
        }
    }
    assert_eq!(world.get("/api/commandes").await.json(), Value::Array(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_what_they_must_not_do_with_it() {
    let world = World::open().await;
    for (path, is_page) in [
        ("/", true),
        ("/docs/", true),
        ("/docs/swagger-ui.css", true),
        ("/api/commandes", false),
        ("/api/commandes?x", false),
        ("/nothing", false),
        ("/metrics", false),
        ("/livez", false),
        ("/openapi.json", false),
    ] {
        let reply = world.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(!policy.contains("script-src 'self' 'unsafe"), "{path}: {policy}");
        assert_eq!(policy.contains("script-src 'self'"), is_page, "{path}");
        let cache = if is_page { "no-cache" } else { "no-store" };
        assert_eq!(reply.header("cache-control"), Some(cache), "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_can_do_nothing_in_a_real_browser_and_our_own_page_can() {
    let (world, saga) = waiting().await;
    let refused = "http_requests_total{handler=\"/api/commande/checkout\",method=\"POST\",status=\"4xx\"}";
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/browser/pages.mjs");
    let port = world.server.address.port().to_string();
    let output = {
        let saga = saga.clone();
        tokio::task::spawn_blocking(move || saga_testkit::browser::run(&script, &[&port, &saga]))
            .await
            .unwrap()
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["read"], json!([]), "a page of another site has read something");
    assert_eq!(report["rebound"], json!({ "/": 421, "/docs/": 421, "/api/commandes": 421, "/readyz": 421 }));
    // Requests did reach this server: the browser alone is not what held them back.
    assert!(world.metric(refused).await >= 50.0, "{}", world.metric(refused).await);
    assert_eq!(report["docs"]["status"], "200", "{report:#}");
    assert!(report["docs"]["answer"].as_str().unwrap().contains("CONFIRMEE"), "{report:#}");
    assert_eq!(report["docs"]["complaints"], json!([]), "the page does something that its policy forbids");
    assert_eq!(world.commande(&saga).await["etat_actuel"], "STOCK_RESERVE");
    let orders = world.get("/api/commandes").await.json();
    assert_eq!(orders.as_array().unwrap().len(), 2, "the one that waits, and the page's: {orders:#}");
}
