//! Access tokens of an identity provider (JWT, RFC 9068) as credentials, beside keys.
//!
//! ```text
//!   bytes ─ token.rs ─▶ Token ─ expected.rs ─▶ for us, in time ─ key_set.rs ─▶ signed ─ holder.rs ─▶ TokenHolder
//!                                                                    ▲
//!           published.rs ── fetches ──▶ issuer_keys.rs ── keys ──────┘
//! ```
//!
//! - `token.rs`, `expected.rs`, `key_set.rs` with `algorithm.rs`, `holder.rs`: pure; a token, keys and a time give a holder, or why not.
//! - `issuer_url.rs`, `published.rs`: the issuer, its document and its keys, fetched within limits.
//! - `issuer_keys.rs`: the keys that this process has, when they are fetched again, and the tokens that they were found to have signed.
//! - `name_rates.rs`: how many requests each name may make. `generations.rs`: tables that stay small.
//!
//! Everything but the signature is checked first: only a token that would be good with the right signature can have keys fetched.

mod algorithm;
mod expected;
mod generations;
mod holder;
mod issuer_keys;
mod issuer_url;
mod key_set;
mod name_rates;
mod published;
#[cfg(test)]
mod tests;
mod token;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_core::Timestamp;
use saga_engine::participants::SetupError;
use sha2::{Digest, Sha256};

use self::expected::Expected;
use self::holder::HolderRules;
pub(super) use self::holder::TokenHolder;
pub(crate) use self::holder::{ClaimPath, RoleWord};
use self::issuer_keys::{FetchEnded, IssuerKeys, KEYS_RETRY_AFTER, LookedAgain, TokenHash, TrustedKeys};
pub(crate) use self::issuer_url::IssuerUrl;
use self::key_set::SignatureIs;
use self::name_rates::NameRates;
use self::published::Publisher;
pub(super) use self::token::looks_like_one;
use self::token::{BadToken, Token};
use super::rate::RateLeft;
use crate::metrics::IssuerCounts;

/// Seconds after which a caller tries again whose token cannot be checked.
pub(super) const RETRY_AFTER_S: u32 = KEYS_RETRY_AFTER.as_secs() as u32;

/// An issuer, and how its tokens are read.
#[derive(Debug)]
pub(crate) struct OidcSettings {
    pub(crate) issuer: IssuerUrl,
    /// The names that this server goes by at the issuer.
    pub(crate) audiences: Vec<String>,
    /// A PEM file with certificates to trust for it, beside the machine's.
    pub(crate) authorities: Option<PathBuf>,
    pub(crate) name: ClaimPath,
    pub(crate) roles: ClaimPath,
    /// Words that stand for roles; if there are none, the roles' own.
    pub(crate) words: Vec<RoleWord>,
    /// Whether a token's type may be `JWT`, or missing.
    pub(crate) takes_plain: bool,
    pub(crate) clock_skew: Duration,
    /// Requests that a name may make in a second.
    pub(crate) requests_per_second: Option<u32>,
}

/// The issuer whose tokens are taken.
#[derive(Debug)]
pub(super) struct TokenIssuer {
    publisher: Publisher,
    issuer: Arc<str>,
    expected: Expected,
    rules: HolderRules,
    keys: IssuerKeys,
    rate: Option<NameRates>,
}

/// Why a token has no holder here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotHeld {
    /// It is none that may be used: a word for the log.
    Bad(&'static str),
    /// Its signature cannot be checked: the issuer's keys are not there.
    IssuerUnreachable,
}

impl From<BadToken> for NotHeld {
    fn from(bad: BadToken) -> Self {
        Self::Bad(bad.into())
    }
}

