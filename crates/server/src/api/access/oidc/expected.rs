//! What a token must say to be one for this server (RFC 9068, 4; RFC 8725). Pure: the time is an input.

use std::sync::Arc;
use std::time::Duration;

use saga_core::Timestamp;
use serde_json::{Map, Value};

use super::token::{BadToken, Token};

/// Seconds since 1970 up to which times in tokens are taken: the year 9999.
const TOKEN_TIME_MAX_S: u64 = 253_402_300_799;

/// The type that access tokens have (RFC 9068, 2.1), with and without the part before it that may be left out.
const ACCESS_TOKEN_TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];
/// The types that other tokens have.
const PLAIN_TYPES: [&str; 2] = ["jwt", "application/jwt"];

/// Expectations.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) issuer: Arc<str>,
    /// The names that this server goes by at the issuer.
    pub(super) audiences: Vec<String>,
    /// How far the issuer's clock and this one may be apart.
    pub(super) clock_skew: Duration,
    /// Whether a token's type may be `JWT`, or missing.
    pub(super) takes_plain: bool,
}

impl Expected {
    /// The time until which a token counts, if all but its signature is as expected.
    pub(super) fn until(&self, token: &Token<'_>, now: Timestamp) -> Result<Timestamp, BadToken> {
        self.check_type(token.kind.as_deref())?;
        let claims = &token.claims;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(BadToken::WrongIssuer);
        }
        if !self.is_for_us(claims) {
            return Err(BadToken::WrongAudience);
        }
        let until = time(claims, "exp")?.ok_or(BadToken::NoExpiry)?.plus(self.clock_skew);
        let by_now = now.plus(self.clock_skew);
        match (time(claims, "nbf")?, time(claims, "iat")?) {
            _ if now >= until => Err(BadToken::Expired),
            (Some(not_before), _) if by_now < not_before => Err(BadToken::NotYetValid),
            (_, Some(issued_at)) if by_now < issued_at => Err(BadToken::IssuedInTheFuture),
            _ => Ok(until),
        }
    }

    fn check_type(&self, kind: Option<&str>) -> Result<(), BadToken> {
        let is_one_of =
            |types: [&str; 2], kind: &str| types.iter().any(|known| known.eq_ignore_ascii_case(kind));
        let is_right = match kind {
            Some(kind) => {
                is_one_of(ACCESS_TOKEN_TYPES, kind) || (self.takes_plain && is_one_of(PLAIN_TYPES, kind))
            }
            None => self.takes_plain,
        };
        if is_right { Ok(()) } else { Err(BadToken::WrongType) }
    }

    /// `aud` is a name, or an array of names.
    fn is_for_us(&self, claims: &Map<String, Value>) -> bool {
        let is_ours =
            |name: &Value| name.as_str().is_some_and(|name| self.audiences.iter().any(|ours| ours == name));
        match claims.get("aud") {
            Some(Value::Array(names)) => names.iter().any(is_ours),
            Some(name) => is_ours(name),
            None => false,
        }
    }
}

/// A time in a token: seconds since 1970, which may have a fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, BadToken> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=TOKEN_TIME_MAX_S as f64).contains(seconds));
    let micros = seconds.ok_or(BadToken::Malformed)? * 1_000_000.0;
    Ok(Some(Timestamp::from_micros(micros as i64)))
}
