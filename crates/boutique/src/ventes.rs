//! The sales service: recorded sales, cancelled by their saga (moderne) or by their own id (ancienne).
//!
//! | façon | request | answer |
//! |---|---|---|
//! | both | `POST /api/ventes` `{"produits", "client_id", "magasin_id"}` | 201 `{"id", ...}` |
//! | moderne | `DELETE /api/ventes/commande/{saga_id}` | 200 undone, 404 nothing to undo |
//! | ancienne | `DELETE /api/ventes/{id}` | 200 undone, 404 nothing to undo |
//! | both | `GET /api/ventes[?saga_id=][&client_id=][&after=ID][&limit=N]` | 200, a list |
//!
//! A sale belongs to the saga of the body's `saga_id`, else of the `Saga-Id` header, else of the key (façon ancienne:
//! of the body's, or none). A cancellation by saga is permanent: a sale of that saga that arrives later is refused,
//! with or without a key, and also if it was recorded before and comes again.

use rusqlite::{Connection, Row};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::{
    Centimes, Facon, barrier,
    call::{
        CallDirection, CallRequest, CallerHeaders, ID_BYTES_MAX, JsonAnswer, percent_decoded, whole_number,
    },
    columns::bad_column,
    operation::{Details, Operation, OperationOutcome, Produit, Subject, Task, check_produits},
};

/// Most sales in one answer of `GET /api/ventes`; `?after=ID` gives the following ones.
const VENTES_PAGE_MAX: i64 = 10_000;

pub(crate) fn routes(facon: Facon) -> &'static [(&'static str, &'static str)] {
    match facon {
        Facon::Moderne => {
            &[("POST", "/api/ventes"), ("GET", "/api/ventes"), ("DELETE", "/api/ventes/commande/{saga_id}")]
        }
        Facon::Ancienne => &[("POST", "/api/ventes"), ("GET", "/api/ventes"), ("DELETE", "/api/ventes/{id}")],
    }
}

