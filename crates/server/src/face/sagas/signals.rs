//! `POST /api/sagas/{saga}/signals/{name}`: a signal for a saga, which waits for it or will.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::StatusCode;
use saga_core::saga::Rejected;
use saga_core::{Json, SagaId};
use saga_engine::{Listing, Refusal};
use saga_journal::Filter;
use utoipa::IntoResponses;

use super::examples;
use super::labels::{self, LabelQuery};
use super::saga::{UnreadableSaga, unknown};
use crate::api::access::Principal;
use crate::api::documented::{JournalUnavailable, Responses, problems};
use crate::api::problem::Problem;
use crate::api::{Api, body, key};

/// Bytes of a signal's body.
pub(crate) const SIGNAL_BYTES_MAX: usize = 64 * 1024;

/// Send a signal
///
/// Answers `202` once the signal is on disk, whether or not a step waits for it by now: a step that comes to wait later takes
/// it then. Signals of a name are taken in the order in which they were sent. The body is any JSON, and null without one.
#[utoipa::path(
    post,
    path = "/api/sagas/{saga}/signals/{name}",
    security(("key" = ["signal", "operate", "admin"])),
    tag = "sagas",
    params(
        ("saga" = String, Path, description = "The saga's id; or the name of its definition, with labels that only one saga under way has.", example = examples::id),
        ("name" = String, Path, description = "The signal's name, as the saga's definition has it.", example = "approved"),
        key::Key,
        LabelQuery
    ),
    request_body(
        content = serde_json::Value,
        description = "What the step that takes it reads as `.body`.",
        example = json!({ "approved": true })
    ),
    responses(
        (status = 202, description = "The signal is on disk."),
        body::Unusable,
        NoTaker,
        TakesNone,
        Misunderstood,
        UnreadableSaga,
        JournalUnavailable
    )
)]
pub(crate) async fn signal(
    State(api): State<Api>,
    principal: Principal,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<StatusCode, Problem> {
    let Path((saga, name)) = path.map_err(|_| unknown())?;
    principal.may_signal(&name)?;
    let labels = labels::read(query.as_deref().unwrap_or_default())?;
    let id = match saga.parse() {
        Ok(id) => id,
        Err(_) => the_one(&api, &saga, labels).await?,
    };
    let trace = api.traces.parent(request.headers());
    let (key, body) = sent(request, &api).await?;
    api.engine
        .asked_by(principal.name().cloned())
        .within(trace)
        .signal(id, &name, key.as_deref(), body)
        .await
        .map_err(|refusal| Problem::refused(refusal, unknown))?;
    Ok(StatusCode::ACCEPTED)
}

/// A signal's key and body, as its sender sent them.
pub(super) async fn sent(request: Request, api: &Api) -> Result<(Option<String>, Json), Problem> {
    let (head, body) = request.into_parts();
    let key = key::of(&head.headers)?;
    let sent = body::json_or_none(&head.headers, body, api).await?;
    if sent.len() > SIGNAL_BYTES_MAX {
        let detail = format!("The signal has {} bytes; SIGNAL_BYTES_MAX is {SIGNAL_BYTES_MAX}", sent.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "signal_bytes_max", detail));
    }
    let body = match &sent[..] {
        [] => Json::null(),
        sent => Json::parse_unambiguous(sent).map_err(|error| body::malformed(&error))?,
    };
    Ok((key, body))
}

/// The one saga of a definition that is under way and has these labels.
async fn the_one(api: &Api, definition: &str, labels: Vec<(Arc<str>, Arc<str>)>) -> Result<SagaId, Problem> {
    if labels.is_empty() {
        return Err(unknown());
    }
    let filter = Filter { definition: Some(definition.into()), under_way: true, labels, ..Filter::default() };
    let listing = Listing { filter, ..Listing::default() };
    let page =
        api.engine.list(&listing, None, 2).await.map_err(|refusal| Problem::refused(refusal, unknown))?;
    match &page.rows[..] {
        [] => {
            Err(unknown().saying("There is no saga of this definition that has these labels and is not over"))
        }
        [one] if page.next.is_none() => Ok(one.saga),
        _ => {
            let detail =
                "Several sagas of this definition that are not over have these labels; name one by its id";
            Err(Problem::new(StatusCode::CONFLICT, "several_sagas", detail))
        }
    }
}

fn rejected(why: Rejected) -> Problem {
    Problem::refused(Refusal::Rejected(why), unknown)
}

/// `404`: there is no such saga, or no step of it takes such signals.
struct NoTaker;

impl IntoResponses for NoTaker {
    fn responses() -> Responses {
        problems([(
            "There is no such saga, or no step of its definition takes signals of that name.",
            rejected(Rejected::NoSuchSignal),
        )])
    }
}

/// `409`: no step takes it any more.
pub(super) struct TakesNone;

impl IntoResponses for TakesNone {
    fn responses() -> Responses {
        problems([(
            "The saga is over or rolls back, or each step that takes such signals is done or has one that it has not taken yet.",
            rejected(Rejected::SignalsEnough),
        )])
    }
}

/// `422`: the signal means nothing, or its key belongs to another.
pub(super) struct Misunderstood;

impl IntoResponses for Misunderstood {
    fn responses() -> Responses {
        problems([(
            "The step's expressions cannot read the body, or the key belongs to a signal with another body.",
            Problem::refused(
                Refusal::BadSignal("step `approval`: neither `ok` nor `refused` holds for it".into()),
                unknown,
            ),
        )])
    }
}