impl TokenIssuer {
    pub(super) fn new(settings: OidcSettings) -> Result<Self, SetupError> {
        let issuer = settings.issuer.name().clone();
        let expected = Expected {
            issuer: issuer.clone(),
            audiences: settings.audiences,
            clock_skew: settings.clock_skew,
            takes_plain: settings.takes_plain,
        };
        Ok(Self {
            publisher: Publisher::new(settings.issuer, settings.authorities.as_deref())?,
            issuer,
            expected,
            rules: HolderRules::new(settings.name, settings.roles, settings.words),
            keys: IssuerKeys::new(),
            rate: settings.requests_per_second.map(NameRates::new),
        })
    }

    /// The holder of a token. It waits for the issuer in one case alone: the token is good, but for a key that is not known.
    pub(super) async fn holder(&self, token: &[u8], now: Timestamp) -> Result<Arc<TokenHolder>, NotHeld> {
        let seen = self.keys.progress();
        let hash: TokenHash = Sha256::digest(token).into();
        let current = self.keys.current();
        if let Some(known) = current.as_ref().and_then(|keys| keys.good(&hash, now)) {
            return Ok(known);
        }
        let token = Token::read(token)?;
        let holder = Arc::new(self.rules.holder(&token.claims, self.expected.until(&token, now)?)?);
        let have_signed = |keys: &TrustedKeys| match keys.set.judge(&token) {
            SignatureIs::Right => {
                keys.found_good(hash, holder.clone());
                Ok(true)
            }
            SignatureIs::Wrong => Err(BadToken::WrongSignature),
            SignatureIs::OfUnknownKey => Ok(false),
        };
        if let Some(keys) = &current
            && have_signed(keys)?
        {
            return Ok(holder);
        }
        match self.keys.look_again(seen).await {
            LookedAgain::Fetched => {}
            LookedAgain::AllThereAre => return Err(BadToken::UnknownKey.into()),
            LookedAgain::Unreachable => return Err(NotHeld::IssuerUnreachable),
        }
        let keys = self.keys.current().ok_or(NotHeld::IssuerUnreachable)?;
        if have_signed(&keys)? { Ok(holder) } else { Err(BadToken::UnknownKey.into()) }
    }

    /// Takes a request out of those that the name may make; `Err`: it may make none now.
    pub(super) fn take(&self, name: &Arc<str>, now: Timestamp) -> Result<Option<RateLeft>, RateLeft> {
        self.rate.as_ref().map(|rate| rate.take(name, now)).transpose()
    }

    /// Has the keys fetched at once.
    pub(super) fn fetch_keys_now(&self) {
        self.keys.fetch_now();
    }

    /// Keeps the issuer's keys current, and tells of trouble with them once.
    pub(super) async fn keep_keys(&self, counts: &IssuerCounts, now: impl Fn() -> Timestamp) -> Infallible {
        let issuer = &*self.issuer;
        let told: Mutex<Option<(String, bool)>> = Mutex::default();
        let report = |ended| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            match ended {
                FetchEnded::Fetched { keys } => {
                    counts.fetched(keys, now());
                    match told.take() {
                        Some(_) => tracing::info!(issuer, keys, "the issuer gives its keys again"),
                        None => tracing::debug!(issuer, keys, "the issuer's keys are fetched"),
                    }
                    if keys == 0 {
                        tracing::warn!(
                            issuer,
                            "the issuer has no key that signs tokens: all of its tokens are refused"
                        );
                    }
                }
                FetchEnded::Failed { why, keys_are_left } => {
                    counts.failed(keys_are_left);
                    let news = (why, keys_are_left);
                    if told.as_ref() != Some(&news) {
                        let why = &*news.0;
                        match keys_are_left {
                            true => tracing::warn!(
                                issuer,
                                why,
                                "the issuer's keys cannot be fetched, and its last ones are used further"
                            ),
                            false => tracing::error!(
                                issuer,
                                why,
                                "the issuer's keys cannot be fetched: its tokens get 503 until they can"
                            ),
                        }
                        *told = Some(news);
                    }
                }
            }
        };
        self.keys.keep(async || self.publisher.keys().await, report).await
    }
}
