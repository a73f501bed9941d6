//! Tokens judged as requests present them, with real keys of every kind.

mod keys;
mod verdicts;

use saga_core::Timestamp;
use saga_testkit::tokens::TokenKey;
use serde_json::{Value, json};

use super::key_set::KeySet;
use super::*;

pub(super) const ISSUER: &str = "https://id.example.com";
/// The time now.
pub(super) const NOW_S: i64 = 1_800_000_000;

pub(super) fn now() -> Timestamp {
    at(0)
}

/// So many seconds after now.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((NOW_S + seconds) * 1_000_000)
}

/// The claims of a good token.
pub(super) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "orders", "sub": "shop", "client_id": "shop-client", "exp": NOW_S + 300, "iat": NOW_S,
        "roles": ["start"]
    })
}

/// The same with one claim changed; `null` takes it away.
pub(super) fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

pub(super) fn settings() -> OidcSettings {
    OidcSettings {
        issuer: ISSUER.parse().unwrap(),
        audiences: vec!["orders".to_owned(), "https://orders.example.com".to_owned()],
        authorities: None,
        name: "sub".parse().unwrap(),
        roles: "roles".parse().unwrap(),
        words: Vec::new(),
        takes_plain: false,
        clock_skew: Duration::from_secs(60),
        requests_per_second: None,
    }
}

/// The keys as they are published.
pub(super) fn set(keys: &[&TokenKey]) -> KeySet {
    of_published(keys.iter().map(|key| key.published()).collect())
}

pub(super) fn of_published(keys: Vec<Value>) -> KeySet {
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// An issuer whose keys are these, and stay so.
pub(super) async fn holding(settings: OidcSettings, set: KeySet) -> TokenIssuer {
    let issuer = TokenIssuer::new(settings).unwrap();
    let seen = issuer.keys.progress();
    tokio::select! {
        never = issuer.keys.keep(async || Ok(set.clone()), |_| {}) => match never {},
        fetched = issuer.keys.look_again(seen) => assert_eq!(fetched, LookedAgain::Fetched),
    }
    issuer
}
