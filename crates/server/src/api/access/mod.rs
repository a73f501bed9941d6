//! Callers and their rights (promise P9). One place decides: `Access::admit`, before a handler runs.
//!
//! - `role.rs`: roles, and the roles that a route is for; each route names its own beside its handler.
//! - `keys.rs`: the file that has the callers' keys, and the names of their certificates. `oidc`: tokens of an identity provider. `rate.rs`: how many requests a caller may make.
//! - `principal.rs`: the caller of a request. `session`: callers who are signed in to the console.

pub(crate) mod keys;
pub(crate) mod oidc;
mod principal;
mod rate;
mod role;
pub(crate) mod session;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{Extensions, HeaderMap, StatusCode, header};
use saga_core::Timestamp;
use saga_engine::Clock;
use saga_journal::KeyDigest;

use self::keys::{KeyRing, KnownKey};
use self::oidc::{NotHeld, OidcSettings, TokenIssuer};
use self::principal::Credential;
pub use self::principal::Principal;
pub(crate) use self::rate::RateLeft;
pub use self::role::{Needs, Role, Roles};
pub(crate) use self::session::cookies;
use crate::api::problem::Problem;
use crate::metrics::{Denied, IssuerCounts};
use crate::tls::PeerCertificate;

/// Bytes of an `Authorization` header.
const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;

/// A credential, and how many requests its holder may still make; `Err`: none now.
type Presented = (Credential, Result<Option<RateLeft>, RateLeft>);

/// The key with which somebody signs in.
pub(crate) struct SigningIn {
    /// The name of the key.
    pub(crate) name: Arc<str>,
    /// The digest that the session keeps of it.
    pub(crate) key: KeyDigest,
}

/// A request that is not let through.
pub(crate) struct NotAdmitted {
    pub(crate) why: Denied,
    /// The caller's name, if its credential is known.
    pub(crate) name: Option<Arc<str>>,
    /// The answer.
    pub(crate) problem: Problem,
    /// Why a token is none that may be used: a word for the log, which callers do not hear.
    pub(crate) reason: Option<&'static str>,
    /// What the caller may still send, where that is limited.
    pub(crate) rate: Option<RateLeft>,
}

/// The callers that are known.
#[derive(Debug, Default)]
pub struct Access {
    /// The file of keys, if there is one.
    file: Option<PathBuf>,
    keys: RwLock<Arc<KeyRing>>,
    /// The issuer whose tokens are taken, if there is one.
    tokens: Option<TokenIssuer>,
}

impl Access {
    /// The callers of a keys file, and of an issuer. Without either, everybody may do everything. The error says what is wrong.
    pub(crate) fn of(file: Option<PathBuf>, oidc: Option<OidcSettings>) -> anyhow::Result<Self> {
        let keys = file.as_deref().map(KeyRing::read).transpose()?.unwrap_or_default();
        let tokens = oidc.map(TokenIssuer::new).transpose()?;
        Ok(Self { file, keys: RwLock::new(Arc::new(keys)), tokens })
    }

    /// Whether everybody may do everything.
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_none() && self.tokens.is_none()
    }

    /// How many keys there are; `None`: there is no file of them.
    pub(crate) fn keys(&self) -> Option<usize> {
        self.file.as_ref().map(|_| self.ring().len())
    }

    fn ring(&self) -> Arc<KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again: how many keys it has. After an error the keys from before stay. Has the issuer's keys fetched.
    pub(crate) fn reload(&self) -> anyhow::Result<Option<usize>> {
        if let Some(tokens) = &self.tokens {
            tokens.fetch_keys_now();
        }
        let Some(file) = &self.file else { return Ok(None) };
        let keys = KeyRing::read(file)?;
        let count = keys.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(Some(count))
    }

    /// Keeps the issuer's keys current, if there is an issuer.
    ///
    /// *Cancel point:* it is dropped at the process's end alone.
    pub(crate) async fn keep_issuer_keys(&self, counts: &IssuerCounts, clock: &Clock) -> Infallible {
        match &self.tokens {
            Some(tokens) => tokens.keep_keys(counts, || clock.now()).await,
            None => std::future::pending().await,
        }
    }

    /// Whether there is a file of keys, so that somebody can sign in.
    pub(crate) fn has_keys(&self) -> bool {
        self.file.is_some()
    }

    /// The key that somebody signs in with. A token signs nobody in, and neither does a certificate.
    pub(crate) fn sign_in(&self, presented: &[u8], now: Timestamp) -> Result<SigningIn, Box<NotAdmitted>> {
        let ring = self.ring();
        let Some((key, digest)) = ring.signing_in(presented, now) else {
            let is_token = oidc::looks_like_one(presented);
            return Err(NotAdmitted::stranger(if is_token { Denied::BadToken } else { Denied::BadKey }));
        };
        let name = key.name.clone();
        match key.take(now) {
            Ok(_) => Ok(SigningIn { name, key: digest }),
            Err(rate) => Err(NotAdmitted::known(Denied::Rate, name, too_many(), Some(rate))),
        }
    }

    /// The caller whose session this is, if its key is still there, and if it may use a route that needs this.
    pub(crate) fn admit_session(
        &self,
        name: &str,
        key: KeyDigest,
        needs: Needs,
        now: Timestamp,
    ) -> Result<Principal, Box<NotAdmitted>> {
        let ring = self.ring();
        let key = ring.of_session(name, key, now).ok_or_else(|| NotAdmitted::stranger(Denied::NoKey))?;
        decide((Credential::Key(key.clone()), key.take(now)), needs)
    }

    /// The caller of a request, if it may use a route that needs this. A key or token decides if there is one, and else the certificate
    /// of the caller's connection.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
        needs: Needs,
        now: Timestamp,
    ) -> Result<Principal, Box<NotAdmitted>> {
        if needs == Needs::Nothing {
            return Ok(Principal::nobody());
        }
        if self.is_open() {
            return Ok(Principal::anonymous());
        }
        let of_line = |key: Option<&Arc<KnownKey>>| match key {
            Some(key) => Ok((Credential::Key(key.clone()), key.take(now))),
            None => Err(NotAdmitted::stranger(Denied::BadKey)),
        };
        let presented = match (presented(headers), &self.tokens) {
            (Ok(presented), Some(tokens)) if oidc::looks_like_one(presented) => {
                let holder = tokens.holder(presented, now).await.map_err(NotAdmitted::token)?;
                let rate = tokens.take(&holder.name, now);
                (Credential::Token(holder), rate)
            }
            (Ok(presented), _) => of_line(self.ring().find(presented, now))?,
            (Err(Denied::NoKey), _) => {
                let certificate = extensions.get::<Arc<PeerCertificate>>();
                let certificate = certificate.ok_or_else(|| NotAdmitted::stranger(Denied::NoKey))?;
                of_line(self.ring().of_certificate(certificate.names(now), now))?
            }
            (Err(why), _) => return Err(NotAdmitted::stranger(why)),
        };
        decide(presented, needs)
    }

    /// Whether this caller would be let in now: for answers that go on. Neither a rate that is used up nor an issuer that is away
    /// ends them.
    pub(crate) async fn would_admit(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
        needs: Needs,
        now: Timestamp,
    ) -> bool {
        match self.admit(headers, extensions, needs, now).await {
            Ok(_) => true,
            Err(not) => matches!(not.why, Denied::Rate | Denied::IssuerUnreachable),
        }
    }
}

