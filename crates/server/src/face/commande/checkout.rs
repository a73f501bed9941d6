//! `POST /api/commande/checkout`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saga_core::definition::InputError;
use saga_core::saga::Failure;
use saga_engine::{Caller, Checkout, Snapshot};
use serde::Serialize;

use super::error::Error;
use super::words::Rollback;
use crate::api::prefer::Preference;
use crate::api::problem::Problem;
use crate::api::{Api, body};
use crate::http;

/// Characters of an `Idempotency-Key`.
const KEY_CHARS_MAX: usize = 255;

/// The answer once the saga is over or blocked.
#[derive(Serialize)]
struct Final<'a> {
    saga_id: saga_core::SagaId,
    etat_final: &'a str,
    /// Only where a person is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback: Option<Rollback>,
    /// Only where there is no order.
    #[serde(skip_serializing_if = "Option::is_none")]
    echec: Option<Echec<'a>>,
}

/// Why there is no order.
#[derive(Serialize)]
struct Echec<'a> {
    /// `null`: the order was stopped as a whole.
    etape: Option<&'a str>,
    raison: &'a str,
}

impl<'a> From<&'a Failure> for Echec<'a> {
    fn from(failed: &'a Failure) -> Self {
        Self { etape: failed.step.as_deref(), raison: &failed.reason }
    }
}

/// The answer while the saga goes on.
#[derive(Serialize)]
struct SoFar<'a> {
    saga_id: saga_core::SagaId,
    etat_actuel: &'a str,
    rollback: Rollback,
}

/// Runs the saga and answers with its end, or with where it stands when the caller's wait is over.
pub(crate) async fn checkout(State(api): State<Api>, request: Request) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let key = idempotency_key(&head.headers)?;
    let body = body::json(&head.headers, body, &api).await?;
    let input = api.engine.definition().read_input(&body).map_err(|error| match &error {
        InputError::NotJson(_) => Problem::new(StatusCode::BAD_REQUEST, "not_json", error.to_string()),
        _ => Problem::invalid(error.to_string()),
    })?;
    let caller = head.extensions.get::<http::Caller>().copied().unwrap_or_default();
    let caller = Caller::Address(caller.network());
    let request = Checkout { input, key, wait: preference.wait, caller };
    let snapshot = api.engine.checkout(request).await?;
    Ok(answer(&snapshot, preference.applied))
}

/// The answer about a saga that somebody waited for.
pub(crate) fn answer(snapshot: &Snapshot, applied: Option<String>) -> Response {
    let rollback = Rollback::from(snapshot.rollback);
    let mut response = if snapshot.settled {
        let body = Final {
            saga_id: snapshot.saga,
            etat_final: &snapshot.state,
            rollback: Some(rollback).filter(|rollback| *rollback == Rollback::Bloque),
            echec: snapshot.failure.as_ref().map(Echec::from),
        };
        (StatusCode::OK, axum::Json(body)).into_response()
    } else {
        let body = SoFar { saga_id: snapshot.saga, etat_actuel: &snapshot.state, rollback };
        let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
        if let Ok(location) = HeaderValue::try_from(format!("/api/commande/{}", snapshot.saga)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    };
    if let Some(applied) = applied.and_then(|applied| HeaderValue::try_from(applied).ok()) {
        response.headers_mut().insert("preference-applied", applied);
    }
    response
}

/// The key, in either of its two forms: a structured-field string in quotes, or bare.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = |what: &str| Err(Problem::invalid(format!("Idempotency-Key: {what}")));
    if values.next().is_some() {
        return wrong("the header stands more than once");
    }
    let Ok(text) = value.to_str() else { return wrong("only visible ASCII characters can be used") };
    let bare = text.trim();
    let bare = bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(bare);
    match bare.len() {
        0 => wrong("the key is empty"),
        n if n > KEY_CHARS_MAX => {
            wrong(&format!("the key has {n} characters; at most {KEY_CHARS_MAX} are taken"))
        }
        _ => Ok(Some(bare.to_owned())),
    }
}
