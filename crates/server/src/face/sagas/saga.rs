//! `GET /api/sagas/{saga}`: one saga, and the form in which sagas are shown.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use saga_core::definition::Labels;
use saga_core::saga::{Failure, Waiting, WaitingFor};
use saga_core::{Json as JsonText, Saga, SagaId};
use saga_engine::Refusal;
use saga_journal::KeptRow;
use serde::Serialize;
use strum::VariantNames;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoResponses, ToSchema};

use super::blocked::BlockedSaga;
use super::examples;
use super::words::RollbackWord;
use crate::api::documented::{JournalUnavailable, Responses, problems};
use crate::api::problem::Problem;
use crate::api::{Api, owned};

/// Bytes of the body of the pending call that are shown with one saga.
const BODY_SHOWN_BYTES_MAX: usize = 65_536;

/// A saga, as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = Saga)]
pub(crate) struct SagaShown {
    #[schema(value_type = String, format = "uuid")]
    id: SagaId,
    /// The name of its definition.
    saga: String,
    /// SHA-256 of the definition's source: what this saga runs, whatever becomes of the file.
    definition_hash: String,
    /// A state of the definition.
    state: String,
    rollback: RollbackWord,
    #[schema(value_type = Object)]
    labels: Labels,
    /// Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    input: Option<JsonText>,
    /// What it answers, once it has completed. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    output: Option<JsonText>,
    /// The step that failed, and why; `null` where none has.
    #[schema(required)]
    failure: Option<StepFailure>,
    /// While a person is needed.
    #[schema(required)]
    blocked: Option<BlockedSaga>,
    /// One entry for each step in progress, in the order of the file.
    waiting: Vec<WaitingStep>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// The name of the key that it was started with, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    started_by: Option<String>,
    /// The trace in which it is: its caller's, or one that has its id, or, after a pause of more than an hour, another one. Not in
    /// lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trace_id: Option<String>,
}

/// A step that has failed.
#[derive(Serialize, ToSchema)]
struct StepFailure {
    step: String,
    /// The participant's words where it gave any, cut to 300 bytes.
    reason: String,
}

impl StepFailure {
    /// A saga that was cancelled, or is late, has none.
    fn of(failure: &Failure) -> Option<Self> {
        Some(Self { step: failure.step.as_ref()?.to_string(), reason: failure.reason.to_string() })
    }
}

/// A step in progress, and what it waits for.
#[derive(Serialize, ToSchema)]
struct WaitingStep {
    step: String,
    #[serde(rename = "for")]
    #[schema(schema_with = waiting_for)]
    cause: WaitingFor,
    /// `null` for `call`, `participant` and `person`.
    #[schema(required, format = DateTime)]
    until: Option<String>,
    /// Since when the step has not got any further; `null` of a first call, which began with the saga's last event.
    #[schema(required, format = DateTime)]
    since: Option<String>,
}

/// The words for what a step can wait for.
fn waiting_for() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(WaitingFor::VARIANTS.iter().copied()))
        .build()
}

impl From<Waiting> for WaitingStep {
    fn from(waiting: Waiting) -> Self {
        let [until, since] = [waiting.until, waiting.since].map(|at| at.map(|at| at.to_string()));
        Self { step: waiting.step.to_string(), cause: waiting.cause, until, since }
    }
}

impl SagaShown {
    /// A saga as its row tells it, which says what it waits for.
    pub(super) fn of_row(row: KeptRow, blocked: Option<BlockedSaga>) -> Self {
        let (rollback, id, row) = (row.rollback(), row.saga, row.row);
        Self {
            id,
            saga: row.definition.to_string(),
            definition_hash: row.definition_hash.to_string(),
            state: row.state.to_string(),
            rollback: rollback.into(),
            labels: row.labels,
            input: None,
            output: None,
            failure: row.summary.failure.as_ref().and_then(StepFailure::of),
            blocked,
            waiting: row.summary.waiting.into_iter().map(WaitingStep::from).collect(),
            created_at: row.created.to_string(),
            updated_at: row.updated.to_string(),
            started_by: row.summary.started_by.map(|name| name.to_string()),
            trace_id: None,
        }
    }

    fn with(mut self, saga: &Saga) -> Self {
        self.input = Some(saga.input().clone());
        self.trace_id = Some(saga.trace_id().to_string());
        self.output = Some(saga.output().cloned().unwrap_or_else(JsonText::null));
        self
    }
}

/// Whether a saga needs a person.
pub(super) fn is_blocked(row: &KeptRow) -> bool {
    row.rollback() == saga_core::saga::Rollback::Blocked
}

/// One saga, whole.
pub(super) async fn shown(api: &Api, id: SagaId) -> Result<SagaShown, Problem> {
    let mut row = api.engine.journal().row(id).await?.ok_or_else(unknown)?;
    row.row.summary.waiting = api.engine.waiting(&row).await;
    let read = api.budgets.read(&api.engine, id).await?;
    let blocked = is_blocked(&row).then(|| BlockedSaga::of_read(&row, &read, BODY_SHOWN_BYTES_MAX));
    let shown = SagaShown::of_row(row, blocked);
    match read {
        Ok(Some((saga, _))) => Ok(shown.with(&saga)),
        // Its input cannot be read either.
        Ok(None) | Err(Refusal::Damaged(_)) => Ok(shown),
        Err(error) => Err(Problem::refused(error, unknown)),
    }
}

/// The id in a path, of a saga that the caller may know of. Text that is no id names no saga, whatever is wrong with it.
pub(super) struct SagaInPath(pub(super) SagaId);

impl FromRequestParts<Api> for SagaInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, api).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok()).ok_or_else(unknown)?;
        if owned::may_see(api, parts, id).await? { Ok(Self(id)) } else { Err(unknown()) }
    }
}

/// One saga
#[utoipa::path(
    get,
    path = "/api/sagas/{saga}",
    security(("key" = ["start", "read", "operate", "admin"])),
    tag = "sagas",
    params(("saga" = String, Path, description = "The saga's id.", example = examples::id)),
    responses(
        (status = 200, description = "The saga.", body = SagaShown, example = json!(examples::completed())),
        UnknownSaga,
        JournalUnavailable
    )
)]
pub(crate) async fn saga(
    State(api): State<Api>,
    SagaInPath(id): SagaInPath,
) -> Result<Json<SagaShown>, Problem> {
    shown(&api, id).await.map(Json)
}

/// There is no such saga.
pub(crate) fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_saga", "There is no saga with this id")
}

/// `404`: there is no such saga.
pub(super) struct UnknownSaga;

impl IntoResponses for UnknownSaga {
    fn responses() -> Responses {
        problems([("There is no such saga.", unknown())])
    }
}

/// `500`: the saga cannot be read.
pub(super) struct UnreadableSaga;

impl IntoResponses for UnreadableSaga {
    fn responses() -> Responses {
        problems([(
            "The saga's history cannot be read. The saga is parked for a person.",
            Problem::refused(Refusal::Damaged("frame 1 is not JSON".into()), unknown),
        )])
    }
}
