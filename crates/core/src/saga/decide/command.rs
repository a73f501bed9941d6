//! The event that a command brings about, and the reasons for refusing it.

use super::super::{CallWanted, Phase, Saga, StepState};
use super::Rejected;
use crate::command::{Command, CommandKind};
use crate::definition::Safety;
use crate::direction::Direction;
use crate::event::{Cause, Event, Finding, Record};
use crate::id::{AttemptNumber, Seq, Timestamp};
use crate::rules;

impl Saga {
    /// The event that a command brings about; `None`: it has been applied before, or nothing has to change.
    pub(super) fn command(&self, command: &Command, now: Timestamp) -> Result<Option<Event>, Rejected> {
        if rules::was_applied(&self.commands, command.id) {
            return Ok(None);
        }
        match &command.kind {
            CommandKind::Cancel => match &self.phase {
                Phase::Forward { .. } => Ok(Some(Event::RollbackDecided { cause: Cause::Cancelled })),
                // Asking twice is no mistake.
                Phase::RollingBack { cause: Cause::Cancelled, .. }
                | Phase::RolledBack { cause: Cause::Cancelled, .. } => Ok(None),
                Phase::RollingBack { .. } | Phase::RolledBack { .. } => Err(Rejected::Failing),
                Phase::Completed => Err(Rejected::Completed),
            },
            CommandKind::Resume { by, reason } => {
                self.may_resume(now)?;
                let unseen = self.blocked().is_some_and(|blocked| blocked.recorded > command.asked);
                let resumed = Event::Resumed { by: by.clone(), reason: reason.clone(), unseen };
                // Attempts that are under way need not be hurried.
                let active = self.active();
                let is_idle = active.is_empty() || !active.iter().all(|step| self.is_calling(step));
                Ok(is_idle.then_some(resumed))
            }
            CommandKind::Resolve { step, finding, output, by, reason } => {
                let (step, finding, output) = (*step, *finding, output.clone());
                let (by, reason) = (by.clone(), reason.clone());
                let resolved = Event::Resolved { step, finding, output, by, reason };
                self.may_resolve(&resolved, now)?;
                Ok(Some(resolved))
            }
        }
    }

    fn may_resume(&self, now: Timestamp) -> Result<(), Rejected> {
        if self.is_over() {
            return Err(Rejected::Over);
        }
        let active = self.active();
        // Where one step can go on, it does.
        let can_go_on = |step: usize| {
            let has_promise = self.definition.participant(step).safety != Safety::None;
            let may_ask = self.definition.steps[step].probe.is_some();
            !self.is_in_doubt(step, now) || has_promise || may_ask
        };
        if self.is_parked() || active.is_empty() || active.iter().any(can_go_on) {
            Ok(())
        } else {
            Err(Rejected::InDoubt)
        }
    }

    /// Whether `event`, an operator's finding, can be recorded.
    fn may_resolve(&self, event: &Event, now: Timestamp) -> Result<(), Rejected> {
        let Event::Resolved { step, finding, output, .. } = event else { return Ok(()) };
        match (self.blocked(), self.is_over()) {
            (_, true) => return Err(Rejected::Over),
            (None, _) => return Err(Rejected::NotBlocked),
            (Some(_), _) if self.blocked_at(*step).is_none() => return Err(Rejected::OtherStep),
            (Some(_), _) => {}
        }
        if self.cause().is_none() {
            return Err(Rejected::GoingForward);
        }
        if self.is_calling(*step) {
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

    /// Whether the compensation's request can be made from the finding's output.
    fn can_undo_after(&self, event: &Event, step: usize, now: Timestamp) -> bool {
        let mut told = self.clone();
        let record = Record { at: now, state: None, command: None, event: event.clone() };
        let (direction, attempt) = (Direction::Compensation, AttemptNumber::FIRST);
        let timeout = self.definition.participant(step).timeout;
        let undo = CallWanted { step, direction, attempt, needs: Seq::NONE, timeout };
        told.apply(&record).is_ok() && told.request(&undo).is_ok()
    }
}
