//! `/livez`, `/readyz` and `/metrics`: for supervisors, load balancers and Prometheus.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use serde_json::json;
use utoipa::PartialSchema;
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};

use super::Api;
use super::documented::{self, Responses, retry_after};
use super::problem::{Problem, RETRY_AFTER_SECONDS};
use crate::metrics::TextFormat;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process answers
///
/// All parts that it cannot do without are there. Says nothing about the journal: a restart would not mend that.
#[utoipa::path(
    get,
    path = "/livez",
    security(()),
    tag = "exploitation",
    responses(
        (status = 200, description = "It does.", body = String, content_type = "text/plain", example = "ok\n"),
        Dead
    )
)]
pub(crate) async fn livez(State(api): State<Api>) -> Response {
    match api.engine.health().dead {
        None => "ok\n".into_response(),
        Some(dead) => {
            let retry = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))];
            (StatusCode::SERVICE_UNAVAILABLE, retry, format!("{dead}: the process ends\n")).into_response()
        }
    }
}

/// `503` of `/livez`.
struct Dead;

impl IntoResponses for Dead {
    fn responses() -> Responses {
        let content = ContentBuilder::new()
            .schema(Some(String::schema()))
            .example(Some("the task `lease` has panicked: the process ends\n".into()));
        let response = ResponseBuilder::new()
            .description("A part has ended that the process cannot do without. The process ends.")
            .content("text/plain", content.build())
            .header("Retry-After", retry_after("Seconds."));
        Responses::from([("503".to_owned(), response.build().into())])
    }
}

/// Whether new orders are accepted, and why they are not.
#[derive(Serialize, ToSchema)]
#[schema(as = Pret)]
struct Ready {
    /// Whether new orders are accepted.
    ready: bool,
    /// Sagas under way in this process.
    sagas_active: usize,
    /// Whether all sagas that were unfinished at the start have been taken over.
    recovered: bool,
    /// Whether the process is going down.
    stopping: bool,
    /// How long ago the order that is latest here was to go on by itself. Past 30 s the process is not ready.
    oldest_due_age_s: f64,
    /// The journal has not been heard of for longer than the lease: others may own this process's orders by now.
    lease_ran_out: bool,
    /// Which part has ended that the process cannot do without. The process ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    dead: Option<String>,
    /// Why the journal fails, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    journal: Option<String>,
}

/// Whether new orders are accepted
#[utoipa::path(
    get,
    path = "/readyz",
    security(()),
    tag = "exploitation",
    responses(
        (
            status = 200,
            description = "They are.",
            body = Ready,
            example = json!({
                "ready": true, "sagas_active": 3, "recovered": true, "stopping": false, "lease_ran_out": false,
                "oldest_due_age_s": 0.0
            })
        ),
        Unready
    )
)]
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
        // The reason may name the database's address: where callers need keys, only supervisors hear it.
        journal: health.journal_failing.map(|(since, reason)| {
            match api.access.is_open() || api.reached.has_ops_address {
                true => format!("failing since {since}: {reason}"),
                false => format!("failing since {since}: the log has the reason"),
            }
        }),
    };
    if ready {
        return Json(body).into_response();
    }
    let retry = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS))];
    (StatusCode::SERVICE_UNAVAILABLE, retry, Json(body)).into_response()
}

/// `503` of `/readyz`.
struct Unready;

impl IntoResponses for Unready {
    fn responses() -> Responses {
        let example = json!({
            "ready": false, "sagas_active": 3, "recovered": true, "stopping": false, "lease_ran_out": false,
            "journal": "failing since 2026-11-22T10:15:30.123456Z: connection refused", "oldest_due_age_s": 0.0
        });
        let response = documented::json("They are not.", Ref::from_schema_name("Pret"), example)
            .header("Retry-After", retry_after("Seconds."));
        Responses::from([("503".to_owned(), response.build().into())])
    }
}

/// Metrics for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    security(("key" = ["read", "operate", "admin"])),
    tag = "exploitation",
    responses((
        status = 200,
        description = "OpenMetrics text, or plain Prometheus text, as `Accept` asks.",
        content(
            (String = "text/plain", example = "commande_etat_total{etat=\"CONFIRMEE\"} 1\n"),
            (String = "application/openmetrics-text", example = "commande_etat_total{etat=\"CONFIRMEE\"} 1\n# EOF\n")
        )
    ))
)]
pub(crate) async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let open = accept.contains("application/openmetrics-text");
    let (format, media) =
        if open { (TextFormat::OpenMetrics, OPENMETRICS) } else { (TextFormat::Plain, PLAIN) };
    let text = api.metrics.scrape(&api.engine, format).await;
    let text =
        text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, media)], text).into_response())
}
