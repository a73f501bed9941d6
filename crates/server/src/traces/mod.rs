//! Traces: what is taken of callers' contexts, and how spans are exported (OTLP over HTTP).
//!
//! ```text
//!   engine ──spans that ended──▶ queue (bounded) ──▶ one task ──▶ collector
//!                                  │ full: dropped, counted
//! ```
//!
//! - `settings.rs`: the variables `OTEL_*`, by OpenTelemetry's names and meanings.
//! - `exporter.rs`: the queue, and the task that sends batches. `counts.rs`: its counts.
//! - `attributes.rs`: a span with its attributes, by OpenTelemetry's conventions. `otlp.rs`: the messages.
//! - `trace_url.rs`: where a trace can be looked at.
//!
//! No order waits for any of this: a collector that is slow, gone or hostile costs spans.

mod attributes;
mod counts;
mod exporter;
mod otlp;
mod settings;
mod trace_url;

use std::sync::Arc;

use axum::http::HeaderMap;
use saga_core::trace::{Propagation, TraceContext, TraceParent};

pub(crate) use self::counts::SpanCounts;
pub(crate) use self::exporter::{ExportTask, SpanExporter};
pub(crate) use self::settings::TraceSettings;
pub use self::trace_url::TraceUrl;

/// What the API needs to know of traces.
#[derive(Debug, Clone, Default)]
pub struct TraceView {
    /// Which headers of callers are taken.
    pub(crate) propagation: Propagation,
    /// Where a trace can be looked at.
    pub(crate) url: Option<TraceUrl>,
}

impl TraceView {
    /// The context that a caller has sent.
    pub(crate) fn context(&self, headers: &HeaderMap) -> Option<Arc<TraceContext>> {
        TraceContext::read(headers, self.propagation).map(Into::into)
    }

    /// The span of a sender.
    pub(crate) fn parent(&self, headers: &HeaderMap) -> Option<TraceParent> {
        TraceParent::read(headers, self.propagation)
    }
}
