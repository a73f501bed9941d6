//! Callers and their rights (promise P9). One place decides: `Access::admit`, before a handler runs.
//!
//! - `role.rs`: roles, and the roles that a route is for; each route names its own beside its handler.
//! - `keys.rs`: the file that has the callers' keys, and the names of their certificates. `rate.rs`: how many requests a key may make. `principal.rs`: the caller of a request.

pub(crate) mod keys;
mod principal;
mod rate;
mod role;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{Extensions, HeaderMap, StatusCode, header};
use saga_core::Timestamp;

use self::keys::KeyRing;
pub use self::principal::Principal;
pub(crate) use self::rate::RateLeft;
pub use self::role::{Needs, Role};
use crate::api::problem::Problem;
use crate::metrics::Denied;
use crate::tls::PeerCertificate;

/// Bytes of an `Authorization` header.
const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;

/// A request that is not let through.
pub(crate) struct NotAdmitted {
    pub(crate) why: Denied,
    /// The caller's name, if its key is known.
    pub(crate) name: Option<Arc<str>>,
    /// The answer.
    pub(crate) problem: Problem,
    /// What the key may still send, where that is limited.
    pub(crate) rate: Option<RateLeft>,
}

/// The callers that are known.
#[derive(Debug, Default)]
pub struct Access {
    /// The file of keys; `None`: there is none, and everybody may do everything.
    file: Option<PathBuf>,
    keys: RwLock<Arc<KeyRing>>,
}

impl Access {
    /// The callers of a keys file. The error says what is wrong with it.
    pub fn of(file: Option<PathBuf>) -> anyhow::Result<Self> {
        let keys = file.as_deref().map(KeyRing::read).transpose()?.unwrap_or_default();
        Ok(Self { file, keys: RwLock::new(Arc::new(keys)) })
    }

    /// How many keys there are; `None`: callers need none.
    pub fn keys(&self) -> Option<usize> {
        self.file.as_ref().map(|_| self.ring().len())
    }

    fn ring(&self) -> Arc<KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again: how many keys it has. After an error the keys from before stay.
    pub fn reload(&self) -> anyhow::Result<Option<usize>> {
        let Some(file) = &self.file else { return Ok(None) };
        let keys = KeyRing::read(file)?;
        let count = keys.len();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(Some(count))
    }

    /// The caller of a request, if it may use a route that needs this. A key decides if there is one, and else the certificate of the
    /// caller's connection.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
        needs: &Needs,
        now: Timestamp,
    ) -> Result<Principal, Box<NotAdmitted>> {
        let Needs::AnyOf(roles) = needs else { return Ok(Principal::nobody()) };
        if self.file.is_none() {
            return Ok(Principal::anonymous());
        }
        let stranger =
            |why| Box::new(NotAdmitted { why, name: None, problem: unauthenticated(why), rate: None });
        let keys = self.ring();
        let known = match presented(headers) {
            Ok(key) => keys.find(key, now),
            Err(Denied::NoKey) => {
                let certificate = extensions.get::<Arc<PeerCertificate>>();
                let certificate = certificate.ok_or_else(|| stranger(Denied::NoKey))?;
                keys.of_certificate(certificate.names(now), now)
            }
            Err(why) => return Err(stranger(why)),
        };
        let Some(key) = known else {
            return Err(stranger(Denied::BadKey));
        };
        let name = Some(key.name.clone());
        let rate = key.take(now).map_err(|rate| {
            let (problem, name) = (too_many(), name.clone());
            Box::new(NotAdmitted { why: Denied::Rate, name, problem, rate: Some(rate) })
        })?;
        if needs.allows(key.role) {
            return Ok(Principal::of(key.clone(), rate));
        }
        let problem = forbidden(key.role, roles);
        Err(Box::new(NotAdmitted { why: Denied::Role, name, problem, rate }))
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
    let detail = "The key has made as many requests as it may in a second (requests_per_second), and nothing was done. Try again later";
    Problem::temporary(StatusCode::TOO_MANY_REQUESTS, "requests_per_second", detail)
}

/// `401`. The words are the same for an unknown key and one that has ended.
pub(crate) fn unauthenticated(denied: Denied) -> Problem {
    let detail = match denied {
        Denied::NoKey => {
            "The request presents no key, and nothing was done. Send `Authorization: Bearer KEY`; `orchestrateur keys \
                          add` makes one"
        }
        Denied::BadKey | Denied::Role | Denied::Rate => {
            "The key or client certificate that the request presents is none that may be used, and nothing was done. Send another \
             key as `Authorization: Bearer KEY`"
        }
    };
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
}

/// `403`.
pub(crate) fn forbidden(role: Role, wanted: &[Role]) -> Problem {
    let wanted: Vec<String> = wanted.iter().map(|role| format!("`{role}`")).collect();
    let detail = format!(
        "The key has the role `{role}`, and nothing was done. This is for the roles {}",
        wanted.join(", ")
    );
    Problem::new(StatusCode::FORBIDDEN, "role", detail)
}
