//! Whether what a person wants or knows can be taken.

use super::super::{CallWanted, Saga, StepState};
use super::Rejected;
use crate::definition::Safety;
use crate::direction::Direction;
use crate::event::{Event, Finding, Record};
use crate::id::{AttemptNumber, Seq, Timestamp};

impl Saga {
    pub(super) fn may_resume(&self, now: Timestamp) -> Result<(), Rejected> {
        if self.is_over() {
            return Err(Rejected::Over);
        }
        let Some(step) = self.current().filter(|_| !self.is_parked()) else { return Ok(()) };
        let has_promise = self.definition.participant(step).safety != Safety::None;
        let may_ask = self.definition.steps[step].probe.is_some();
        if self.is_in_doubt(step, now) && !has_promise && !may_ask { Err(Rejected::InDoubt) } else { Ok(()) }
    }

    /// Whether `event`, a person's word, can be taken.
    pub(super) fn may_resolve(&self, event: &Event, now: Timestamp) -> Result<(), Rejected> {
        let Event::Resolved { step, finding, output, .. } = event else { return Ok(()) };
        let blocked = match (self.blocked(), self.is_over()) {
            (_, true) => return Err(Rejected::Over),
            (None, _) => return Err(Rejected::NotBlocked),
            (Some(blocked), _) => blocked,
        };
        if blocked.step != *step {
            return Err(Rejected::OtherStep);
        }
        if self.cause().is_none() {
            return Err(Rejected::GoingForward);
        }
        if self.in_flight().is_some() {
            return Err(Rejected::CallUnderWay);
        }
        if !self.findings(*step).contains(finding) {
            return Err(Rejected::BeingUndone);
        }
        let definition = &self.definition.steps[*step];
        let sends_output = definition.compensation.as_ref().is_some_and(|call| call.sends(&definition.name));
        let knows_output = !matches!(self.steps[*step], StepState::Doing { .. });
        match (finding, output) {
            (Finding::Ran, _) if !sends_output || knows_output => Ok(()),
            (Finding::Ran, None) => Err(Rejected::OutputNeeded),
            (Finding::Ran, Some(_)) if !self.can_undo_after(event, *step, now) => Err(Rejected::OutputUnfit),
            (Finding::Ran | Finding::NotRun | Finding::Undone, _) => Ok(()),
        }
    }

    /// Whether the compensation's request can be made from what a person says.
    fn can_undo_after(&self, event: &Event, step: usize, now: Timestamp) -> bool {
        let mut told = self.clone();
        let record = Record { at: now, state: None, event: event.clone() };
        let (direction, attempt) = (Direction::Compensation, AttemptNumber::FIRST);
        let timeout = self.definition.participant(step).timeout;
        let undo = CallWanted { step, direction, attempt, needs: Seq::NONE, timeout };
        told.apply(&record).is_ok() && told.request(&undo).is_ok()
    }
}
