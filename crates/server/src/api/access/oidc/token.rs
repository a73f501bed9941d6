//! A token, taken apart: a JWT in its compact form (RFC 7519, RFC 7515). Nothing of it is believed yet.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use saga_core::Json;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use serde_json::{Map, Value};
use strum::IntoStaticStr;

use super::algorithm::TokenAlgorithm;

/// Bytes of a token.
const TOKEN_BYTES_MAX: usize = 8_000;

/// A token whose parts could be read.
pub(super) struct Token<'a> {
    pub(super) algorithm: TokenAlgorithm,
    pub(super) kind: Option<String>,
    pub(super) key_id: Option<Box<str>>,
    pub(super) claims: Map<String, Value>,
    /// What the signature is over.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

/// Why a token is none that may be used: for operators. Callers are told the same of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum BadToken {
    TooLarge,
    Malformed,
    /// No algorithm, or one that is not allowed.
    Algorithm,
    /// It wants an extension to be understood.
    Critical,
    WrongType,
    WrongIssuer,
    WrongAudience,
    NoExpiry,
    Expired,
    NotYetValid,
    IssuedInTheFuture,
    WrongSignature,
    UnknownKey,
    NoName,
}

/// A token's header. Keys in it, and addresses of keys (`jwk`, `jku`, `x5c`, `x5u`), mean nothing here.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<Box<str>>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

/// A member that is there, whatever it says.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Whether this is meant to be a token: three parts in base64url, and none of our keys.
pub(in crate::api::access) fn looks_like_one(presented: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut parts = presented.split(|byte| *byte == b'.');
    parts.clone().count() == 3 && parts.all(|part| part.iter().all(is_plain))
}

impl<'a> Token<'a> {
    pub(super) fn read(text: &'a [u8]) -> Result<Self, BadToken> {
        if text.len() > TOKEN_BYTES_MAX {
            return Err(BadToken::TooLarge);
        }
        let mut parts = text.split(|byte| *byte == b'.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(BadToken::Malformed);
        };
        let signed = &text[..header.len() + 1 + claims.len()];
        let bytes = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| BadToken::Malformed);
        let header: Header = object(&bytes(header)?)?;
        if header.crit {
            return Err(BadToken::Critical);
        }
        Ok(Self {
            algorithm: header.alg.parse().map_err(|_| BadToken::Algorithm)?,
            kind: header.typ,
            key_id: header.kid,
            claims: object(&bytes(claims)?)?,
            signed,
            signature: bytes(signature)?,
        })
    }
}

/// An object in which no member stands twice: two readers could take one of them each.
fn object<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, BadToken> {
    let json = Json::parse_unambiguous(bytes).map_err(|_| BadToken::Malformed)?;
    serde_json::from_str(json.text()).map_err(|_| BadToken::Malformed)
}
