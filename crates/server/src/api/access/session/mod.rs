//! Sessions of the console. A session stands for its key, which is looked up again with each request. So a key that is taken out of
//! the file, ends, or is changed ends its sessions at once, at every process that has read the file.
//!
//! ```text
//!   cookie ── hash ──▶ journal: the session ── digest of its key ──▶ the keys of now ──▶ the caller, as with the key itself
//! ```
//!
//! Only paths under `/console/` have sessions: the console's guard comes here, and its streams. No other path knows of cookies.

mod cookie;

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Extensions, HeaderMap, header};
use saga_core::Timestamp;
use saga_journal::{KeptSession, SessionHash, Unavailable};

pub(crate) use self::cookie::{CookieKind, CookieSecret, CsrfToken, cookies};
use super::{Needs, NotAdmitted, Principal, SigningIn};
use crate::api::Api;
use crate::metrics::Denied;
use crate::tls::PeerCertificate;

/// A session that nobody uses for so long is over. An open page that follows what happens does not count as use.
const SESSION_IDLE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// A session is over then, however much it is used.
const SESSION_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How often a session's use is written down, at most.
const SESSION_USE_KEPT_EVERY: Duration = Duration::from_secs(60);

/// The caller of a request under `/console/`.
pub(crate) struct Identified {
    pub(crate) principal: Principal,
    /// The caller's session; `None`: it has another credential, or there are none here.
    pub(crate) session: Option<OpenSession>,
}

/// A session that is not over.
pub(crate) struct OpenSession {
    pub(crate) secret: CookieSecret,
    pub(crate) kept: KeptSession,
}

/// Why a request under `/console/` has no caller.
pub(crate) enum NotIdentified {
    /// The request brings no session, or one that is over.
    SignedOut,
    /// The caller is none, or not one for this page.
    Refused(Box<NotAdmitted>, Option<OpenSession>),
    /// The session cannot be looked up now.
    Unavailable(Unavailable),
}

/// The caller of a request. A key or token in the header `Authorization` decides if there is one, then the session, and then the
/// certificate of the connection.
pub(crate) async fn identify(
    api: &Api,
    headers: &HeaderMap,
    extensions: &Extensions,
    needs: Needs,
) -> Result<Identified, NotIdentified> {
    let now = api.clock.now();
    let otherwise = async || match api.access.admit(headers, extensions, needs, now).await {
        Ok(principal) => Ok(Identified { principal, session: None }),
        Err(refused) => Err(NotIdentified::Refused(refused, None)),
    };
    if api.access.is_open() || headers.contains_key(header::AUTHORIZATION) {
        return otherwise().await;
    }
    if let Some(session) = find(api, headers, now).await.map_err(NotIdentified::Unavailable)? {
        match api.access.admit_session(&session.kept.name, session.kept.key, needs, now) {
            Ok(principal) => return Ok(Identified { principal, session: Some(session) }),
            // The key is there no more.
            Err(refused) if refused.why == Denied::NoKey => {}
            Err(refused) => return Err(NotIdentified::Refused(refused, Some(session))),
        }
    }
    if extensions.get::<Arc<PeerCertificate>>().is_some() {
        return otherwise().await;
    }
    Err(NotIdentified::SignedOut)
}

/// The session of a request's cookie, if it is not over.
async fn find(api: &Api, headers: &HeaderMap, now: Timestamp) -> Result<Option<OpenSession>, Unavailable> {
    let Some(secret) = CookieKind::Session.of(headers, api.reached.is_https) else { return Ok(None) };
    let kept = api.engine.journal().session(secret.hash()).await?;
    Ok(kept.filter(|kept| is_open(kept, now)).map(|kept| OpenSession { secret, kept }))
}

fn is_open(session: &KeptSession, now: Timestamp) -> bool {
    now < session.ends && now.since(session.used) < SESSION_IDLE_MAX
}

impl OpenSession {
    pub(crate) fn id(&self) -> SessionHash {
        self.kept.id
    }

    /// Keeps that a person has used the session, now and then. If that cannot be kept, the session is only over earlier.
    pub(crate) async fn used(&self, api: &Api) {
        let now = api.clock.now();
        if now.since(self.kept.used) < SESSION_USE_KEPT_EVERY {
            return;
        }
        if let Err(error) = api.engine.journal().touch_session(self.id(), now).await {
            tracing::debug!("a session's use cannot be kept now: {error}");
        }
    }
}

/// Opens a session for somebody who has shown a key: the cookie's secret. Sessions that are over are taken away on this occasion.
pub(crate) async fn open(api: &Api, who: &SigningIn) -> Result<CookieSecret, Unavailable> {
    let (now, journal) = (api.clock.now(), api.engine.journal());
    let secret = CookieSecret::draw().map_err(Unavailable::because)?;
    if let Err(error) = journal.forget_sessions(now, now.minus(SESSION_IDLE_MAX)).await {
        tracing::debug!("sessions that are over cannot be taken away now: {error}");
    }
    let ends = now.plus(SESSION_AGE_MAX);
    let (id, name, key) = (secret.hash(), who.name.clone(), who.key);
    journal.open_session(KeptSession { id, name, key, created: now, used: now, ends }).await?;
    Ok(secret)
}

/// Ends the session of a request's cookie, if there is one: it has another one now.
pub(crate) async fn end_former(api: &Api, headers: &HeaderMap) {
    let Some(secret) = CookieKind::Session.of(headers, api.reached.is_https) else { return };
    if let Err(error) = api.engine.journal().close_session(secret.hash()).await {
        tracing::debug!("a former session cannot be taken away now: {error}");
    }
}

/// Whether the caller of a request under `/console/` would be let in now: for answers that go on. Neither a rate that is used up nor
/// a journal or an issuer that is away ends them; nor does an open stream keep its session alive.
pub(crate) async fn would_identify(
    api: &Api,
    headers: &HeaderMap,
    extensions: &Extensions,
    needs: Needs,
) -> bool {
    match identify(api, headers, extensions, needs).await {
        Ok(_) | Err(NotIdentified::Unavailable(_)) => true,
        Err(NotIdentified::Refused(refused, _)) => {
            matches!(refused.why, Denied::Rate | Denied::IssuerUnreachable)
        }
        Err(NotIdentified::SignedOut) => false,
    }
}

#[cfg(test)]
mod tests {
    use saga_journal::KeyDigest;

    use super::*;

    #[test]
    fn a_session_ends_when_it_is_old_or_not_used() {
        let at = |seconds: u64| Timestamp::from_micros(1_000_000).plus(Duration::from_secs(seconds));
        let [hour, day] = [3_600, 86_400];
        let session = |used: u64| KeptSession {
            id: SessionHash([0; 32]),
            name: "ana".into(),
            key: KeyDigest([0; 32]),
            created: at(0),
            used: at(used),
            ends: at(7 * day),
        };
        for (used, now, expected) in [
            (0, 0, true),
            (0, 12 * hour - 1, true),
            (0, 12 * hour, false),
            (6 * hour, 18 * hour - 1, true),
            (7 * day - 5, 7 * day - 1, true),
            (7 * day - 5, 7 * day, false),
            // A clock that is a little behind.
            (hour, 0, true),
        ] {
            assert_eq!(is_open(&session(used), at(now)), expected, "used at {used}, now {now}");
        }
    }
}
