//! The meaning of a token endpoint's answer (RFC 6749, 5): an access token and its life, or why there is none.
//!
//! Nothing of the answer's text is in a reason: an endpoint may repeat the secret that it was sent.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::definition::{SecretText, bearer, is_token};

/// The longest access token, in bytes: it is a part of every call's head.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The life of a token whose answer does not say it.
pub const TOKEN_LIFE_DEFAULT: Duration = Duration::from_secs(300);
/// A token is asked for again after this time at the latest, however long its answer says that it lives.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// The errors of RFC 6749, 5.2, and RFC 8707, 2: these words alone are shown to operators.
const ERRORS: [&str; 7] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
];

/// A token, as calls carry it.
#[derive(Debug)]
pub struct AccessToken {
    /// The value of `Authorization`.
    pub authorization: SecretText,
    /// How long it is accepted from the moment of the request for it.
    pub life: Duration,
}

/// Why an answer has no token that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAccessToken {
    /// An error of RFC 6749, 5.2.
    #[error("the token endpoint answered {status}, {error}{advice}", advice = advice(.error))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// One of those of RFC 6749, 5.2, and RFC 8707, 2.
        error: &'static str,
    },
    /// Any other status than 200.
    #[error("the token endpoint answered {0}{advice}", advice = if (300..400).contains(.0) { "; redirects are not followed" } else { "" })]
    Status(u16),
    /// The answer is no JSON object with a token.
    #[error(
        "the token endpoint's answer is not a JSON object with `access_token` and `token_type` (RFC 6749, 5.1)"
    )]
    NoObject,
    /// Another kind of token, which is used in another way.
    #[error("the token endpoint gave a token of another type than Bearer")]
    OtherType,
    /// The token cannot stand in a header.
    #[error(
        "the token endpoint gave a token that is empty, or has a line break or another character that a token cannot have"
    )]
    Unsendable,
    /// The token is longer than [`ACCESS_TOKEN_BYTES_MAX`].
    #[error(
        "the token endpoint gave a token of more than {ACCESS_TOKEN_BYTES_MAX} bytes (ACCESS_TOKEN_BYTES_MAX)"
    )]
    TooLong,
    /// The token's life is not a number of seconds above zero.
    #[error("the token endpoint gave a token whose `expires_in` is not a number of seconds above 0")]
    NoLife,
}

fn advice(error: &str) -> &'static str {
    match error {
        "invalid_client" => {
            ": it does not accept `client_id` with this `client_secret`, or wants another `client_auth`"
        }
        "unauthorized_client" | "unsupported_grant_type" => {
            ": it does not let this client ask by `client_credentials`"
        }
        "invalid_scope" => ": it does not know the `scope`, or does not give it to this client",
        "invalid_target" => ": it does not know the `audience`",
        _ => "",
    }
}

/// The members of an answer that are read. Others are allowed (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<Value>,
}

#[derive(Deserialize)]
struct RefusedIn {
    error: String,
}

/// Reads an answer with this status.
pub fn read(status: u16, body: &[u8]) -> Result<AccessToken, NoAccessToken> {
    if status != 200 {
        let told = serde_json::from_slice::<RefusedIn>(body).ok();
        let known = told.and_then(|told| ERRORS.into_iter().find(|error| *error == told.error));
        return Err(
            known.map_or(NoAccessToken::Status(status), |error| NoAccessToken::Refused { status, error })
        );
    }
    // The parser's own words may quote the answer.
    let granted: Granted = serde_json::from_slice(body).map_err(|_| NoAccessToken::NoObject)?;
    let token = SecretText::new(granted.access_token);
    if !granted.token_type.eq_ignore_ascii_case("bearer") {
        return Err(NoAccessToken::OtherType);
    }
    if token.reveal().len() > ACCESS_TOKEN_BYTES_MAX {
        return Err(NoAccessToken::TooLong);
    }
    is_token(token.reveal()).map_err(|_| NoAccessToken::Unsendable)?;
    let life = life(granted.expires_in.as_ref()).ok_or(NoAccessToken::NoLife)?;
    Ok(AccessToken { authorization: bearer(token.reveal()), life })
}

