//! Headers that a definition adds to its calls. The headers of the orchestrator, and those that control how a message
//! is sent, are refused.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use super::super::yaml::Spanned;
use super::{Checker, line};

/// Headers that frame a message or belong to one connection (RFC 9110, 7.6.1; RFC 9112): with a wrong value, the
/// service would read another request than the one that was sent.
const FRAMING: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that the orchestrator sets on every call, as it does all names that begin with `saga-`.
const OURS: &[&str] = &["idempotency-key", "traceparent", "tracestate"];
/// Beginnings and ends of headers' names that usually hold secrets.
const SECRETS: &[&str] =
    &["authorization", "cookie", "key", "apikey", "token", "secret", "password", "credential"];
/// Words that may precede a substituted secret, as in `Bearer ${TOKEN}`.
const NO_SECRETS: &[&str] = &["basic", "bearer", "digest", "token", "apikey", "key", "negotiate"];

impl Checker<'_> {
    /// The headers of every call to a participant.
    pub(super) fn headers(
        &mut self,
        given: &BTreeMap<String, Spanned<String>>,
    ) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for (header, value) in given {
            let at = line(value);
            let text = self.substitute(value)?.text;
            let (Ok(name), Ok(mut sent)) = (HeaderName::try_from(header), HeaderValue::try_from(&text))
            else {
                self.mistake(at, format!("`{header}` is not a header that can be sent"));
                continue;
            };
            if let Some(why) = reserved(name.as_str()) {
                self.mistake_since_two(at, format!("the header `{header}` cannot be set: {why}; remove it"));
            } else if headers.iter().any(|(there, _)| *there == name) {
                let why = format!("the header `{header}` is here twice, in another spelling; remove one");
                self.mistake_since_two(at, why);
            } else if let Some(what) = is_secret(name.as_str()).then(|| kept(&value.value)).flatten() {
                self.warning(
                    at,
                    format!(
                        "{what} of the header `{header}` is a part of the file, and is kept in the journal; take it from \
                         the environment, `${{NAME}}`, or from a file, `${{file:PATH}}`"
                    ),
                );
            }
            sent.set_sensitive(true);
            headers.push((name, sent));
        }
        Some(headers)
    }
}

/// Why a definition cannot set this header.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    if FRAMING.contains(&name) {
        Some("it says how a message is sent, which is not for a definition to say")
    } else if OURS.contains(&name) || name.starts_with("saga-") {
        Some("every call carries one of its own")
    } else if name == "accept-encoding" {
        Some("a compressed answer could not be read")
    } else {
        None
    }
}

/// Whether a header of this name usually holds a secret.
pub(super) fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.ends_with(secret) || name.starts_with(secret))
}

/// The part of a header's value that is written in the file itself; `None`: no part that could be a secret.
fn kept(written: &str) -> Option<&'static str> {
    let mut rest = written;
    let mut is_literal = false;
    let mut has_default = false;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').unwrap_or((after, ""));
        is_literal |= !is_no_secret(before);
        has_default |= variable.split_once(":-").is_some_and(|(_, default)| !default.is_empty());
        rest = after;
    }
    is_literal |= !is_no_secret(rest);
    match (is_literal, has_default) {
        (true, _) => Some("the value"),
        (false, true) => Some("the default"),
        (false, false) => None,
    }
}

/// Whether a text beside variables is only a scheme's name, or punctuation.
fn is_no_secret(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .all(|word| NO_SECRETS.contains(&word.to_ascii_lowercase().as_str()))
}
