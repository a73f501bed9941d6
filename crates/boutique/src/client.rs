//! The client service: balances, payments from them and refunds to them.
//!
//! | request | answer |
//! |---|---|
//! | `POST /api/clients/{id}/payer` `{"montant"}` | 200, or a refusal: 402 `Solde insuffisant` |
//! | `POST /api/clients/{id}/rembourser` `{"montant"}` | 200 |
//! | `GET /api/clients/{id}` | 200 `{"client_id", "solde"}` |
//!
//! Façon ancienne: a refused payment is `200 {"ok": false, "detail": "Solde insuffisant"}`, a successful one `200
//! {"ok": true, ...}`. Keys are ignored.

use rusqlite::Connection;
use serde::Deserialize;
use serde_json::json;

use crate::{
    Centimes, Facon, Seed,
    call::{CallDirection, CallRequest, CallerHeaders, JsonAnswer, client_id},
    operation::{Details, Operation, OperationOutcome, Subject, Task},
};

pub(crate) fn routes() -> &'static [(&'static str, &'static str)] {
    &[
        ("POST", "/api/clients/{client_id}/payer"),
        ("POST", "/api/clients/{client_id}/rembourser"),
        ("GET", "/api/clients/{client_id}"),
    ]
}

const SCHEMA: &str = "
    -- Clients whose balance is known: those of the data, and everybody who ever paid.
    CREATE TABLE soldes (
        client_id INTEGER PRIMARY KEY,
        centimes INTEGER NOT NULL CHECK (centimes >= 0)
    ) STRICT;
    -- One row: what everybody else starts with.
    CREATE TABLE solde_par_defaut (centimes INTEGER NOT NULL) STRICT;
";

pub(crate) fn create(db: &Connection, seed: &Seed) -> rusqlite::Result<()> {
    db.execute_batch(SCHEMA)?;
    db.execute("INSERT INTO solde_par_defaut (centimes) VALUES (?1)", [seed.solde_par_defaut])?;
    for (&client_id, &solde) in &seed.soldes {
        set_balance(db, client_id, solde)?;
    }
    Ok(())
}

/// `None`: no such route.
pub(crate) fn route(facon: Facon, request: &CallRequest) -> Option<Result<Task, JsonAnswer>> {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["api", "clients", id, "payer"]) => {
            Some(transfer(facon, request, id, CallDirection::Action))
        }
        ("POST", ["api", "clients", id, "rembourser"]) => {
            Some(transfer(facon, request, id, CallDirection::Compensation))
        }
        ("GET", ["api", "clients", id]) => Some(client_id(id).map(read_balance)),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Body {
    montant: Centimes,
}

fn transfer(
    facon: Facon,
    request: &CallRequest,
    id: &str,
    direction: CallDirection,
) -> Result<Task, JsonAnswer> {
    let client_id = client_id(id)?;
    let Body { montant } = request.parse_body()?;
    let subject = Subject { client_id: Some(client_id), ..Subject::default() };
    Ok(Task::Write(subject, Box::new(Transfer { facon, direction, client_id, montant })))
}

/// Takes money from a client (`payer`) or gives it back (`rembourser`).
struct Transfer {
    facon: Facon,
    direction: CallDirection,
    client_id: i64,
    montant: Centimes,
}

impl Operation for Transfer {
    fn name(&self) -> &'static str {
        match self.direction {
            CallDirection::Action => "payer",
            CallDirection::Compensation => "rembourser",
        }
    }

    fn direction(&self) -> CallDirection {
        self.direction
    }

    fn details(&self) -> Details {
        Details { client_id: Some(self.client_id), montant: Some(self.montant), ..Details::default() }
    }

    fn null_answer(&self) -> Option<JsonAnswer> {
        Some(JsonAnswer::json(200, &json!({ "ok": true, "statut": "rien à rembourser" })))
    }

    fn run(&self, db: &Connection, _caller: &CallerHeaders) -> rusqlite::Result<OperationOutcome> {
        let solde = balance(db, self.client_id)?;
        let (statut, after) = match self.direction {
            CallDirection::Action => ("payé", solde.checked_sub(self.montant)),
            CallDirection::Compensation => ("remboursé", solde.checked_add(self.montant)),
        };
        let Some(after) = after else {
            let detail = match self.direction {
                CallDirection::Action => "Solde insuffisant",
                CallDirection::Compensation => "Solde trop grand",
            };
            return Ok(OperationOutcome::Refused(match self.facon {
                Facon::Moderne => JsonAnswer::detail(402, detail),
                Facon::Ancienne => JsonAnswer::json(200, &json!({ "ok": false, "detail": detail })),
            }));
        };
        set_balance(db, self.client_id, after)?;
        let answer = json!({
            "ok": true,
            "statut": statut,
            "client_id": self.client_id,
            "montant": self.montant,
            "solde": after,
        });
        Ok(OperationOutcome::Done(JsonAnswer::json(200, &answer), vec![self.details()]))
    }
}

fn balance(db: &Connection, client_id: i64) -> rusqlite::Result<Centimes> {
    db.prepare_cached(
        "SELECT COALESCE((SELECT centimes FROM soldes WHERE client_id = ?1),
                         (SELECT centimes FROM solde_par_defaut))",
    )?
    .query_row([client_id], |row| row.get(0))
}

fn set_balance(db: &Connection, client_id: i64, solde: Centimes) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO soldes (client_id, centimes) VALUES (?1, ?2)
         ON CONFLICT (client_id) DO UPDATE SET centimes = excluded.centimes",
    )?
    .execute((client_id, solde))?;
    Ok(())
}

fn read_balance(client_id: i64) -> Task {
    let subject = Subject { client_id: Some(client_id), ..Subject::default() };
    Task::Read(
        subject,
        Box::new(move |db| {
            Ok(JsonAnswer::json(200, &json!({ "client_id": client_id, "solde": balance(db, client_id)? })))
        }),
    )
}
