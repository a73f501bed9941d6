//! `GET /.well-known/jwks.json`: the public halves of the keys that sign calls to participants.
//!
//! The place and the form are those that every library for JWKs reads. The directory of the draft for bots
//! (`http-message-signatures-directory`) has the same content, but asks for a signed answer, and no library of participants fetches it yet.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use saga_engine::participants::signing::{SigningKey, SigningKeys};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;

/// RFC 7517, 8.5.2.
const JWK_SET: &str = "application/jwk-set+json";

/// A JWK set (RFC 7517).
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = JwkSet)]
pub(crate) struct SigningKeySet {
    /// The key that signs first, then those that are announced. Empty: no call is signed.
    keys: Vec<PublicSigningKey>,
}

/// The public half of a key (RFC 8037).
// It has no `alg`: RFC 9421 names algorithms otherwise than JOSE does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Jwk)]
struct PublicSigningKey {
    kty: &'static str,
    crv: &'static str,
    /// `keyid` of signatures: the key's thumbprint (RFC 7638).
    kid: String,
    x: String,
    #[serde(rename = "use")]
    purpose: &'static str,
}

impl SigningKeySet {
    pub(crate) fn of(keys: &SigningKeys) -> Self {
        Self { keys: keys.iter().map(PublicSigningKey::of).collect() }
    }
}

impl PublicSigningKey {
    fn of(key: &SigningKey) -> Self {
        Self { kty: "OKP", crv: "Ed25519", kid: key.id().to_owned(), x: key.public(), purpose: "sig" }
    }
}

/// The public keys of signed calls
///
/// A participant with `sign: true` checks with them that a call comes from this orchestrator.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    security(()),
    tag = "exploitation",
    responses((
        status = 200,
        description = "A JWK set (RFC 7517): the key that signs first, then those that are announced.",
        body = SigningKeySet,
        content_type = "application/jwk-set+json",
        example = json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig",
            "kid": "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"
        }] })
    ))
)]
pub(crate) async fn signing_keys(State(api): State<Api>) -> Response {
    let keys = api.signer.as_ref().map(|signer| SigningKeySet::of(&signer.keys())).unwrap_or_default();
    ([(CONTENT_TYPE, JWK_SET)], axum::Json(keys).into_response().into_body()).into_response()
}
