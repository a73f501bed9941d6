//! The text that a signature is made of, and the fields that carry it: RFC 9421, 2 and 4; RFC 9530 for the digest of a body.
//!
//! Pure: the caller gives the time and the key's id.
//!
//! Each line of the text is a component's name and its value. A value cannot end its line, because neither a header's value nor a
//! request's target has a line break in it; a value that is not ASCII is refused.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use sha2::{Digest, Sha256};

/// The label of our signature among those of a message, and the application that it is for.
const TAG: &str = "orchestrateur";
/// How long a signature may be used after it was made, in seconds. A receiver that wants less compares `created`.
pub const SIGNATURE_LIFE_SECONDS: u64 = 300;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

/// The headers that are signed if the message has them, in this order. The first five are in every call.
const COVERED: [HeaderName; 7] = [
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("saga-id"),
    HeaderName::from_static("saga-step"),
    HeaderName::from_static("saga-attempt"),
    HeaderName::from_static("saga-epoch"),
    CONTENT_DIGEST,
    CONTENT_TYPE,
];

/// A call that cannot be signed as it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the call cannot be signed: its path, or its header `content-type`, has a character that is not ASCII; write that character in \
     another way (%C3%A9 in a path)"
)]
pub(in super::super) struct Unsignable;

/// A text to be signed, and the list of its parts.
pub(super) struct SignatureBase {
    pub(super) text: String,
    /// The value of `@signature-params`, which is the member of `Signature-Input`, too.
    input: String,
}

/// The time of a signature, and its key.
pub(super) struct Made<'k> {
    /// In seconds since 1970.
    pub(super) created: u64,
    pub(super) key_id: &'k str,
}

/// A list of components, with their values.
#[derive(Default)]
struct SignatureLines {
    text: String,
    names: String,
}

impl SignatureLines {
    fn add(&mut self, name: &str, values: &[&str]) {
        let behind = if self.names.is_empty() { "" } else { " " };
        for part in [behind, "\"", name, "\""] {
            self.names.push_str(part);
        }
        for part in ["\"", name, "\": "].iter().chain(values) {
            self.text.push_str(part);
        }
        self.text.push('\n');
    }

    /// The text, once the parameters stand at its end.
    fn signed_with(self, params: &str) -> Result<SignatureBase, Unsignable> {
        let Self { mut text, names } = self;
        let input = format!("({names}){params}");
        text.push_str("\"@signature-params\": ");
        text.push_str(&input);
        if text.is_ascii() { Ok(SignatureBase { text, input }) } else { Err(Unsignable) }
    }
}

/// The text for a request whose `Host` and `Content-Digest` are in place ([`prepare`]).
pub(super) fn base(
    (method, target): (&Method, &Uri),
    headers: &HeaderMap,
    made: &Made<'_>,
) -> Result<SignatureBase, Unsignable> {
    let mut lines = SignatureLines { text: String::with_capacity(1024), names: String::with_capacity(256) };
    lines.add("@method", &[method.as_str()]);
    lines.add("@authority", &[text_of(headers.get(HOST))?]);
    lines.add("@path", &[target.path()]);
    // A request without a query has the `?` alone (RFC 9421, 2.2.7).
    lines.add("@query", &["?", target.query().unwrap_or_default()]);
    for name in &COVERED {
        if let Some(value) = headers.get(name) {
            lines.add(name.as_str(), &[text_of(Some(value))?]);
        }
    }
    let Made { created, key_id } = made;
    let expires = created + SIGNATURE_LIFE_SECONDS;
    // `key_id` is base64url, which needs no escapes in a string.
    lines.signed_with(&format!(
        ";created={created};expires={expires};keyid=\"{key_id}\";alg=\"ed25519\";tag=\"{TAG}\""
    ))
}

/// A field's value without spaces at its ends.
fn text_of(value: Option<&HeaderValue>) -> Result<&str, Unsignable> {
    let text = value.map_or(Ok(""), HeaderValue::to_str).map_err(|_| Unsignable)?;
    Ok(text.trim_matches([' ', '\t']))
}

/// Sets the headers that the text needs: the authority as it is signed, and the digest of `body`. Every signed call has a digest, so that
/// a body cannot be added to one that has none.
pub(super) fn prepare(headers: &mut HeaderMap, authority: HeaderValue, body: &[u8]) {
    headers.insert(HOST, authority);
    let mut digest = String::with_capacity(64);
    digest.push_str("sha-256=:");
    STANDARD.encode_string(Sha256::digest(body), &mut digest);
    digest.push(':');
    headers.insert(CONTENT_DIGEST, ascii(digest));
}

/// Adds the signature of `base` to the headers.
pub(super) fn add(headers: &mut HeaderMap, base: &SignatureBase, signature: &[u8; 64]) {
    headers.insert(SIGNATURE_INPUT, ascii(format!("{TAG}={}", base.input)));
    let mut member = String::with_capacity(128);
    let _ = write!(member, "{TAG}=:");
    STANDARD.encode_string(signature, &mut member);
    member.push(':');
    headers.insert(SIGNATURE, ascii(member));
}

/// The authority of a participant's URL as RFC 9421, 2.2.3, wants it: in lower case, and without the scheme's own port.
pub(super) fn authority(base: &Uri) -> HeaderValue {
    let host = base.host().unwrap_or_default().to_ascii_lowercase();
    let own = if base.scheme_str() == Some("https") { 443 } else { 80 };
    match base.port_u16().filter(|port| *port != own) {
        Some(port) => ascii(format!("{host}:{port}")),
        None => ascii(host),
    }
}

fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text)
        .expect("base64, numbers, names of components and a URL's host are valid in a header")
}

#[cfg(test)]
mod tests;
