//! The sagas that are not over, by the definition that each is pinned to and by what its steps wait for.
//!
//! No index knows what a saga waits for, and none knows its definition's hash. So rows are read: the oldest, and a bounded number of them. [`Backlog`](crate::Backlog)
//! counts all sagas that are not over.

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::Timestamp;
use saga_core::definition::DefinitionHash;
use saga_core::saga::{Waiting, WaitingFor};
use serde::Deserialize;

/// Sagas that [`Histories::under_way`](crate::Histories::under_way) reads at most.
pub const UNDER_WAY_READ_MAX: usize = 4_000;

/// The oldest sagas that are not over, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnderWay {
    /// How many were read.
    pub sagas: u64,
    /// Whether there are more, which were not read.
    pub more: bool,
    /// By the definition that they are pinned to: its name and its hash.
    pub pinned: BTreeMap<(Arc<str>, DefinitionHash), PinnedSagas>,
    /// By what they wait for. A saga of which two steps wait counts twice; one that waits for an operator does not count.
    pub waits: BTreeMap<WaitKey, SagasThatWait>,
}

/// The sagas that are pinned to one definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinnedSagas {
    /// How many.
    pub sagas: u64,
    /// The start of the oldest.
    pub oldest: Timestamp,
}

/// What sagas wait for, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitKey {
    /// The name of the definition.
    pub definition: Arc<str>,
    /// The name of the step that waits.
    pub step: Arc<str>,
    /// Its cause, by the order of its words.
    cause: &'static str,
}

impl WaitKey {
    /// The sagas of a definition that wait for this at one step.
    pub fn new(definition: Arc<str>, step: Arc<str>, cause: WaitingFor) -> Self {
        Self { definition, step, cause: cause.into() }
    }

    /// What they wait for.
    pub fn cause(&self) -> WaitingFor {
        self.cause.parse().expect("it was made of one")
    }
}

/// The sagas that wait for the same at the same step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SagasThatWait {
    /// How many.
    pub sagas: u64,
    /// When the first of them goes on, where that is known.
    pub until: Option<Timestamp>,
}

/// A row, as a store reads it.
pub(crate) struct ReadRow<'r> {
    pub(crate) definition: &'r str,
    pub(crate) hash: &'r str,
    pub(crate) created_us: i64,
    /// `None`: the saga waits for an operator.
    pub(crate) summary: Option<&'r str>,
}

/// The part of a summary that is looked at.
#[derive(Deserialize)]
struct Waits {
    #[serde(default)]
    waiting: Vec<Waiting>,
}

impl UnderWay {
    /// Counts one more row; they come in the order of their starts.
    pub(crate) fn add(&mut self, row: &ReadRow<'_>) {
        if self.sagas >= UNDER_WAY_READ_MAX as u64 {
            self.more = true;
            return;
        }
        self.sagas += 1;
        let oldest = Timestamp::from_micros(row.created_us);
        let key = (Arc::from(row.definition), DefinitionHash::new(row.hash));
        let pinned = self.pinned.entry(key).or_insert(PinnedSagas { sagas: 0, oldest });
        pinned.sagas += 1;
        pinned.oldest = pinned.oldest.min(oldest);
        // A summary that a later release has written may have words that this one does not know.
        let waits = row.summary.and_then(|summary| serde_json::from_str::<Waits>(summary).ok());
        for waiting in waits.into_iter().flat_map(|waits| waits.waiting) {
            if waiting.cause == WaitingFor::Person {
                continue;
            }
            let key = WaitKey::new(row.definition.into(), waiting.step, waiting.cause);
            let waits = self.waits.entry(key).or_default();
            waits.sagas += 1;
            waits.until = waits.until.into_iter().chain(waiting.until).min();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'r>(definition: &'r str, created_us: i64, summary: Option<&'r str>) -> ReadRow<'r> {
        ReadRow { definition, hash: "h1", created_us, summary }
    }

    #[test]
    fn each_step_that_waits_is_counted_by_what_it_waits_for() {
        let mut found = UnderWay::default();
        let two = r#"{"waiting":[{"step":"pay","for":"retry","until":7},{"step":"ship","for":"signal"}]}"#;
        let later = r#"{"waiting":[{"step":"pay","for":"retry","until":5}],"failure":{"reason":"x"}}"#;
        let person = r#"{"waiting":[{"step":"pay","for":"person"}]}"#;
        for (created_us, summary) in
            [(3, two), (1, later), (2, person), (4, "{"), (5, r#"{"waiting":[{"step":"pay","for":"dawn"}]}"#)]
        {
            found.add(&row("travel", created_us, Some(summary)));
        }
        found.add(&row("travel", 9, None));
        let waits: Vec<_> = found
            .waits
            .iter()
            .map(|(key, waits)| (&*key.step, key.cause(), waits.sagas, waits.until))
            .collect();
        assert_eq!(
            waits,
            [
                ("pay", WaitingFor::Retry, 2, Some(Timestamp::from_micros(5))),
                ("ship", WaitingFor::Signal, 1, None)
            ]
        );
        let pinned = found.pinned.values().next().unwrap();
        assert_eq!((pinned.sagas, pinned.oldest, found.more), (6, Timestamp::from_micros(1), false));
    }

    #[test]
    fn no_more_rows_are_counted_than_may_be_read() {
        let mut found = UnderWay::default();
        for created_us in 0..UNDER_WAY_READ_MAX as i64 {
            found.add(&row("travel", created_us, None));
        }
        assert!(!found.more);
        found.add(&row("travel", 0, None));
        assert_eq!((found.sagas, found.more), (UNDER_WAY_READ_MAX as u64, true));
    }
}
