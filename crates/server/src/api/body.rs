//! The body of a request: JSON, of limited size, in limited time. It must call itself JSON: what a form or a
//! script of a page from elsewhere can send without asking does not.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use serde::de::IgnoredAny;
use utoipa::IntoResponses;

use super::documented::{Responses, problems};
use super::problem::Problem;
use super::{Api, ApiLimits};

/// A body that must be there.
pub(crate) async fn json(headers: &HeaderMap, body: Body, api: &Api) -> Result<Bytes, Problem> {
    match media(headers) {
        Some(media) => is_json(&media)?,
        None => return Err(not_json("The body must be sent with Content-Type: application/json")),
    }
    read(body, api).await
}

/// A body that may be left out; without one, no `Content-Type` is needed.
pub(crate) async fn json_or_none(headers: &HeaderMap, body: Body, api: &Api) -> Result<Bytes, Problem> {
    match media(headers) {
        Some(media) => is_json(&media)?,
        None if body.is_end_stream() => return Ok(Bytes::new()),
        None => return Err(not_json("A body must be sent with Content-Type: application/json")),
    }
    read(body, api).await
}

/// The form that a page of ours sends: of at most so many bytes, and no more than any body.
pub(crate) async fn form(
    headers: &HeaderMap,
    body: Body,
    api: &Api,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    match media(headers).as_deref() {
        Some("application/x-www-form-urlencoded") => {
            read_within(bytes_max.min(api.limits.request_bytes_max), body, api).await
        }
        _ => {
            let detail = "The body must be a form: Content-Type: application/x-www-form-urlencoded";
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_form", detail))
        }
    }
}

/// The media type without its parameters, in lower case. `None`: the header is missing.
fn media(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let first = values.next()?.to_str().unwrap_or_default();
    // Two of them are none that can be believed.
    let first = if values.next().is_some() { "" } else { first };
    Some(first.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

fn is_json(media: &str) -> Result<(), Problem> {
    if media == "application/json" || (media.starts_with("application/") && media.ends_with("+json")) {
        return Ok(());
    }
    Err(other_media(media))
}

fn other_media(media: &str) -> Problem {
    not_json(format!("The body must be application/json, not `{}`", media.escape_debug()))
}

fn not_json(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail)
}

async fn read(body: Body, api: &Api) -> Result<Bytes, Problem> {
    read_within(api.limits.request_bytes_max, body, api).await
}

async fn read_within(bytes_max: usize, body: Body, api: &Api) -> Result<Bytes, Problem> {
    let wait = api.limits.request_timeout;
    match tokio::time::timeout(wait, collect(bytes_max, body, api)).await {
        Ok(read) => read,
        Err(_) => Err(late(wait)),
    }
}

fn late(wait: Duration) -> Problem {
    let detail = format!("The body did not arrive within {wait:?} (request_timeout)");
    Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
}

async fn collect(max: usize, mut body: Body, api: &Api) -> Result<Bytes, Problem> {
    let mut read = api.budgets.body(&api.limits);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "body_broke_off", "The body broke off"));
        };
        let Ok(bytes) = frame.into_data() else { continue };
        if read.len() + bytes.len() > max {
            return Err(too_large(max));
        }
        read.add(&bytes)?;
    }
    Ok(read.whole())
}

fn too_large(max: usize) -> Problem {
    let detail = format!("The body is larger than request_bytes_max ({max} bytes)");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request_bytes_max", detail)
}

/// The body calls itself JSON and is none.
pub(crate) fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "not_json", format!("The body is not JSON: {error}"))
}

/// `400`, `408`, `413`, `415`: the problems that bodies have.
pub(crate) struct Unusable;

impl IntoResponses for Unusable {
    fn responses() -> Responses {
        let limits = ApiLimits::default();
        let error = serde_json::from_str::<IgnoredAny>("x").expect_err("it is not JSON");
        problems([
            (
                "The body is not JSON, or broke off; or the `Host` header is missing, stands more than once, or cannot be read.",
                malformed(&error),
            ),
            ("The body did not arrive in time.", late(limits.request_timeout)),
            ("The body is too large.", too_large(limits.request_bytes_max)),
            ("The body is not declared as JSON.", other_media("text/plain")),
        ])
    }
}
