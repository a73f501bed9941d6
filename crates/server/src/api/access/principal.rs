//! The caller of a request: a name and a role.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use saga_engine::Caller;

use super::keys::KnownKey;
use super::rate::RateLeft;
use super::role::Role;
use crate::api::problem::Problem;
use crate::http::CallerAddress;

/// The caller of a request. Each request has one among its extensions by the time that its handler runs.
#[derive(Debug, Clone)]
pub struct Principal(CallerKind);

#[derive(Debug, Clone)]
enum CallerKind {
    /// No keys are configured: everybody may do everything, and nobody has a name.
    Anonymous,
    /// The holder of a key.
    Known(Arc<KnownKey>, Option<RateLeft>),
    /// The route is for all, and does not ask.
    Nobody,
}

impl Principal {
    pub(super) fn anonymous() -> Self {
        Self(CallerKind::Anonymous)
    }

    pub(crate) fn nobody() -> Self {
        Self(CallerKind::Nobody)
    }

    pub(super) fn of(key: Arc<KnownKey>, rate: Option<RateLeft>) -> Self {
        Self(CallerKind::Known(key, rate))
    }

    /// What the caller's key may still send, where that is limited.
    pub(crate) fn rate(&self) -> Option<RateLeft> {
        match self.0 {
            CallerKind::Known(_, rate) => rate,
            CallerKind::Anonymous | CallerKind::Nobody => None,
        }
    }

    /// The caller's name; `None`: there are no names here.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        match &self.0 {
            CallerKind::Known(key, _) => Some(&key.name),
            CallerKind::Anonymous | CallerKind::Nobody => None,
        }
    }

    /// The caller for its share of the slots: its name, or else where it calls from.
    pub(crate) fn for_shares(&self, address: CallerAddress) -> Caller {
        self.name().map_or_else(|| Caller::Address(address.network()), |name| Caller::Named(name.clone()))
    }

    /// What the caller may do; `None`: nothing that needs a role.
    pub(super) fn role(&self) -> Option<Role> {
        match &self.0 {
            CallerKind::Anonymous => Some(Role::Admin),
            CallerKind::Known(key, _) => Some(key.role),
            CallerKind::Nobody => None,
        }
    }

    /// Whether the caller knows of its own sagas alone.
    pub(crate) fn sees_own_only(&self) -> bool {
        self.role() == Some(Role::Start)
    }

    /// Whether the caller may know of a saga that this name has started.
    pub(crate) fn may_see(&self, started_by: Option<&Arc<str>>) -> bool {
        !self.sees_own_only() || (started_by.is_some() && started_by == self.name())
    }

    /// Whether the caller may start sagas of this name.
    pub(crate) fn may_start(&self, saga: &str) -> Result<(), Problem> {
        match &self.0 {
            CallerKind::Known(key, _) if !key.may_start(saga) => {
                let detail =
                    format!("The key `{}` may not start sagas of this name; ask for one that may", key.name);
                Err(Problem::new(StatusCode::FORBIDDEN, "not_this_saga", detail))
            }
            _ => Ok(()),
        }
    }

    /// Whether the caller may send signals of this name.
    pub(crate) fn may_signal(&self, signal: &str) -> Result<(), Problem> {
        match &self.0 {
            CallerKind::Known(key, _) if !key.may_signal(signal) => {
                let detail =
                    format!("The key `{}` may not send signals of this name; ask for one that may", key.name);
                Err(Problem::new(StatusCode::FORBIDDEN, "not_this_signal", detail))
            }
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(Self::nobody))
    }
}
