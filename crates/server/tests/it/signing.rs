//! Signed calls (`sign: true`): which calls are signed and with which key, and what becomes of them without one. The signatures are
//! checked by another library than the one that makes them; `tests/examples/signed.rs` has them checked by those of participants.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::cli::{complaint, run};
use crate::harness::{Server, Shop, World, orchestrateur, until};
use crate::http::Call;

/// A request that a service got.
#[derive(Debug, Clone)]
struct Got {
    method: String,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    fn is_signed(&self) -> bool {
        self.headers.contains_key("signature")
    }

    /// The id of the key that it is signed with, if its signature is good: by RFC 9421, 3.2, with the keys of a JWK set.
    fn signed_with(&self, keys: &Value) -> String {
        let input = self.header("signature-input").strip_prefix("orchestrateur=").unwrap();
        let (names, params) = input.strip_prefix('(').unwrap().split_once(')').unwrap();
        let mut base = String::new();
        for quoted in names.split(' ') {
            let name = quoted.trim_matches('"');
            let value = match name {
                "@method" => self.method.clone(),
                "@authority" => self.header("host").to_owned(),
                "@path" => self.uri.path().to_owned(),
                "@query" => format!("?{}", self.uri.query().unwrap_or_default()),
                _ => self.header(name).to_owned(),
            };
            base += &format!("{quoted}: {value}\n");
        }
        base += &format!("\"@signature-params\": {input}");
        for name in
            ["@method", "@authority", "@path", "@query", "idempotency-key", "saga-id", "content-digest"]
        {
            assert!(names.contains(&format!("\"{name}\"")), "{input}");
        }
        assert_eq!(names.contains("\"content-type\""), self.headers.contains_key("content-type"), "{input}");
        assert!(params.ends_with(";alg=\"ed25519\";tag=\"orchestrateur\""), "{params}");
        let hash = STANDARD.encode(digest(&SHA256, &self.body));
        assert_eq!(self.header("content-digest"), format!("sha-256=:{hash}:"));
        let id = params.split_once("keyid=\"").unwrap().1.split_once('"').unwrap().0;
        let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == *id).expect(id);
        let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
        let signature = self.header("signature").strip_prefix("orchestrateur=:").unwrap();
        let signature = STANDARD.decode(signature.strip_suffix(':').unwrap()).unwrap();
        UnparsedPublicKey::new(&ED25519, public).verify(base.as_bytes(), &signature).expect(&base);
        id.to_owned()
    }
}

/// A service that keeps what it gets, and answers by the path.
#[derive(Clone, Default)]
struct Service {
    got: Arc<Mutex<Vec<Got>>>,
    is_away: Arc<Mutex<bool>>,
}

impl Service {
    async fn open() -> (Self, SocketAddr) {
        let service = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (service, address)
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    fn be_away(&self, is_away: bool) {
        *self.is_away.lock().unwrap() = is_away;
    }
}

async fn answer(State(service): State<Service>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 65_536).await.unwrap();
    let (method, uri, headers) = (head.method.to_string(), head.uri, head.headers);
    let path = uri.path().to_owned();
    service.got.lock().unwrap().push(Got { method: method.clone(), uri, headers, body });
    if *service.is_away.lock().unwrap() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match (&*method, &*path) {
        ("POST", "/base/accepted") => StatusCode::ACCEPTED.into_response(),
        ("POST", "/base/unclear") => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        ("GET", "/base/unclear") => StatusCode::NOT_FOUND.into_response(),
        _ => axum::Json(json!({ "state": "done" })).into_response(),
    }
}

/// A folder with a definition, and the keys of the process.
struct Files {
    folder: TempDir,
    definition: PathBuf,
}

impl Files {
    fn of(source: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let definition = folder.path().join("signed.yaml");
        std::fs::write(&definition, source).unwrap();
        Self { folder, definition }
    }

    fn key(&self) -> String {
        self.folder.path().join("key.pem").display().to_string()
    }

    /// Runs `orchestrateur signing-keys`, and gives what it prints.
    fn keys(&self, arguments: &[&str]) -> String {
        let made = run(orchestrateur().arg("signing-keys").args(arguments).args(["--file", &self.key()]));
        assert_eq!(made.code, Some(0), "{made:?}");
        made.stdout
    }

