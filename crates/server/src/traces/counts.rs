//! The metrics of the export of spans.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counts of spans, by what became of them.
#[derive(Clone, Debug)]
pub(crate) struct SpanCounts {
    spans: Family<SpanLabels, Counter>,
}

/// What became of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanFate {
    /// The collector has taken them.
    Exported,
    /// There was no room in the queue.
    QueueFull,
    /// The collector has refused them, did not answer in time, or the process ended before.
    NotTaken,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SpanLabels {
    result: &'static str,
}

impl SpanFate {
    const ALL: [Self; 3] = [Self::Exported, Self::QueueFull, Self::NotTaken];

    const fn labels(self) -> SpanLabels {
        let result = match self {
            Self::Exported => "exported",
            Self::QueueFull => "queue_full",
            Self::NotTaken => "not_taken",
        };
        SpanLabels { result }
    }
}

impl SpanCounts {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let spans = Family::default();
        for fate in SpanFate::ALL {
            let _ = spans.get_or_create_owned(&fate.labels()) as Counter;
        }
        registry.register("trace_spans", "Spans of sagas, by what became of them", spans.clone());
        Self { spans }
    }

    pub(crate) fn count(&self, fate: SpanFate, spans: usize) {
        self.spans.get_or_create(&fate.labels()).inc_by(spans as u64);
    }
}
