//! `blocage`: the obstacle for which an order waits for an operator, the exact call that is pending, and the findings
//! that an operator can report.

use saga_core::definition::Body;
use saga_core::saga::{Pending, Request};
use saga_core::{Json, Saga};
use saga_journal::KeptRow;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use super::words::{Constat, Motif, Sens};
use crate::api::page::cut;

/// Why a person is needed, and the exact call that is pending. docs/blocked-orders.md says how to go on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Blocage {
    /// The step that is stuck; `null`: the order as a whole cannot be read.
    #[schema(required)]
    etape: Option<String>,
    /// For programs. `null`: not read.
    #[schema(required)]
    motif: Option<MotifBlocage>,
    /// For people, with the participant's words where it gave any.
    raison: String,
    #[schema(format = DateTime)]
    depuis: String,
    /// The call that nobody can know about, or that would be made next.
    #[schema(required)]
    appel: Option<Appel>,
    /// Why there is no call, where there is none.
    #[schema(required)]
    appel_absent: Option<String>,
    /// Attempts of the call so far.
    tentatives: u32,
    /// Whether the call, or a question about it, is under way.
    en_cours: bool,
    /// When it is tried again by itself.
    #[schema(required, format = DateTime)]
    prochaine_tentative: Option<String>,
    /// What `resoudre` takes.
    constats_possibles: Vec<Constat>,
    /// Whether `EXECUTEE` needs a `sortie`.
    sortie_requise: bool,
}

/// The kind of obstacle, or that nothing can be read.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum MotifBlocage {
    Motif(Motif),
    Illisible(Illisible),
}

/// The order as a whole cannot be read.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Illisible {
    HistoryUnreadable,
}

/// Characters of what is shown of a call's address, and of why there is none.
const SHOWN_CHARS_MAX: usize = 2_000;

/// The call that is in doubt, or that would be made next.
#[derive(Serialize, ToSchema)]
struct Appel {
    participant: String,
    #[schema(schema_with = done_or_undone)]
    direction: Sens,
    methode: String,
    /// Cut after 2,000 characters, with `…`.
    url: String,
    /// The JSON body; `null`: there is none, or it is in `corps_coupe`, or this is a list, which shows no bodies.
    #[schema(value_type = Value)]
    corps: Option<Json>,
    /// The body's size in bytes, whether it is shown or not; `null`: there is none.
    #[schema(required)]
    corps_octets: Option<usize>,
    /// The first 65,536 bytes of a body that has more, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    corps_coupe: Option<String>,
    /// The header `Idempotency-Key`, without its quotes.
    cle_idempotence: String,
}

impl Blocage {
    /// The facts about a blocked order once its history has been read; with as much of its call's body as
    /// `body_bytes_max`.
    pub(crate) fn of(row: &KeptRow, saga: &Saga, body_bytes_max: usize) -> Self {
        if row.parked.is_some() {
            return Self::unread(row, "the order can be read again: `reprendre` makes it go on");
        }
        let Some(pending) = saga.pending() else {
            return Self::unread(row, "the order has just gone on; ask again");
        };
        let (appel, appel_absent) = match &pending.request {
            Ok(request) => (Some(Appel::of(&pending, request, body_bytes_max)), None),
            Err(error) => (None, Some(cut(error.to_string(), SHOWN_CHARS_MAX))),
        };
        Self {
            etape: Some(pending.step.to_owned()),
            motif: Some(MotifBlocage::Motif(pending.blocked.stuck.into())),
            raison: cut(pending.blocked.reason.to_string(), SHOWN_CHARS_MAX),
            depuis: pending.blocked.at.to_string(),
            appel,
            appel_absent,
            tentatives: pending.attempts,
            en_cours: pending.is_under_way,
            prochaine_tentative: pending.next_at.map(|at| at.to_string()),
            constats_possibles: pending.findings.iter().copied().map(Constat::from).collect(),
            sortie_requise: pending.lacks_output,
        }
    }

    /// The facts that the row alone has, and the reason for which there are no more.
    pub(crate) fn unread(row: &KeptRow, why: impl Into<String>) -> Self {
        let trouble = row.trouble();
        Self {
            etape: trouble.as_ref().and_then(|trouble| trouble.step.as_ref()).map(ToString::to_string),
            motif: row.parked.is_some().then_some(MotifBlocage::Illisible(Illisible::HistoryUnreadable)),
            raison: trouble.map(|trouble| trouble.reason.to_string()).unwrap_or_default(),
            depuis: row.row.updated.to_string(),
            appel: None,
            appel_absent: Some(why.into()),
            tentatives: 0,
            en_cours: false,
            prochaine_tentative: None,
            constats_possibles: Vec::new(),
            sortie_requise: false,
        }
    }
}

impl Appel {
    fn of(pending: &Pending<'_>, request: &Request, body_bytes_max: usize) -> Self {
        let body = request.body.as_ref();
        let (whole, cut_body) = match body.map(Body::text) {
            Some(text) if text.len() > body_bytes_max => {
                let end = text.floor_char_boundary(body_bytes_max);
                (None, (end > 0).then(|| text[..end].to_owned()))
            }
            _ => (body.map(in_json), None),
        };
        let base = pending.participant.map(|called| called.base.to_string()).unwrap_or_default();
        Self {
            participant: pending.participant.map(|called| called.name.to_string()).unwrap_or_default(),
            direction: pending.direction.into(),
            methode: request.method.to_string(),
            url: cut(format!("{}{}", base.trim_end_matches('/'), request.path), SHOWN_CHARS_MAX),
            corps: whole,
            corps_octets: body.map(|body| body.text().len()),
            corps_coupe: cut_body,
            cle_idempotence: request.idempotency_key(),
        }
    }
}

/// A body as it is shown: a form or a text is a JSON string.
fn in_json(body: &Body) -> Json {
    let text = || Json::of(&body.text()).unwrap_or_else(|_| Json::null());
    body.json().cloned().unwrap_or_else(text)
}

/// The call that a blocked order waits for is an action or a compensation: there is no `probe` here.
fn done_or_undone() -> Object {
    let words = [Sens::Action, Sens::Compensation].map(|sens| serde_json::json!(sens));
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}