    fn new_key(&self) -> String {
        let set: Value = serde_json::from_str(&self.keys(&["new"])).unwrap();
        set["keys"][0]["kid"].as_str().unwrap().to_owned()
    }

    async fn world(&self, flags: &[&str]) -> World {
        let definition = self.definition.display().to_string();
        let key = self.key();
        let all = [&["--definition", &definition, "--signing-key", &key], flags].concat();
        World::with(Shop::open().await, &all).await
    }
}

/// A saga of every kind of call: an action that is accepted, its poll, a call that goes to another service, an action without an answer
/// of which a probe says that it did nothing, and a compensation.
fn every_call(address: SocketAddr) -> String {
    format!(
        "saga: every
input: {{ n: integer }}
deadline: 1h
participants:
  plain: {{ url: 'http://{address}/plain', safety: idempotent }}
  signed: {{ url: 'http://{address}/base', sign: true }}
steps:
  - step: begun
    participant: signed
    action:
      post: '/accepted?n=\\(.input.n)&a=%20'
      body: {{ n: .input.n }}
      pending: .status == 202
      poll: {{ get: '/accepted/\"é\"', every: 100ms, within: 30s }}
    compensation: {{ delete: /accepted, headers: {{ X-Why: '\"undone\"' }} }}
  - step: open
    participant: plain
    action: {{ post: /open, form: {{ a: .input.n }} }}
    compensation: none
  - step: unclear
    participant: signed
    action: {{ post: /unclear, text: '\"a text\"' }}
    compensation: none
    probe: {{ get: /unclear, after: 100ms, refused: .status == 404 }}
    failure: NOT_CLEAR
    retry: {{ attempts: 1 }}
"
    )
    .replace("\"é\"", "%22%C3%A9%22")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_to_a_participant_that_wants_it_is_signed_and_no_other() {
    let (service, address) = Service::open().await;
    let files = Files::of(&every_call(address));
    let id = files.new_key();
    let world = files.world(&[]).await;
    let started = world.send(&Call::post("/api/sagas/every").json(&json!({ "n": 7 }))).await.expect(200);
    assert_eq!((&started["state"], &started["rollback"]), (&json!("NOT_CLEAR"), &json!("done")), "{started}");
    let keys = world.get("/.well-known/jwks.json").await;
    assert_eq!(keys.header("content-type"), Some("application/jwk-set+json"));
    let mut signed = Vec::new();
    for got in service.got() {
        if got.is_signed() {
            assert_eq!(got.signed_with(&keys.json()), id);
            signed.push(got.line());
        } else {
            assert_eq!(got.line(), "POST /plain/open");
            assert!(
                !got.headers.contains_key("content-digest") && !got.headers.contains_key("signature-input")
            );
        }
    }
    assert_eq!(
        signed,
        [
            "POST /base/accepted?n=7&a=%20",
            "GET /base/accepted/%22%C3%A9%22",
            "POST /base/unclear",
            "GET /base/unclear",
            "DELETE /base/accepted"
        ]
    );
    world.server.says(&format!("are signed with {id}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_a_definition_that_wants_signed_calls_is_refused() {
    let files = Files::of(&every_call(SocketAddr::from(([127, 0, 0, 1], 9))));
    let definition = files.definition.display().to_string();
    let refused =
        run(orchestrateur().args(["serve", "--listen", "127.0.0.1:0", "--definition", &definition]));
    let told = complaint(&refused);
    let wanted =
        format!("{definition}:6: `sign: true` has calls signed, and this process has no key for that");
    assert!(told.contains(&wanted) && told.contains("ORCHESTRATEUR_SIGNING_KEY"), "{told}");
    // A key that cannot be used is no key.
    std::fs::write(files.key(), "-----BEGIN PUBLIC KEY-----\n").unwrap();
    let refused = run(orchestrateur()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("ORCHESTRATEUR_SIGNING_KEY", files.key()));
    assert!(
        complaint(&refused).contains("key.pem: block 1 is `PUBLIC KEY`; the private key is needed"),
        "{refused:?}"
    );
    let checked = run(orchestrateur().args(["check", &definition]));
    assert!(checked.stdout.contains("calls to signed are signed"), "{checked:?}");
    let world = World::open().await;
    assert_eq!(world.get("/.well-known/jwks.json").await.expect(200), json!({ "keys": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_a_key_that_goes_on_with_an_order_makes_no_unsigned_call() {
    let (service, address) = Service::open().await;
    let files = Files::of(&format!(
        "saga: one
deadline: 10m
participants:
  signed: {{ url: 'http://{address}/base', sign: true, safety: idempotent }}
steps:
  - step: a
    participant: signed
    action: {{ post: /a, body: {{}} }}
    compensation: {{ delete: /a }}
    retry: {{ attempts: 10000, base: 50ms, cap: 100ms }}
"
    ));
    files.new_key();
    service.be_away(true);
    let mut world = files.world(&[]).await;
    let saga = Call::post("/api/sagas/one").json(&json!({})).prefer("respond-async");
    let saga = world.send(&saga).await.expect(202)["id"].as_str().unwrap().to_owned();
    until("a call is made", async || !service.got().is_empty()).await;

    world.restart().await;
    world.server.says("this process has no signing key").await;
    assert!(world.server.said().contains("ORCHESTRATEUR_SIGNING_KEY"));
    let path = format!("/api/sagas/{saga}");
    until("it waits for its participant", async || {
        let waiting = &world.get(&path).await.expect(200)["waiting"][0];
        waiting["step"] == "a" && waiting["for"] == "participant"
    })
    .await;
    // It uses up no attempt, of which there are twenty in a second.
    let attempts = async || world.get(&format!("{path}/history?detail=steps")).await.expect(200);
    let before = attempts().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(attempts().await, before);
    assert!(service.got().iter().all(Got::is_signed), "{:?}", service.got());

    service.be_away(false);
    world.server.kill();
    world.server = Server::start(&world.shop, world.data.path(), &["--signing-key", &files.key()]).await;
    until("it is done", async || world.get(&path).await.expect(200)["state"] == "COMPLETED").await;
    assert!(service.got().iter().all(Got::is_signed), "{:?}", service.got());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_announced_and_changed_while_the_server_runs() {
    let (service, address) = Service::open().await;
    let files = Files::of(&every_call(address));
    let first = files.new_key();
    let mode = std::fs::metadata(files.key()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = run(orchestrateur().args(["signing-keys", "new", "--file", &files.key()]));
    assert!(complaint(&again).contains("is there already"), "{again:?}");
    let world = files.world(&["--log", "trace"]).await;
    let ids = async || -> Vec<String> {
        let set = world.get("/.well-known/jwks.json").await.expect(200);
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let used = async || {
        let before = service.got().len();
        world.send(&Call::post("/api/sagas/every").json(&json!({ "n": 1 }))).await.expect(200);
        let keys = world.get("/.well-known/jwks.json").await.json();
        service.got()[before].signed_with(&keys)
    };
    assert_eq!((ids().await, used().await), (vec![first.clone()], first.clone()));

    // A change is seen without a signal.
    let set: Value = serde_json::from_str(&files.keys(&["announce"])).unwrap();
    let second = set["keys"][1]["kid"].as_str().unwrap().to_owned();
    until("the next key is announced", async || ids().await == [first.clone(), second.clone()]).await;
    assert_eq!(used().await, first);
    assert!(files.keys(&["list"]).contains("announced"));

    files.keys(&["switch", &second]);
    world.server.reload();
    until("it signs", async || ids().await == [second.clone(), first.clone()]).await;
    assert_eq!(used().await, second);
    let mode = std::fs::metadata(files.key()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let last = run(orchestrateur().args(["signing-keys", "remove", &second, "--file", &files.key()]));
    assert!(complaint(&last).contains("is the one that signs"), "{last:?}");
    files.keys(&["remove", &first]);
    until("the first one is gone", async || ids().await == [second.clone()]).await;
    let pem = files.keys(&["public", "--pem"]);
    assert!(pem.starts_with(&format!("# {second}\n-----BEGIN PUBLIC KEY-----\n")), "{pem}");

    // With a mistake in the file, the key stays.
    let secret = std::fs::read_to_string(files.key()).unwrap().lines().nth(1).unwrap().to_owned();
    std::fs::write(files.key(), format!("-----BEGIN PRIVATE KEY-----\n{secret}")).unwrap();
    world.server.says("the signing keys are not read again").await;
    assert_eq!(used().await, second);
    assert!(!world.server.said().contains(&secret[24..]), "no key is in the log");
}
