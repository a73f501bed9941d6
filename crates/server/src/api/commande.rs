//! `/api/commande/{id}`: one order, its history, and stopping it.

use axum::Json;
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use saga_core::{Direction, Event, SagaId, Timestamp};
use saga_engine::{Refusal, Wait};
use saga_journal::Row;
use serde::Serialize;

use super::prefer::Preference;
use super::problem::Problem;
use super::{Api, checkout};

/// An order, as it is shown.
#[derive(Serialize)]
pub(crate) struct Commande {
    id: SagaId,
    client_id: Option<i64>,
    magasin_id: Option<i64>,
    etat_actuel: String,
    rollback: &'static str,
    /// Why there is no order, or why a person is needed.
    echec: Option<Echec>,
    cree_le: String,
    modifie_le: String,
    definition: Definition,
}

#[derive(Serialize)]
struct Echec {
    etape: Option<String>,
    raison: String,
}

#[derive(Serialize)]
struct Definition {
    nom: String,
    empreinte: String,
}

impl From<Row> for Commande {
    fn from(row: Row) -> Self {
        let projection = row.projection;
        Self {
            id: row.saga,
            client_id: projection.client_id,
            magasin_id: projection.magasin_id,
            etat_actuel: projection.etat.to_string(),
            rollback: projection.rollback.as_str(),
            echec: projection.echec.map(|echec| Echec {
                etape: echec.etape.map(|etape| etape.to_string()),
                raison: echec.raison.to_string(),
            }),
            cree_le: projection.created.to_string(),
            modifie_le: projection.updated.to_string(),
            definition: Definition {
                nom: projection.definition.to_string(),
                empreinte: projection.definition_hash.to_string(),
            },
        }
    }
}

/// The id in a path. Text that is no id names no order, whatever is wrong with it.
pub(crate) struct Id(SagaId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Problem::not_found());
        };
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// `GET /api/commande/{id}`.
pub(crate) async fn commande(State(api): State<Api>, Id(id): Id) -> Result<Json<Commande>, Problem> {
    let row = api.engine.journal().row(id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(row.into()))
}

/// `POST /api/commande/{id}/annuler`.
pub(crate) async fn annuler(
    State(api): State<Api>,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let preference = Preference::of(&headers, &api.limits);
    let wait = match preference.wait {
        Wait::Started => std::time::Duration::ZERO,
        Wait::Settled(wait) => wait,
    };
    let snapshot = api.engine.cancel(id, wait).await?;
    Ok(checkout::answer(&snapshot, preference.applied))
}

/// A state that the order entered.
#[derive(Serialize)]
struct Transition {
    etat: String,
    timestamp: String,
}

/// A line of the detailed history: a state entered, or a call to a participant.
#[derive(Serialize)]
#[serde(untagged)]
enum Ligne {
    Transition(Transition),
    Tentative(Tentative),
}

/// One attempt.
#[derive(Serialize)]
struct Tentative {
    etape: String,
    direction: Direction,
    tentative: u32,
    /// `null`: under way, or cut off.
    resultat: Option<&'static str>,
    statut_http: Option<u16>,
    raison: Option<String>,
    duree_ms: Option<f64>,
    timestamp: String,
}

/// `GET /api/commande/{id}/historique`.
pub(crate) async fn historique(
    State(api): State<Api>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut with_steps = false;
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match (&*name, &*value) {
            ("detail", "etapes") => with_steps = true,
            ("detail", other) => {
                let detail = format!("`detail` can be `etapes`, not `{}`", other.escape_debug());
                return Err(Problem::invalid(detail));
            }
            _ => {}
        }
    }
    let (saga, history) = match api.engine.read(id).await {
        Ok(Some(found)) => found,
        Ok(None) | Err(Refusal::Unknown) => return Err(Problem::not_found()),
        Err(error) => return Err(error.into()),
    };
    let step_name =
        |step: usize| saga.definition().steps.get(step).map_or_else(String::new, |s| s.name.to_string());
    let mut lines: Vec<Ligne> = Vec::new();
    // Where an attempt's line is, so that its end finds it.
    let mut open: Option<(usize, (usize, Direction), Timestamp)> = None;
    for record in &history.records {
        match &record.event {
            Event::AttemptStarted { step, direction, attempt } if with_steps => {
                open = Some((lines.len(), (*step, *direction), record.at));
                lines.push(Ligne::Tentative(Tentative {
                    etape: step_name(*step),
                    direction: *direction,
                    tentative: attempt.get(),
                    resultat: None,
                    statut_http: None,
                    raison: None,
                    duree_ms: None,
                    timestamp: record.at.to_string(),
                }));
            }
            Event::AttemptEnded { step, direction, outcome, status, reason, .. } if with_steps => {
                if let Some((line, call, since)) = open.take()
                    && call == (*step, *direction)
                    && let Some(Ligne::Tentative(tentative)) = lines.get_mut(line)
                {
                    tentative.resultat = Some(outcome.as_str());
                    tentative.statut_http = *status;
                    tentative.raison = reason.as_ref().map(ToString::to_string);
                    tentative.duree_ms = Some(record.at.since(since).as_micros() as f64 / 1_000.0);
                }
            }
            _ => {}
        }
        if let Some(etat) = &record.etat {
            let transition = Transition { etat: etat.to_string(), timestamp: record.at.to_string() };
            lines.push(Ligne::Transition(transition));
        }
    }
    Ok(Json(lines).into_response())
}
