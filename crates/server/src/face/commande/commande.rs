//! `GET /api/commande/{id}`: one order.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use saga_core::event::Cause;
use saga_core::{Event, Saga, SagaId, saga};
use saga_engine::Refusal;
use saga_journal::{History, KeptRow};
use serde::Serialize;

use super::blocage::Blocage;
use super::error::Error;
use super::words::{Constat, Demande, Rollback};
use crate::api::Api;

/// Bytes of the body of the pending call that are shown.
const BODY_SHOWN_BYTES_MAX: usize = 65_536;
/// Interventions that are shown with an order, the newest ones; its history has all.
const INTERVENTIONS_SHOWN_MAX: usize = 100;

/// An order, as it is shown.
#[derive(Serialize)]
pub(crate) struct Commande {
    id: SagaId,
    client_id: Option<i64>,
    magasin_id: Option<i64>,
    etat_actuel: String,
    rollback: Rollback,
    /// Why there is no order, or why a person is needed.
    echec: Option<Echec>,
    /// While a person is needed.
    blocage: Option<Blocage>,
    /// What people asked; not in lists. `null`: the history cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    interventions: Option<Option<Vec<Intervention>>>,
    /// How many older ones than these there are.
    #[serde(skip_serializing_if = "is_zero")]
    interventions_omises: usize,
    cree_le: String,
    modifie_le: String,
    definition: Definition,
}

#[derive(Serialize)]
struct Echec {
    etape: Option<String>,
    raison: String,
}

/// What somebody asked of the order.
#[derive(Serialize)]
struct Intervention {
    quoi: Demande,
    etape: Option<String>,
    constat: Option<Constat>,
    /// `null`: `annuler` does not say who.
    par: Option<String>,
    raison: Option<String>,
    timestamp: String,
}

#[derive(Serialize)]
struct Definition {
    nom: String,
    empreinte: String,
}

impl From<KeptRow> for Commande {
    fn from(kept: KeptRow) -> Self {
        let (rollback, trouble, row) = (kept.rollback(), kept.trouble(), kept.row);
        Self {
            id: kept.saga,
            client_id: row.labels.integer("client_id"),
            magasin_id: row.labels.integer("magasin_id"),
            etat_actuel: row.state.to_string(),
            rollback: rollback.into(),
            echec: trouble.map(|trouble| Echec {
                etape: trouble.step.map(|step| step.to_string()),
                raison: trouble.reason.to_string(),
            }),
            blocage: None,
            interventions: None,
            interventions_omises: 0,
            cree_le: row.created.to_string(),
            modifie_le: row.updated.to_string(),
            definition: Definition {
                nom: row.definition.to_string(),
                empreinte: row.definition_hash.to_string(),
            },
        }
    }
}

impl Commande {
    /// The same, with what it waits for.
    pub(crate) fn blocked(self, blocage: Option<Blocage>) -> Self {
        Self { blocage, ..self }
    }
}

/// The id in a path. Text that is no id names no order, whatever is wrong with it.
pub(crate) struct Id(pub(crate) SagaId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Error::unknown());
        };
        text.parse().map(Self).map_err(|_| Error::unknown())
    }
}

/// `GET /api/commande/{id}`.
pub(crate) async fn commande(State(api): State<Api>, Id(id): Id) -> Result<Json<Commande>, Error> {
    let row = api.engine.journal().row(id).await?.ok_or_else(Error::unknown)?;
    let read = api.budgets.read(&api.engine, id).await?;
    let interventions = match &read {
        Ok(Some((saga, history))) => Some(interventions(saga, history)),
        Ok(None) | Err(Refusal::Damaged(_)) => None,
        Err(error) => return Err(error.clone().into()),
    };
    let blocage = is_blocked(&row).then(|| blocage(&row, read, BODY_SHOWN_BYTES_MAX));
    let left_out = interventions.as_ref().map_or(0, |(_, left_out)| *left_out);
    Ok(Json(Commande {
        blocage,
        interventions: Some(interventions.map(|(said, _)| said)),
        interventions_omises: left_out,
        ..row.into()
    }))
}

pub(crate) fn is_blocked(row: &KeptRow) -> bool {
    row.rollback() == saga::Rollback::Blocked
}

/// What a blocked order waits for, as far as its history tells.
pub(crate) fn blocage(
    row: &KeptRow,
    read: Result<Option<(Saga, History)>, Refusal>,
    body_bytes_max: usize,
) -> Blocage {
    match read {
        Ok(Some((saga, _))) => Blocage::of(row, &saga, body_bytes_max),
        Ok(None) => Blocage::unread(row, Refusal::Unknown.to_string()),
        Err(error) => Blocage::unread(row, error.to_string()),
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The newest interventions, oldest first, and how many are left out before them.
fn interventions(saga: &Saga, history: &History) -> (Vec<Intervention>, usize) {
    let step = |step: usize| saga.definition().steps.get(step).map(|step| step.name.to_string());
    let of = |quoi| Intervention {
        quoi,
        etape: None,
        constat: None,
        par: None,
        raison: None,
        timestamp: String::new(),
    };
    let mut said = history.records.iter().rev().filter_map(|record| {
        let intervention = match &record.event {
            Event::RollbackDecided { cause: Cause::Cancelled } => of(Demande::Annuler),
            Event::Resumed { by, reason } => Intervention {
                par: Some(by.to_string()),
                raison: reason.as_ref().map(ToString::to_string),
                ..of(Demande::Reprendre)
            },
            Event::Resolved { step: index, finding, by, reason, .. } => Intervention {
                etape: step(*index),
                constat: Some((*finding).into()),
                par: Some(by.to_string()),
                raison: Some(reason.to_string()),
                ..of(Demande::Resoudre)
            },
            _ => return None,
        };
        Some(Intervention { timestamp: record.at.to_string(), ..intervention })
    });
    let mut shown: Vec<Intervention> = said.by_ref().take(INTERVENTIONS_SHOWN_MAX).collect();
    shown.reverse();
    (shown, said.count())
}
