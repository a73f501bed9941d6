//! The one way into the console. Every request whose path is under `/console/` passes here before a handler is even looked for: so no
//! page can forget to ask for a session, and no action can forget to ask for its form's token.
//!
//! ```text
//!   request ──▶ who calls (`api/access/session`), and is the page for that role? ──▶ no: sign in, or 403
//!           ──▶ not GET or HEAD: does the form have the token of this very cookie? ──▶ no: 403
//!           ──▶ handler, with a `Visitor` ──▶ answer
//! ```
//!
//! Before that, `routes` has refused requests of other sites (`browser.rs`).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use saga_console::PageFrame;

use super::preferences::preferences;
use super::{SIGN_IN, SIGN_OUT, answer, next};
use crate::api::access::session::{
    CookieKind, CookieSecret, CsrfToken, Identified, NotIdentified, OpenSession, identify,
};
use crate::api::access::{Needs, NotAdmitted, Principal, Role, Roles, unauthenticated};
use crate::api::problem::Problem;
use crate::api::{Api, body};
use crate::http::CallerAddress;
use crate::metrics::Denied;

/// Bytes of a form.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the sign-in's form.
const SIGN_IN_FORM_BYTES_MAX: usize = 16 * 1024;
/// The field of a form that has its token.
const TOKEN: &str = "token";
/// The label of the console's requests in metrics and in the log.
pub(crate) const CONSOLE_ROUTE: &str = "/console";

/// The reader of a page. Each request under `/console/` has one among its extensions when its handler runs.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// The caller, as the API knows it.
    pub(crate) principal: Principal,
    /// The proof that the page's forms carry.
    pub(crate) token: CsrfToken,
    /// The reader's session; `None`: the reader has another credential, or there are none here.
    pub(super) session: Option<saga_journal::SessionHash>,
}

impl Visitor {
    /// The reader's name; `None`: there are no names here.
    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.principal.name()
    }

    /// The roles of the reader: those that the page is for, and the others.
    pub(crate) fn roles(&self) -> Roles {
        self.principal.roles()
    }

    /// Whether there is a session that can be ended.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.session.is_some()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Every path under `/console/` passes the guard.
        parts.extensions.get().cloned().ok_or_else(|| unauthenticated(Denied::NoKey))
    }
}

/// A reader who is signed in, as pages show that.
pub(super) struct SignedIn {
    name: String,
    token: CsrfToken,
}

impl SignedIn {
    pub(super) fn of(session: &OpenSession) -> Self {
        Self { name: session.kept.name.to_string(), token: session.secret.token() }
    }

    /// The frame with the reader's name, and the button that ends the session.
    pub(super) fn in_frame(self, frame: PageFrame) -> PageFrame {
        PageFrame { reader: Some(self.name), signed_in: true, token: self.token.text().to_owned(), ..frame }
    }
}

/// The roles that a request is for, whatever page there is.
fn needs(path: &str, method: &Method) -> Needs {
    use Role::{Admin, Operate, Read};
    match path {
        SIGN_IN => Needs::Nothing,
        SIGN_OUT => Needs::AnyOf(Roles::all()),
        _ if is_safe(method) => Needs::AnyOf([Read, Operate, Admin].into_iter().collect()),
        _ => Needs::AnyOf([Operate, Admin].into_iter().collect()),
    }
}

/// Whether a request of this method does nothing (RFC 9110, 9.2.1).
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Has a request under `/console/` answered if it may be; requests elsewhere pass.
pub(crate) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !saga_console::is_at(path) || path.starts_with(saga_console::assets::FOLDER) {
        return next.run(request).await;
    }
    let (headers, now) = (request.headers().clone(), api.clock.now());
    match admitted(&api, request).await {
        Ok(Admitted { request, new_secret }) => {
            let mut response = next.run(request).await;
            if let Some(secret) = new_secret {
                let cookie = CookieKind::Form.set(Some(&secret), api.reached.is_https);
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(NotLetIn::Elsewhere(response)) => response,
        // A part of a page, or a stream: there is no reader to show a page to.
        Err(NotLetIn::Problem(problem, _)) if !wants_page(&headers) => problem.into_response(),
        Err(NotLetIn::Problem(problem, reader)) => {
            let frame = answer::frame_for_nobody(preferences(&headers), now);
            answer::notice(&problem, reader.into_iter().fold(frame, |frame, reader| reader.in_frame(frame)))
        }
    }
}

/// A request that goes on to its handler.
struct Admitted {
    request: Request,
    /// The secret of the forms on the page that answers, if the browser has none yet.
    new_secret: Option<CookieSecret>,
}

/// A request that does not.
enum NotLetIn {
    /// The browser is led to the sign-in.
    Elsewhere(Response),
    /// An answer, and the reader whose session this is, who can sign out.
    Problem(Problem, Option<SignedIn>),
}

impl From<Problem> for NotLetIn {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem, None)
    }
}

