//! The reasons for which a saga fails, or waits for an operator, as they are shown.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Saga;
use crate::cause_group::CauseGroup;
use crate::event::Cause;

/// A step and a reason. Both are texts for operators and callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step's name; `None`: the saga as a whole was stopped.
    pub step: Option<Arc<str>>,
    /// The participant's words, where it gave any.
    pub reason: Arc<str>,
}

impl Saga {
    /// Why the saga rolls back, or has rolled back. It stays, whatever happens meanwhile.
    pub fn failure(&self) -> Option<Failure> {
        Some(match self.cause()? {
            Cause::StepFailed { step, reason } => self.failure_at(*step, reason),
            Cause::Cancelled | Cause::CancelledBy { .. } => {
                Failure { step: None, reason: "cancelled on request".into() }
            }
            Cause::DeadlinePassed => Failure { step: None, reason: "the saga's deadline passed".into() },
        })
    }

    /// The step at which the saga waits for an operator, and why.
    pub fn blocked_by(&self) -> Option<Failure> {
        self.blocked().map(|blocked| self.failure_at(blocked.step, &blocked.reason))
    }

    /// The same, as a key that it shares with the sagas that wait for the same.
    pub fn cause_group(&self) -> Option<CauseGroup> {
        let blocked = self.blocked()?;
        let step = self.definition.steps.get(blocked.step)?;
        let participant = self.definition.participant(blocked.step).map(|called| &*called.name);
        Some(CauseGroup::at_step(participant, &step.name, blocked.stuck, blocked.status, &blocked.reason))
    }

    /// The failure for expressions, as JSON: null where no step has failed.
    pub(super) fn failure_text(&self) -> String {
        let failure = self.failure().filter(|failure| failure.step.is_some());
        serde_json::to_string(&failure).unwrap_or_else(|_| "null".to_owned())
    }

    fn failure_at(&self, step: usize, reason: &str) -> Failure {
        let step = self.definition.steps.get(step).map(|step| step.name.clone());
        Failure { step, reason: reason.into() }
    }
}
