//! `blocked`: the obstacle for which a saga waits for a person, the exact call that is pending, and what can be said of it.

use saga_core::definition::Body;
use saga_core::event::{Finding, Stuck};
use saga_core::saga::{Pending, Request};
use saga_core::{Direction, Json, Saga};
use saga_engine::Refusal;
use saga_journal::{History, KeptRow};
use serde::Serialize;
use strum::VariantArray;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, Type};

use crate::api::page::cut;

/// Characters of a call's address that are shown, and of why there is none.
const SHOWN_CHARS_MAX: usize = 2_000;

/// Why a person is needed, and the exact call that is pending.
#[derive(Serialize, ToSchema)]
#[schema(as = Blocked)]
pub(super) struct BlockedSaga {
    /// The step that was blocked first; `null`: the saga as a whole cannot be read.
    #[schema(required)]
    step: Option<String>,
    /// For programs. `null`: not read.
    #[schema(schema_with = stuck)]
    stuck: Option<Stuck>,
    /// For people, with the participant's words where it gave any.
    reason: String,
    /// The same for all sagas that wait for the same: `GET /api/sagas?cause=` lists them. `0:` before the first event that a release
    /// with causes has recorded.
    #[schema(example = "1:client|paiement|compensation_failing|3f94de94e7b6d639")]
    cause: String,
    #[schema(format = DateTime)]
    since: String,
    /// The call that nobody can know about, or that would be made next.
    #[schema(required)]
    call: Option<PendingCall>,
    /// Attempts of the call so far.
    attempts: u32,
    /// When it is tried again by itself.
    #[schema(required, format = DateTime)]
    next_at: Option<String>,
    /// What `resolve` takes.
    #[schema(schema_with = findings)]
    findings: Vec<Finding>,
    /// Whether `ran` needs an `output`.
    needs_output: bool,
}

/// The call that is in doubt, or that would be made next.
#[derive(Serialize, ToSchema)]
struct PendingCall {
    participant: String,
    /// `action` or `compensation`.
    #[schema(value_type = String)]
    direction: Direction,
    method: String,
    /// Cut after 2,000 characters, with `…`.
    url: String,
    /// The body, a form or a text as a string; `null`: there is none, it is too long to be shown, or this is a list.
    #[schema(value_type = Value)]
    body: Option<Json>,
    /// The body's size in bytes; `null`: there is none.
    #[schema(required)]
    body_bytes: Option<usize>,
    /// The header `Idempotency-Key`, without its quotes.
    idempotency_key: String,
}

/// The words for obstacles, and `null`.
fn stuck() -> Object {
    let words = Stuck::VARIANTS.iter().map(|stuck| serde_json::json!(stuck)).chain([serde_json::Value::Null]);
    ObjectBuilder::new().enum_values(Some(words)).build()
}

fn findings() -> Array {
    let words = [Finding::Ran, Finding::NotRun, Finding::Undone].map(|finding| serde_json::json!(finding));
    let finding = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build();
    ArrayBuilder::new().items(finding).build()
}

impl BlockedSaga {
    /// The facts about a blocked saga, whose history was read or could not be; with as much of its call's body as
    /// `body_bytes_max`.
    pub(super) fn of_read(
        row: &KeptRow,
        read: &Result<Option<(Saga, History)>, Refusal>,
        body_bytes_max: usize,
    ) -> Self {
        let saga = read.as_ref().ok().and_then(|read| read.as_ref()).map(|(saga, _)| saga);
        let pending = saga.filter(|_| row.parked.is_none()).and_then(|saga| saga.pending());
        pending.map_or_else(|| Self::unread(row), |pending| Self::of(row, &pending, body_bytes_max))
    }

    fn of(row: &KeptRow, pending: &Pending<'_>, body_bytes_max: usize) -> Self {
        let call =
            pending.request.as_ref().ok().map(|request| PendingCall::of(pending, request, body_bytes_max));
        let why = pending.request.as_ref().err().map(|error| format!(" ({error})")).unwrap_or_default();
        Self {
            step: Some(pending.step.to_owned()),
            stuck: Some(pending.blocked.stuck),
            reason: cut(format!("{}{why}", pending.blocked.reason), SHOWN_CHARS_MAX),
            cause: cause(row),
            since: pending.blocked.at.to_string(),
            call,
            attempts: pending.attempts,
            next_at: pending.next_at.map(|at| at.to_string()),
            findings: pending.findings.to_vec(),
            needs_output: pending.lacks_output,
        }
    }

    /// The facts that the row alone has.
    pub(super) fn unread(row: &KeptRow) -> Self {
        let obstacle = row.row.summary.blocked.as_ref().filter(|_| row.parked.is_none());
        let reason = row.parked.clone().or(obstacle.map(|blocked| blocked.reason.clone()));
        let since = row.row.blocked_since.unwrap_or(row.row.updated);
        Self {
            step: obstacle.and_then(|blocked| blocked.step.as_ref()).map(ToString::to_string),
            stuck: None,
            reason: reason.map(|reason| reason.to_string()).unwrap_or_default(),
            cause: cause(row),
            since: since.to_string(),
            call: None,
            attempts: 0,
            next_at: None,
            findings: Vec::new(),
            needs_output: false,
        }
    }
}

fn cause(row: &KeptRow) -> String {
    row.cause().map(|cause| cause.to_string()).unwrap_or_default()
}

impl PendingCall {
    fn of(pending: &Pending<'_>, request: &Request, body_bytes_max: usize) -> Self {
        let body = request.body.as_ref();
        let base = pending.participant.map(|called| called.base.to_string()).unwrap_or_default();
        let text = |body: &Body| Json::of(&body.text()).unwrap_or_else(|_| Json::null());
        let shown = body.filter(|body| body.text().len() <= body_bytes_max);
        Self {
            participant: pending.participant.map(|called| called.name.to_string()).unwrap_or_default(),
            direction: pending.direction,
            method: request.method.to_string(),
            url: cut(format!("{}{}", base.trim_end_matches('/'), request.path), SHOWN_CHARS_MAX),
            body: shown.map(|body| body.json().cloned().unwrap_or_else(|| text(body))),
            body_bytes: body.map(|body| body.text().len()),
            idempotency_key: request.idempotency_key(),
        }
    }
}