async fn admitted(api: &Api, request: Request) -> Result<Admitted, NotLetIn> {
    let (path, method) = (request.uri().path(), request.method().clone());
    let needs = needs(path, &method);
    let Identified { principal, session } = match needs {
        Needs::Nothing => Identified { principal: Principal::nobody(), session: None },
        Needs::AnyOf(_) => match identify(api, request.headers(), request.extensions(), needs).await {
            Ok(identified) => identified,
            Err(NotIdentified::SignedOut) => return Err(signed_out(&request)),
            Err(NotIdentified::Unavailable(error)) => return Err(Problem::from(error).into()),
            Err(NotIdentified::Refused(refused, session)) => {
                let reader = session.map(|session| SignedIn::of(&session));
                return Err(NotLetIn::Problem(refused_one(api, &request, *refused), reader));
            }
        },
    };
    let (secret, new_secret) = match &session {
        Some(session) => (session.secret.clone(), None),
        None => match CookieKind::Form.of(request.headers(), api.reached.is_https) {
            Some(secret) => (secret, None),
            None => CookieSecret::draw().map(|secret| (secret.clone(), Some(secret))).map_err(no_secret)?,
        },
    };
    let token = secret.token();
    if let Some(session) = &session
        && (!is_safe(&method) || wants_page(request.headers()))
    {
        session.used(api).await;
    }
    let visitor = Visitor { principal, token, session: session.map(|session| session.id()) };
    let mut request =
        if is_safe(&method) { request } else { with_token(api, request, &visitor.token).await? };
    request.extensions_mut().insert(visitor.principal.clone());
    request.extensions_mut().insert(visitor);
    Ok(Admitted { request, new_secret })
}

/// The request with its form read, if the form has this token. The cookie that the token is of came with the request: a page of
/// another site can neither read the one nor send the other.
async fn with_token(api: &Api, request: Request, token: &CsrfToken) -> Result<Request, Problem> {
    let is_sign_in = request.uri().path() == SIGN_IN;
    let bytes_max = if is_sign_in { SIGN_IN_FORM_BYTES_MAX } else { FORM_BYTES_MAX };
    let (parts, body) = request.into_parts();
    let form = body::form(&parts.headers, body, api, bytes_max).await?;
    let mut tokens = form_urlencoded::parse(&form).filter(|(name, _)| name == TOKEN).map(|(_, value)| value);
    match (tokens.next(), tokens.next()) {
        (Some(given), None) if token.is(&given) => {}
        _ => {
            tracing::warn!(path = parts.uri.path(), "a form without its page's token was refused");
            return Err(other_form());
        }
    }
    Ok(Request::from_parts(parts, Body::from(form)))
}

/// The values of a form that has passed the guard.
pub(crate) fn values(form: &Bytes) -> impl Iterator<Item = (String, String)> + '_ {
    form_urlencoded::parse(form)
        .filter(|(name, _)| name != TOKEN)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
}

/// The answer to a request without a session: a page leads to the sign-in, and on to itself.
fn signed_out(request: &Request) -> NotLetIn {
    if !is_safe(request.method()) || !wants_page(request.headers()) {
        let detail = "Nobody is signed in, or the session has ended, and nothing was done. Sign in again at /console/sign-in";
        return Problem::new(StatusCode::UNAUTHORIZED, "signed_out", detail).into();
    }
    let uri = request.uri();
    let here = uri.path_and_query().map_or(uri.path(), |here| here.as_str());
    let place = match next::place(here) {
        Some(here) => {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", here).finish();
            format!("{SIGN_IN}?{query}")
        }
        None => SIGN_IN.to_owned(),
    };
    NotLetIn::Elsewhere(Redirect::to(&place).into_response())
}

/// A caller that is known may not see the page, or one that is not known has said something. It is counted and logged as elsewhere.
fn refused_one(api: &Api, request: &Request, refused: NotAdmitted) -> Problem {
    let caller = request.extensions().get::<CallerAddress>().copied().unwrap_or_default();
    api.refused(caller, request.method(), CONSOLE_ROUTE, &refused);
    refused.problem
}

/// The form is not of a page that was made for this cookie.
fn other_form() -> Problem {
    let detail = "The form does not come from a page of this session, and nothing was done. Load the page again, and send its form anew";
    Problem::new(StatusCode::FORBIDDEN, "form_token", detail)
}

fn no_secret(error: getrandom::Error) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "no_random_numbers",
        format!("draw random numbers: {error}"),
    )
}

/// Whether a browser wants a page to show, and not a part of one or a stream. Browsers say so in `Sec-Fetch-Mode`; where they do not
/// (without TLS), a script's request accepts anything, and not HTML by name.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match (said("sec-fetch-mode"), said("accept")) {
        (Some(mode), _) => mode == b"navigate",
        (None, Some(accept)) => accept.windows(9).any(|part| part == b"text/html"),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_parts_of_pages_and_streams() {
        for (headers, expected) in [
            (&[][..], true),
            (&[("sec-fetch-mode", "navigate")], true),
            (&[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (&[("accept", "text/html,application/xhtml+xml,*/*;q=0.8")], true),
            (&[("accept", "*/*")], false),
            (&[("accept", "text/event-stream")], false),
        ] {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap()))
                .collect();
            assert_eq!(wants_page(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_page_that_does_not_say_for_whom_it_is_is_for_those_who_see_all_sagas_and_an_action_for_operators() {
        let roles = |path: &str, method: Method| match needs(path, &method) {
            Needs::Nothing => "all".to_owned(),
            Needs::AnyOf(roles) => roles.to_string(),
        };
        assert_eq!(roles("/console/sagas", Method::GET), "`read`, `operate`, `admin`");
        assert_eq!(roles("/console/sagas", Method::HEAD), "`read`, `operate`, `admin`");
        assert_eq!(roles("/console/sagas/x/try", Method::POST), "`operate`, `admin`");
        assert_eq!(roles("/console/anything", Method::DELETE), "`operate`, `admin`");
        assert_eq!(roles(SIGN_OUT, Method::POST), "`start`, `signal`, `read`, `operate`, `admin`");
        assert_eq!(roles(SIGN_IN, Method::POST), "all");
    }
}
