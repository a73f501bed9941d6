//! `/livez`, `/readyz` and `/metrics`: for supervisors, load balancers and Prometheus.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Api;
use super::problem::{Problem, RETRY_AFTER_SECONDS};
use crate::metrics::Format;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /livez`: the process answers, and all that it cannot do without is there. Says nothing about the journal: a
/// restart would not mend that.
pub(crate) async fn livez(State(api): State<Api>) -> Response {
    match api.engine.health().dead {
        None => "ok\n".into_response(),
        Some(dead) => {
            let retry = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))];
            (StatusCode::SERVICE_UNAVAILABLE, retry, format!("{dead}: the process ends\n")).into_response()
        }
    }
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    /// Sagas under way in this process.
    sagas_active: usize,
    /// Whether all sagas that were unfinished at the start have been taken over.
    recovered: bool,
    stopping: bool,
    /// How long ago the order that is latest here was to go on by itself, in seconds; too long makes the process
    /// unready.
    oldest_due_age_s: f64,
    /// Whether others may own this process's orders by now: it has not renewed its lease in time.
    lease_ran_out: bool,
    /// Which task has ended that the process cannot do without.
    #[serde(skip_serializing_if = "Option::is_none")]
    dead: Option<String>,
    /// Why the journal fails, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<String>,
}

/// `GET /readyz`: whether new orders are accepted.
pub(crate) async fn readyz(State(api): State<Api>) -> Response {
    let health = api.engine.health();
    let ready = health.is_ready();
    let body = Ready {
        ready,
        sagas_active: health.active,
        recovered: health.recovered,
        stopping: health.stopping,
        lease_ran_out: health.lease_ran_out,
        dead: health.dead.as_ref().map(ToString::to_string),
        oldest_due_age_s: health.oldest_due_age.as_secs_f64(),
        journal: health.journal_failing.map(|(since, reason)| format!("failing since {since}: {reason}")),
    };
    if ready {
        return Json(body).into_response();
    }
    let retry = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(body)).into_response()
}

/// `GET /metrics`, in the form that the client asks for.
pub(crate) async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accept.contains("application/openmetrics-text");
    let (format, media) = if open { (Format::OpenMetrics, OPENMETRICS) } else { (Format::Plain, PLAIN) };
    let text = api.metrics.scrape(&api.engine, format).await;
    let text =
        text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, media)], text).into_response())
}
