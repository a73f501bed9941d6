//! Every route: those of the faces, and those of no face; and what every request and every answer passes.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::api::problem::Problem;
use crate::api::{self, Api, browser, protect};
use crate::face;
use crate::http::Crowded;

/// Every route of the API, as in the OpenAPI document; a test holds the two together.
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/", &["get"]),
    ("/api/commande/checkout", &["post"]),
    ("/api/commande/{id}", &["get"]),
    ("/api/commande/{id}/annuler", &["post"]),
    ("/api/commande/{id}/historique", &["get"]),
    ("/api/commande/{id}/reprendre", &["post"]),
    ("/api/commande/{id}/resoudre", &["post"]),
    ("/api/commandes", &["get"]),
    ("/api/participants", &["get"]),
    ("/livez", &["get"]),
    ("/metrics", &["get"]),
    ("/openapi.json", &["get"]),
    ("/readyz", &["get"]),
];

/// The whole API.
pub fn router(api: Api) -> Router {
    api::routes()
        .merge(face::commande::routes())
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .fallback(|| async { Problem::no_such_path() })
        .layer(middleware::from_fn_with_state(api.clone(), around))
        .with_state(api)
}

/// Has a request answered if it may be, protects the answer, and counts it under its route.
async fn around(State(api): State<Api>, path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let handler = path.and_then(|path| ROUTES.iter().find(|(route, _)| *route == path.as_str()));
    let is_page = browser::is_page(request.uri().path());
    let begun = api.clock.now();
    let mut response = match admit(&api, &request) {
        Ok(()) => api.budgets.answer(next.run(request).await, &api.limits).await,
        Err(problem) => problem.into_response(),
    };
    let took = api.clock.now().since(begun);
    protect::protect(is_page, response.headers_mut());
    // As prometheus-fastapi-instrumentator has it: what matches no route is one handler.
    let handler = handler.map_or("none", |(route, _)| route);
    api.metrics.answered(handler, &method, response.status().as_u16(), took);
    response
}

/// Whether a request is answered at all.
fn admit(api: &Api, request: &Request) -> Result<(), Problem> {
    let host = api.hosts.of(request)?;
    browser::check(request, host.as_ref())?;
    let for_supervisors = ["/livez", "/readyz", "/metrics"].contains(&request.uri().path());
    match request.extensions().get::<Crowded>() {
        Some(crowded) if !for_supervisors => Err(Problem::crowded(*crowded)),
        _ => Ok(()),
    }
}
