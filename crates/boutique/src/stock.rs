//! The stock service: quantities on the shelf, reserved all together or not at all.
//!
//! | request | answer |
//! |---|---|
//! | `POST /api/stock/reserver` `{"produits": [{"produit_id", "quantite"}]}` | 200, or a refusal: 400 `Stock insuffisant`, 404 unknown product |
//! | `POST /api/stock/liberer`, same body | 200 |
//! | `GET /api/stock/{produit_id}` | 200 `{"produit_id", "nom", "quantite"}`, 404 |
//!
//! Façon ancienne: a refusal is `500 {"detail": "400: Stock insuffisant"}`. Keys are ignored.

use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Facon, Seed,
    call::{CallDirection, CallRequest, CallerHeaders, JsonAnswer, whole_number},
    operation::{Details, Operation, OperationOutcome, Produit, Subject, Task, check_produits, refusal},
};

pub(crate) fn routes() -> &'static [(&'static str, &'static str)] {
    &[("POST", "/api/stock/reserver"), ("POST", "/api/stock/liberer"), ("GET", "/api/stock/{produit_id}")]
}

const SCHEMA: &str = "
    CREATE TABLE stock (
        produit_id INTEGER PRIMARY KEY,
        nom TEXT NOT NULL,
        quantite INTEGER NOT NULL CHECK (quantite >= 0)
    ) STRICT;
";

pub(crate) fn create(db: &Connection, seed: &Seed) -> rusqlite::Result<()> {
    db.execute_batch(SCHEMA)?;
    for article in &seed.articles {
        db.execute(
            "INSERT INTO stock (produit_id, nom, quantite) VALUES (?1, ?2, ?3)",
            (article.produit_id, &article.nom, article.quantite),
        )?;
    }
    Ok(())
}

/// `None`: no such route.
pub(crate) fn route(facon: Facon, request: &CallRequest) -> Option<Result<Task, JsonAnswer>> {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["api", "stock", "reserver"]) => Some(movement(facon, request, CallDirection::Action)),
        ("POST", ["api", "stock", "liberer"]) => Some(movement(facon, request, CallDirection::Compensation)),
        ("GET", ["api", "stock", id]) => Some(whole_number("produit_id", id).map(read_product)),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Body {
    produits: Vec<Produit>,
}

fn movement(facon: Facon, request: &CallRequest, direction: CallDirection) -> Result<Task, JsonAnswer> {
    let Body { produits } = request.parse_body()?;
    check_produits(&produits)?;
    let subject =
        Subject { produits: produits.iter().map(|ligne| ligne.produit_id).collect(), ..Subject::default() };
    Ok(Task::Write(subject, Box::new(Movement { facon, direction, produits })))
}

/// Takes from the shelf (`reserver`) or puts back (`liberer`).
struct Movement {
    facon: Facon,
    direction: CallDirection,
    produits: Vec<Produit>,
}

impl Operation for Movement {
    fn name(&self) -> &'static str {
        match self.direction {
            CallDirection::Action => "reserver",
            CallDirection::Compensation => "liberer",
        }
    }

    fn direction(&self) -> CallDirection {
        self.direction
    }

    fn details(&self) -> Details {
        Details { produits: Some(self.produits.clone()), ..Details::default() }
    }

    fn null_answer(&self) -> Option<JsonAnswer> {
        Some(JsonAnswer::json(200, &json!({ "ok": true, "statut": "rien à libérer" })))
    }

    fn run(&self, db: &Connection, _caller: &CallerHeaders) -> rusqlite::Result<OperationOutcome> {
        let mut update =
            db.prepare_cached("UPDATE stock SET quantite = quantite + ?2 WHERE produit_id = ?1")?;
        for Produit { produit_id, quantite, .. } in &self.produits {
            // Read again for each line, because a product may be on several lines.
            let Some(there) = quantity(db, *produit_id)? else {
                let detail = format!("Produit {produit_id} inconnu");
                return Ok(OperationOutcome::Refused(refusal(self.facon, 404, &detail)));
            };
            let change = match self.direction {
                CallDirection::Action if there < *quantite => {
                    return Ok(OperationOutcome::Refused(refusal(self.facon, 400, "Stock insuffisant")));
                }
                CallDirection::Action => -quantite,
                CallDirection::Compensation => *quantite,
            };
            update.execute([*produit_id, change])?;
        }
        let statut = match self.direction {
            CallDirection::Action => "réservé",
            CallDirection::Compensation => "libéré",
        };
        let answer =
            JsonAnswer::json(200, &json!({ "ok": true, "statut": statut, "produits": self.produits }));
        Ok(OperationOutcome::Done(answer, vec![self.details()]))
    }
}

fn quantity(db: &Connection, produit_id: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT quantite FROM stock WHERE produit_id = ?1")?
        .query_row([produit_id], |row| row.get(0))
        .optional()
}

fn read_product(produit_id: i64) -> Task {
    let subject = Subject { produits: vec![produit_id], ..Subject::default() };
    Task::Read(
        subject,
        Box::new(move |db| {
            let found = db
                .prepare_cached("SELECT nom, quantite FROM stock WHERE produit_id = ?1")?
                .query_row([produit_id], |row| {
                    let (nom, quantite): (String, i64) = (row.get(0)?, row.get(1)?);
                    Ok(json!({ "produit_id": produit_id, "nom": nom, "quantite": quantite }))
                })
                .optional()?;
            Ok(match found {
                Some(product) => JsonAnswer::json(200, &product),
                None => JsonAnswer::detail(404, &format!("Produit {produit_id} inconnu")),
            })
        }),
    )
}
