//! The sketch of a checkout: the four calls, their compensations, and two rows where rows are kept. Nothing
//! else: no retries, no recovery, no deadline, no reading back.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use uuid::{Builder, Uuid};

use crate::client::Pool;
use crate::rows::{Row, Rows};
use crate::server::json;

/// The sketch: participants, and perhaps a store.
#[derive(Debug)]
pub struct Sketch {
    participants: Pool,
    rows: Rows,
}

/// A caller's order.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Input {
    client_id: i64,
    magasin_id: i64,
}

/// One line of a cart.
#[derive(Debug, Deserialize)]
struct Line {
    quantite: i64,
    prix: f64,
}

/// The call of a step that changes something.
#[derive(Debug, Clone, Copy)]
struct Step {
    name: &'static str,
    way: &'static str,
    status: u16,
}

const RESERVE: Step = Step { name: "stock", way: "action", status: 200 };
const RELEASE: Step = Step { name: "stock", way: "compensation", status: 200 };
const PAY: Step = Step { name: "paiement", way: "action", status: 200 };
const REFUND: Step = Step { name: "paiement", way: "compensation", status: 200 };
const SELL: Step = Step { name: "vente", way: "action", status: 201 };

impl Sketch {
    /// A sketch that calls those participants, and keeps rows there.
    pub fn new(participants: SocketAddr, rows: Rows) -> Self {
        Self { participants: Pool::new(participants), rows }
    }

    /// `POST /api/commande/checkout`, as the orchestrator has it. `Idempotency-Key` of the caller is not
    /// looked at.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::POST || request.uri().path() != "/api/commande/checkout" {
            return json(StatusCode::NOT_FOUND, "{}");
        }
        let Ok(body) = request.into_body().collect().await else {
            return json(StatusCode::BAD_REQUEST, "{}");
        };
        let Ok(input) = serde_json::from_slice::<Input>(&body.to_bytes()) else {
            return json(StatusCode::UNPROCESSABLE_ENTITY, "{}");
        };
        let saga = Builder::from_unix_timestamp_millis(now_ms(), &random()).into_uuid();
        let mut order = Order { sketch: self, saga, input, seq: 0, history: String::new() };
        match order.run().await {
            Ok(state) => json(StatusCode::OK, format!(r#"{{"saga_id":"{saga}","etat_final":"{state}"}}"#)),
            Err(error) => {
                eprintln!("limit: {error:#}");
                json(StatusCode::BAD_GATEWAY, "{}")
            }
        }
    }
}

/// One order under way.
struct Order<'a> {
    sketch: &'a Sketch,
    saga: Uuid,
    input: Input,
    seq: i16,
    history: String,
}

impl Order<'_> {
    /// Returns the state at the end.
    async fn run(&mut self) -> anyhow::Result<&'static str> {
        let client = self.input.client_id;
        let Some(cart) = self.cart().await? else {
            return self.end("ECHEC_STOCK").await;
        };
        let lines: Vec<Line> = serde_json::from_str(&cart).context("read the cart")?;
        let total: f64 = lines.iter().map(|line| line.quantite as f64 * line.prix).sum();
        // The intent is on disk before anything is changed.
        self.note("INITIEE");
        self.keep("INITIEE", &cart).await?;

        let products = format!(r#"{{"produits":{cart}}}"#);
        if !self.call(RESERVE, "/api/stock/reserver", &products).await? {
            return self.end("ECHEC_STOCK").await;
        }
        self.note("STOCK_RESERVE");
        let amount = format!(r#"{{"montant":{total}}}"#);
        if !self.call(PAY, &format!("/api/clients/{client}/payer"), &amount).await? {
            self.call(RELEASE, "/api/stock/liberer", &products).await?;
            return self.end("ECHEC_PAIEMENT").await;
        }
        self.note("PAIEMENT_EFFECTUE");
        let shop = self.input.magasin_id;
        let sale = format!(r#"{{"produits":{cart},"client_id":{client},"magasin_id":{shop}}}"#);
        if !self.call(SELL, "/api/ventes", &sale).await? {
            self.call(REFUND, &format!("/api/clients/{client}/rembourser"), &amount).await?;
            self.call(RELEASE, "/api/stock/liberer", &products).await?;
            return self.end("ECHEC_ENREGISTREMENT").await;
        }
        self.end("CONFIRMEE").await
    }

    /// The client's cart, as it came; `None` if there is none.
    async fn cart(&self) -> anyhow::Result<Option<String>> {
        let client = self.input.client_id;
        let request = format!("GET /api/paniers/client/{client} HTTP/1.1\r\nhost: participants\r\n\r\n");
        let participants = &self.sketch.participants;
        let (status, connection) =
            participants.exchange(request.as_bytes()).await.context("ask for a cart")?;
        let cart = (status == 200).then(|| String::from_utf8(connection.body().to_vec()));
        participants.give_back(connection);
        cart.transpose().context("read a cart")
    }

    /// Whether the step has succeeded.
    async fn call(&self, step: Step, path: &str, body: &str) -> anyhow::Result<bool> {
        let (saga, Step { name, way, .. }, length) = (self.saga, step, body.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: participants\r\ncontent-type: application/json\r\n\
             idempotency-key: {saga}:{name}:{way}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let participants = &self.sketch.participants;
        let (status, connection) =
            participants.exchange(request.as_bytes()).await.context(path.to_owned())?;
        participants.give_back(connection);
        Ok(status == step.status)
    }

    /// Adds a state to the history. It is on disk with the next row.
    fn note(&mut self, state: &str) {
        if self.sketch.rows.are_kept() {
            // Writing to a text does not fail.
            let _ = write!(self.history, "{state}@{};", now_ms());
        }
    }

    /// The order is over: its end is on disk before the caller learns it.
    async fn end(&mut self, state: &'static str) -> anyhow::Result<&'static str> {
        self.note(state);
        self.keep(state, "").await?;
        Ok(state)
    }

    async fn keep(&mut self, etat: &'static str, more: &str) -> anyhow::Result<()> {
        if !self.sketch.rows.are_kept() {
            return Ok(());
        }
        let mut data = std::mem::take(&mut self.history);
        data.push_str(more);
        let Input { client_id, magasin_id } = self.input;
        let row = Row { saga: self.saga, seq: self.seq, client_id, magasin_id, etat, data };
        self.seq += 1;
        self.sketch.rows.write(row).await
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

fn random() -> [u8; 10] {
    std::array::from_fn(|_| fastrand::u8(..))
}
