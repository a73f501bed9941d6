//! The report to an operator about a blocked saga: the call that it is about, and the findings that it accepts.
//!
//! All of it is derived from the state, as effects are. Nothing here changes a saga.

use super::{Blocked, CallWanted, Request, RequestError, Saga, StepState};
use crate::definition::Participant;
use crate::direction::Direction;
use crate::event::{Finding, Stuck};
use crate::id::{AttemptNumber, Seq, Timestamp};

/// The call that a blocked saga waits for.
#[derive(Debug)]
pub struct Pending<'a> {
    /// The obstacle.
    pub blocked: &'a Blocked,
    /// The name of the step that is stuck.
    pub step: &'a str,
    /// The participant that the call goes to.
    pub participant: Option<&'a Participant>,
    /// Whether the call does the step or undoes it.
    pub direction: Direction,
    /// The call that is in doubt, or that would be made next. Without the participant's own headers: they may be
    /// secret.
    pub request: Result<Request, RequestError>,
    /// Attempts of the call so far.
    pub attempts: u32,
    /// Whether it, or a question about it, is under way.
    pub is_under_way: bool,
    /// When it, or its probe, is tried again by itself; `None`: not before an operator's command.
    pub next_at: Option<Timestamp>,
    /// The findings that an operator can report about the step.
    pub findings: &'static [Finding],
    /// Whether [`Finding::Ran`] has to bring the output that the action's answer would have given.
    pub lacks_output: bool,
}

impl Saga {
    /// The call that the saga waits for, while it is blocked.
    pub fn pending(&self) -> Option<Pending<'_>> {
        let blocked = self.blocked()?;
        let step = blocked.step;
        let definition = self.definition.steps.get(step)?;
        let state = &self.steps[step];
        let direction = match state {
            // A barrier is undone whether or not it is known to have run.
            _ if self.cause().is_none() => Direction::Action,
            StepState::Doing { .. } if !self.is_barrier(step) => Direction::Action,
            _ => Direction::Compensation,
        };
        let made = self.tries(step).filter(|(made, _)| *made == direction).map(|(_, tries)| tries.attempt);
        let attempt = made.unwrap_or(AttemptNumber::FIRST);
        let participant = self.definition.participant(step);
        let timeout = self.timeout(step);
        let sends_output = definition.compensation().is_some_and(|call| call.sends(&definition.name));
        Some(Pending {
            blocked,
            step: &definition.name,
            participant,
            direction,
            request: self.shown_request(&CallWanted { step, direction, attempt, needs: Seq::NONE, timeout }),
            attempts: made.map_or(0, AttemptNumber::get),
            is_under_way: self.is_calling(step),
            next_at: self.due_at(step).filter(|_| !self.is_parked()),
            findings: self.findings(step),
            lacks_output: match self.cause() {
                // Later steps read it.
                None => definition.keeps_output(),
                Some(_) => sends_output && matches!(state, StepState::Doing { .. }),
            },
        })
    }

    /// Whether the saga's task fails at this step.
    pub(super) fn is_parked_at(&self, step: usize) -> bool {
        self.blocked_at(step).is_some_and(|blocked| blocked.stuck == Stuck::TaskFailed)
    }

    /// The findings that an operator can report about a step. About a step that is being undone, "it did not run" would
    /// be taken for "the compensation did not run": then only the presence of the step's effect matters.
    pub(super) fn findings(&self, step: usize) -> &'static [Finding] {
        match self.steps[step] {
            // Only a step that is being undone can be settled by a finding.
            _ if self.cause().is_none() && self.is_parked_at(step) => &[],
            // Behind a pivot, a step is done, or called again.
            _ if self.cause().is_none() => &[Finding::Ran, Finding::NotRun],
            StepState::Done { .. } | StepState::Undoing { .. } => &[Finding::Ran, Finding::Undone],
            _ => &[Finding::Ran, Finding::NotRun, Finding::Undone],
        }
    }
}
