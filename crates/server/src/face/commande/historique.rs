//! `GET /api/commande/{id}/historique`: the states that an order entered, and what happened to it.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use saga_core::event::Cause;
use saga_core::{Direction, Event, Record, Saga, Timestamp};
use saga_engine::Refusal;
use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::commande::Id;
use super::error::{Error, UnknownOrder, UnreadableOrder};
use super::examples;
use super::words::{Constat, Etat, Fait, Motif, Resultat, Sens};
use crate::api::Api;
use crate::api::documented::{self, JournalUnavailable, Responses, header};
use crate::api::page::JsonPage;
use crate::api::problem::Problem;

/// Lines of a history in one answer; `Link` leads to the next ones. Most orders have a dozen, and one that
/// was tried for weeks has thousands.
const LINES_MAX: usize = 2_000;

/// A state that the order entered.
#[derive(Serialize, ToSchema)]
pub(crate) struct Transition {
    etat: Etat,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// A line of a history. Without `detail` there are only those with an `etat`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Ligne {
    Transition(Transition),
    Tentative(Tentative),
    Evenement(Evenement),
}

/// One attempt of a call to a participant.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tentative {
    etape: String,
    direction: Sens,
    #[schema(minimum = 1)]
    tentative: u32,
    /// `null`: under way, or cut off.
    #[schema(required)]
    resultat: Option<Resultat>,
    #[schema(required)]
    statut_http: Option<u16>,
    #[schema(required)]
    raison: Option<String>,
    #[schema(required)]
    duree_ms: Option<f64>,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// What happened beside states and calls.
#[derive(Serialize, ToSchema)]
pub(crate) struct Evenement {
    #[schema(inline)]
    evenement: Fait,
    #[schema(required)]
    etape: Option<String>,
    /// Of `bloque`: what is stuck, for programs.
    #[schema(required)]
    motif: Option<Motif>,
    #[schema(required)]
    constat: Option<Constat>,
    #[schema(required)]
    par: Option<String>,
    #[schema(required)]
    raison: Option<String>,
    #[schema(format = DateTime)]
    timestamp: String,
}

/// `200`: the history.
struct Histoire;

impl IntoResponses for Histoire {
    fn responses() -> Responses {
        let next =
            format!("</api/commande/{}/historique?detail=etapes&cursor=2000>; rel=\"next\"", examples::ID);
        let description = "The next lines, if there are more than fit into one answer (RFC 8288).";
        let response =
            documented::json("In the order of events.", documented::list_of("Ligne"), examples::history())
                .header("Link", header(description, next));
        Responses::from([("200".to_owned(), response.build().into())])
    }
}

/// An order's history
#[utoipa::path(
    get,
    path = "/api/commande/{id}/historique",
    security(("key" = ["start", "read", "operate", "admin"])),
    tag = "commandes",
    params(Id, HistoryQuery),
    responses(
        Histoire,
        UnknownOrder,
        (
            status = 422,
            description = "A parameter is wrong.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(HistoryQuery::read("detail=tout").err())
        ),
        UnreadableOrder,
        JournalUnavailable
    )
)]
pub(crate) async fn historique(
    State(api): State<Api>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let asked = HistoryQuery::read(&query.unwrap_or_default())?;
    let with_steps = asked.detail == Some(Detail::Etapes);
    let (saga, history) = match api.budgets.read(&api.engine, id).await? {
        Ok(Some((saga, _))) if saga.definition().name != api.commande_saga => return Err(Error::unknown()),
        Ok(Some(found)) => found,
        Ok(None) | Err(Refusal::Unknown) => return Err(Error::unknown()),
        Err(error) => return Err(error.into()),
    };
    let mut lines = HistoryLines { saga: &saga, shown: Vec::new(), open: BTreeMap::new() };
    for record in &history.records {
        if with_steps {
            lines.add(record);
        }
        if let Some(etat) = &record.state {
            let transition = Transition { etat: etat.clone().into(), timestamp: record.at.to_string() };
            lines.shown.push(Ligne::Transition(transition));
        }
    }
    let mut page = JsonPage::new(api.limits.page_bytes_max);
    let mut end = asked.cursor;
    for line in lines.shown.iter().skip(asked.cursor).take(LINES_MAX) {
        if !page.add(line).map_err(|error| Problem::unwritable(&error))? {
            break;
        }
        end += 1;
    }
    // Lines are added at the end alone, so that a line's number is its place for good.
    let next = (end < lines.shown.len()).then(|| {
        let detail = if with_steps { "detail=etapes&" } else { "" };
        format!("/api/commande/{id}/historique?{detail}cursor={end}")
    });
    Ok(page.answer(next))
}

/// The query of a history.
#[derive(Default, IntoParams)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// `etapes`: every call to a participant too, and what people asked.
    #[param(inline, example = "etapes")]
    detail: Option<Detail>,
    /// The next page, as the `Link` header of the one before has it: 2,000 lines at most are in one answer.
    #[param(required = false, example = 2_000, maximum = 18_446_744_073_709_551_615usize)]
    cursor: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Detail {
    Etapes,
}

impl HistoryQuery {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("detail", "etapes") => asked.detail = Some(Detail::Etapes),
                ("detail", other) => {
                    let detail = format!("`detail` can be `etapes`, not `{}`", other.escape_debug());
                    return Err(Problem::invalid(detail));
                }
                ("cursor", value) => {
                    asked.cursor = value.parse().map_err(|_| {
                        Problem::invalid("`cursor` must come from the Link header of the page before")
                    })?;
                }
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// The detailed history, as far as it is written.
struct HistoryLines<'a> {
    saga: &'a Saga,
    shown: Vec<Ligne>,
    /// Where the line of each attempt under way is, and since when, so that its end finds it.
    open: BTreeMap<(usize, Direction), (usize, Timestamp)>,
}

