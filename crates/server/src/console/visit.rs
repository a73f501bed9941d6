//! The reader of a page: who it is, and what it may do.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use saga_console::{Lang, May, PageFrame, PageName, Preferences};
use saga_core::Timestamp;

use super::answer;
use super::guard::Visitor;
use super::preferences::{chosen, preferences};
use crate::api::Api;
use crate::api::access::{Principal, Role};

/// A reader who may see sagas, at one page.
#[derive(Debug)]
pub(crate) struct Visit {
    /// The caller, as the API knows it.
    pub(crate) principal: Principal,
    /// When the request came.
    pub(crate) now: Timestamp,
    preferences: Preferences,
    visitor: Visitor,
    may: May,
    here: String,
    /// How many sagas need a person, for the navigation.
    person: Option<u64>,
}

impl Visit {
    /// The frame of a page.
    pub(crate) fn frame(&self, page: PageName) -> PageFrame {
        PageFrame {
            preferences: self.preferences,
            page,
            reader: self.principal.name().map(ToString::to_string),
            signed_in: self.visitor.is_signed_in(),
            may: self.may,
            token: self.visitor.token.text().to_owned(),
            person: self.person,
            here: self.here.clone(),
            at: self.now,
        }
    }

    /// The language.
    pub(crate) fn lang(&self) -> Lang {
        self.preferences.lang
    }
}

impl FromRequestParts<Api> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Response> {
        if let Some(choice) = chosen(&parts.uri) {
            return Err(choice);
        }
        let now = api.clock.now();
        let preferences = preferences(&parts.headers);
        let visitor = Visitor::from_request_parts(parts, api).await;
        let visitor = visitor.map_err(|problem| answer::problem(&problem, preferences, now))?;
        let roles = visitor.roles();
        let has = |wanted: &[Role]| wanted.iter().any(|role| roles.contains(*role));
        let may = May {
            read: has(&[Role::Read, Role::Operate, Role::Admin]),
            operate: has(&[Role::Operate, Role::Admin]),
            signal: has(&[Role::Signal, Role::Operate, Role::Admin]),
        };
        let here =
            parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
        let person = api.metrics.persons_needed(now).await;
        Ok(Self { principal: visitor.principal.clone(), now, preferences, visitor, may, here, person })
    }
}
