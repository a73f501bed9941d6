//! Errors as `application/problem+json` (RFC 9457). `detail` says what was wrong and what to do; FastAPI's clients
//! read that field, too.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saga_core::SagaId;
use saga_core::saga::Rejected;
use saga_engine::{Refusal, SLOTS_PERCENT};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::Crowded;

/// How long a caller waits, in seconds, before it tries again.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 1;

/// `WWW-Authenticate` for a caller that presents nothing: no error is named then (RFC 6750, 3.1).
const NO_CREDENTIAL: &str = "Bearer realm=\"orchestrateur\"";
/// The same for a caller whose key or token is none that may be used.
const BAD_CREDENTIAL: &str = "Bearer realm=\"orchestrateur\", error=\"invalid_token\"";

/// An error answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    /// The error, and what to do.
    detail: String,
    /// Stable, for programs.
    code: &'static str,
    /// The order that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid", nullable = false)]
    saga_id: Option<SagaId>,
    #[serde(skip)]
    retry: bool,
    #[serde(skip)]
    retry_after_s: u32,
    /// Of a `401`: how callers prove themselves.
    #[serde(skip)]
    challenge: &'static str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:orchestrateur:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            saga_id: None,
            retry: status == StatusCode::SERVICE_UNAVAILABLE,
            retry_after_s: RETRY_AFTER_SECONDS,
            challenge: NO_CREDENTIAL,
        }
    }

    /// A problem that goes away by itself.
    pub(crate) fn temporary(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { retry: true, ..Self::new(status, code, detail) }
    }

    /// The same, with the seconds after which it may have gone away.
    pub(crate) fn again_after(self, seconds: u32) -> Self {
        Self { retry_after_s: seconds, ..self }
    }

    /// The same for a caller that has presented a credential (RFC 6750, 3).
    pub(crate) fn of_bad_credential(self) -> Self {
        Self { challenge: BAD_CREDENTIAL, ..self }
    }

    fn about(mut self, saga: SagaId) -> Self {
        self.saga_id = Some(saga);
        self
    }

    /// The same for a caller whose request was followed, if it is that the saga cannot be read now.
    pub(crate) fn after_the_fact(self, saga: SagaId) -> Self {
        if !self.is_temporary() {
            return self;
        }
        let detail = format!("the saga {saga} is on disk, and cannot be shown now; ask for it again later");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_shown", detail).about(saga)
    }

    /// The error, and what to do.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The same with other words.
    pub(crate) fn saying(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Whether it goes away by itself, so that the answer says when to try again.
    pub(crate) fn is_temporary(&self) -> bool {
        self.retry
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn crowded(crowded: Crowded) -> Self {
        let (code, said) = match crowded {
            Crowded::Full => ("connections_max", "connections_max connections are open, all of them at work"),
            Crowded::Share => (
                "caller_percent",
                "this address has as many connections as one may have, all of them at work",
            ),
        };
        let detail = format!("{said} ({code}); nothing was done, try again later");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// Plain HTTP came to a port that speaks TLS.
    pub(crate) fn tls_needed() -> Self {
        let detail =
            "This port speaks TLS, and nothing was done. Write https:// in the address instead of http://";
        Self::new(StatusCode::BAD_REQUEST, "tls_needed", detail)
    }

    /// The answer could not be written down, which only a mistake of ours can bring about.
    pub(crate) fn unwritable(error: &serde_json::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "answer_unwritable", format!("write the answer: {error}"))
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_path", "There is nothing at this path; see /docs")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let detail = "This path does not take this method; the Allow header names those it takes";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail)
    }

    /// A refusal of the engine. `unknown` is the face's problem for a saga that does not exist.
    pub(crate) fn refused(refusal: Refusal, unknown: fn() -> Self) -> Self {
        let text = refusal.to_string();
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match refusal {
            Refusal::Full(no_room) => {
                let seconds = u32::try_from(no_room.retry_after.as_secs()).unwrap_or(u32::MAX);
                // The caller's own limit, whatever room there is.
                let is_own = no_room.limit == SLOTS_PERCENT;
                let status = if is_own { StatusCode::TOO_MANY_REQUESTS } else { unavailable };
                Self::temporary(status, no_room.limit, text).again_after(seconds)
            }
            Refusal::Stopping => Self::new(unavailable, "stopping", text),
            Refusal::Unavailable(_) => Self::new(unavailable, "journal_unavailable", text),
            Refusal::InDoubt(id) => Self::new(unavailable, "in_doubt", text).about(id),
            Refusal::NotAppliedYet(id) => Self::new(unavailable, "asked_elsewhere", text).about(id),
            Refusal::InboxFull(id) => Self::new(unavailable, "commands_waiting", text).about(id),
            Refusal::NotUnderstood(_) => Self::new(unavailable, "command_not_understood", text),
            Refusal::KeyReused(id) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", text).about(id)
            }
            Refusal::BadSignal(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_signal", text),
            Refusal::Unknown => unknown(),
            Refusal::Damaged(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "history_damaged", text),
            Refusal::Rejected(rejected) => {
                let code = match rejected {
                    Rejected::Completed => "already_completed",
                    Rejected::Failing => "already_failed",
                    Rejected::Over | Rejected::Stale => "already_over",
                    Rejected::NotBlocked => "not_blocked",
                    Rejected::GoingForward => "going_forward",
                    Rejected::OtherStep => "other_step",
                    Rejected::InDoubt => "in_doubt",
                    Rejected::CallUnderWay => "call_under_way",
                    Rejected::BeingUndone => "known_to_have_run",
                    Rejected::ToBeDone => "to_be_done",
                    Rejected::NoWayBack => "no_way_back",
                    Rejected::NothingToHurry => "nothing_to_hurry",
                    Rejected::NoSuchSignal => "no_such_signal",
                    Rejected::TakesNoSignals => "takes_no_signals",
                    Rejected::SignalsEnough => "signals_enough",
                    Rejected::SignalKeyReused => "signal_key_reused",
                    Rejected::OutputNeeded => "output_needed",
                    Rejected::OutputUnfit => "output_unfit",
                };
                // Only the end of a call has to be waited for.
                let retry = rejected == Rejected::CallUnderWay;
                let status = match rejected {
                    Rejected::NoSuchSignal => StatusCode::NOT_FOUND,
                    Rejected::SignalKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
                    _ => StatusCode::CONFLICT,
                };
                Self { retry, ..Self::new(status, code, text) }
            }
        }
    }
}

impl From<saga_journal::Unavailable> for Problem {
    fn from(error: saga_journal::Unavailable) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "journal_unavailable", format!("{error}; try again later"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.retry.then_some(self.retry_after_s);
        let challenge = self.challenge;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
