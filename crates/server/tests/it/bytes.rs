//! How much one answer, and all of them together, can take: lists show no bodies, pages and histories end and
//! go on, and what clients do not read is bounded.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use orchestrateur::{api, definitions};
use saga_testkit::definition::change;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{Shop, World, until};
use crate::http::Call;
use crate::limits::{Endless, api as api_with, api_of};

/// A service that hears every request and answers none.
fn silent_service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut heard = [0; 1_000];
            let _ = stream.unwrap().read(&mut heard);
        }
    });
    address
}

/// The checkout with a text among its inputs, which the payment is sent; whether the payment ran stays unknown.
fn with_note() -> String {
    change(definitions::CHECKOUT)
        .set("participants.client", &format!("{{ url: \"http://{}\" }}", silent_service()))
        .add("input.note", "string")
        .add("steps.paiement.action.body.note", ".input.note")
        .text()
}

fn noted(client: i64, note: &str) -> Call {
    let body = json!({ "client_id": client, "magasin_id": 1, "note": note });
    Call::post("/api/commande/checkout").json(&body)
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_no_bodies_and_an_order_shows_the_beginning_of_a_long_one() {
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("noted.yaml");
    std::fs::write(&path, with_note()).unwrap();
    let flags = ["--definition", path.to_str().unwrap(), "--request-bytes-max", "2000000"];
    let world = World::with(Shop::open().await, &flags).await;
    let note = "é".repeat(450_000);
    for client in 4..10 {
        assert_eq!(world.send(&noted(client, &note)).await.expect(200)["rollback"], "BLOQUE");
    }
    world.send(&noted(10, "short")).await.expect(200);
    for query in ["rollback=BLOQUE", "limit=200"] {
        let page = world.get(&format!("/api/commandes?{query}")).await;
        assert!(page.text.len() < 20_000, "{} bytes", page.text.len());
        for row in page.json().as_array().unwrap() {
            let appel = &row["blocage"]["appel"];
            assert!(appel["corps"].is_null() && appel.get("corps_coupe").is_none(), "{row:#}");
            assert!(appel["corps_octets"].as_u64().unwrap() > 0, "{row:#}");
        }
    }
    let page = world.get("/api/commandes?limit=2").await.json();
    let (short, long) = (&page[0], &page[1]);
    let order =
        async |row: &Value| world.commande(row["id"].as_str().unwrap()).await["blocage"]["appel"].clone();
    let appel = order(short).await;
    assert_eq!(appel["corps"]["note"], "short");
    assert!(appel.get("corps_coupe").is_none(), "{appel}");
    let appel = order(long).await;
    let begin = appel["corps_coupe"].as_str().unwrap();
    assert!(appel["corps"].is_null() && begin.len() <= 65_536 && begin.len() > 65_530, "{}", begin.len());
    assert!(begin.starts_with("{\"note\":\"ééé"), "{}", &begin[..20]);
    assert!(appel["corps_octets"].as_u64().unwrap() > 900_000, "{}", appel["corps_octets"]);
    assert_eq!(appel["corps_octets"], long["blocage"]["appel"]["corps_octets"]);
}

async fn ask(router: &Router, request: Request<Body>) -> Response<Body> {
    router.clone().oneshot(request).await.unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "test").body(Body::empty()).unwrap()
}