/// Whether the holder of a credential may use a route that needs this.
fn decide((credential, rate): Presented, needs: Needs) -> Result<Principal, Box<NotAdmitted>> {
    let known = |why, problem, rate| NotAdmitted::known(why, credential.name().clone(), problem, rate);
    let rate = rate.map_err(|rate| known(Denied::Rate, too_many(), Some(rate)))?;
    let (has, acting) = (credential.roles(), needs.acting(credential.roles()));
    match needs {
        Needs::AnyOf(wanted) if acting.is_empty() => Err(known(Denied::Role, forbidden(has, wanted), rate)),
        Needs::AnyOf(_) | Needs::Nothing => Ok(Principal::of(credential, acting, rate)),
    }
}

impl NotAdmitted {
    /// A caller whose credential is known.
    fn known(why: Denied, name: Arc<str>, problem: Problem, rate: Option<RateLeft>) -> Box<Self> {
        Box::new(Self { why, reason: None, name: Some(name), problem, rate })
    }

    /// A caller without a credential, or with a bad one.
    fn stranger(why: Denied) -> Box<Self> {
        Box::new(Self { why, reason: None, name: None, problem: unauthenticated(why), rate: None })
    }

    /// A caller whose token has no holder here.
    fn token(why: NotHeld) -> Box<Self> {
        match why {
            NotHeld::Bad(reason) => {
                Box::new(Self { reason: Some(reason), ..*Self::stranger(Denied::BadToken) })
            }
            NotHeld::IssuerUnreachable => {
                let (why, problem) = (Denied::IssuerUnreachable, issuer_unreachable());
                Box::new(Self { why, reason: None, name: None, problem, rate: None })
            }
        }
    }
}

/// The key that a request presents.
fn presented(headers: &HeaderMap) -> Result<&[u8], Denied> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let first = given.next().ok_or(Denied::NoKey)?.as_bytes();
    if given.next().is_some() || first.len() > AUTHORIZATION_BYTES_MAX {
        return Err(Denied::BadKey);
    }
    // The scheme's case does not matter (RFC 9110, 11.1).
    let (scheme, key) = first.split_at_checked(7).ok_or(Denied::BadKey)?;
    if scheme.eq_ignore_ascii_case(b"bearer ") { Ok(key.trim_ascii()) } else { Err(Denied::BadKey) }
}

/// `429`.
fn too_many() -> Problem {
    let detail = "The caller has made as many requests as it may in a second (requests_per_second), and nothing was done. Try again later";
    Problem::temporary(StatusCode::TOO_MANY_REQUESTS, "requests_per_second", detail)
}

/// `503`.
fn issuer_unreachable() -> Problem {
    let detail = "The token cannot be checked, because its issuer does not give its keys now, and nothing was done. Try again later";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "issuer_unreachable", detail)
        .again_after(oidc::RETRY_AFTER_S)
}

/// `401`. The words are the same for each key and each token that may not be used, whatever is wrong with it.
pub(crate) fn unauthenticated(denied: Denied) -> Problem {
    let problem = |detail| Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
    match denied {
        Denied::NoKey => problem(
            "The request presents no key and no token, and nothing was done. Send `Authorization: Bearer KEY`; `orchestrateur keys \
             add` makes a key, and the issuer of tokens, where one is configured, a token",
        ),
        Denied::BadKey | Denied::BadToken | Denied::IssuerUnreachable | Denied::Role | Denied::Rate => problem(
            "The key, token or client certificate that the request presents is none that may be used, and nothing was done. Send another \
             key or token as `Authorization: Bearer KEY`",
        )
        .of_bad_credential(),
    }
}

/// `403`.
fn forbidden(has: Roles, wanted: Roles) -> Problem {
    let has = match has.len() {
        0 => "none of the roles".to_owned(),
        1 => format!("the role {has}"),
        _ => format!("the roles {has}"),
    };
    let detail = format!("The caller has {has}, and nothing was done. This is for the roles {wanted}");
    Problem::new(StatusCode::FORBIDDEN, "role", detail)
}
