//! The limits of the API: each one's name is in the answer that it causes, and nothing is written past it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body_util::BodyExt;
use orchestrateur::api::access::Access;
use orchestrateur::api::{self, Api, Hosts};
use orchestrateur::definitions::{Loaded, Sources};
use orchestrateur::metrics::Metrics;
use orchestrateur::{definitions, store};
use saga_engine::participants::HttpParticipants;
use saga_engine::world::Machine;
use saga_engine::{Clock, Engine};
use saga_journal::Journal;
use saga_testkit::definition::change;
use serde_json::Value;
use tower::ServiceExt;

use crate::harness::{Shop, World, until};
use crate::http::{Call, Close, PATIENCE, raw};

/// The API in this process, for limits that no flag sets.
pub(crate) async fn api(folder: &std::path::Path, limits: api::ApiLimits) -> axum::Router {
    let definition = definitions::load_with(&Sources::default(), &|_| None).unwrap();
    api_of(folder, limits, definition, |_| None).await
}

/// The same with a definition and its environment.
pub(crate) async fn api_of(
    folder: &std::path::Path,
    limits: api::ApiLimits,
    loaded: Loaded,
    env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> axum::Router {
    let url = crate::harness::database_in(folder).parse().unwrap();
    let journal = Journal::new(store::open(&url, 6).await.unwrap());
    let definitions = definitions::for_engine(&loaded, env);
    let clock = Arc::new(Clock::new(Arc::new(Machine::new())));
    let metrics = Arc::new(Metrics::new(
        &loaded.definitions,
        loaded.commande_saga.clone(),
        journal.clone(),
        clock.clone(),
    ));
    let engine = Engine::new(
        clock.clone(),
        journal,
        Arc::new(HttpParticipants::new().unwrap()),
        metrics.clone(),
        saga_engine::Limits::default(),
        definitions,
        "essai",
    );
    orchestrateur::routes::router(Api::new(
        engine,
        metrics,
        clock,
        limits,
        (Hosts::default(), Access::default(), None),
        loaded.commande_saga,
        (api::Reached::default(), orchestrateur::traces::TraceView::default()),
    ))
}

/// A body that begins and never goes on.
pub(crate) struct Endless(pub(crate) Option<Bytes>);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_too_slowly_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let limits = api::ApiLimits { request_timeout: Duration::from_millis(50), ..api::ApiLimits::default() };
    let router = api(folder.path(), limits).await;
    let body = Body::new(Endless(Some(Bytes::from_static(b"{\"client_id\":"))));
    let request = Request::post("/api/commande/checkout").header("host", "test");
    let request = request.header("content-type", "application/json").body(body).unwrap();
    let answered = tokio::time::timeout(PATIENCE, router.oneshot(request)).await;
    let response = answered.unwrap().unwrap();
    assert_eq!(response.status(), 408);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["code"], "request_timeout");
    assert_eq!(problem["detail"], "The body did not arrive within 50ms (request_timeout)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_request_bytes_max_is_refused() {
    let world = World::with(Shop::open().await, &["--request-bytes-max", "100"]).await;
    let body = |bytes: usize| {
        let mut body = String::from("{\"client_id\": 4, \"magasin_id\": 1}");
        body.extend(std::iter::repeat_n(' ', bytes - body.len()));
        Call::post("/api/commande/checkout").header("content-type", "application/json").body(body)
    };
    world.send(&body(100)).await.expect(200);
    // One too many, and so many that the client is still sending when the answer is there.
    for bytes in [101, 10_000_000] {
        let problem = world.send(&body(bytes)).await.problem(413, "request_bytes_max");
        assert_eq!(problem["detail"], "The body is larger than request_bytes_max (100 bytes)");
    }
    // The same without a declared length.
    let mut chunked = b"POST /api/commande/checkout HTTP/1.1\r\nhost: t\r\nconnection: close\r\n".to_vec();
    chunked.extend_from_slice(b"content-type: application/json\r\n");
    chunked.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
    for _ in 0..50 {
        chunked.extend_from_slice(b"a\r\n          \r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let reply = raw(world.server.address, &chunked, Close::Never).await.unwrap();
    reply.problem(413, "request_bytes_max");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_declared_as_something_else_than_json_is_refused() {
    let world = World::open().await;
    let call = Call::post("/api/commande/checkout").body("{\"client_id\": 4, \"magasin_id\": 1}");
    for (media, shown) in [
        ("text/plain", "text/plain"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("Application/XML; charset=utf-8", "application/xml"),
        ("", ""),
        ("é", ""),
    ] {
        let problem = world.send(&call.clone().header("content-type", media)).await.problem(415, "not_json");
        assert_eq!(problem["detail"], format!("The body must be application/json, not `{shown}`"));
    }
    for media in ["application/json", "APPLICATION/JSON;charset=UTF-8", "application/vnd.shop+json"] {
        world.send(&call.clone().header("content-type", media)).await.expect(200);
    }
    // Without a word about it, a page of another site could have sent it; and said twice, it is not said.
    let problem = world.send(&call).await.problem(415, "not_json");
    assert_eq!(problem["detail"], "The body must be sent with Content-Type: application/json");
    let twice = call.header("content-type", "application/json").header("content-type", "text/plain");
    world.send(&twice).await.problem(415, "not_json");
}

#[tokio::test(flavor = "multi_thread")]
async fn past_active_sagas_max_orders_are_refused_and_nothing_is_written() {
    let world = World::with(Shop::open().await, &["--active-sagas-max", "1"]).await;
    world.shop.fault("POST /api/clients/*/payer client=4 latency=1500");
    let running = world.begin(4).await;
    world.reaches(&running, "STOCK_RESERVE").await;
    for call in [Call::checkout(5), Call::checkout(5).key("k"), Call::checkout(5).prefer("respond-async")] {
        let reply = world.send(&call).await;
        let problem = reply.problem(503, "active_sagas_max");
        let detail =
            "there is no room for another order: active_sagas_max is 1; nothing was done, try again in 10 s";
        assert_eq!(problem["detail"], detail);
        assert_eq!(reply.header("retry-after"), Some("10"));
    }
    let listed = world.get("/api/commandes").await.expect(200);
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let reserved = world.shop.get(boutique::Service::Stock, "/ledger?all=true").await;
    assert_eq!(reserved.as_array().unwrap().len(), 1, "{reserved}");
    world.reaches(&running, "CONFIRMEE").await;
    // The refused key is free: it names no order yet.
    until("there is room again", async || world.metric("sagas_active").await == 0.0).await;
    assert_eq!(world.send(&Call::checkout(6).key("k")).await.expect(200)["etat_final"], "CONFIRMEE");
}

/// Histories of orders that were tried for weeks are long, so a page must not read as many as there are rows.
#[tokio::test(flavor = "multi_thread")]
async fn blocked_orders_of_a_page_are_read_for_a_limited_time() {
    let (shop, folder) = (Shop::open().await, tempfile::tempdir().unwrap());
    let source = change(definitions::CHECKOUT).remove("participants.client.safety").text();
    let file = folder.path().join("careful.yaml");
    std::fs::write(&file, source).unwrap();
    let variables = shop.variables();
    let env =
        move |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, url)| url.clone());
    let definition = definitions::load_with(&Sources::of(Some(&file)), &env).unwrap();
    let limits = api::ApiLimits { blocages_wait: Duration::ZERO, ..api::ApiLimits::default() };
    let router = api_of(folder.path(), limits, definition, env).await;
    shop.fault("POST /api/clients/*/payer drop-after");
    let ask = async |request: Request<Body>| {
        let answer = router.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&answer.to_bytes()).unwrap()
    };
    for client in [4, 5] {
        let body = serde_json::json!({ "client_id": client, "magasin_id": 1 });
        let request = Request::post("/api/commande/checkout").header("host", "test");
        let request = request.header("content-type", "application/json");
        let answer = ask(request.body(Body::from(body.to_string())).unwrap()).await;
        assert_eq!(answer["rollback"], "BLOQUE", "{answer}");
    }
    let page = ask(Request::get("/api/commandes?rollback=BLOQUE")
        .header("host", "test")
        .body(Body::empty())
        .unwrap())
    .await;
    assert_eq!(page[0]["blocage"]["appel"]["participant"], "client", "{page:#}");
    let rest = &page[1]["blocage"];
    assert_eq!((&rest["etape"], &rest["appel"]), (&"paiement".into(), &serde_json::Value::Null), "{page:#}");
    let why = rest["appel_absent"].as_str().unwrap();
    let id = page[1]["id"].as_str().unwrap();
    assert!(why.contains("blocages_wait (0ns)") && why.ends_with(&format!("/api/commande/{id}")), "{why}");
}
