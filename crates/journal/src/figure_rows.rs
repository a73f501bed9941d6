//! The rows of the table `saga_minute`, and what an entry adds to them.
//!
//! The owner is part of a row's key: two processes never wait for one another's row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::{FlowOutcome, Timestamp};

use crate::columns::text;
use crate::figures::{SagaDurations, minute_us, range_of};
use crate::{Entry, FIGURES_ROWS_MAX, MinuteFigures, ReplicaId};

/// An event that is counted.
pub(crate) struct NewFigure<'e> {
    pub(crate) minute_us: i64,
    pub(crate) outcome: FlowOutcome,
    /// Empty where no step is named.
    pub(crate) step: Cow<'e, str>,
    /// The range of the saga's duration; `None`: it has just started.
    pub(crate) range: Option<usize>,
}

/// The events of an entry that are counted.
pub(crate) fn new(entry: &Entry) -> impl Iterator<Item = NewFigure<'_>> {
    let summary = &entry.row.summary;
    entry.records.iter().filter_map(|record| {
        let outcome = record.event.flow(summary.cause)?;
        let failed = summary.failure.as_ref().filter(|_| outcome == FlowOutcome::Failed);
        let step = failed.and_then(|failure| failure.step.as_deref());
        let is_end = outcome != FlowOutcome::Started;
        Some(NewFigure {
            minute_us: minute_us(record.at),
            outcome,
            step: text(step.unwrap_or_default()),
            range: is_end.then(|| range_of(record.at.since(entry.row.created))),
        })
    })
}

/// Rows by their keys: those that a batch adds to, or the whole table.
#[derive(Debug, Default)]
pub(crate) struct FigureRows(BTreeMap<FigureKey, FigureCounts>);

/// The key of a row, in the order of its columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FigureKey {
    pub(crate) minute_us: i64,
    pub(crate) definition: Arc<str>,
    pub(crate) outcome: FlowOutcome,
    /// Empty where no step is named.
    pub(crate) step: Arc<str>,
    pub(crate) owner: ReplicaId,
}

/// The rest of a row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FigureCounts {
    pub(crate) sagas: u64,
    pub(crate) durations: SagaDurations,
}

impl FigureRows {
    /// Counts an entry that is kept for the first time.
    pub(crate) fn add(&mut self, entry: &Entry) {
        for new in new(entry) {
            let counts = self.0.entry(FigureKey {
                minute_us: new.minute_us,
                definition: text(&entry.row.definition).into(),
                outcome: new.outcome,
                step: new.step.into(),
                owner: entry.owner,
            });
            let counts = counts.or_default();
            counts.sagas += 1;
            if let Some(range) = new.range {
                counts.durations.add_to(range);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&FigureKey, &FigureCounts)> {
        self.0.iter()
    }

    /// See [`Histories::figures`](crate::Histories::figures).
    pub(crate) fn read(&self, since: Timestamp, until: Timestamp) -> Vec<MinuteFigures> {
        let mut read: Vec<MinuteFigures> = Vec::new();
        let is_wanted = |key: &FigureKey| (since.as_micros()..until.as_micros()).contains(&key.minute_us);
        for (key, counts) in self.0.iter().filter(|(key, _)| is_wanted(key)) {
            let FigureCounts { sagas: count, durations } = *counts;
            let figures = MinuteFigures {
                minute: Timestamp::from_micros(key.minute_us),
                definition: key.definition.clone(),
                outcome: key.outcome,
                step: named(&key.step),
                count,
                durations,
            };
            // The owners of a row follow each other.
            match read.last_mut() {
                Some(last) if last.order(&figures).is_eq() => {
                    last.count += count;
                    last.durations.merge(&durations);
                }
                Some(_) | None => read.push(figures),
            }
        }
        read.truncate(FIGURES_ROWS_MAX);
        in_order(read)
    }

    /// See [`Histories::forget_figures`](crate::Histories::forget_figures).
    pub(crate) fn forget(&mut self, before: Timestamp, limit: usize) {
        for _ in 0..limit {
            match self.0.first_entry() {
                Some(first) if first.key().minute_us < before.as_micros() => drop(first.remove()),
                Some(_) | None => return,
            }
        }
    }
}

/// A row as it was read, the owners together; `None`: a later release has written it, and this one does not know its outcome.
pub(crate) fn read(
    minute_us: i64,
    (definition, outcome, step): (&str, &str, &str),
    sagas: i64,
    durations: SagaDurations,
) -> Option<MinuteFigures> {
    Some(MinuteFigures {
        minute: Timestamp::from_micros(minute_us),
        definition: definition.into(),
        outcome: outcome.parse().ok()?,
        step: named(step),
        count: u64::try_from(sagas).unwrap_or(0),
        durations,
    })
}

/// Rows in the order of the list, whatever order a database has for texts.
pub(crate) fn in_order(mut rows: Vec<MinuteFigures>) -> Vec<MinuteFigures> {
    rows.sort_by(MinuteFigures::order);
    rows
}

fn named(step: &str) -> Option<Arc<str>> {
    (!step.is_empty()).then(|| step.into())
}
