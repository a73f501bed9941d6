//! The HTTP API. One file for each resource; every error is a problem (`problem.rs`).
//!
//! What every request passes on its way in, and every answer on its way out, is in `around`, below:
//! `hosts.rs` (which names are answered), `browser.rs` (pages from elsewhere), `budgets.rs` (bytes in
//! memory), `protect.rs` (headers for browsers).

mod blocage;
mod body;
mod browser;
mod budgets;
mod checkout;
mod commande;
mod commandes;
mod constat;
mod demandes;
mod docs;
mod health;
mod historique;
mod home;
mod hosts;
mod page;
mod participants;
mod prefer;
mod problem;
mod protect;
pub(crate) mod words;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use saga_engine::{Clock, Engine};

use self::budgets::Budgets;
pub use self::docs::OPENAPI;
pub use self::hosts::{AllowedHost, Hosts};
use self::problem::Problem;
use crate::http::Crowded;
use crate::metrics::Metrics;

/// What handlers work with. A copy of it is another reference to the same parts.
#[derive(Clone)]
pub struct Api {
    parts: Arc<Parts>,
}

/// The parts of an [`Api`].
pub struct Parts {
    /// Runs the sagas.
    pub engine: Engine,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Arc<Clock>,
    /// How much and how long.
    pub limits: Limits,
    /// The names that are answered.
    pub hosts: Hosts,
    budgets: Budgets,
}

impl Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Api {
    /// An API with all of its budgets free.
    pub fn new(
        engine: Engine,
        metrics: Arc<Metrics>,
        clock: Arc<Clock>,
        limits: Limits,
        hosts: Hosts,
    ) -> Self {
        let parts = Parts { engine, metrics, clock, limits, hosts, budgets: Budgets::new(&limits) };
        Self { parts: Arc::new(parts) }
    }
}

/// The API's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A request's body.
    pub request_bytes_max: usize,
    /// The bodies of all requests together, while they are read.
    pub requests_bytes_max: usize,
    /// A request's body must have arrived within this.
    pub request_timeout: Duration,
    /// How long a caller of checkout waits when it does not say.
    pub wait_default: Duration,
    /// The longest wait that a caller can ask for.
    pub wait_max: Duration,
    /// How long a page of orders reads the histories of those that are blocked.
    pub blocages_wait: Duration,
    /// A page of a list.
    pub page_bytes_max: usize,
    /// All large answers together, until their clients have taken them.
    pub answers_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 65_536,
            requests_bytes_max: 67_108_864,
            request_timeout: Duration::from_secs(10),
            wait_default: Duration::from_secs(30),
            wait_max: Duration::from_secs(300),
            blocages_wait: Duration::from_secs(3),
            page_bytes_max: 1_048_576,
            answers_bytes_max: 67_108_864,
        }
    }
}

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
    Router::new()
        .route("/", get(home::home))
        .route("/api/commande/checkout", post(checkout::checkout))
        .route("/api/commande/{id}", get(commande::commande))
        .route("/api/commande/{id}/annuler", post(demandes::annuler))
        .route("/api/commande/{id}/historique", get(historique::historique))
        .route("/api/commande/{id}/reprendre", post(demandes::reprendre))
        .route("/api/commande/{id}/resoudre", post(demandes::resoudre))
        .route("/api/commandes", get(commandes::commandes))
        .route("/api/participants", get(participants::participants))
        .route("/livez", get(health::livez))
        .route("/metrics", get(health::metrics))
        .route("/readyz", get(health::readyz))
        .merge(docs::swagger())
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
