//! The keys that an issuer publishes (a JWK set, RFC 7517), as far as they sign tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::{PublicKey, TokenAlgorithm};
use super::token::Token;

/// Keys of an issuer, those that are of no use here included.
const ISSUER_KEYS_MAX: usize = 64;
/// Keys with which one token is tried, where its `kid` leaves that open.
const KEYS_TRIED_MAX: usize = 8;

/// The keys of an issuer that can check signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeySet(Vec<IssuerKey>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct IssuerKey {
    id: Option<Box<str>>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<TokenAlgorithm>,
    key: PublicKey,
}

/// What keys say of a token's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureIs {
    Right,
    Wrong,
    /// It may be of a key that is not among these.
    OfUnknownKey,
}

/// A set, as it is published.
#[derive(Deserialize)]
struct PublishedSet {
    keys: Vec<Value>,
}

/// A key, as it is published. Other members, certificates among them, mean nothing here.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<Box<str>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. Keys that are of no use here (of other kinds, for encryption, too small, unreadable) are left out.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let set: PublishedSet =
            serde_json::from_slice(text).map_err(|error| format!("it is no set of keys: {error}"))?;
        if set.keys.len() > ISSUER_KEYS_MAX {
            return Err(format!(
                "it has {} keys; the limit ISSUER_KEYS_MAX is {ISSUER_KEYS_MAX}",
                set.keys.len()
            ));
        }
        let published = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        Ok(Self(published.filter_map(PublishedKey::understood).collect()))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the keys has signed the token. Its `kid` says which may have; several may have the same.
    pub(super) fn judge(&self, token: &Token<'_>) -> SignatureIs {
        let algorithm = token.algorithm;
        let is_named = |key: &&IssuerKey| token.key_id.is_none() || key.id == token.key_id;
        let mut named = self.0.iter().filter(is_named).peekable();
        if named.peek().is_none() {
            return SignatureIs::OfUnknownKey;
        }
        let is_for =
            |key: &&IssuerKey| key.key.fits(algorithm) && key.algorithm.is_none_or(|only| only == algorithm);
        let mut tried = named.filter(is_for).take(KEYS_TRIED_MAX);
        match tried.any(|key| key.key.has_signed(algorithm, token.signed, &token.signature)) {
            true => SignatureIs::Right,
            // Without a `kid`, a new key of the issuer may have.
            false if token.key_id.is_none() => SignatureIs::OfUnknownKey,
            false => SignatureIs::Wrong,
        }
    }
}

impl PublishedKey {
    /// `None`: it checks no signature of the allowed algorithms.
    fn understood(self) -> Option<IssuerKey> {
        let is_for_signatures = self.usage.is_none_or(|usage| usage == "sig")
            && self.key_ops.is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
        if !is_for_signatures {
            return None;
        }
        let algorithm = match self.alg {
            Some(name) => Some(name.parse().ok()?),
            None => None,
        };
        let number = |text: Option<String>| BASE64_URL_SAFE_NO_PAD.decode(text?).ok();
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => PublicKey::rsa(&number(self.n)?, &number(self.e)?)?,
            ("EC", Some("P-256")) => PublicKey::point(32, &number(self.x)?, &number(self.y)?)?,
            ("EC", Some("P-384")) => PublicKey::point(48, &number(self.x)?, &number(self.y)?)?,
            ("OKP", Some("Ed25519")) => PublicKey::ed25519(&number(self.x)?)?,
            _ => return None,
        };
        // A key that says of itself that it is for another kind's algorithm is for none.
        let is_of_its_kind = algorithm.is_none_or(|algorithm| key.fits(algorithm));
        is_of_its_kind.then_some(IssuerKey { id: self.kid, algorithm, key })
    }
}
