//! `POST /api/callbacks/{token}`: a signal from a sender that has its address alone.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use saga_core::CallbackToken;
use utoipa::IntoResponses;

use super::saga::UnreadableSaga;
use super::signals::{self, Misunderstood, TakesNone};
use crate::api::documented::{JournalUnavailable, Responses, problems};
use crate::api::problem::Problem;
use crate::api::{Api, body, key};

/// Call a saga back
///
/// A request of the saga has sent this address (`.callbacks.NAME`). Answers as sending the signal `NAME` does. The address allows
/// its holder to send that signal to that saga, and nothing else.
#[utoipa::path(
    post,
    path = "/api/callbacks/{token}",
    security(()),
    tag = "sagas",
    params(
        ("token" = String, Path, description = "The last part of the address that the saga has sent.", example = "0193…"),
        key::Key
    ),
    request_body(
        content = serde_json::Value,
        description = "What the step that takes the signal reads as `.body`.",
        example = json!({ "approved": true })
    ),
    responses(
        (status = 202, description = "The signal is on disk."),
        body::Unusable,
        NoCallback,
        TakesNone,
        Misunderstood,
        UnreadableSaga,
        JournalUnavailable
    )
)]
pub(crate) async fn callback(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let token: Option<CallbackToken> = path.ok().and_then(|Path(token)| token.parse().ok());
    let token = token.ok_or_else(no_callback)?;
    let trace = api.traces.parent(request.headers());
    let (key, body) = signals::sent(request, &api).await?;
    let sent = api.engine.call_back(&token, key.as_deref(), body, trace).await;
    sent.map_err(|refusal| Problem::refused(refusal, no_callback))?;
    Ok(StatusCode::ACCEPTED)
}

/// The same answer whatever is wrong with the token: it does not tell which sagas there are.
fn no_callback() -> Problem {
    let detail = "No saga has sent this address for a callback";
    Problem::new(StatusCode::NOT_FOUND, "no_such_callback", detail)
}

/// `404`: the token belongs to no saga.
struct NoCallback;

impl IntoResponses for NoCallback {
    fn responses() -> Responses {
        problems([("No saga has sent this address.", no_callback())])
    }
}
