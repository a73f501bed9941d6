//! The reader of a page: who it is, which language and colours it wants, and what it may do.

use std::collections::HashMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use saga_console::{Frame, Lang, May, PageName, Preferences, Theme};
use saga_core::Timestamp;

use super::answer;
use crate::api::Api;
use crate::api::access::{Needs, Principal, Role};

/// Bytes of a header `Cookie` that are looked at.
const COOKIES_BYTES_MAX: usize = 8 * 1024;
/// How long a browser keeps the choice of a language or of colours: a year, in seconds.
const CHOICE_KEPT_S: u32 = 365 * 24 * 60 * 60;

/// A reader who may see sagas, at one page.
#[derive(Debug)]
pub(crate) struct Visit {
    /// The caller, as the API knows it.
    pub(crate) principal: Principal,
    /// When the request came.
    pub(crate) now: Timestamp,
    preferences: Preferences,
    may: May,
    here: String,
}

impl Visit {
    /// The frame of a page.
    pub(crate) fn frame(&self, page: PageName, person: Option<u64>) -> Frame {
        Frame {
            preferences: self.preferences,
            page,
            reader: self.principal.name().map(ToString::to_string),
            signed_in: false,
            may: self.may,
            token: String::new(),
            person,
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
        let needs = Needs::AnyOf([Role::Read, Role::Operate, Role::Admin].into_iter().collect());
        let principal = api.access.admit(&parts.headers, &parts.extensions, needs, now).await;
        let principal = principal.map_err(|refused| answer::problem(&refused.problem, preferences, now))?;
        let may = May { read: true, operate: true, signal: true };
        let here =
            parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
        Ok(Self { principal, now, preferences, may, here })
    }
}

/// The answer to a link that chooses a language or colours: the same page without the choice, which a cookie keeps.
fn chosen(uri: &Uri) -> Option<Response> {
    let query = uri.query()?;
    let mut cookies = Vec::new();
    let mut rest = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let known = match &*name {
            "lang" => value.parse().ok().map(|lang: Lang| lang.code()),
            "theme" => value.parse().ok().map(|theme: Theme| theme.into()),
            _ => {
                rest.append_pair(&name, &value);
                continue;
            }
        };
        if let Some(known) = known {
            cookies.push(format!("{name}={known}; Path=/console/; Max-Age={CHOICE_KEPT_S}; SameSite=Lax"));
        }
    }
    if cookies.is_empty() {
        return None;
    }
    let rest = rest.finish();
    let mark = if rest.is_empty() { "" } else { "?" };
    let mut response = Redirect::to(&format!("{}{mark}{rest}", uri.path())).into_response();
    for cookie in cookies.into_iter().filter_map(|cookie| cookie.parse().ok()) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Some(response)
}

/// The choices that cookies keep; else what the browser says of its language.
pub(super) fn preferences(headers: &HeaderMap) -> Preferences {
    let cookies = cookies(headers);
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok());
    let lang = cookies.get("lang").and_then(|lang| lang.parse().ok());
    Preferences {
        lang: lang.unwrap_or_else(|| Lang::accepted(accepted.unwrap_or_default())),
        theme: cookies.get("theme").and_then(|theme| theme.parse().ok()).unwrap_or_default(),
    }
}

/// The cookies of a request (RFC 6265, 4.2), by their names.
pub(super) fn cookies(headers: &HeaderMap) -> HashMap<&str, &str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|header| header.to_str().ok());
    let all = all.filter(|header| header.len() <= COOKIES_BYTES_MAX);
    all.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('=')).collect()
}