async fn json_of(response: Response<Body>) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// All items of a list, its pages, and the bytes of the longest one.
async fn follow(router: &Router, first: &str) -> (Vec<Value>, usize, usize) {
    let (mut path, mut items, mut pages, mut longest) = (first.to_owned(), Vec::new(), 0, 0);
    loop {
        let response = ask(router, get(&path)).await;
        assert_eq!(response.status(), 200, "{path}");
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let page = json_of(response).await;
        longest = longest.max(page.to_string().len());
        items.extend(page.as_array().unwrap().iter().cloned());
        pages += 1;
        match link {
            Some(link) => path = link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned(),
            None => return (items, pages, longest),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_histories_end_at_page_bytes_max_and_go_on_behind_a_link() {
    let (shop, folder) = (Shop::open().await, tempfile::tempdir().unwrap());
    let variables = shop.variables();
    let env =
        move |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, url)| url.clone());
    let definition = definitions::load_with(&definitions::Sources::default(), &env).unwrap();
    let limits = api::ApiLimits { page_bytes_max: 800, ..api::ApiLimits::default() };
    let router = api_of(folder.path(), limits, definition, env).await;
    let mut placed = Vec::new();
    for client in 2..12 {
        let body = json!({ "client_id": client, "magasin_id": 1 }).to_string();
        let request = Request::post("/api/commande/checkout").header("host", "test");
        let request = request.header("content-type", "application/json").body(Body::from(body)).unwrap();
        placed.push(json_of(ask(&router, request).await).await["saga_id"].clone());
    }
    for first in ["/api/commandes?magasin_id=1", "/api/commandes?limit=7"] {
        let (orders, pages, longest) = follow(&router, first).await;
        let mut listed: Vec<Value> = orders.iter().map(|order| order["id"].clone()).collect();
        listed.reverse();
        assert_eq!(listed, placed, "{first}");
        assert!(pages >= 4 && longest <= 800, "{first}: {pages} pages, {longest} bytes");
    }
    // A refused payment: its history is the longest.
    let id = placed[0].as_str().unwrap();
    for detail in ["", "?detail=etapes"] {
        let (lines, pages, longest) =
            follow(&router, &format!("/api/commande/{id}/historique{detail}")).await;
        let (expected, pages_min) = if detail.is_empty() { (3, 1) } else { (7, 2) };
        assert_eq!(lines.len(), expected, "{detail}: {lines:#?}");
        assert!(pages >= pages_min, "{detail}: {pages} pages");
        assert!(longest <= 800);
    }
    for cursor in ["x", "-1", "1.5", ""] {
        let wrong = ask(&router, get(&format!("/api/commande/{id}/historique?cursor={cursor}"))).await;
        assert_eq!(wrong.status(), 422, "{cursor}");
    }
    assert_eq!(
        json_of(ask(&router, get(&format!("/api/commande/{id}/historique?cursor=999"))).await).await,
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_read_are_bounded_and_small_ones_always_pass() {
    let folder = tempfile::tempdir().unwrap();
    let document = ask(&api_with(folder.path(), api::ApiLimits::default()).await, get("/openapi.json")).await;
    let document = document.into_body().collect().await.unwrap().to_bytes().len();
    let limits = api::ApiLimits { answers_bytes_max: document * 3 / 2, ..api::ApiLimits::default() };
    let folder = tempfile::tempdir().unwrap();
    let router = api_with(folder.path(), limits).await;
    let held = ask(&router, get("/openapi.json")).await;
    assert_eq!(held.status(), 200);
    let refused = ask(&router, get("/openapi.json")).await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(json_of(refused).await["code"], "answers_bytes_max");
    assert_eq!(ask(&router, get("/api/commandes")).await.status(), 200);
    // The bytes count, not the answer they came in: hyper keeps them until they are written.
    let bytes = held.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(ask(&router, get("/openapi.json")).await.status(), 503);
    drop(bytes);
    assert_eq!(ask(&router, get("/openapi.json")).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_being_read_are_bounded_over_all_requests() {
    let folder = tempfile::tempdir().unwrap();
    let limits = api::ApiLimits { requests_bytes_max: 100, ..api::ApiLimits::default() };
    let router = api_with(folder.path(), limits).await;
    let post = |body: Body| {
        let request = Request::post("/api/commande/checkout").header("host", "test");
        request.header("content-type", "application/json").body(body).unwrap()
    };
    let other = async || ask(&router, post(Body::from(vec![b' '; 30]))).await;
    // The slow one is refused if it comes while the bytes of the other are there: then it comes again.
    let slow = std::cell::RefCell::new(None::<tokio::task::JoinHandle<_>>);
    until("the first one's bytes are there", async || {
        if slow.borrow().as_ref().is_none_or(|slow| slow.is_finished()) {
            let body = Body::new(Endless(Some(Bytes::from(vec![b' '; 80]))));
            *slow.borrow_mut() = Some(tokio::spawn(router.clone().oneshot(post(body))));
        }
        other().await.status() == 503
    })
    .await;
    let slow = slow.into_inner().unwrap();
    assert_eq!(json_of(other().await).await["code"], "requests_bytes_max");
    slow.abort();
    let _ = slow.await;
    until("they are gone", async || other().await.status() == 400).await;
}
