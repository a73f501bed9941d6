//! The body of a request: JSON, of limited size, in limited time.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Limits;
use super::problem::Problem;

/// A body that calls itself JSON, or nothing.
pub(crate) async fn json(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    is_json(headers)?;
    read(body, limits).await
}

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let media =
        value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "application/json" || (media.starts_with("application/") && media.ends_with("+json")) {
        return Ok(());
    }
    let detail = format!("The body must be application/json, not `{}`", media.escape_debug());
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail))
}

async fn read(body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    let max = limits.request_bytes_max;
    match tokio::time::timeout(limits.request_timeout, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("The body is larger than request_bytes_max ({max} bytes)");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request_bytes_max", detail))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "body_broke_off", "The body broke off")),
        Err(_) => {
            let detail = format!("The body did not arrive within {:?}", limits.request_timeout);
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail))
        }
    }
}
