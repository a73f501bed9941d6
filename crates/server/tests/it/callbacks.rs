//! `POST /api/callbacks/{token}`: services that answer later, at an address that a saga has given them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::{Shop, World, orchestrateur, until};
use crate::http::{Call, Reply};

const PUBLIC: &str = "https://sagas.example.com/base/";

/// A payment service that takes payments and will say later how they went. It repeats what it was sent in its errors.
struct Payments {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Payments {
    async fn open() -> Self {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accept = async |State(taken): State<Arc<Mutex<Vec<Value>>>>, axum::Json(body)| {
            taken.lock().unwrap().push(body);
            StatusCode::ACCEPTED
        };
        let refuse = async |axum::Json(body): axum::Json<Value>| {
            (StatusCode::BAD_REQUEST, axum::Json(json!({ "detail": format!("not for {}", body["tell"]) })))
        };
        let routes = Router::new().route("/payments", post(accept)).route("/refunds", post(refuse));
        let service = axum::serve(listener, routes.with_state(taken.clone()));
        tokio::spawn(async move { service.await });
        Self { address, taken }
    }

    /// The address that came with the only payment.
    async fn told(&self) -> String {
        until("the payment is asked for", async || !self.taken.lock().unwrap().is_empty()).await;
        let taken = self.taken.lock().unwrap();
        taken[0]["tell"].as_str().unwrap().to_owned()
    }
}

fn definition(payments: &Payments) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("subscription.yaml");
    let source = format!(
        "saga: order
input: {{ amount: integer }}
deadline: 1h
output: {{ receipt: .payment.receipt }}
participants:
  payments: {{ url: 'http://{}', safety: idempotent }}
steps:
  - step: payment
    participant: payments
    action:
      post: /payments
      body: {{ amount: .input.amount, tell: .callbacks.paid }}
      pending: .status == 202
      await: {{ signal: paid, within: 30m, ok: .body.paid == true, refused: .body.paid == false, output: .body }}
    compensation: {{ post: /refunds, body: {{ tell: .callbacks.paid }} }}
    persist: {{ attempts: 1 }}
  - {{ step: packed, signal: {{ name: packed, within: 20m }} }}
",
        payments.address
    );
    std::fs::write(&file, source).unwrap();
    (folder, file)
}

async fn begin(world: &World) -> String {
    let call = Call::post("/api/sagas/order").json(&json!({ "amount": 7 })).prefer("respond-async");
    world.send(&call).await.expect(202)["id"].as_str().unwrap().to_owned()
}

