//! Services that take signed calls alone (`examples/fastapi/signed.py`, `examples/express/signed.js`). They check signatures with
//! libraries of their own, and the calls that they must refuse are signed here by a third one.
#![expect(clippy::disallowed_methods, reason = "signatures have the real time")]

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{self, until};
use crate::world::{SignedWorld, World};

/// Seconds before now, or after it.
type Seconds = i64;

/// A call that is signed as the orchestrator signs its own.
#[derive(Clone)]
struct Signed<'w> {
    world: &'w SignedWorld,
    method: &'static str,
    path: String,
    authority: String,
    body: String,
    key: String,
    tag: &'static str,
    /// When it was made, and until when it may be used.
    times: (Seconds, Seconds),
    covered: Vec<&'static str>,
    /// The private key, instead of the orchestrator's, and whether it goes by its own id.
    another: Option<(&'w Ed25519KeyPair, bool)>,
}

/// A request as it is sent.
#[derive(Clone)]
struct Request {
    line: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

const COVERED: [&str; 7] =
    ["@method", "@authority", "@path", "@query", "idempotency-key", "content-digest", "content-type"];

impl<'w> Signed<'w> {
    fn post(world: &'w SignedWorld, path: &str, body: &Value, key: &str) -> Self {
        Self {
            world,
            method: "POST",
            path: path.to_owned(),
            authority: world.host(),
            body: body.to_string(),
            key: format!("\"{key}\""),
            tag: "orchestrateur",
            times: (0, 300),
            covered: COVERED.to_vec(),
            another: None,
        }
    }

    fn request(&self) -> Request {
        let digest = format!("sha-256=:{}:", STANDARD.encode(digest(&SHA256, self.body.as_bytes())));
        let headers = vec![
            ("host", self.authority.clone()),
            ("idempotency-key", self.key.clone()),
            ("content-digest", digest),
            ("content-type", "application/json".to_owned()),
        ];
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mut base = String::new();
        for name in &self.covered {
            let header = headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            let value = match *name {
                "@method" => self.method.to_owned(),
                "@authority" => self.authority.clone(),
                "@path" => path.to_owned(),
                "@query" => format!("?{query}"),
                _ => header.unwrap(),
            };
            base += &format!("\"{name}\": {value}\n");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let (created, expires) = (now + self.times.0, now + self.times.1);
        let (signer, id) = match self.another {
            Some((another, true)) => (another, thumbprint(another)),
            Some((another, false)) => (another, thumbprint(&self.world.key)),
            None => (&self.world.key, thumbprint(&self.world.key)),
        };
        let names: Vec<_> = self.covered.iter().map(|name| format!("\"{name}\"")).collect();
        let tag = self.tag;
        let params = format!(
            "({});created={created};expires={expires};keyid=\"{id}\";alg=\"ed25519\";tag=\"{tag}\"",
            names.join(" ")
        );
        base += &format!("\"@signature-params\": {params}");
        let signature = STANDARD.encode(signer.sign(base.as_bytes()));
        let mut headers = headers;
        headers.push(("signature-input", format!("orchestrateur={params}")));
        headers.push(("signature", format!("orchestrateur=:{signature}:")));
        Request { line: format!("{} {} HTTP/1.1", self.method, self.path), headers, body: self.body.clone() }
    }
}

impl Request {
    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    fn with(self, name: &'static str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.headers.push((name, value.to_owned()));
        changed
    }

