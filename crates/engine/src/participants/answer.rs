//! Reads an answer to its end, within limits.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use saga_core::reply::Answer;
use saga_core::retry::RETRY_AFTER_MAX;

/// The headers of an answer that expressions can read.
const ANSWER_HEADERS_MAX: usize = 64;
/// Memory that is allocated for a body before any of it has arrived, whatever its `Content-Length` says.
const BODY_BYTES_AHEAD: usize = 16 * 1024;

/// The requirements of the call's participant and definition on an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The largest body; a larger one makes the answer unreadable.
    pub(super) bytes_max: usize,
    /// Whether expressions read its headers.
    pub(super) headers: bool,
}

/// Reads `response`; the error is a text for operators.
pub(super) async fn read(response: http::Response<Incoming>, wanted: Wanted) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let body = read_body(body, wanted.bytes_max).await?;
    Ok(Answer {
        status: head.status.as_u16(),
        retry_after: retry_after(&head.headers),
        headers: head
            .headers
            .iter()
            .take(if wanted.headers { ANSWER_HEADERS_MAX } else { 0 })
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body,
    })
}

/// One buffer for all chunks: a body of a million chunks of one byte takes a million bytes.
async fn read_body(mut body: Incoming, bytes_max: usize) -> Result<Vec<u8>, String> {
    let too_large = || format!("the answer is larger than answer_bytes_max ({bytes_max} bytes)");
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity((announced as usize).min(BODY_BYTES_AHEAD));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the answer broke off: {}", chain(&error)))?;
        let Some(data) = frame.data_ref() else { continue };
        if data.len() > bytes_max - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// `Retry-After` in either form (RFC 9110, 10.2.3): seconds, or a date. A date is compared with the answer's own
/// `Date`, never with a clock of this machine. At most [`RETRY_AFTER_MAX`].
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number of seconds that does not fit counts as a long time, too.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
        until.duration_since(date).ok()?
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// An error with its causes: hyper's own text alone says little.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(retry_after_is: &str, date: Option<&str>, expected: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry_after_is.parse().expect("a header"));
        if let Some(date) = date {
            headers.insert(DATE, date.parse().expect("a header"));
        }
        assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{retry_after_is}");
    }

    #[test]
    fn retry_after_is_a_wait_that_nobody_can_make_endless() {
        let now = Some("Fri, 27 Nov 2026 12:00:00 GMT");
        check("7", None, Some(7));
        check("0", None, Some(0));
        check("86400", None, Some(60));
        check("18446744073709551615", None, Some(60));
        check("100000000000000000000", None, Some(60));
        check("-5", None, None);
        check("+5", None, None);
        check("1.5", None, None);
        check("", None, None);
        check("soon", now, None);
        check("Fri, 27 Nov 2026 12:00:09 GMT", now, Some(9));
        check("Fri, 31 Dec 9999 23:59:59 GMT", now, Some(60));
        check("Fri, 27 Nov 2026 11:00:00 GMT", now, None);
        check("Fri, 27 Nov 2026 12:00:09 GMT", None, None);
        check("Fri, 99 Nov 2026 12:00:09 GMT", now, None);
    }
}
