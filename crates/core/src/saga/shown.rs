//! What each step in progress waits for, as it is shown. Derived from the state, as effects are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantNames};

use super::{Phase, Saga, StepState};
use crate::id::Timestamp;

/// A step in progress, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The step's name.
    pub step: Arc<str>,
    /// What it waits for.
    #[serde(rename = "for")]
    pub cause: WaitingFor,
    /// Until when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Since when the step has not got any further: its call was made first, its wait began, an operator has been needed. `None`: of
    /// a first call, since the saga's last event; and of a saga that an earlier release has written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What a step can wait for.
///
/// The words are kept in the journal and stand on the wire. A release that does not know one cannot read the rows that have
/// it, so a word is here before any release writes it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumString, IntoStaticStr, VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WaitingFor {
    /// The answer to a call.
    Call,
    /// The time of its next attempt, or of the next poll of an accepted action.
    Retry,
    /// Its participant: the breaker holds the call back, or as many calls as may be are under way.
    Participant,
    /// A signal, at most until its `within` is over.
    Signal,
    /// The end of a pause.
    Time,
    /// An operator.
    Person,
}

impl Saga {
    /// What each step in progress waits for, in the order of the file, in either direction. A step whose expression is being
    /// evaluated waits for nothing. Which calls their participants hold back is known to the process that makes them alone:
    /// here, those wait for their answers.
    pub fn waits_for(&self) -> Vec<Waiting> {
        self.active().iter().filter_map(|step| self.waits_at(step)).collect()
    }

    fn waits_at(&self, step: usize) -> Option<Waiting> {
        let definition = &self.definition.steps[step];
        let is_forward = matches!(self.phase, Phase::Forward { .. });
        let (cause, until) = match &self.steps[step] {
            _ if self.is_parked() || self.blocked_at(step).is_some() => (WaitingFor::Person, None),
            StepState::Waiting { until, .. } if definition.signal().is_some() => {
                (WaitingFor::Signal, Some(*until))
            }
            StepState::Waiting { until, .. } => (WaitingFor::Time, Some(*until)),
            // A rollback has no use for the signal: it goes on asking.
            _ if is_forward && self.awaits(step).is_some() => (WaitingFor::Signal, self.accepted_until(step)),
            _ if self.poll(step).is_some() => match self.poll_at(step) {
                Some(at) => (WaitingFor::Retry, Some(at)),
                None => (WaitingFor::Call, None),
            },
            _ if self.is_calling(step) => (WaitingFor::Call, None),
            _ => (WaitingFor::Retry, Some(self.due_at(step)?)),
        };
        Some(Waiting { step: definition.name.clone(), cause, until, since: self.waits_since(step) })
    }

    fn waits_since(&self, step: usize) -> Option<Timestamp> {
        match (&self.steps[step], self.blocked_at(step)) {
            (_, Some(blocked)) => Some(blocked.at),
            (StepState::Waiting { since, .. }, None) => Some(*since),
            // A first call is not worth its bytes in each row: the row has its last event's time.
            _ => {
                let (_, tries) = self.tries(step)?;
                (tries.failures > 0 || !tries.in_flight()).then_some(tries.first_at)
            }
        }
    }
}
