//! `GET` and `POST /console/sign-in`, `POST /console/sign-out`: a key is shown once, and a cookie takes its place.
//!
//! A session's cookie does not come with a link that another site's page, or a message, has: then it looks as if nobody were signed in.
//! The page that asks for a key is not shown at once, but another one that loads this address again: that request comes from a page of
//! our own, and brings the cookie.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use saga_console::PageFrame;
use saga_console::pages::{AgainPage, SignInPage, SignInTrouble};
use zeroize::Zeroizing;

use super::guard::{CONSOLE_ROUTE, SignedIn, Visitor, values};
use super::preferences::{chosen, preferences};
use super::tries::SignInTries;
use super::{ROOT, SIGN_IN, answer, next};
use crate::api::Api;
use crate::api::access::session::{self, CookieKind, identify};
use crate::api::access::{Needs, Roles};
use crate::http::CallerAddress;
use crate::metrics::Denied;

/// Bytes of a key that somebody signs in with. Ours have 68.
const KEY_SHOWN_BYTES_MAX: usize = 8 * 1024;

/// The values of the page's address.
#[derive(Debug, Default)]
struct SignInQuery {
    next: Option<String>,
    /// Whether a page of our own has led here.
    again: bool,
}

impl SignInQuery {
    fn read(uri: &Uri) -> Self {
        let mut read = Self::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "next" => read.next = next::place(&value).map(str::to_owned),
                "again" => read.again = true,
                _ => {}
            }
        }
        read
    }

    /// The same address, as a page of our own leads to it.
    fn again(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("again", "1");
        if let Some(next) = &self.next {
            query.append_pair("next", next);
        }
        format!("{SIGN_IN}?{}", query.finish())
    }

    fn place(&self) -> &str {
        self.next.as_deref().unwrap_or(ROOT)
    }
}

/// The page that asks for a key.
pub(super) async fn page(
    State(api): State<Api>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
) -> Response {
    if let Some(choice) = chosen(&uri) {
        return choice;
    }
    let query = SignInQuery::read(&uri);
    if api.access.is_open() {
        return Redirect::to(query.place()).into_response();
    }
    let here = identify(&api, &headers, &extensions, Needs::AnyOf(Roles::all())).await.ok();
    if here.is_some() && query.next.is_some() {
        return Redirect::to(query.place()).into_response();
    }
    let has_cookie = CookieKind::Session.of(&headers, api.reached.is_https).is_some();
    let frame = answer::frame_for_nobody(preferences(&headers), api.clock.now());
    let frame = PageFrame { here: query.again(), ..frame };
    if !has_cookie && !query.again && !is_from_here(&headers) {
        return answer::page(&AgainPage { frame, address: query.again() });
    }
    let mut page = form(&api, &visitor, frame, query.next, None);
    if let Some(session) = here.and_then(|here| here.session) {
        page.frame = SignedIn::of(&session).in_frame(page.frame);
    }
    answer::page(&page)
}

/// Whether the request comes from a page of our own, or from nowhere (an address that was typed): then a session's cookie has come, if
/// there is one.
fn is_from_here(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin" || site == "none")
}

fn form(
    api: &Api,
    visitor: &Visitor,
    frame: PageFrame,
    next: Option<String>,
    trouble: Option<SignInTrouble>,
) -> SignInPage {
    let trouble = trouble.or((!api.access.has_keys()).then_some(SignInTrouble::NoKeys));
    SignInPage { frame, token: visitor.token.text().to_owned(), next, trouble }
}

/// Signs somebody in who shows a key.
pub(super) async fn sign_in(
    State(api): State<Api>,
    Extension(tries): Extension<Arc<SignInTries>>,
    visitor: Visitor,
    caller: CallerAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut key = Zeroizing::new(String::new());
    let mut place = None;
    for (name, value) in values(&body) {
        match &*name {
            "key" => key = Zeroizing::new(value),
            "next" => place = next::place(&value).map(str::to_owned),
            _ => {}
        }
    }
    let to = || Redirect::to(place.as_deref().unwrap_or(ROOT)).into_response();
    if api.access.is_open() {
        return to();
    }
    let now = api.clock.now();
    let again = |status: StatusCode, trouble: SignInTrouble| {
        let frame = answer::frame_for_nobody(preferences(&headers), now);
        let here = SignInQuery { next: place.clone(), again: true }.again();
        let frame = PageFrame { here, ..frame };
        let page = form(&api, &visitor, frame, place.clone(), Some(trouble));
        (status, answer::page(&page)).into_response()
    };
    if let Err(seconds) = tries.begin(caller, now) {
        api.metrics.denied(Denied::Rate);
        tracing::debug!(%caller, "a sign-in was not looked at: there were too many in vain");
        return too_many(again(StatusCode::TOO_MANY_REQUESTS, SignInTrouble::TooMany), seconds);
    }
    let shown = key.trim();
    let shown = if shown.len() > KEY_SHOWN_BYTES_MAX { "" } else { shown };
    let who = match api.access.sign_in(shown.as_bytes(), now) {
        Ok(who) => who,
        Err(refused) => {
            api.refused(caller, &axum::http::Method::POST, CONSOLE_ROUTE, &refused);
            return match refused.why {
                Denied::Rate => too_many(again(StatusCode::TOO_MANY_REQUESTS, SignInTrouble::TooMany), 1),
                _ if !api.access.has_keys() => {
                    unauthorized(again(StatusCode::UNAUTHORIZED, SignInTrouble::NoKeys))
                }
                Denied::BadToken => unauthorized(again(StatusCode::UNAUTHORIZED, SignInTrouble::Token)),
                _ => unauthorized(again(StatusCode::UNAUTHORIZED, SignInTrouble::BadKey)),
            };
        }
    };
    tries.succeeded(caller);
    let secret = match session::open(&api, &who).await {
        Ok(secret) => secret,
        Err(error) => {
            tracing::warn!(%error, "a session cannot be kept");
            return again(StatusCode::SERVICE_UNAVAILABLE, SignInTrouble::Unavailable);
        }
    };
    session::end_former(&api, &headers).await;
    tracing::info!(name = &*who.name, %caller, "{} has signed in to the console", who.name);
    let mut response = to();
    response
        .headers_mut()
        .append(header::SET_COOKIE, CookieKind::Session.set(Some(&secret), api.reached.is_https));
    response
}

fn too_many(mut response: Response, seconds: u32) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

fn unauthorized(mut response: Response) -> Response {
    // RFC 9110, 15.5.2: such an answer says how callers prove themselves.
    let challenge = HeaderValue::from_static("Bearer realm=\"orchestrateur\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

/// Ends the session, or all sessions of its name.
pub(super) async fn sign_out(State(api): State<Api>, visitor: Visitor, body: Bytes) -> Response {
    let mut response = Redirect::to(if api.access.is_open() { ROOT } else { SIGN_IN }).into_response();
    let Some(id) = visitor.session else { return response };
    let journal = api.engine.journal();
    let everywhere = values(&body).any(|(name, _)| name == "everywhere");
    let ended = match visitor.name().filter(|_| everywhere) {
        Some(name) => journal.close_sessions_of(name.clone()).await,
        None => journal.close_session(id).await,
    };
    if let Err(error) = ended {
        return crate::api::problem::Problem::from(error).into_response();
    }
    let name = visitor.name().map(|name| &**name).unwrap_or_default();
    tracing::info!(name, everywhere, "{name} has signed out of the console");
    response.headers_mut().append(header::SET_COOKIE, CookieKind::Session.set(None, api.reached.is_https));
    response
}
