//! The needs that a call has of its answer, and the wait that an answer asks for.

use std::time::Duration;

use saga_core::retry::RETRY_AFTER_MAX;

/// The headers of an answer that expressions can read.
pub(super) const ANSWER_HEADERS_MAX: usize = 64;

/// The requirements of the call's participant and definition on an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The largest body; a larger one makes the answer unreadable.
    pub(super) bytes_max: usize,
    /// Whether expressions read its headers.
    pub(super) headers: bool,
}

/// `Retry-After` in either form (RFC 9110, 10.2.3): seconds, or a date. A date is compared with the answer's own
/// `Date`, never with a clock of this machine. At most [`RETRY_AFTER_MAX`].
pub(super) fn retry_after<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Option<Duration> {
    let text = header("retry-after")?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number of seconds that does not fit counts as a long time, too.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        let date = httpdate::parse_http_date(header("date")?).ok()?;
        until.duration_since(date).ok()?
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(retry_after_is: &str, date: Option<&str>, expected: Option<u64>) {
        let header = |name: &str| match name {
            "retry-after" => Some(retry_after_is),
            _ => date,
        };
        assert_eq!(retry_after(header), expected.map(Duration::from_secs), "{retry_after_is}");
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
