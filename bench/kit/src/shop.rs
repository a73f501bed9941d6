//! The four services (panier, stock, client, ventes) at one address, answering from memory.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;

use crate::clients::Clients;
use crate::ledger::{Effect, Ledger, Outcome, Way};
use crate::patience::Patience;
use crate::server::json;

/// The services, with their ledger.
#[derive(Debug)]
pub struct Shop {
    /// All effects.
    pub ledger: Ledger,
    /// How long every service takes for an answer.
    pub patience: Patience,
    /// The clients whose payments are refused.
    pub without_money: Option<Clients>,
}

/// The meaning of a request's method and path.
enum Wanted {
    Cart(i64),
    Change(Change),
    /// `GET /ledger`
    Figures,
    /// `POST /ledger/clear`
    Clear,
    /// `POST /delay`, with milliseconds as the body
    Delay,
}

/// A call that does something, or undoes it.
struct Change {
    effect: Effect,
    way: Way,
    /// Whose money it is, for a payment.
    client: Option<i64>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "they only have to be there, as a service would need them")]
struct Line {
    produit_id: i64,
    quantite: i64,
    prix: f64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "the same")]
struct Products {
    produits: Vec<Line>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "the same")]
struct Sale {
    client_id: i64,
    magasin_id: i64,
    produits: Vec<Line>,
}

#[derive(Deserialize)]
struct Amount {
    montant: f64,
}

impl Shop {
    /// Answers a request. The delay comes before the effect: a call that is cut off while it waits has none.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(wanted) = wanted(request.method(), request.uri().path()) else {
            return json(StatusCode::NOT_FOUND, "{}");
        };
        match wanted {
            Wanted::Cart(client) => {
                self.patience.wait().await;
                self.ledger.cart();
                json(StatusCode::OK, cart(client))
            }
            Wanted::Change(change) => self.change(&change, request).await,
            Wanted::Figures => match serde_json::to_vec(&self.ledger.figures()) {
                Ok(figures) => json(StatusCode::OK, figures),
                Err(_) => json(StatusCode::INTERNAL_SERVER_ERROR, "{}"),
            },
            Wanted::Clear => {
                self.ledger.clear();
                json(StatusCode::OK, "{}")
            }
            Wanted::Delay => match milliseconds(request).await {
                Some(delay) => {
                    self.patience.set(delay);
                    json(StatusCode::OK, "{}")
                }
                None => json(StatusCode::UNPROCESSABLE_ENTITY, "{}"),
            },
        }
    }

    async fn change(&self, change: &Change, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            return json(StatusCode::BAD_REQUEST, "{}");
        };
        let Some(cents) = read(change, &body.to_bytes()) else {
            return json(StatusCode::UNPROCESSABLE_ENTITY, r#"{"detail":"illisible"}"#);
        };
        self.patience.wait().await;
        if change.way == Way::Do && self.has_no_money(change.client) {
            self.ledger.refused();
            return json(StatusCode::PAYMENT_REQUIRED, r#"{"detail":"Solde insuffisant"}"#);
        }
        let key = head.headers.get("idempotency-key").map(|key| key.as_bytes());
        match self.ledger.apply(change.effect, change.way, key) {
            Outcome::TooLate => json(StatusCode::CONFLICT, r#"{"detail":"trop tard"}"#),
            Outcome::Done { first } => {
                if first && change.way == Way::Do {
                    self.ledger.took(cents);
                }
                match (change.effect, change.way) {
                    (Effect::Sale, Way::Do) => json(StatusCode::CREATED, r#"{"id":1}"#),
                    _ => json(StatusCode::OK, r#"{"ok":true}"#),
                }
            }
        }
    }

    fn has_no_money(&self, client: Option<i64>) -> bool {
        client.zip(self.without_money).is_some_and(|(client, poor)| poor.contains(client))
    }
}

fn wanted(method: &Method, path: &str) -> Option<Wanted> {
    let change = |effect, way| Some(Wanted::Change(Change { effect, way, client: None }));
    match (method, path) {
        (&Method::POST, "/api/stock/reserver") => change(Effect::Reservation, Way::Do),
        (&Method::POST, "/api/stock/liberer") => change(Effect::Reservation, Way::Undo),
        (&Method::POST, "/api/ventes") => change(Effect::Sale, Way::Do),
        (&Method::GET, "/ledger") => Some(Wanted::Figures),
        (&Method::POST, "/ledger/clear") => Some(Wanted::Clear),
        (&Method::POST, "/delay") => Some(Wanted::Delay),
        (&Method::GET, _) => path.strip_prefix("/api/paniers/client/")?.parse().ok().map(Wanted::Cart),
        (&Method::DELETE, _) if path.starts_with("/api/ventes/commande/") => change(Effect::Sale, Way::Undo),
        (&Method::POST, _) => {
            let (client, verb) = path.strip_prefix("/api/clients/")?.split_once('/')?;
            let way = match verb {
                "payer" => Way::Do,
                "rembourser" => Way::Undo,
                _ => return None,
            };
            let client = Some(client.parse().ok()?);
            Some(Wanted::Change(Change { effect: Effect::Payment, way, client }))
        }
        _ => None,
    }
}

/// The same two lines for every client, with products of its own: 25.25 in all.
fn cart(client: i64) -> String {
    let (first, second) = (client * 1000 + 1, client * 1000 + 2);
    format!(
        r#"[{{"produit_id":{first},"quantite":2,"prix":10.5}},{{"produit_id":{second},"quantite":1,"prix":4.25}}]"#
    )
}

/// The amount of a payment in cents, otherwise 0; `None` for a body that a service could not work with.
fn read(change: &Change, body: &[u8]) -> Option<u64> {
    match (change.effect, change.way) {
        (Effect::Payment, _) => {
            let amount: Amount = serde_json::from_slice(body).ok()?;
            Some((amount.montant * 100.0).round() as u64)
        }
        (Effect::Reservation, _) => serde_json::from_slice::<Products>(body).ok().map(|_| 0),
        (Effect::Sale, Way::Do) => serde_json::from_slice::<Sale>(body).ok().map(|_| 0),
        (Effect::Sale, Way::Undo) => Some(0),
    }
}

async fn milliseconds(request: Request<Incoming>) -> Option<Duration> {
    let body = request.into_body().collect().await.ok()?.to_bytes();
    let milliseconds = std::str::from_utf8(&body).ok()?.trim().parse().ok()?;
    Some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_is_worth_what_is_paid_for_it() {
        let lines: Vec<Line> = serde_json::from_str(&cart(7)).unwrap();
        assert_eq!(lines.len(), 2);
        let pay = Change { effect: Effect::Payment, way: Way::Do, client: Some(7) };
        assert_eq!(read(&pay, br#"{"montant":25.25}"#), Some(2525));
        assert_eq!(read(&pay, b"{}"), None);
    }

    #[test]
    fn each_path_has_one_meaning() {
        assert!(matches!(wanted(&Method::GET, "/api/paniers/client/7"), Some(Wanted::Cart(7))));
        let Some(Wanted::Change(change)) = wanted(&Method::POST, "/api/clients/7/rembourser") else {
            panic!()
        };
        assert_eq!((change.effect, change.way, change.client), (Effect::Payment, Way::Undo, Some(7)));
        assert!(wanted(&Method::POST, "/api/clients/x/payer").is_none());
        assert!(wanted(&Method::DELETE, "/api/ventes").is_none());
    }
}
