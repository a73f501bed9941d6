//! Requests to the API, under the names of prometheus-fastapi-instrumentator, which existing dashboards use.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use strum::{IntoStaticStr, VariantArray};

use super::CALL_SECONDS;

/// Why a request was not let through, for the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Denied {
    /// It presents no key.
    NoKey,
    /// Its key is unknown, or has ended.
    BadKey,
    /// Its token is none that may be used.
    BadToken,
    /// Its token cannot be checked, because its issuer does not give its keys.
    IssuerUnreachable,
    /// Its role does not reach.
    Role,
    /// It has made as many requests as it may.
    Rate,
}

pub(super) struct Requests {
    requests: Family<RequestLabels, Counter>,
    durations: Family<HandlerLabels, Histogram>,
    denied: Family<DeniedLabels, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DeniedLabels {
    why: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    handler: &'static str,
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HandlerLabels {
    handler: &'static str,
    method: &'static str,
}

impl Requests {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("http_requests", "Requests by handler, method and status class", requests.clone());
        let histogram: fn() -> Histogram = || Histogram::new(CALL_SECONDS);
        let durations = Family::<HandlerLabels, Histogram>::new_with_constructor(histogram);
        registry.register("http_request_duration_seconds", "Time to answer, in seconds", durations.clone());
        let denied = Family::<DeniedLabels, Counter>::default();
        for why in Denied::VARIANTS {
            drop(denied.get_or_create(&DeniedLabels { why: why.into() }));
        }
        registry.register(
            "requests_denied",
            "Requests of callers that may not make them, by reason",
            denied.clone(),
        );
        Self { requests, durations, denied }
    }

    pub(super) fn denied(&self, why: Denied) {
        self.denied.get_or_create(&DeniedLabels { why: why.into() }).inc();
    }

    pub(super) fn answered(&self, handler: &'static str, method: &http::Method, status: u16, took: Duration) {
        let status = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        // Clients choose methods freely; unknown ones must not increase the number of series.
        let method = match method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            "HEAD" => "HEAD",
            "OPTIONS" => "OPTIONS",
            _ => "OTHER",
        };
        self.requests.get_or_create(&RequestLabels { handler, method, status }).inc();
        self.durations.get_or_create(&HandlerLabels { handler, method }).observe(took.as_secs_f64());
    }
}
