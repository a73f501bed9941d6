//! `POST /api/sagas/{id}/signals/{name}`: a signal for a saga, which waits for it or will.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use saga_core::saga::Rejected;
use saga_core::{Json, SagaId};
use saga_engine::Refusal;
use utoipa::IntoResponses;

use crate::api::documented::{JournalUnavailable, Responses, problems};
use crate::api::problem::Problem;
use crate::api::{Api, body, key};

/// Bytes of a signal's body.
const SIGNAL_BYTES_MAX: usize = 64 * 1024;

/// Send a signal
///
/// Answers `202` once the signal is on disk, whether or not a step waits for it by now: a step that comes to wait later takes
/// it then. Signals of a name are taken in the order in which they were sent. The body is any JSON, and null without one.
#[utoipa::path(
    post,
    path = "/api/sagas/{id}/signals/{name}",
    tag = "sagas",
    params(
        ("id" = String, Path, description = "The saga's id.", format = "uuid", example = "0193f0a2-7b1e-7c44-9a51-5a7b0c1d2e3f"),
        ("name" = String, Path, description = "The signal's name, as the saga's definition has it.", example = "approved"),
        (
            "Idempotency-Key" = Option<String>,
            Header,
            description = "The same key and body are one signal of the saga, however often they are sent. 1 to 255 characters, bare \
                           or in double quotes.",
            nullable = false,
            max_length = 257,
            pattern = r#"^("[\t -~]{1,255}"|[!-~]|[!#-~][\t -~]{0,253}[!-~]|"[\t -~]{0,253}[!#-~])$"#,
            example = "approval-7"
        )
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
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let Path((id, name)) = path.map_err(|_| unknown())?;
    let id: SagaId = id.parse().map_err(|_| unknown())?;
    let (head, body) = request.into_parts();
    let key = key::of(&head.headers)?;
    let sent = body::json_or_none(&head.headers, body, &api).await?;
    if sent.len() > SIGNAL_BYTES_MAX {
        let detail = format!("The signal has {} bytes; SIGNAL_BYTES_MAX is {SIGNAL_BYTES_MAX}", sent.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "signal_bytes_max", detail));
    }
    let body = match &sent[..] {
        [] => Json::null(),
        sent => Json::parse_unambiguous(sent).map_err(|error| body::malformed(&error))?,
    };
    api.engine
        .signal(id, &name, key.as_deref(), body)
        .await
        .map_err(|refusal| Problem::refused(refusal, unknown))?;
    Ok(StatusCode::ACCEPTED)
}

/// There is no such saga.
fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_saga", "There is no saga with this id")
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
struct TakesNone;

impl IntoResponses for TakesNone {
    fn responses() -> Responses {
        problems([(
            "The saga is over or rolls back, or each step that takes such signals is done or has one that it has not taken yet.",
            rejected(Rejected::SignalsEnough),
        )])
    }
}

/// `422`: the signal means nothing, or its key belongs to another.
struct Misunderstood;

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

/// `500`: the saga cannot be read.
struct UnreadableSaga;

impl IntoResponses for UnreadableSaga {
    fn responses() -> Responses {
        problems([(
            "The saga's history cannot be read. The saga is parked for a person.",
            Problem::refused(Refusal::Damaged("frame 1 is not JSON".into()), unknown),
        )])
    }
}