impl HistoryLines<'_> {
    fn step(&self, step: usize) -> Option<String> {
        self.saga.definition().steps.get(step).map(|step| step.name.to_string())
    }

    /// Whether a step can fail other than with an attempt: its wait ends, or its accepted action is not done in time.
    fn may_fail_without_attempt(&self, step: usize) -> bool {
        let step = self.saga.definition().steps.get(step);
        step.is_some_and(|step| step.as_call().is_none() || step.acceptance().is_some())
    }

    fn add(&mut self, record: &Record) {
        let timestamp = record.at.to_string();
        let text = |text: &str| Some(text.to_owned());
        let plain = |evenement: Fait| Evenement {
            evenement,
            etape: None,
            motif: None,
            constat: None,
            par: None,
            raison: None,
            timestamp: timestamp.clone(),
        };
        let event = match &record.event {
            Event::AttemptStarted { step, direction, attempt } => {
                self.open.insert((*step, *direction), (self.shown.len(), record.at));
                return self.shown.push(Ligne::Tentative(Tentative {
                    etape: self.step(*step).unwrap_or_default(),
                    direction: (*direction).into(),
                    tentative: attempt.get(),
                    resultat: None,
                    statut_http: None,
                    raison: None,
                    duree_ms: None,
                    timestamp,
                }));
            }
            // A poll has no event until it has an answer.
            Event::AttemptEnded {
                step,
                direction: Direction::Poll,
                attempt,
                outcome,
                status,
                reason,
                ..
            } => {
                return self.shown.push(Ligne::Tentative(Tentative {
                    etape: self.step(*step).unwrap_or_default(),
                    direction: Direction::Poll.into(),
                    tentative: attempt.get(),
                    resultat: Some((*outcome).into()),
                    statut_http: *status,
                    raison: reason.as_ref().map(ToString::to_string),
                    duree_ms: None,
                    timestamp,
                }));
            }
            Event::AttemptEnded { step, direction, outcome, status, reason, .. } => {
                if let Some((line, since)) = self.open.remove(&(*step, *direction))
                    && let Some(Ligne::Tentative(tentative)) = self.shown.get_mut(line)
                {
                    tentative.resultat = Some((*outcome).into());
                    tentative.statut_http = *status;
                    tentative.raison = reason.as_ref().map(ToString::to_string);
                    tentative.duree_ms = Some(record.at.since(since).as_micros() as f64 / 1_000.0);
                }
                return;
            }
            Event::Skipped { step } => Evenement { etape: self.step(*step), ..plain(Fait::Saute) },
            Event::Waits { step, until } => Evenement {
                etape: self.step(*step),
                raison: Some(format!("until {until}")),
                ..plain(Fait::Attend)
            },
            Event::PauseEnded { step } => Evenement { etape: self.step(*step), ..plain(Fait::PauseFinie) },
            Event::Signalled { name, .. } => Evenement { raison: text(name), ..plain(Fait::Signal) },
            Event::SignalTaken { step, reason, .. } => Evenement {
                etape: self.step(*step),
                raison: reason.as_deref().and_then(text),
                ..plain(Fait::SignalPris)
            },
            Event::PassedOver { step, reason } => {
                Evenement { etape: self.step(*step), raison: text(reason), ..plain(Fait::PasseOutre) }
            }
            Event::OutputMade { error, .. } => {
                Evenement { raison: error.as_deref().and_then(text), ..plain(Fait::Sortie) }
            }
            Event::RollbackDecided { cause: Cause::StepFailed { step, reason } }
                if self.saga.is_undecided(*step) =>
            {
                Evenement { etape: self.step(*step), raison: text(reason), ..plain(Fait::RollbackDecide) }
            }
            Event::RollbackDecided { cause: Cause::StepFailed { step, reason } }
                if self.may_fail_without_attempt(*step) =>
            {
                Evenement { etape: self.step(*step), raison: text(reason), ..plain(Fait::RollbackDecide) }
            }
            // That a step has failed shows in the attempt before.
            Event::RollbackDecided { cause: Cause::StepFailed { .. } } => return,
            Event::RollbackDecided { cause: Cause::Cancelled } => {
                Evenement { raison: text("cancelled on request"), ..plain(Fait::RollbackDecide) }
            }
            Event::RollbackDecided { cause: Cause::CancelledBy { by, reason } } => Evenement {
                par: text(by),
                raison: reason.as_deref().and_then(text).or_else(|| text("cancelled on request")),
                ..plain(Fait::RollbackDecide)
            },
            Event::RollbackDecided { cause: Cause::DeadlinePassed } => {
                Evenement { raison: text("the saga's deadline passed"), ..plain(Fait::RollbackDecide) }
            }
            Event::Blocked { step, stuck, reason } => Evenement {
                etape: self.step(*step),
                motif: Some((*stuck).into()),
                raison: text(reason),
                ..plain(Fait::Bloque)
            },
            Event::Resumed { by, reason, .. } => {
                Evenement { par: text(by), raison: reason.as_deref().and_then(text), ..plain(Fait::Repris) }
            }
            Event::Resolved { step, finding, by, reason, .. } => Evenement {
                etape: self.step(*step),
                constat: Some((*finding).into()),
                par: text(by),
                raison: text(reason),
                ..plain(Fait::Resolu)
            },
            Event::TakenOver { .. } => plain(Fait::PrisEnCharge),
            Event::Started { .. } | Event::Completed | Event::RolledBack => return,
        };
        self.shown.push(Ligne::Evenement(event));
    }
}