/// Calls back, through something in front that takes the first part of the path away.
async fn call_back(world: &World, address: &str, key: Option<&str>, body: &Value) -> Reply {
    let path = address.strip_prefix("https://sagas.example.com/base").unwrap();
    let call = Call::post(path).json(body);
    world
        .send(&match key {
            Some(key) => call.key(key),
            None => call,
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_19_a_service_answers_later_at_the_address_that_it_was_given() {
    let payments = Payments::open().await;
    let (_folder, file) = definition(&payments);
    let flags = ["--definition", &file.display().to_string(), "--public-url", PUBLIC];
    let mut world = World::with(Shop::open().await, &flags).await;
    let saga = begin(&world).await;
    let address = payments.told().await;
    let token = address.strip_prefix("https://sagas.example.com/base/api/callbacks/").unwrap().to_owned();
    assert_eq!(token.len(), 64, "{address}");
    let named = Call::post(&format!("/api/callbacks/{token}")).host("sagas.example.com").json(&json!(7));
    world.send(&named).await.problem(422, "bad_signal");

    // Another process goes on, which knows neither the file nor the address.
    world.restart().await;
    let mut wrong = token.clone();
    wrong.replace_range(63.., if token.ends_with('0') { "1" } else { "0" });
    let nobody = format!("{}{}", "0".repeat(32), &token[32..]);
    for path in [&wrong, &nobody, "x", "%00", &token[..63], &token.to_uppercase(), &format!("{token}0")] {
        let told =
            world.send(&Call::post(&format!("/api/callbacks/{path}")).json(&json!({ "paid": true }))).await;
        let problem = told.problem(404, "no_such_callback");
        assert_eq!(problem["detail"], "No saga has sent this address for a callback", "{path}");
    }
    world.get(&format!("/api/callbacks/{token}")).await.problem(405, "method_not_allowed");
    let broken = Call::post(&format!("/api/callbacks/{token}")).header("content-type", "application/json");
    world.send(&broken.body("{")).await.problem(400, "not_json");

    let paid = json!({ "paid": true, "receipt": "r-7" });
    assert_eq!(call_back(&world, &address, Some("k"), &paid).await.status, 202);
    assert_eq!(call_back(&world, &address, Some("k"), &paid).await.status, 202, "the same signal");
    call_back(&world, &address, Some("k"), &json!({ "paid": true })).await.problem(422, "signal_key_reused");
    call_back(&world, &address, None, &paid).await.problem(409, "signals_enough");
    let packed = Call::post(&format!("/api/sagas/{saga}/signals/packed"));
    assert_eq!(world.send(&packed).await.status, 202);
    let shown = async || world.get(&format!("/api/sagas/{saga}")).await.expect(200);
    until("the saga is over", async || shown().await["state"] == "COMPLETED").await;
    assert_eq!(shown().await["output"], json!({ "receipt": "r-7" }));
    call_back(&world, &address, None, &paid).await.problem(409, "takes_no_signals");
    // The first process may have been killed before it had kept the answer.
    let taken = payments.taken.lock().unwrap();
    assert!(taken.iter().all(|request| *request == taken[0]), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_19_an_address_is_shown_and_logged_nowhere() {
    let payments = Payments::open().await;
    let (_folder, file) = definition(&payments);
    let flags = ["--definition", &file.display().to_string(), "--public-url", PUBLIC, "--log", "trace"];
    let world = World::with(Shop::open().await, &flags).await;
    let saga = begin(&world).await;
    let address = payments.told().await;
    let proof = &address[address.len() - 32..];
    assert_eq!(call_back(&world, &address, None, &json!({ "paid": true })).await.status, 202);
    let shown = async || world.get(&format!("/api/sagas/{saga}")).await.expect(200);
    until("it waits", async || shown().await["waiting"][0]["step"] == "packed").await;
    let cancel = Call::post(&format!("/api/sagas/{saga}/cancel")).json(&json!({ "by": "Ana" }));
    world.send(&cancel).await;
    until("the refund is refused", async || shown().await["blocked"] != Value::Null).await;
    let saga_shown = shown().await;
    let sent = format!("{}", saga_shown["blocked"]["call"]);
    assert!(sent.contains("https://sagas.example.com/base/api/callbacks/***"), "{sent}");
    let reason = saga_shown["blocked"]["reason"].as_str().unwrap();
    assert!(reason.contains("not for \"https://sagas.example.com/base/api/callbacks/"), "{reason}");
    let mut seen = vec![saga_shown.to_string(), world.server.said()];
    for path in [
        format!("/api/sagas/{saga}/history?detail=steps"),
        "/api/sagas".to_owned(),
        "/api/definitions/order".to_owned(),
        "/api/participants".to_owned(),
        "/metrics".to_owned(),
        "/openapi.json".to_owned(),
    ] {
        seen.push(world.get(&path).await.text);
    }
    for text in seen {
        assert!(!text.contains(proof), "{text}");
    }
}

fn serve(flags: &[&str]) -> Output {
    let listen = ["serve", "--listen", "127.0.0.1:0", "--database-url", "sqlite::memory:"];
    orchestrateur().args(listen).args(flags).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_public_address_refuses_a_saga_that_is_called_back() {
    let payments = Payments::open().await;
    let (_folder, file) = definition(&payments);
    let refused = serve(&["--definition", &file.display().to_string()]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(said.contains("subscription.yaml:12: `.callbacks` is the address"), "{said}");
    assert!(said.contains("--public-url"), "{said}");
    let refused = serve(&["--public-url", "sagas.example.com"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("it needs http:// or https://"), "{said}");
    let checked = orchestrateur().args(["check", &file.display().to_string()]).output().unwrap();
    let report = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{checked:?}");
    assert!(report.contains("{public-url}/api/callbacks/***"), "{report}");
}
