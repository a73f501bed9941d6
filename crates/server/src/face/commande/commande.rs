//! `GET /api/commande/{id}`: one order.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use saga_core::event::Cause;
use saga_core::{Event, Saga, SagaId, saga};
use saga_engine::Refusal;
use saga_journal::{History, KeptRow};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::answer::Echec;
use super::blocage::Blocage;
use super::error::{Error, UnknownOrder};
use super::examples;
use super::words::{Constat, Etat, Quoi, Rollback};
use crate::api::documented::JournalUnavailable;
use crate::api::{Api, owned};

/// Bytes of the body of the pending call that are shown.
const BODY_SHOWN_BYTES_MAX: usize = 65_536;
/// Interventions that are shown with an order, the newest ones; its history has all.
const INTERVENTIONS_SHOWN_MAX: usize = 100;

/// An order, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct Commande {
    #[schema(value_type = String, format = "uuid")]
    id: SagaId,
    #[schema(required)]
    client_id: Option<i64>,
    #[schema(required)]
    magasin_id: Option<i64>,
    etat_actuel: Etat,
    rollback: Rollback,
    /// Why there is no order, or why a person is needed.
    #[schema(required)]
    echec: Option<Echec>,
    /// While a person is needed.
    #[schema(required)]
    blocage: Option<Blocage>,
    /// What people asked. Not in lists. `null`: the history cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Intervention>>)]
    interventions: Option<Option<Vec<Intervention>>>,
    /// How many interventions before these are left out: the newest 100 are shown, the history has all.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(minimum = 1)]
    interventions_omises: usize,
    #[schema(format = DateTime)]
    cree_le: String,
    #[schema(format = DateTime)]
    modifie_le: String,
    #[schema(inline)]
    definition: DefinitionShown,
    /// The trace in which the order is: its caller's, or one that has its id, or, after a pause of more than an hour, another one.
    /// Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trace_id: Option<String>,
}

/// What somebody asked of the order.
#[derive(Serialize, ToSchema)]
struct Intervention {
    #[schema(inline)]
    quoi: Quoi,
    #[schema(required)]
    etape: Option<String>,
    #[schema(required)]
    constat: Option<Constat>,
    /// `null`: `annuler` does not say who.
    #[schema(required)]
    par: Option<String>,
    #[schema(required)]
    raison: Option<String>,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// What this order runs.
#[derive(Serialize, ToSchema)]
#[schema(as = Definition)]
struct DefinitionShown {
    nom: String,
    /// SHA-256 of the definition's source: what this order runs, whatever becomes of the file.
    empreinte: String,
}

impl From<KeptRow> for Commande {
    fn from(kept: KeptRow) -> Self {
        let (rollback, trouble, row) = (kept.rollback(), kept.trouble(), kept.row);
        Self {
            id: kept.saga,
            client_id: row.labels.integer("client_id"),
            magasin_id: row.labels.integer("magasin_id"),
            etat_actuel: row.state.into(),
            rollback: rollback.into(),
            echec: trouble.map(|trouble| Echec { etape: trouble.step, raison: trouble.reason }),
            blocage: None,
            interventions: None,
            interventions_omises: 0,
            cree_le: row.created.to_string(),
            modifie_le: row.updated.to_string(),
            definition: DefinitionShown {
                nom: row.definition.to_string(),
                empreinte: row.definition_hash.to_string(),
            },
            trace_id: None,
        }
    }
}

impl Commande {
    /// The same, with what it waits for.
    pub(crate) fn blocked(self, blocage: Option<Blocage>) -> Self {
        Self { blocage, ..self }
    }
}

/// The id in a path, of an order that the caller may know of. Text that is no id names no order, whatever is wrong with it.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub(crate) struct Id(
    /// The order's id, which is the saga's id too.
    #[param(value_type = String, format = "uuid", example = examples::id)]
    pub(crate) SagaId,
);

impl FromRequestParts<Api> for Id {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, api).await else {
            return Err(Error::unknown());
        };
        let id = text.parse().map_err(|_| Error::unknown())?;
        if owned::may_see(api, parts, id).await? { Ok(Self(id)) } else { Err(Error::unknown()) }
    }
}

/// One order
#[utoipa::path(
    get,
    path = "/api/commande/{id}",
    security(("key" = ["start", "read", "operate", "admin"])),
    tag = "commandes",
    params(Id),
    responses(
        (
            status = 200,
            description = "The order.",
            body = Commande,
            examples(
                ("confirmee" = (value = json!(examples::confirmed()))),
                ("echec" = (value = json!(examples::failed()))),
                ("bloquee" = (value = json!(examples::blocked())))
            )
        ),
        UnknownOrder,
        JournalUnavailable
    )
)]
pub(crate) async fn commande(State(api): State<Api>, Id(id): Id) -> Result<Json<Commande>, Error> {
    let row = api.engine.journal().row(id).await?;
    let row = row.filter(|row| row.row.definition == api.commande_saga).ok_or_else(Error::unknown)?;
    let read = api.budgets.read(&api.engine, id).await?;
    let trace_id = match &read {
        Ok(Some((saga, _))) => Some(saga.trace_id().to_string()),
        _ => None,
    };
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
        trace_id,
        ..row.into()
    }))
}

pub(crate) fn is_blocked(row: &KeptRow) -> bool {
    row.rollback() == saga::Rollback::Blocked
}

/// The obstacle of a blocked order, and the call that it waits for, as far as its history tells.
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
            Event::RollbackDecided { cause: Cause::Cancelled } => of(Quoi::Annuler),
            Event::RollbackDecided { cause: Cause::CancelledBy { by, reason } } => Intervention {
                par: Some(by.to_string()),
                raison: reason.as_ref().map(ToString::to_string),
                ..of(Quoi::Annuler)
            },
            Event::Resumed { by, reason, .. } => Intervention {
                par: Some(by.to_string()),
                raison: reason.as_ref().map(ToString::to_string),
                ..of(Quoi::Reprendre)
            },
            Event::Resolved { step: index, finding, by, reason, .. } => Intervention {
                etape: step(*index),
                constat: Some((*finding).into()),
                par: Some(by.to_string()),
                raison: Some(reason.to_string()),
                ..of(Quoi::Resoudre)
            },
            _ => return None,
        };
        Some(Intervention { timestamp: record.at.to_string(), ..intervention })
    });
    let mut shown: Vec<Intervention> = said.by_ref().take(INTERVENTIONS_SHOWN_MAX).collect();
    shown.reverse();
    (shown, said.count())
}
