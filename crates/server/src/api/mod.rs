//! The parts of the HTTP API that its faces share (`crate::face` has them), and the resources that belong to no face:
//! those for operators and programs. Every error is a problem (`problem.rs`).
//!
//! `crate::routes` has every request pass `hosts.rs` (which names are answered), `browser.rs` (pages from elsewhere),
//! `access` (who asks, and what they may), `budgets.rs` (bytes in memory) and `protect.rs` (headers for browsers).

pub mod access;
mod audit;
pub(crate) mod body;
pub(crate) mod browser;
pub(crate) mod budgets;
pub(crate) mod documented;
mod health;
pub(crate) mod hosts;
pub(crate) mod key;
pub(crate) mod members;
pub(crate) mod owned;
pub(crate) mod page;
mod participants;
pub(crate) mod prefer;
pub(crate) mod problem;
pub(crate) mod protect;
pub(crate) mod query;
pub(crate) mod route;
pub(crate) mod signing_keys;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use saga_engine::participants::signing::Signer;
use saga_engine::{Clock, Engine};
use tokio::sync::watch;
use utoipa::OpenApi;

use self::access::{Access, NotAdmitted};
pub(crate) use self::audit::DEEDS_MAX;
use self::budgets::Budgets;
pub use self::hosts::{AllowedHost, Hosts};
use self::problem::Problem;
use self::route::{RouteGroup, route};
use crate::http::CallerAddress;
use crate::metrics::Metrics;
use crate::traces::TraceView;
use crate::whole::WholeReader;

/// The parts that handlers work with. A copy of it is another reference to the same parts.
#[derive(Clone)]
pub struct Api {
    parts: Arc<ApiParts>,
}

/// The parts of an [`Api`].
pub struct ApiParts {
    /// Runs the sagas.
    pub engine: Engine,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Arc<Clock>,
    /// How much and how long.
    pub limits: ApiLimits,
    /// The names that are answered.
    pub hosts: Hosts,
    /// The callers that are known.
    pub access: Access,
    /// Signs calls to participants, if the process has a key for that.
    pub signer: Option<Arc<Signer>>,
    /// The name of the saga that orders run.
    pub commande_saga: Arc<str>,
    /// How clients reach the process.
    pub reached: Reached,
    /// The headers of traces that are taken from callers, and the place where traces are shown.
    pub traces: TraceView,
    pub(crate) budgets: Budgets,
    /// What the console shows of all sagas together.
    pub(crate) whole: Arc<WholeReader>,
    /// Whether answers without an end must end now.
    closing: watch::Sender<bool>,
}

impl Deref for Api {
    type Target = ApiParts;

    fn deref(&self) -> &ApiParts {
        &self.parts
    }
}

impl Api {
    /// An API with all of its budgets free.
    pub fn new(
        engine: Engine,
        metrics: Arc<Metrics>,
        clock: Arc<Clock>,
        limits: ApiLimits,
        (hosts, access, signer): (Hosts, Access, Option<Arc<Signer>>),
        commande_saga: Arc<str>,
        (reached, traces): (Reached, TraceView),
    ) -> Self {
        let budgets = Budgets::new(&limits);
        let whole = Arc::new(WholeReader::new(metrics.clone()));
        let parts = ApiParts {
            engine,
            metrics,
            clock,
            limits,
            hosts,
            access,
            signer,
            commande_saga,
            reached,
            traces,
            budgets,
            whole,
            closing: watch::Sender::new(false),
        };
        Self { parts: Arc::new(parts) }
    }

    /// Tells of a request that is not let through: in the log, and in a metric.
    pub(crate) fn refused(
        &self,
        caller: CallerAddress,
        method: &Method,
        route: &'static str,
        refused: &NotAdmitted,
    ) {
        let (name, why) = (refused.name.as_deref().unwrap_or_default(), <&str>::from(refused.why));
        tracing::warn!(%caller, name, %method, route, why, token = refused.reason, "a request was refused");
        self.metrics.denied(refused.why);
    }

    /// Ends the answers that have no end by themselves.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Resolves when such answers must end.
    pub(crate) async fn closing(&self) {
        // The sender is a part of this value.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

/// How clients reach the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reached {
    /// Whether the endpoints of supervisors have an address of their own.
    pub has_ops_address: bool,
    /// Whether browsers reach the process by https: it speaks TLS, or something in front of it does.
    pub is_https: bool,
}

/// The API's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiLimits {
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

impl Default for ApiLimits {
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

/// Their part of the document.
#[derive(OpenApi)]
#[openapi(tags((name = "exploitation", description = "For operators")), components(schemas(Problem, audit::DeedShown)))]
struct SharedDocument;

/// The endpoints of supervisors, which `--ops-listen` moves to an address of their own.
pub(crate) const FOR_SUPERVISORS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// The routes that belong to no face.
pub(crate) const ROUTES: RouteGroup = RouteGroup {
    document: SharedDocument::openapi,
    routes: &[route!(audit::audit), route!(participants::participants), route!(signing_keys::signing_keys)],
};

/// The routes of [`FOR_SUPERVISORS`].
pub(crate) const SUPERVISION: RouteGroup = RouteGroup {
    document: Default::default,
    routes: &[route!(health::livez), route!(health::metrics), route!(health::readyz)],
};
