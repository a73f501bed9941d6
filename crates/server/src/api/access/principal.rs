//! The caller of a request: a name, and the roles in which it acts.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use saga_engine::Caller;

use super::keys::KnownKey;
use super::oidc::TokenHolder;
use super::rate::RateLeft;
use super::role::{Role, Roles};
use crate::api::problem::Problem;
use crate::http::CallerAddress;

/// The caller of a request. Each request has one among its extensions by the time that its handler runs.
#[derive(Debug, Clone)]
pub struct Principal(CallerKind);

#[derive(Debug, Clone)]
enum CallerKind {
    /// No keys are configured: everybody may do everything, and nobody has a name.
    Anonymous,
    /// The holder of a credential.
    Known {
        credential: Credential,
        /// Those of its roles that the route is for.
        acting: Roles,
        rate: Option<RateLeft>,
    },
    /// The route is for all, and does not ask.
    Nobody,
}

/// What a caller has proved itself with.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// A key of the keys file.
    Key(Arc<KnownKey>),
    /// A token of the issuer.
    Token(Arc<TokenHolder>),
}

impl Credential {
    pub(super) fn name(&self) -> &Arc<str> {
        match self {
            Self::Key(key) => &key.name,
            Self::Token(holder) => &holder.name,
        }
    }

    pub(super) fn roles(&self) -> Roles {
        match self {
            Self::Key(key) => key.role.into(),
            Self::Token(holder) => holder.roles,
        }
    }
}

impl Principal {
    pub(super) fn anonymous() -> Self {
        Self(CallerKind::Anonymous)
    }

    pub(crate) fn nobody() -> Self {
        Self(CallerKind::Nobody)
    }

    /// The holder of a credential, who acts in these of its roles.
    pub(super) fn of(credential: Credential, acting: Roles, rate: Option<RateLeft>) -> Self {
        Self(CallerKind::Known { credential, acting, rate })
    }

    /// What the caller may still send, where that is limited.
    pub(crate) fn rate(&self) -> Option<RateLeft> {
        match self.0 {
            CallerKind::Known { rate, .. } => rate,
            CallerKind::Anonymous | CallerKind::Nobody => None,
        }
    }

    /// The caller's name; `None`: there are no names here.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        match &self.0 {
            CallerKind::Known { credential, .. } => Some(credential.name()),
            CallerKind::Anonymous | CallerKind::Nobody => None,
        }
    }

    /// All roles of the caller: those in which it acts, and the others.
    pub(crate) fn roles(&self) -> Roles {
        match &self.0 {
            CallerKind::Anonymous => Roles::all(),
            CallerKind::Known { credential, .. } => credential.roles(),
            CallerKind::Nobody => Roles::default(),
        }
    }

    /// The caller for its share of the slots: its name, or else where it calls from.
    pub(crate) fn for_shares(&self, address: CallerAddress) -> Caller {
        self.name().map_or_else(|| Caller::Address(address.network()), |name| Caller::Named(name.clone()))
    }

    /// The percentage of all slots that the caller's key lets it hold, where that is limited.
    pub(crate) fn slots_percent(&self) -> Option<u8> {
        self.key().and_then(|key| key.slots_percent)
    }

    /// Whether the caller knows of its own sagas alone: it acts as a starter, and as nothing else.
    pub(crate) fn sees_own_only(&self) -> bool {
        matches!(self.0, CallerKind::Known { acting, .. } if acting == Role::Start.into())
    }

    /// Whether the caller may know of a saga that this name has started.
    pub(crate) fn may_see(&self, started_by: Option<&Arc<str>>) -> bool {
        !self.sees_own_only() || (started_by.is_some() && started_by == self.name())
    }

    /// Whether the caller may start sagas of this name.
    pub(crate) fn may_start(&self, saga: &str) -> Result<(), Problem> {
        match self.key() {
            Some(key) if !key.may_start(saga) => {
                let detail =
                    format!("The key `{}` may not start sagas of this name; ask for one that may", key.name);
                Err(Problem::new(StatusCode::FORBIDDEN, "not_this_saga", detail))
            }
            _ => Ok(()),
        }
    }

    /// Whether the caller may send signals of this name.
    pub(crate) fn may_signal(&self, signal: &str) -> Result<(), Problem> {
        match self.key() {
            Some(key) if !key.may_signal(signal) => {
                let detail =
                    format!("The key `{}` may not send signals of this name; ask for one that may", key.name);
                Err(Problem::new(StatusCode::FORBIDDEN, "not_this_signal", detail))
            }
            _ => Ok(()),
        }
    }

    /// The caller's key: a key may be limited to certain sagas and signals.
    fn key(&self) -> Option<&KnownKey> {
        match &self.0 {
            CallerKind::Known { credential: Credential::Key(key), .. } => Some(key),
            CallerKind::Known { credential: Credential::Token(_), .. }
            | CallerKind::Anonymous
            | CallerKind::Nobody => None,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(Self::nobody))
    }
}
