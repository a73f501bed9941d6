//! The language and the colours of a reader's pages.

use std::collections::HashMap;

use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use saga_console::{Lang, Preferences, Theme};

use crate::api::access::cookies;

/// How long a browser keeps the choice of a language or of colours: a year, in seconds.
const CHOICE_KEPT_S: u32 = 365 * 24 * 60 * 60;

/// The answer to a link that chooses a language or colours: the same page without the choice, which a cookie keeps.
pub(super) fn chosen(uri: &Uri) -> Option<Response> {
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
    let cookies: HashMap<&str, &str> = cookies(headers).collect();
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|header| header.to_str().ok());
    let lang = cookies.get("lang").and_then(|lang| lang.parse().ok());
    Preferences {
        lang: lang.unwrap_or_else(|| Lang::accepted(accepted.unwrap_or_default())),
        theme: cookies.get("theme").and_then(|theme| theme.parse().ok()).unwrap_or_default(),
    }
}
