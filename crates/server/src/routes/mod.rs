//! Every route: those of the faces, and those of no face; and what every request and every answer passes.
//!
//! A route, its handler and its part of the OpenAPI document stand in one place, at the handler (`#[utoipa::path]`); each face lists its
//! handlers (`crate::api::route`). The document that comes of them (`document.rs`) is the list of all routes.

mod docs;
mod document;
mod home;
mod inputs;
mod needs;

use std::sync::LazyLock;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Extensions, HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use saga_core::trace;
use utoipa::OpenApi as _;

use crate::api::access::{Needs, NotAdmitted, Principal, RateLeft};
use crate::api::problem::Problem;
use crate::api::protect::{self, AnswerKind};
use crate::api::route::{RouteGroup, described, route, served};
use crate::api::{self, Api, browser};
use crate::console;
use crate::face;
use crate::face::sagas::LiveFeed;
use crate::http::{CallerAddress, Crowded};

/// The document of all routes, as it is answered. It is made when somebody asks for it, for most processes are never asked. Its parts
/// would take 2 MB, so they are not kept.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let document = described(document::BaseDocument::openapi(), documented());
    document::text(&document::complete(document))
});

/// The OpenAPI document, as `GET /openapi.json` answers it without the inputs of loaded definitions.
pub fn document() -> &'static str {
    &TEXT
}

/// The routes that need nothing but the [`Api`].
const PLAIN: [RouteGroup; 5] = [
    face::commande::ROUTES,
    face::sagas::ROUTES,
    api::ROUTES,
    api::SUPERVISION,
    RouteGroup { document: Default::default, routes: &[route!(home::home), route!(docs::openapi)] },
];

/// The routes that are in the document. `/docs` is not: it is a page for browsers.
fn documented() -> impl Iterator<Item = RouteGroup> {
    PLAIN.into_iter().chain([face::sagas::STREAMS])
}

/// The whole API.
pub fn router(api: Api) -> Router {
    let feed = LiveFeed::new();
    let plain = PLAIN.iter().map(|group| served(group.routes)).fold(Router::new(), Router::merge);
    plain
        .merge(served(face::sagas::STREAMS.routes).layer(Extension(feed.clone())))
        .merge(docs::page())
        .merge(console::routes(feed))
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .fallback(|| async { Problem::no_such_path() })
        .layer(middleware::from_fn_with_state(api.clone(), console::guard))
        .layer(middleware::from_fn_with_state(api.clone(), around))
        .with_state(api)
}

/// The endpoints of supervisors alone, for an address that nobody else reaches: no key is asked for.
pub fn for_supervisors(api: Api) -> Router {
    served(api::SUPERVISION.routes)
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .fallback(|| async { Problem::no_such_path() })
        .layer(middleware::map_response(async |mut response: Response| {
            protect::protect(AnswerKind::Data, response.headers_mut());
            response
        }))
        .layer(middleware::from_fn_with_state(
            api.clone(),
            async |State(api): State<Api>, request: Request, next: Next| match admit(&api, &request) {
                Ok(()) => next.run(request).await,
                Err(problem) => problem.into_response(),
            },
        ))
        .with_state(api)
}

/// Has a request answered if it may be, protects the answer, and counts it under its route.
async fn around(
    State(api): State<Api>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let request_id = trace::sent_request_id(request.headers()).cloned();
    let documented = path.and_then(|path| needs::route(path.as_str()));
    let kind = AnswerKind::at(request.uri().path());
    let begun = api.clock.now();
    // As prometheus-fastapi-instrumentator has it: what matches no route is one handler.
    let is_console = saga_console::is_at(request.uri().path());
    let route = if is_console { console::CONSOLE_ROUTE } else { documented.unwrap_or("none") };
    let has_moved = api.reached.has_ops_address && api::FOR_SUPERVISORS.contains(&route);
    let admitted = match admit(&api, &request) {
        Err(problem) => Err((problem, None)),
        Ok(()) if has_moved => Err((Problem::no_such_path(), None)),
        Ok(()) => {
            let caller = request.extensions().get::<CallerAddress>().copied().unwrap_or_default();
            identified(&api, (request.headers(), request.extensions()), caller, &method, route).await
        }
    };
    let rate = match &admitted {
        Ok(principal) => principal.rate(),
        Err((_, rate)) => *rate,
    };
    let mut response = match admitted {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            api.budgets.answer(next.run(request).await, &api.limits).await
        }
        Err((problem, _)) => problem.into_response(),
    };
    if let Some(rate) = rate {
        rate.add_to(response.headers_mut());
    }
    // As the proxies in front have it: an answer tells the name of its request.
    request_id.and_then(|id| response.headers_mut().insert("x-request-id", id));
    let took = api.clock.now().since(begun);
    protect::protect(kind, response.headers_mut());
    api.metrics.answered(route, &method, response.status().as_u16(), took);
    response
}

/// The caller of a request, if it may use the route. A refused attempt is logged and counted.
async fn identified(
    api: &Api,
    (headers, extensions): (&HeaderMap, &Extensions),
    caller: CallerAddress,
    method: &Method,
    route: &'static str,
) -> Result<Principal, (Problem, Option<RateLeft>)> {
    // What matches no route shows nothing.
    let needs = needs::of(route, method).unwrap_or(Needs::Nothing);
    api.access.admit(headers, extensions, needs, api.clock.now()).await.map_err(|refused| {
        api.refused(caller, method, route, &refused);
        let NotAdmitted { problem, rate, .. } = *refused;
        (problem, rate)
    })
}

/// Whether a request is answered at all.
fn admit(api: &Api, request: &Request) -> Result<(), Problem> {
    let host = api.hosts.of(request)?;
    browser::check(request, host.as_ref())?;
    let for_supervisors = api::FOR_SUPERVISORS.contains(&request.uri().path());
    match request.extensions().get::<Crowded>() {
        Some(crowded) if !for_supervisors => Err(Problem::crowded(*crowded)),
        _ => Ok(()),
    }
}
