//! The keys of the issuer whose tokens are taken (`--oidc-issuer`).

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use saga_core::Timestamp;

/// Counts fetches of the issuer's keys. Clones count the same.
#[derive(Clone, Default)]
pub(crate) struct IssuerCounts {
    fetches: Family<FetchLabels, Counter>,
    keys: Gauge,
    fetched_s: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FetchLabels {
    result: &'static str,
}

impl FetchLabels {
    const FETCHED: Self = Self { result: "fetched" };
    const FAILED: Self = Self { result: "failed" };
}

impl IssuerCounts {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let counts = Self::default();
        for result in [FetchLabels::FETCHED, FetchLabels::FAILED] {
            drop(counts.fetches.get_or_create(&result));
        }
        registry.register(
            "oidc_key_fetches",
            "Times that the keys of the issuer of tokens were asked for",
            counts.fetches.clone(),
        );
        registry.register(
            "oidc_keys",
            "Keys of the issuer that its tokens are checked with",
            counts.keys.clone(),
        );
        registry.register(
            "oidc_keys_fetched_timestamp_seconds",
            "When these keys were fetched, in seconds since 1970; 0 before the first time",
            counts.fetched_s.clone(),
        );
        counts
    }

    /// Counts that there are so many keys as of now.
    pub(crate) fn fetched(&self, keys: usize, now: Timestamp) {
        self.fetches.get_or_create(&FetchLabels::FETCHED).inc();
        self.keys.set(keys as i64);
        self.fetched_s.set(now.as_micros() / 1_000_000);
    }

    /// Counts that the keys could not be fetched, and whether the last ones still count.
    pub(crate) fn failed(&self, keys_are_left: bool) {
        self.fetches.get_or_create(&FetchLabels::FAILED).inc();
        if !keys_are_left {
            self.keys.set(0);
        }
    }
}
