//! An issuer's keys, fetched: its document (OpenID Connect Discovery 1.0), and the keys at the address that the document names.

use std::path::Path;
use std::time::Duration;

use saga_engine::participants::{Fetcher, SetupError};
use serde::Deserialize;

use super::issuer_url::IssuerUrl;
use super::key_set::KeySet;

/// Bytes of an issuer's document.
const ISSUER_DOCUMENT_BYTES_MAX: usize = 65_536;
/// Bytes of an issuer's keys.
const ISSUER_KEYS_BYTES_MAX: usize = 262_144;
/// How long each of the two may take.
const ISSUER_FETCH_WAIT: Duration = Duration::from_secs(10);

/// An issuer, and the means to ask it.
#[derive(Debug)]
pub(super) struct Publisher {
    issuer: IssuerUrl,
    fetcher: Fetcher,
}

/// The part of an issuer's document that matters here.
#[derive(Deserialize)]
struct IssuerDocument {
    issuer: String,
    jwks_uri: String,
}

impl Publisher {
    pub(super) fn new(issuer: IssuerUrl, authorities: Option<&Path>) -> Result<Self, SetupError> {
        Ok(Self { issuer, fetcher: Fetcher::trusting("--oidc-ca", authorities)? })
    }

    /// The keys that the issuer has now. The error is a text for operators.
    pub(super) async fn keys(&self) -> Result<KeySet, String> {
        let place = self.issuer.document();
        let document = self.fetcher.fetch(place, ISSUER_DOCUMENT_BYTES_MAX, ISSUER_FETCH_WAIT).await;
        let document = document.map_err(|error| error.to_string())?;
        let keys =
            keys_of(&self.issuer, &document).map_err(|why| format!("the document at {place}: {why}"))?;
        let set = self.fetcher.fetch(&keys, ISSUER_KEYS_BYTES_MAX, ISSUER_FETCH_WAIT).await;
        let set = set.map_err(|error| error.to_string())?;
        KeySet::read(&set).map_err(|why| format!("the keys at {keys}: {why}"))
    }
}

/// The address of the keys, as the issuer's document names it.
fn keys_of(issuer: &IssuerUrl, document: &[u8]) -> Result<axum::http::Uri, String> {
    let document: IssuerDocument = serde_json::from_slice(document)
        .map_err(|error| format!("it is no document of an issuer, with `issuer` and `jwks_uri`: {error}"))?;
    if document.issuer != **issuer.name() {
        return Err(format!(
            "its `issuer` is `{}`, and not `{issuer}`: both must be the same letter by letter; write --oidc-issuer as the document does",
            document.issuer.escape_debug()
        ));
    }
    issuer.keys_at(&document.jwks_uri).map_err(|why| format!("its `jwks_uri`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_of_the_issuer_that_was_asked_for() {
        let issuer: IssuerUrl = "https://id.example.com/shop".parse().unwrap();
        let of = |issuer_says: &str, keys: &str| {
            let document = serde_json::json!({ "issuer": issuer_says, "jwks_uri": keys, "more": [1] });
            keys_of(&issuer, document.to_string().as_bytes()).map(|uri| uri.to_string())
        };
        let keys = "https://id.example.com/shop/keys";
        assert_eq!(of("https://id.example.com/shop", keys).as_deref(), Ok(keys));
        for other in
            ["https://id.example.com/shop/", "https://ID.example.com/shop", "https://id.example.com", ""]
        {
            let told = of(other, keys).unwrap_err();
            assert!(told.contains("letter by letter"), "{told}");
        }
        assert!(
            of("https://id.example.com/shop", "http://id.example.com/keys")
                .unwrap_err()
                .contains("not https")
        );
        for wrong in ["", "[]", "{}", r#"{"issuer":"https://id.example.com/shop"}"#, "<html>"] {
            assert!(
                keys_of(&issuer, wrong.as_bytes()).unwrap_err().contains("no document of an issuer"),
                "{wrong}"
            );
        }
    }
}
