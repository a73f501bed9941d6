//! An issuer of a test's own, on this machine: it publishes keys, signs tokens, goes away, and misbehaves on demand.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use saga_testkit::tokens::TokenKey;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use crate::harness::{Shop, World};

/// How the issuer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Well,
    /// Its document is another issuer's.
    AsAnother,
    /// Its document is larger than any.
    Huge,
    /// Its document is elsewhere.
    Redirecting,
    /// A page of a proxy in its place.
    Unreadable,
    Failing,
    /// Its keys are at a plain address of another machine.
    KeysElsewhere,
    /// It publishes more keys than anybody has.
    TooManyKeys,
    /// It takes requests, and says nothing.
    Silent,
}

#[derive(Debug)]
struct Published {
    url: String,
    keys: Vec<Value>,
    manner: Manner,
}

type Shared = Arc<Mutex<Published>>;

/// The issuer. Its port stays its own while it is away.
pub(crate) struct Issuer {
    address: SocketAddr,
    published: Shared,
    presence: Presence,
}

enum Presence {
    Away(TcpSocket),
    There(JoinHandle<()>),
    Between,
}

impl Issuer {
    /// An issuer that is there, with these keys.
    pub(crate) async fn open(keys: &[&TokenKey]) -> Self {
        let mut issuer = Self::away(keys);
        issuer.comes();
        issuer
    }

    /// An issuer that is not there yet.
    pub(crate) fn away(keys: &[&TokenKey]) -> Self {
        let port = reserved((Ipv4Addr::LOCALHOST, 0).into());
        let address = port.local_addr().unwrap();
        let published =
            Published { url: format!("http://{address}"), keys: Vec::new(), manner: Manner::Well };
        let issuer =
            Self { address, published: Arc::new(Mutex::new(published)), presence: Presence::Away(port) };
        issuer.publish(keys);
        issuer
    }

    /// It is there from now on.
    pub(crate) fn comes(&mut self) {
        let Presence::Away(port) = std::mem::replace(&mut self.presence, Presence::Between) else {
            panic!("it is there")
        };
        let listener = port.listen(64).unwrap();
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route("/elsewhere", get(elsewhere))
            .route("/keys", get(keys))
            .with_state(self.published.clone());
        self.presence =
            Presence::There(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    }

    /// Connections to it are refused from now on.
    pub(crate) async fn goes(&mut self) {
        let Presence::There(serving) = std::mem::replace(&mut self.presence, Presence::Between) else {
            panic!("it is away")
        };
        serving.abort();
        let _ = serving.await;
        self.presence = Presence::Away(reserved(self.address));
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.published.lock().unwrap().manner = manner;
    }

    pub(crate) fn publish(&self, keys: &[&TokenKey]) {
        self.publish_as(keys.iter().map(|key| key.published()).collect());
    }

    pub(crate) fn publish_as(&self, keys: Vec<Value>) {
        self.published.lock().unwrap().keys = keys;
    }

    /// Its name and address.
    pub(crate) fn url(&self) -> String {
        self.published.lock().unwrap().url.clone()
    }

    /// It goes by another name, at which it is reached through something in front of it.
    pub(crate) fn is_called(&self, url: &str) {
        self.published.lock().unwrap().url = url.to_owned();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The flags that have `serve` take its tokens.
    pub(crate) fn flags(&self) -> Vec<String> {
        let url = self.url();
        ["--oidc-issuer", &url, "--oidc-audience", "orders"].map(str::to_owned).to_vec()
    }

    /// A shop, and an orchestrator that takes its tokens, with more flags.
    pub(crate) async fn world(&self, more: &[&str]) -> World {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        World::with(Shop::open().await, &flags).await
    }

    /// The claims of a good token.
    pub(crate) fn claims(&self, sub: &str, roles: &[&str]) -> Value {
        let now = now_s();
        json!({ "iss": self.url(), "aud": "orders", "sub": sub, "iat": now, "exp": now + 600, "roles": roles })
    }

    /// The same with one claim changed.
    pub(crate) fn claims_with(&self, name: &str, value: impl Into<Value>) -> Value {
        let mut claims = self.claims("boss", &["admin"]);
        claims[name] = value.into();
        claims
    }
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A port that refuses connections, and belongs to nobody else.
fn reserved(address: SocketAddr) -> TcpSocket {
    let port = TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind(address).unwrap();
    port
}

async fn document(State(published): State<Shared>) -> Response {
    let (url, manner) = {
        let published = published.lock().unwrap();
        (published.url.clone(), published.manner)
    };
    match manner {
        Manner::Well | Manner::TooManyKeys => described(&url, &format!("{url}/keys")),
        Manner::AsAnother => described("https://other.example.com", &format!("{url}/keys")),
        Manner::KeysElsewhere => described(&url, "http://keys.example.com/keys"),
        Manner::Huge => "x".repeat(1_000_000).into_response(),
        Manner::Redirecting => {
            (StatusCode::FOUND, [(header::LOCATION, format!("{url}/elsewhere"))]).into_response()
        }
        Manner::Unreadable => "<html>".into_response(),
        Manner::Failing => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::Silent => std::future::pending().await,
    }
}

async fn elsewhere(State(published): State<Shared>) -> Response {
    let url = published.lock().unwrap().url.clone();
    described(&url, &format!("{url}/keys"))
}

fn described(issuer: &str, keys: &str) -> Response {
    axum::Json(json!({ "issuer": issuer, "jwks_uri": keys, "token_endpoint": format!("{issuer}/token") }))
        .into_response()
}

async fn keys(State(published): State<Shared>) -> Response {
    let published = published.lock().unwrap();
    let keys = match published.manner {
        Manner::TooManyKeys => vec![published.keys[0].clone(); 65],
        _ => published.keys.clone(),
    };
    axum::Json(json!({ "keys": keys })).into_response()
}