    /// Sends it, and gives the answer's status.
    async fn status(&self, world: &World) -> u16 {
        let mut head =
            format!("{}\r\nconnection: close\r\ncontent-length: {}\r\n", self.line, self.body.len());
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(world.service_address()).await.unwrap();
        stream.write_all(format!("{head}\r\n{}", self.body).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let text = String::from_utf8(answer).unwrap();
        text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap()
    }
}

/// RFC 7638.
fn thumbprint(key: &Ed25519KeyPair) -> String {
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

/// Sends a call as it should be, which has its effect, and each way in which it should not be.
async fn takes_signed_calls_alone(signed: &SignedWorld, path: &str, body: &Value) {
    let world = &signed.world;
    let another = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let call = |key: &str| Signed::post(signed, path, body, key);
    assert_eq!(call("good").request().status(world).await, 201);
    let fresh = || call("another key").request();
    let changed = Request { body: body.to_string().replacen('7', "8", 1), ..fresh() };
    assert_ne!(changed.body, fresh().body);
    let covering = |names: &[&'static str]| Signed { covered: names.to_vec(), ..call("another key") };
    let foreign = Signed { authority: "other.example".to_owned(), ..call("another key") };
    for (what, request) in [
        ("the body is another one", changed),
        ("there is no body", Request { body: String::new(), ..fresh() }),
        ("there is no signature", fresh().without("signature")),
        ("there is no list of what is signed", fresh().without("signature-input")),
        ("there is neither", fresh().without("signature-input").without("signature")),
        ("the digest is another one", fresh().with("content-digest", "sha-256=:AAAA:")),
        ("the idempotency key is another one", fresh().with("idempotency-key", "\"mine\"")),
        ("the type is another one", fresh().with("content-type", "application/json;x=1")),
        ("the method is another one", Request { line: format!("PUT {path} HTTP/1.1"), ..fresh() }),
        ("the path is another one", Request { line: format!("POST {path}/1 HTTP/1.1"), ..fresh() }),
        ("there is a query", Request { line: format!("POST {path}?a=1 HTTP/1.1"), ..fresh() }),
        ("the call is for another service", foreign.request()),
        ("the call is old", Signed { times: (-90, 210), ..call("another key") }.request()),
        ("the call has expired", Signed { times: (-30, -10), ..call("another key") }.request()),
        ("the call is from the future", Signed { times: (60, 360), ..call("another key") }.request()),
        ("the key is unknown", Signed { another: Some((&another, true)), ..call("another key") }.request()),
        (
            "the key is not its own",
            Signed { another: Some((&another, false)), ..call("another key") }.request(),
        ),
        ("it is a signature for something else", Signed { tag: "other", ..call("another key") }.request()),
        ("the digest is not signed", covering(&COVERED[..5]).request()),
        ("the path is not signed", covering(&["@method", "@authority", "content-digest"]).request()),
    ] {
        assert_eq!(request.status(world).await, 401, "{what}");
    }
    // None of them has used the key.
    assert_eq!(fresh().status(world).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn fastapi_takes_signed_calls_alone() {
    let signed = SignedWorld::travel();
    let trip = json!({ "customer": 1, "city": "Lisbon", "nights": 3, "insured": true });
    let saga = signed.world.runs("travel", trip).await;
    assert_eq!((&saga["state"], &saga["rollback"]), (&json!("BOOKED"), &json!("none")), "{saga}");
    let full = signed.world.runs("travel", json!({ "customer": 2, "city": "Oslo", "nights": 50 })).await;
    assert_eq!((&full["state"], &full["rollback"]), (&json!("NO_HOTEL"), &json!("done")), "{full}");
    let body = json!({ "customer": 7, "city": "Oslo", "nights": 2 });
    takes_signed_calls_alone(&signed, "/hotels", &body).await;
    assert_eq!(signed.world.ledger("customer", json!(7)).await, ["hotel booked", "hotel booked"]);
    assert!(signed.world.ledger("customer", json!(8)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn express_takes_signed_calls_alone() {
    let signed = SignedWorld::express();
    let person = json!({ "way": "person", "email": "eve@example.com" });
    assert_eq!(signed.world.runs("onboarding", person).await["state"], "WELCOME");
    let company = json!({ "way": "company", "email": "office@harbour.example", "company": "4711" });
    let saga = signed.world.begins("onboarding", company).await;
    signed.world.signals(&saga, "reviewed", json!({ "accepted": true })).await;
    signed.world.reaches(&saga, "WELCOME", "none").await;
    takes_signed_calls_alone(&signed, "/identities", &json!({ "email": "seven7@example.com" })).await;
    let ledger = signed.world.ledger("email", json!("seven7@example.com")).await;
    assert_eq!(ledger, ["identity checked", "identity checked"]);
    assert!(signed.world.ledger("email", json!("seven8@example.com")).await.is_empty());
}

/// A refused signature says nothing about the order: the call is repeated, and operators are told.
#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_of_a_service_that_does_not_know_the_key() {
    let signed = SignedWorld::express_with_another_key();
    signed.world.begins("onboarding", json!({ "way": "person", "email": "eve@example.com" })).await;
    until("the refusal is told", async || {
        let participants = client::get(signed.world.serve_address(), "/api/participants").await.json();
        let mut last = participants.as_array().unwrap().iter().map(|each| &each["dernier_echec"]);
        last.any(|last| last["statut"] == 401 && last["genre"] == "not_accepted").then_some(())
    })
    .await;
    assert!(signed.world.ledger("email", json!("eve@example.com")).await.is_empty());
}
