//! Connections of clients.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counts connections. Clones count the same.
#[derive(Clone, Default)]
pub(crate) struct ConnectionCounts {
    open: Gauge,
    closed: Family<ReasonLabels, Counter>,
    errors: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// Why the process closes connections.
const REASONS: [&str; 6] =
    ["answer_timeout", "evicted", "handshake_timeout", "head_timeout", "idle_timeout", "stall_timeout"];

impl ConnectionCounts {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let connections = Self::default();
        registry.register("http_connections", "Open connections of clients", connections.open.clone());
        let closed = connections.closed.clone();
        registry.register("http_connections_closed", "Connections that the process cut off", closed);
        registry.register(
            "http_accept_errors",
            "Connections that could not be accepted, for want of file descriptors mostly",
            connections.errors.clone(),
        );
        for reason in REASONS {
            drop(connections.closed.get_or_create(&ReasonLabels { reason }));
        }
        connections
    }

    pub(crate) fn opened(&self) {
        self.open.inc();
    }

    pub(crate) fn left(&self) {
        self.open.dec();
    }

    /// Counts a closed connection, for one of [`REASONS`].
    pub(crate) fn closed(&self, reason: &'static str) {
        self.closed.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(crate) fn not_accepted(&self) {
        self.errors.inc();
    }
}