/// Seconds: a number, or one in quotes, as some endpoints have it.
fn life(expires_in: Option<&Value>) -> Option<Duration> {
    let seconds = match expires_in {
        None | Some(Value::Null) => return Some(TOKEN_LIFE_DEFAULT),
        Some(Value::Number(number)) => number.as_f64()?,
        Some(Value::String(text)) => f64::from(text.parse::<u32>().ok()?),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return None,
    };
    (seconds >= 1.0).then(|| Duration::from_secs_f64(seconds.min(TOKEN_LIFE_MAX.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_its_life() {
        let ok = |rest: &str| {
            let answer = format!(r#"{{"access_token":"a.b-c","token_type":"bearer"{rest}}}"#);
            let token = read(200, answer.as_bytes()).unwrap_or_else(|why| panic!("{rest}: {why}"));
            assert_eq!(token.authorization.reveal(), "Bearer a.b-c");
            token.life.as_secs_f64()
        };
        assert_eq!(ok(r#","expires_in":3600"#), 3600.0);
        assert_eq!(ok(r#","expires_in":"3599","refresh_token":"r","scope":"s""#), 3599.0);
        assert_eq!(ok(r#","expires_in":1.5"#), 1.5);
        assert_eq!(ok(""), 300.0);
        assert_eq!(ok(r#","expires_in":null"#), 300.0);
        assert_eq!(ok(r#","expires_in":1e300"#), 86_400.0);
    }

    #[test]
    fn an_answer_that_gives_none_says_why_and_repeats_nothing() {
        use NoAccessToken as No;
        let with =
            |token: &str, more: &str| format!(r#"{{"access_token":"{token}","token_type":"Bearer"{more}}}"#);
        let long = with(&"x".repeat(ACCESS_TOKEN_BYTES_MAX + 1), "");
        let refused = |status, error| No::Refused { status, error };
        for (status, body, expected) in [
            (
                401,
                r#"{"error":"invalid_client","error_description":"hunter2"}"#,
                refused(401, "invalid_client"),
            ),
            (400, r#"{"error":"invalid_scope"}"#, refused(400, "invalid_scope")),
            (400, r#"{"error":"hunter2"}"#, No::Status(400)),
            (302, "", No::Status(302)),
            (503, "hunter2", No::Status(503)),
            // RFC 6749, 5.1: a token comes with 200.
            (201, &with("hunter2", ""), No::Status(201)),
            (200, "", No::NoObject),
            (200, "<html>hunter2</html>", No::NoObject),
            (200, r#"["hunter2"]"#, No::NoObject),
            (200, r#"{"access_token":"hunter2"}"#, No::NoObject),
            (200, r#"{"access_token":{"hunter2":1},"token_type":"Bearer"}"#, No::NoObject),
            (200, &with("hunter2", r#","access_token":"hunter3""#), No::NoObject),
            (200, r#"{"access_token":"hunter2","token_type":"DPoP"}"#, No::OtherType),
            (200, &with("", ""), No::Unsendable),
            (200, &with(r"hunter2\r\nHost: evil", ""), No::Unsendable),
            (200, &with("hunter2 3", ""), No::Unsendable),
            (200, &with(r"hunter2\u0000", ""), No::Unsendable),
            (200, &long, No::TooLong),
            (200, &with("hunter2", r#","expires_in":0"#), No::NoLife),
            (200, &with("hunter2", r#","expires_in":-3600"#), No::NoLife),
            (200, &with("hunter2", r#","expires_in":"soon""#), No::NoLife),
            (200, &with("hunter2", r#","expires_in":"-1""#), No::NoLife),
            (200, &with("hunter2", r#","expires_in":true"#), No::NoLife),
            (200, &with("hunter2", r#","expires_in":[60]"#), No::NoLife),
        ] {
            let told = read(status, body.as_bytes()).expect_err(body);
            assert_eq!(told, expected, "{status} {body}");
            assert!(!told.to_string().contains("hunter"), "{told}");
        }
    }
}