const SCHEMA: &str = "
    CREATE TABLE ventes (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        saga_id TEXT,
        client_id INTEGER NOT NULL,
        magasin_id INTEGER NOT NULL,
        produits TEXT NOT NULL,
        montant_centimes INTEGER,
        etat TEXT NOT NULL CHECK (etat IN ('ENREGISTREE', 'ANNULEE'))
    ) STRICT;
    -- DELETE /api/ventes/commande/{saga_id}, and GET /api/ventes?saga_id=
    CREATE INDEX ventes_par_saga ON ventes (saga_id);
    -- Sagas whose sale was cancelled, found or not: their late sales are refused.
    CREATE TABLE annulations (saga_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

pub(crate) fn create(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(SCHEMA)
}

/// `None`: no such route.
pub(crate) fn route(facon: Facon, request: &CallRequest) -> Option<Result<Task, JsonAnswer>> {
    match (facon, request.method.as_str(), request.segments().as_slice()) {
        (_, "POST", ["api", "ventes"]) => Some(sale(facon, request)),
        (_, "GET", ["api", "ventes"]) => Some(list(request)),
        (Facon::Moderne, "DELETE", ["api", "ventes", "commande", saga_id]) => Some(cancel_of_saga(saga_id)),
        (Facon::Ancienne, "DELETE", ["api", "ventes", id]) => Some(whole_number("id", id).map(cancel_by_id)),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Body {
    produits: Vec<Produit>,
    client_id: i64,
    magasin_id: i64,
    saga_id: Option<String>,
}

fn sale(facon: Facon, request: &CallRequest) -> Result<Task, JsonAnswer> {
    let Body { produits, client_id, magasin_id, saga_id } = request.parse_body()?;
    check_produits(&produits)?;
    if saga_id.as_ref().is_some_and(|saga_id| saga_id.len() > ID_BYTES_MAX) {
        return Err(JsonAnswer::detail(
            422,
            &format!("saga_id : au plus {ID_BYTES_MAX} octets sont attendus"),
        ));
    }
    let subject = Subject {
        client_id: Some(client_id),
        produits: produits.iter().map(|ligne| ligne.produit_id).collect(),
        saga_id: saga_id.clone(),
    };
    Ok(Task::Write(subject, Box::new(Sale { facon, produits, client_id, magasin_id, saga_id })))
}

/// Records a sale.
struct Sale {
    facon: Facon,
    produits: Vec<Produit>,
    client_id: i64,
    magasin_id: i64,
    saga_id: Option<String>,
}

impl Sale {
    /// `None` unless every line has a price and the sum is within the largest amount.
    fn total(&self) -> Option<Centimes> {
        self.produits.iter().try_fold(Centimes::ZERO, |total, ligne| {
            total.checked_add(ligne.prix?.checked_mul(ligne.quantite)?)
        })
    }

    /// The saga that the sale belongs to.
    fn owner<'a>(&'a self, caller: &'a CallerHeaders) -> Option<&'a str> {
        match self.facon {
            Facon::Moderne => self.saga_id.as_deref().or(caller.saga_id()),
            Facon::Ancienne => self.saga_id.as_deref(),
        }
    }
}

impl Operation for Sale {
    fn name(&self) -> &'static str {
        "enregistrer"
    }

    fn direction(&self) -> CallDirection {
        CallDirection::Action
    }

    fn details(&self) -> Details {
        Details {
            saga_id: self.saga_id.clone(),
            client_id: Some(self.client_id),
            produits: Some(self.produits.clone()),
            montant: self.total(),
            vente_id: None,
        }
    }

    fn null_answer(&self) -> Option<JsonAnswer> {
        None
    }

    fn is_undone(&self, db: &Connection, caller: &CallerHeaders) -> rusqlite::Result<bool> {
        match (self.facon, self.owner(caller)) {
            (Facon::Moderne, Some(saga_id)) => is_cancelled(db, saga_id),
            _ => Ok(false),
        }
    }

    fn run(&self, db: &Connection, caller: &CallerHeaders) -> rusqlite::Result<OperationOutcome> {
        let saga_id = self.owner(caller);
        if self.is_undone(db, caller)? {
            return Ok(OperationOutcome::Hanging(barrier::hanging_answer()));
        }
        let montant = self.total();
        db.prepare_cached(
            "INSERT INTO ventes (saga_id, client_id, magasin_id, produits, montant_centimes, etat)
             VALUES (?1, ?2, ?3, ?4, ?5, 'ENREGISTREE')",
        )?
        .execute((
            saga_id,
            self.client_id,
            self.magasin_id,
            JsonAnswer::json(200, &self.produits).body,
            montant,
        ))?;
        let id = db.last_insert_rowid();
        let answer = json!({
            "id": id,
            "saga_id": saga_id,
            "client_id": self.client_id,
            "magasin_id": self.magasin_id,
            "montant": montant,
            "etat": "ENREGISTREE",
        });
        Ok(OperationOutcome::Done(
            JsonAnswer::json(201, &answer),
            vec![Details { vente_id: Some(id), ..self.details() }],
        ))
    }
}

fn is_cancelled(db: &Connection, saga_id: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM annulations WHERE saga_id = ?1")?.exists([saga_id])
}

fn cancel_of_saga(segment: &str) -> Result<Task, JsonAnswer> {
    let saga_id = percent_decoded("saga_id", segment)?;
    if saga_id.is_empty() || saga_id.len() > ID_BYTES_MAX {
        return Err(JsonAnswer::detail(
            422,
            &format!("saga_id : de 1 à {ID_BYTES_MAX} octets sont attendus"),
        ));
    }
    let subject = Subject { saga_id: Some(saga_id.clone()), ..Subject::default() };
    Ok(Task::Write(subject, Box::new(Cancel { which: Which::OfSaga(saga_id) })))
}

fn cancel_by_id(id: i64) -> Task {
    Task::Write(Subject::default(), Box::new(Cancel { which: Which::Id(id) }))
}

enum Which {
    OfSaga(String),
    Id(i64),
}

/// Cancels the sales of a saga, or one sale.
struct Cancel {
    which: Which,
}

impl Operation for Cancel {
    fn name(&self) -> &'static str {
        "annuler"
    }

    fn direction(&self) -> CallDirection {
        CallDirection::Compensation
    }

    fn details(&self) -> Details {
        match &self.which {
            Which::OfSaga(saga_id) => Details { saga_id: Some(saga_id.clone()), ..Details::default() },
            Which::Id(id) => Details { vente_id: Some(*id), ..Details::default() },
        }
    }

    fn null_answer(&self) -> Option<JsonAnswer> {
        // The sale may have come without a key, so only the table of sales is certain, not the table of keys.
        None
    }

    fn run(&self, db: &Connection, _caller: &CallerHeaders) -> rusqlite::Result<OperationOutcome> {
        let cancelled = match &self.which {
            Which::OfSaga(saga_id) => {
                db.prepare_cached("INSERT INTO annulations (saga_id) VALUES (?1) ON CONFLICT DO NOTHING")?
                    .execute([saga_id])?;
                mark_cancelled(db, "saga_id = ?1", saga_id)?
            }
            Which::Id(id) => mark_cancelled(db, "id = ?1", id)?,
        };
        if cancelled.is_empty() {
            return Ok(OperationOutcome::Nothing(JsonAnswer::detail(404, "Aucune vente à annuler")));
        }
        let ids: Vec<_> = cancelled.iter().filter_map(|sale| sale.vente_id).collect();
        let answer = JsonAnswer::json(200, &json!({ "ok": true, "etat": "ANNULEE", "ventes": ids }));
        Ok(OperationOutcome::Done(answer, cancelled))
    }
}

/// Cancels the recorded sales that match `condition`, and returns them.
fn mark_cancelled(
    db: &Connection,
    condition: &str,
    value: &dyn rusqlite::ToSql,
) -> rusqlite::Result<Vec<Details>> {
    db.prepare_cached(&format!(
        "UPDATE ventes SET etat = 'ANNULEE' WHERE {condition} AND etat = 'ENREGISTREE'
         RETURNING id, saga_id, client_id, produits, montant_centimes"
    ))?
    .query_map([value], |row| {
        let produits: String = row.get(3)?;
        Ok(Details {
            vente_id: row.get(0)?,
            saga_id: row.get(1)?,
            client_id: row.get(2)?,
            produits: serde_json::from_str(&produits).map_err(bad_column)?,
            montant: row.get(4)?,
        })
    })?
    .collect()
}

fn list(request: &CallRequest) -> Result<Task, JsonAnswer> {
    let saga_id = request.query_text("saga_id")?;
    let client_id = request.query_number("client_id")?;
    let after = request.query_number("after")?.unwrap_or(0);
    let limit = request.query_number("limit")?.unwrap_or(VENTES_PAGE_MAX).clamp(0, VENTES_PAGE_MAX);
    let subject = Subject { client_id, saga_id: saga_id.clone(), ..Subject::default() };
    Ok(Task::Read(
        subject,
        Box::new(move |db| {
            let by_saga = if saga_id.is_some() { "saga_id = ?1" } else { "?1 IS NULL" };
            let mut query = db.prepare_cached(&format!(
                "SELECT id, saga_id, client_id, magasin_id, produits, montant_centimes, etat FROM ventes
                 WHERE {by_saga} AND (?2 IS NULL OR client_id = ?2) AND id > ?3 ORDER BY id LIMIT ?4"
            ))?;
            let ventes = query
                .query_map((&saga_id, client_id, after, limit), read_sale)?
                .collect::<rusqlite::Result<Vec<Value>>>()?;
            Ok(JsonAnswer::json(200, &ventes))
        }),
    ))
}

fn read_sale(row: &Row<'_>) -> rusqlite::Result<Value> {
    let produits: String = row.get(4)?;
    let produits: Box<RawValue> = RawValue::from_string(produits).map_err(bad_column)?;
    Ok(json!({
        "id": row.get::<_, i64>(0)?,
        "saga_id": row.get::<_, Option<String>>(1)?,
        "client_id": row.get::<_, i64>(2)?,
        "magasin_id": row.get::<_, i64>(3)?,
        "produits": produits,
        "montant": row.get::<_, Option<Centimes>>(5)?,
        "etat": row.get::<_, String>(6)?,
    }))
}
