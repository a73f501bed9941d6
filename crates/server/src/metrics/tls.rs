//! TLS of the server: its certificate, and handshakes that failed.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use saga_core::Timestamp;
use strum::{IntoStaticStr, VariantArray};

/// Counts what concerns TLS. Clones count the same.
#[derive(Clone, Default)]
pub(crate) struct TlsCounts {
    ends: Gauge,
    reloads: Family<TlsReloadLabels, Counter>,
    failures: Family<HandshakeLabels, Counter>,
}

/// Why a handshake failed, for the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum HandshakeFailed {
    /// The client speaks HTTP without TLS.
    PlainHttp,
    /// The client's certificate has ended, or no authority of `--tls-client-ca` vouches for it.
    ClientCertificate,
    /// The client refused the server's certificate, or gave up in another way that TLS has.
    ByClient,
    /// The connection broke off.
    BrokenOff,
    /// The client speaks no TLS, or none that is spoken here.
    Protocol,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TlsReloadLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HandshakeLabels {
    why: &'static str,
}

impl TlsCounts {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let counts = Self::default();
        registry.register(
            "tls_certificate_expires_timestamp_seconds",
            "When the certificate of --tls-cert ends, in seconds since 1970; 0 without one",
            counts.ends.clone(),
        );
        registry.register(
            "tls_reloads",
            "Times that the files of TLS were read again",
            counts.reloads.clone(),
        );
        registry.register(
            "tls_handshake_failures",
            "Handshakes of clients that failed",
            counts.failures.clone(),
        );
        for result in ["loaded", "refused"] {
            drop(counts.reloads.get_or_create(&TlsReloadLabels { result }));
        }
        for why in HandshakeFailed::VARIANTS {
            drop(counts.failures.get_or_create(&HandshakeLabels { why: why.into() }));
        }
        counts
    }

    pub(crate) fn certificate_ends(&self, at: Timestamp) {
        self.ends.set(at.as_micros() / 1_000_000);
    }

    pub(crate) fn reloaded(&self, is_loaded: bool) {
        let result = if is_loaded { "loaded" } else { "refused" };
        self.reloads.get_or_create(&TlsReloadLabels { result }).inc();
    }

    pub(crate) fn failed(&self, why: HandshakeFailed) {
        self.failures.get_or_create(&HandshakeLabels { why: why.into() }).inc();
    }
}
