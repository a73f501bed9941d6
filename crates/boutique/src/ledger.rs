//! The ledger: every call that changed data, in order, and the results of the other calls.
//!
//! It is written in the transaction of the change, so it is the truth about the effects that a service had. Tests and
//! operators compare an orchestrator's claims with it. The services themselves never read it.

use rusqlite::Connection;
use serde::Serialize;
use serde_json::value::RawValue;
use strum::IntoStaticStr;

use crate::{
    Centimes,
    call::{CallDirection, CallRequest, CallerHeaders, JsonAnswer},
    operation::{Details, Operation, Read},
};

/// Most lines in one answer of `GET /ledger`; `?after=SEQ` gives the following ones.
const LEDGER_LINES_MAX: i64 = 1_000_000;

pub(crate) const SCHEMA: &str = "
    CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        operation TEXT NOT NULL,
        direction TEXT NOT NULL,
        result TEXT NOT NULL,
        saga_id TEXT,
        step TEXT,
        key TEXT,
        epoch INTEGER,
        attempt INTEGER,
        client_id INTEGER,
        produits TEXT,
        montant_centimes INTEGER,
        vente_id INTEGER,
        at TEXT NOT NULL
    ) STRICT;
    -- GET /ledger?saga_id=
    CREATE INDEX ledger_par_saga ON ledger (saga_id, seq);
";

/// The result of a call. The ledger has its name in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum CallRecord {
    /// It changed data. Only these are listed without `all=true`.
    Effect,
    /// The service refused it for a business reason.
    Refused,
    /// A compensation with nothing to undo.
    Null,
    /// A known key: the stored answer was sent again.
    Replay,
    /// A known key with another request.
    KeyReused,
    /// An action after its compensation.
    Hanging,
    /// An epoch below the highest seen.
    Stale,
}

/// Writes one line. `direction` is the key's; without one it is the operation's own.
pub(crate) fn note(
    db: &Connection,
    operation: &dyn Operation,
    caller: &CallerHeaders,
    direction: Option<CallDirection>,
    record: CallRecord,
    details: &Details,
) -> rusqlite::Result<()> {
    let produits = details.produits.as_ref().map(|produits| JsonAnswer::json(200, produits).body);
    db.prepare_cached(
        "INSERT INTO ledger (operation, direction, result, saga_id, step, key, epoch, attempt,
                             client_id, produits, montant_centimes, vente_id, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute((
        operation.name(),
        <&str>::from(direction.unwrap_or(operation.direction())),
        <&str>::from(record),
        details.saga_id.as_deref().or(caller.saga_id()),
        caller.step(),
        caller.key.as_ref().map(|key| key.as_str()),
        caller.epoch,
        caller.attempt,
        details.client_id,
        produits,
        details.montant.map(Centimes::get),
        details.vente_id,
        now(),
    ))?;
    Ok(())
}

/// The time of day, for readers of the ledger; no decision depends on it.
#[expect(
    clippy::disallowed_methods,
    reason = "the shop is a world outside the engine, with a clock of its own"
)]
fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// One line as JSON.
#[derive(Debug, Serialize)]
struct LedgerLine {
    seq: i64,
    operation: String,
    direction: String,
    result: String,
    saga_id: Option<String>,
    step: Option<String>,
    key: Option<String>,
    epoch: Option<i64>,
    attempt: Option<i64>,
    client_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    produits: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    montant: Option<Centimes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vente_id: Option<i64>,
    at: String,
}

/// `GET /ledger[?all=true][&saga_id=ID][&after=SEQ][&limit=N]`.
pub(crate) fn read(request: &CallRequest) -> Result<Read, JsonAnswer> {
    let all = match request.query_value("all") {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(other) => {
            return Err(JsonAnswer::detail(
                422,
                &format!("all : true ou false est attendu, reçu « {other} »"),
            ));
        }
    };
    let saga_id = request.query_text("saga_id")?;
    let after = request.query_number("after")?.unwrap_or(0);
    let limit = request.query_number("limit")?.unwrap_or(LEDGER_LINES_MAX).clamp(0, LEDGER_LINES_MAX);
    Ok(Box::new(move |db| {
        // Two SQL texts, so that each can use its index; a NULL-or-equals test would scan the table.
        let by_saga = if saga_id.is_some() { "saga_id = ?1" } else { "?1 IS NULL" };
        let mut query = db.prepare_cached(&format!(
            "SELECT seq, operation, direction, result, saga_id, step, key, epoch, attempt, client_id,
                    produits, montant_centimes, vente_id, at
             FROM ledger WHERE {by_saga} AND seq > ?2 AND (?3 OR result = 'effect')
             ORDER BY seq LIMIT ?4"
        ))?;
        let lines = query
            .query_map((&saga_id, after, all, limit), |row| {
                Ok(LedgerLine {
                    seq: row.get(0)?,
                    operation: row.get(1)?,
                    direction: row.get(2)?,
                    result: row.get(3)?,
                    saga_id: row.get(4)?,
                    step: row.get(5)?,
                    key: row.get(6)?,
                    epoch: row.get(7)?,
                    attempt: row.get(8)?,
                    client_id: row.get(9)?,
                    produits: row
                        .get::<_, Option<String>>(10)?
                        .map(|text| RawValue::from_string(text).map_err(crate::columns::bad_column))
                        .transpose()?,
                    montant: row.get(11)?,
                    vente_id: row.get(12)?,
                    at: row.get(13)?,
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(JsonAnswer::json(200, &lines))
    }))
}
