//! Helpers: a shop in its own folder, and a client with one request per connection.

use std::{future::Future, time::Duration};

use boutique::{Boutique, Config, Facon, RunningShop, Service};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// Long enough for any step on a loaded machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Shop {
    pub(crate) dir: TempDir,
    pub(crate) running: RunningShop,
    facon: Facon,
}

pub(crate) async fn open(facon: Facon) -> Shop {
    let dir = tempfile::tempdir().unwrap();
    let running = start(&dir, facon).await;
    Shop { dir, running, facon }
}

async fn start(dir: &TempDir, facon: Facon) -> RunningShop {
    Boutique::start(Config { facon, ..Config::new(dir.path()) }).await.unwrap()
}

impl Shop {
    pub(crate) fn url(&self, service: Service) -> String {
        self.running.url(service).unwrap()
    }

    /// Closes the shop and opens it again on the same folder.
    pub(crate) async fn reopen(self) -> Shop {
        self.running.stop().await;
        let running = start(&self.dir, self.facon).await;
        Shop { dir: self.dir, running, facon: self.facon }
    }

    pub(crate) async fn get(&self, service: Service, path: &str) -> Reply {
        send(&self.url(service), Call::get(path)).await.unwrap()
    }

    pub(crate) async fn send(&self, service: Service, call: Call) -> Reply {
        send(&self.url(service), call).await.unwrap()
    }

    /// The effects, in order.
    pub(crate) async fn ledger(&self, service: Service) -> Vec<Value> {
        lines(self.get(service, "/ledger").await)
    }

    /// The result of every call, in order.
    pub(crate) async fn results(&self, service: Service) -> Vec<String> {
        let all = lines(self.get(service, "/ledger?all=true").await);
        all.iter().map(|line| line["result"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn stock_of(&self, produit_id: i64) -> i64 {
        self.get(Service::Stock, &format!("/api/stock/{produit_id}")).await.body["quantite"].as_i64().unwrap()
    }

    pub(crate) async fn balance_of(&self, client_id: i64) -> Value {
        self.get(Service::Client, &format!("/api/clients/{client_id}")).await.body["solde"].clone()
    }

    pub(crate) async fn add_fault(&self, service: Service, rule: &str) {
        let reply = self.send(service, Call::post("/fautes", json!({ "regle": rule }))).await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }
}

pub(crate) fn lines(reply: Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body.as_array().unwrap().clone()
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Call {
    fn new(method: &'static str, path: &str, body: Bytes) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body }
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path, Bytes::new())
    }

    pub(crate) fn delete(path: &str) -> Self {
        Self::new("DELETE", path, Bytes::new())
    }

    pub(crate) fn post(path: &str, body: Value) -> Self {
        Self::new("POST", path, body.to_string().into())
    }

    pub(crate) fn post_text(path: &str, body: &str) -> Self {
        Self::new("POST", path, body.to_owned().into())
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// The headers of an orchestrator's call.
    pub(crate) fn of(self, saga: &str, step: &str, direction: &str) -> Self {
        self.header("idempotency-key", format!("{saga}:{step}:{direction}"))
            .header("saga-id", saga)
            .header("saga-step", step)
            .header("saga-attempt", 1)
    }

    pub(crate) fn epoch(self, epoch: i64) -> Self {
        self.header("saga-epoch", epoch)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) replayed: bool,
    pub(crate) allow: Option<String>,
}

/// Sends one request on its own connection.
pub(crate) async fn send(url: &str, call: Call) -> Result<Reply, hyper::Error> {
    let host = url.strip_prefix("http://").unwrap();
    let stream = TcpStream::connect(host).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = http::Request::builder()
        .method(call.method)
        .uri(&call.path)
        .header("host", host)
        .header("connection", "close");
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    let response = sender.send_request(request.body(Full::new(call.body)).unwrap()).await?;
    let text = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, replayed, allow) =
        (response.status().as_u16(), text("idempotent-replayed").is_some(), text("allow"));
    let body = response.into_body().collect().await?.to_bytes();
    drop(connection.await);
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Ok(Reply { status, body, replayed, allow })
}

/// Repeats the question until the answer is true.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asked = tokio::time::timeout(PATIENCE, async {
        while !ask().await {
            tokio::task::yield_now().await;
        }
    });
    assert!(asked.await.is_ok(), "in vain: {what}");
}

pub(crate) fn reserve(quantite: i64) -> Call {
    Call::post("/api/stock/reserver", json!({ "produits": [{ "produit_id": 1, "quantite": quantite }] }))
}

pub(crate) fn release(quantite: i64) -> Call {
    Call::post("/api/stock/liberer", json!({ "produits": [{ "produit_id": 1, "quantite": quantite }] }))
}

pub(crate) fn pay(client_id: i64, montant: &str) -> Call {
    Call::post_text(&format!("/api/clients/{client_id}/payer"), &format!("{{\"montant\": {montant}}}"))
}

pub(crate) fn refund(client_id: i64, montant: &str) -> Call {
    Call::post_text(&format!("/api/clients/{client_id}/rembourser"), &format!("{{\"montant\": {montant}}}"))
}

pub(crate) fn sell(client_id: i64) -> Call {
    let produits = json!([{ "produit_id": 1, "quantite": 3, "prix": 19.99 }]);
    Call::post("/api/ventes", json!({ "produits": produits, "client_id": client_id, "magasin_id": 1 }))
}
