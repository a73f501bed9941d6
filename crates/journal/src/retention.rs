//! Sagas that are over, and are taken away for good once they are old enough. Whether one is, is for the core to say.

use std::sync::Arc;

use saga_core::definition::Labels;
use saga_core::{SagaId, Seq, Timestamp};

use crate::columns::text;
use crate::{Cursor, History};

/// Sagas that can be taken away at a time: their histories are read together, and they go in one transaction.
pub const FORGOTTEN_TOGETHER_MAX: usize = crate::LOADED_TOGETHER_MAX;

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
    created: Timestamp,
    labels: Labels,
    deeds: Vec<(Arc<str>, Timestamp, Seq)>,
}

/// A label of a saga that is taken away, as its row has it.
pub(crate) struct ForgottenLabel<'f> {
    pub(crate) name: std::borrow::Cow<'f, str>,
    pub(crate) value: String,
    pub(crate) created_us: i64,
    pub(crate) saga: &'f SagaId,
}

/// A deed in a saga that is taken away, as its row has it.
pub(crate) struct ForgottenDeed<'f> {
    pub(crate) name: std::borrow::Cow<'f, str>,
    pub(crate) at_us: i64,
    pub(crate) seq: i64,
    pub(crate) saga: &'f SagaId,
}

impl AgedSaga {
    /// Its place among all sagas in the order of their starts.
    pub fn cursor(&self) -> Cursor {
        Cursor { created: self.created, saga: self.saga }
    }
}

impl Forgotten {
    /// A saga with its history.
    pub fn of(aged: &AgedSaga, history: &History) -> Self {
        let numbered = (1..).map(Seq::new).zip(&history.records);
        let deeds =
            numbered.filter_map(|(seq, record)| record.deed().map(|(by, _)| (by.into(), record.at, seq)));
        let deeds = deeds.collect();
        Self { saga: aged.saga, created: aged.created, labels: aged.labels.clone(), deeds }
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = ForgottenLabel<'_>> {
        self.labels.iter().map(|(name, label)| ForgottenLabel {
            name: text(name),
            value: text(&label.to_string()).into_owned(),
            created_us: self.created.as_micros(),
            saga: &self.saga,
        })
    }

    pub(crate) fn deeds(&self) -> impl Iterator<Item = ForgottenDeed<'_>> {
        self.deeds.iter().map(|(name, at, seq)| ForgottenDeed {
            name: text(name),
            at_us: at.as_micros(),
            seq: crate::frame::position(seq.get()),
            saga: &self.saga,
        })
    }
}
