//! The work of the journal's writer, read from the writer at each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use saga_journal::{Histogram, Journal};

pub(super) struct JournalCollector(Journal);

impl JournalCollector {
    pub(super) fn new(journal: Journal) -> Self {
        Self(journal)
    }
}

impl fmt::Debug for JournalCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalCollector").finish_non_exhaustive()
    }
}

impl Collector for JournalCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.stats();
        for (name, help, value) in [
            ("journal_commits", "Transactions that were made durable", stats.commits),
            ("journal_entries", "Entries that were made durable", stats.entries),
            ("journal_events", "Events that were made durable", stats.events),
            ("journal_failures", "Transactions that failed, or whose result is not known", stats.failures),
        ] {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(descriptor)?;
        }
        let lineage = self.0.lineage();
        let descriptor = encoder.encode_descriptor(
            "journal_databases_refused",
            "Connections that led to a former primary or to another database, and were not used",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(lineage.refused).encode(descriptor)?;
        if let Some(incarnation) = lineage.incarnation {
            let descriptor = encoder.encode_descriptor(
                "journal_incarnation",
                "How often the journal was set back to an older copy of itself, counted from 1",
                None,
                MetricType::Gauge,
            )?;
            ConstGauge::new(i64::from(incarnation.get())).encode(descriptor)?;
        }
        if let Some(timeline) = lineage.timeline {
            let descriptor = encoder.encode_descriptor(
                "journal_database_timeline",
                "The highest timeline of the database that this process has seen; PostgreSQL raises it at each failover",
                None,
                MetricType::Gauge,
            )?;
            ConstGauge::new(timeline).encode(descriptor)?;
        }
        let queued = encoder.encode_descriptor(
            "journal_queued",
            "Entries that wait for the writer",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(stats.queued).encode(queued)?;
        histogram(
            &mut encoder,
            "journal_batch_entries",
            "Entries in each transaction that was made durable",
            &stats.batch_entries,
            1.0,
        )?;
        histogram(
            &mut encoder,
            "journal_commit_duration_seconds",
            "Time that transactions take, those that fail included, in seconds",
            &stats.commit_us,
            1e6,
        )
    }
}

/// `per_unit`: how many of the histogram's units make one of the metric's.
fn histogram<const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    histogram: &Histogram<N>,
    per_unit: f64,
) -> fmt::Result {
    let bound = |bound: u64| if bound == u64::MAX { f64::INFINITY } else { bound as f64 / per_unit };
    let buckets: Vec<(f64, u64)> =
        histogram.bounds.iter().zip(histogram.counts).map(|(&upper, count)| (bound(upper), count)).collect();
    let count = histogram.counts.iter().sum();
    encoder.encode_descriptor(name, help, None, MetricType::Histogram)?.encode_histogram::<NoLabelSet>(
        histogram.sum as f64 / per_unit,
        count,
        &buckets,
        None,
    )
}
