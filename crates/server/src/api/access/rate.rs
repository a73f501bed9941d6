//! How many requests a key, or the name of a token's holder, may make: a token bucket (Turner, "New directions in communications", IEEE Communications Magazine, 1986).
//!
//! The bucket holds as many tokens as may be taken in a second, and is filled at that rate: a caller that was quiet may send that many at
//! once.

use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue};
use saga_core::Timestamp;

/// The requests that may be made in a second, and those that may be made now.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: u32,
    state: Mutex<BucketState>,
}

#[derive(Debug)]
struct BucketState {
    tokens: f64,
    filled: Option<Timestamp>,
}

/// The rest of a key's requests, for the fields `RateLimit` and `RateLimit-Policy`
/// (draft-ietf-httpapi-ratelimit-headers-10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLeft {
    per_second: u32,
    left: u32,
}

impl Bucket {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, state: Mutex::new(BucketState { tokens: per_second.into(), filled: None }) }
    }

    /// Takes a token for a request; `Err`: there is none now.
    pub(super) fn take(&self, now: Timestamp) -> Result<RateLeft, RateLeft> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = state.filled.map_or(0.0, |filled| now.since(filled).as_secs_f64());
        let full = f64::from(self.per_second);
        state.tokens = (state.tokens + since * full).min(full);
        state.filled = Some(now);
        let left = |tokens: f64| RateLeft { per_second: self.per_second, left: tokens as u32 };
        if state.tokens < 1.0 {
            return Err(left(0.0));
        }
        state.tokens -= 1.0;
        Ok(left(state.tokens))
    }
}

impl RateLeft {
    /// Says it in an answer.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        let Self { per_second, left } = self;
        for (name, text) in [
            ("ratelimit-policy", format!("\"key\";q={per_second};w=1")),
            ("ratelimit", format!("\"key\";r={left};t=1")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_requests_a_second_and_no_more() {
        let bucket = Bucket::new(3);
        let at = |millis: i64| Timestamp::from_micros(1_000_000_000 + millis * 1_000);
        let taken = |millis: i64| bucket.take(at(millis)).map(|left| left.left).map_err(|left| left.left);
        assert_eq!([taken(0), taken(0), taken(0), taken(0)], [Ok(2), Ok(1), Ok(0), Err(0)]);
        assert_eq!([taken(333), taken(334), taken(340)], [Err(0), Ok(0), Err(0)]);
        // However long it was quiet.
        assert_eq!(
            [taken(60_000), taken(60_000), taken(60_000), taken(60_000)],
            [Ok(2), Ok(1), Ok(0), Err(0)]
        );
        // A clock that steps back gives nothing, and takes nothing.
        assert_eq!([taken(50_000), taken(50_400)], [Err(0), Ok(0)]);
    }
}
