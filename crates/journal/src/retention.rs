//! Sagas that are over, and are taken away for good once they are old enough. Whether one is, is for the core to say.

use std::sync::Arc;

use saga_core::definition::Labels;
use saga_core::{Record, SagaId, Seq, Timestamp};

/// Sagas that can be taken away at a time: they go in one transaction.
pub const FORGOTTEN_TOGETHER_MAX: usize = 128;

/// A saga, as far as its age is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgedSaga {
    /// Which one.
    pub saga: SagaId,
    /// When it started.
    pub created: Timestamp,
    /// When its last event was recorded.
    pub updated: Timestamp,
    /// Whether it is over, and nobody has to look at it.
    pub is_settled: bool,
    /// Whether it has failed, or was stopped: it was rolled back.
    pub has_failed: bool,
    /// The labels by which it is found.
    pub labels: Labels,
}

/// A saga to take away, with all by which the rows that are kept of it are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// Which one.
    pub saga: SagaId,
    pub(crate) created: Timestamp,
    pub(crate) labels: Labels,
    pub(crate) deeds: Vec<(Arc<str>, Timestamp, Seq)>,
}

impl Forgotten {
    /// A saga with its whole history.
    pub fn of(aged: &AgedSaga, records: &[Record]) -> Self {
        let numbered = (1..).map(Seq::new).zip(records);
        let deeds =
            numbered.filter_map(|(seq, record)| record.deed().map(|(by, _)| (by.into(), record.at, seq)));
        let deeds = deeds.collect();
        Self { saga: aged.saga, created: aged.created, labels: aged.labels.clone(), deeds }
    }
}
