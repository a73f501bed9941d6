//! The event that a command brings about, and the reasons for refusing it.

use super::super::{CallWanted, Phase, Saga, SignalKept, StepState};
use super::Rejected;
use crate::command::{Command, CommandKind};
use crate::definition::Safety;
use crate::direction::Direction;
use crate::event::{Cause, Event, Finding, Record};
use crate::id::{AttemptNumber, Seq, Timestamp};
use crate::json::Json;
use crate::rules;
use crate::trace_context::TraceParent;

impl Saga {
    /// The event of a cancel command.
    fn cancel(&self, cause: Cause) -> Result<Option<Event>, Rejected> {
        match &self.phase {
            Phase::Forward { .. } if rules::may_be_cancelled(self.is_past_pivot()) => {
                Ok(Some(Event::RollbackDecided { cause }))
            }
            Phase::Forward { .. } => Err(Rejected::NoWayBack),
            // Asking twice is no mistake, whoever asks.
            Phase::RollingBack { cause: Cause::Cancelled | Cause::CancelledBy { .. }, .. }
            | Phase::RolledBack { cause: Cause::Cancelled | Cause::CancelledBy { .. }, .. } => Ok(None),
            Phase::RollingBack { .. } | Phase::RolledBack { .. } => Err(Rejected::Failing),
            Phase::Completed => Err(Rejected::Completed),
        }
    }

    /// The event that a command brings about; `None`: it has been applied before, or nothing has to change.
    pub(super) fn command(&self, command: &Command, now: Timestamp) -> Result<Option<Event>, Rejected> {
        if rules::was_applied(&self.commands, command.id) {
            return Ok(None);
        }
        match &command.kind {
            CommandKind::Cancel => self.cancel(Cause::Cancelled),
            CommandKind::CancelBy { by, reason } => {
                self.cancel(Cause::CancelledBy { by: by.clone(), reason: reason.clone() })
            }
            CommandKind::Resume { by, reason } => {
                self.may_resume(now)?;
                let unseen = self.blocked().is_some_and(|blocked| blocked.recorded > command.asked);
                let resumed = Event::Resumed { by: by.clone(), reason: reason.clone(), unseen };
                // Attempts that are under way need not be hurried.
                let active = self.active();
                let is_idle = active.is_empty() || !active.iter().all(|step| self.is_calling(step));
                Ok(is_idle.then_some(resumed))
            }
            CommandKind::Signal { name, key, body, trace } => self.signal(name, key.as_deref(), body, *trace),
            CommandKind::Resolve { step, finding, output, by, reason } => {
                let (step, finding, output) = (*step, *finding, output.clone());
                let (by, reason) = (by.clone(), reason.clone());
                let resolved = Event::Resolved { step, finding, output, by, reason };
                self.may_resolve(&resolved, now)?;
                Ok(Some(resolved))
            }
        }
    }

    /// The event of a signal; `None`: it was sent before.
    fn signal(
        &self,
        name: &str,
        key: Option<&str>,
        body: &Json,
        trace: Option<TraceParent>,
    ) -> Result<Option<Event>, Rejected> {
        let (takers, open) = self.takers(name);
        if takers == 0 {
            return Err(Rejected::NoSuchSignal);
        }
        let same_key = |known: &&SignalKept| *known.name == *name && known.key.as_deref() == key;
        if let Some(known) = self.signals.iter().filter(|_| key.is_some()).find(same_key) {
            let is_same = known.body.same_value(body);
            return if is_same { Ok(None) } else { Err(Rejected::SignalKeyReused) };
        }
        if !matches!(self.phase, Phase::Forward { .. }) {
            return Err(Rejected::TakesNoSignals);
        }
        if self.untaken(name) >= open {
            return Err(Rejected::SignalsEnough);
        }
        let (name, key, body) = (name.into(), key.map(Into::into), body.clone());
        Ok(Some(Event::Signalled { name, key, body, trace }))
    }

    fn may_resume(&self, now: Timestamp) -> Result<(), Rejected> {
        if self.is_over() {
            return Err(Rejected::Over);
        }
        let active = self.active();
        // Where one step can go on, it does.
        let can_go_on = |step: usize| {
            let has_promise = self.definition.safety(step) != Safety::None;
            let may_ask = self.definition.steps[step].probe().is_some();
            !self.is_in_doubt(step, now) || has_promise || may_ask
        };
        let only_waits = |step: usize| {
            let awaits = self.accepted(step).is_some() && self.poll(step).is_none();
            let is_waiting = awaits || matches!(self.steps[step], StepState::Waiting { .. });
            is_waiting && self.blocked_at(step).is_none()
        };
        if !active.is_empty() && !self.is_parked() && active.iter().all(only_waits) {
            return Err(Rejected::NothingToHurry);
        }
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
        let is_forward = self.cause().is_none();
        if is_forward && self.is_parked_at(*step) {
            return Err(Rejected::GoingForward);
        }
        if self.is_calling(*step) {
            return Err(Rejected::CallUnderWay);
        }
        if !self.findings(*step).contains(finding) {
            return Err(if is_forward { Rejected::ToBeDone } else { Rejected::BeingUndone });
        }
        let definition = &self.definition.steps[*step];
        let sends_output = definition.compensation().is_some_and(|call| call.sends(&definition.name));
        let knows_output = !matches!(self.steps[*step], StepState::Doing { .. });
        match (finding, output) {
            // Going forward, later steps read it.
            (Finding::Ran, None) if is_forward && definition.keeps_output() => Err(Rejected::OutputNeeded),
            _ if is_forward => Ok(()),
            (Finding::Ran, _) if !sends_output || knows_output => Ok(()),
            (Finding::Ran, None) => Err(Rejected::OutputNeeded),
            (Finding::Ran, Some(_)) if !self.can_undo_after(event, *step, now) => Err(Rejected::OutputUnfit),
            (Finding::Ran | Finding::NotRun | Finding::Undone, _) => Ok(()),
        }
    }

    /// Whether the compensation's request can be made from the finding's output.
    fn can_undo_after(&self, event: &Event, step: usize, now: Timestamp) -> bool {
        let mut told = self.clone();
        let record = Record { at: now, state: None, command: None, by: None, event: event.clone() };
        let (direction, attempt) = (Direction::Compensation, AttemptNumber::FIRST);
        let timeout = self.timeout(step);
        let undo = CallWanted { step, direction, attempt, needs: Seq::NONE, timeout };
        told.apply(&record).is_ok() && told.request(&undo).is_ok()
    }
}
