//! Events of what a step waits for beside calls: conditions, times, signals. And of steps that are passed over.

use super::super::{Phase, Progress, Saga, SignalKept, StepState};
use crate::event::Outcome;
use crate::id::{Seq, Timestamp};
use crate::json::Json;
use crate::rules;

impl Saga {
    /// A condition does not hold: the step is not done, or there is nothing to undo.
    pub(super) fn skipped(&mut self, seq: Seq, step: usize) -> Result<(), &'static str> {
        if !self.evaluations().contains(step) {
            return Err("no condition of that step is asked for");
        }
        self.steps[step] = match &self.steps[step] {
            StepState::Pending { .. } => StepState::Skipped,
            StepState::Done { .. } => {
                StepState::NotDone { reason: "there is nothing to undo (`when`)".into() }
            }
            _ => return Err("no condition of that step is asked for"),
        };
        self.notes[step].waited_for = seq;
        Ok(())
    }

    /// A signal step or a pause begins to wait.
    pub(super) fn waits(
        &mut self,
        since: Timestamp,
        step: usize,
        until: Timestamp,
    ) -> Result<(), &'static str> {
        let is_call = self.definition.steps.get(step).is_none_or(|step| step.as_call().is_some());
        if is_call || !matches!(self.phase, Phase::Forward { .. }) || !self.active().contains(step) {
            return Err("it is not the turn of a step that waits");
        }
        if !matches!(self.steps[step], StepState::Pending { .. }) {
            return Err("the step waits already");
        }
        self.steps[step] = StepState::Waiting { since, until };
        Ok(())
    }

    /// A pause is over.
    pub(super) fn pause_ended(&mut self, seq: Seq, step: usize) -> Result<(), &'static str> {
        let is_pause = self.definition.steps.get(step).is_some_and(|step| step.signal().is_none());
        if !is_pause
            || !self.active().contains(step)
            || !matches!(self.steps[step], StepState::Waiting { .. })
        {
            return Err("the step is no pause that waits");
        }
        self.steps[step] = StepState::Done { output: None };
        self.notes[step].waited_for = seq;
        Ok(())
    }

    /// A signal was sent.
    pub(super) fn signalled(
        &mut self,
        name: &str,
        key: Option<&str>,
        body: &Json,
    ) -> Result<(), &'static str> {
        if !matches!(self.phase, Phase::Forward { .. }) {
            return Err("the saga takes no signals any more");
        }
        if self.untaken(name) >= self.takers(name).1 {
            return Err("no step is left that could take another signal of that name");
        }
        let (name, key, body) = (name.into(), key.map(Into::into), body.clone());
        self.signals.push(SignalKept { name, key, body, taken: false });
        Ok(())
    }

    /// A step has taken a signal.
    pub(super) fn signal_taken(
        &mut self,
        seq: Seq,
        now: Timestamp,
        step: usize,
        signal: u32,
        (outcome, reason, output): (Outcome, Option<&str>, Option<&Json>),
    ) -> Result<(), &'static str> {
        let is_forward = matches!(self.phase, Phase::Forward { .. });
        let index = (signal as usize).checked_sub(1);
        if !is_forward || step >= self.steps.len() || index.is_none() || self.signal_for(step) != index {
            return Err("the step does not take that signal");
        }
        if let Some(signal) = index.and_then(|index| self.signals.get_mut(index)) {
            signal.taken = true;
        }
        self.marks.lost_owners = 0;
        match outcome {
            Outcome::Ok => {
                self.steps[step] = StepState::Done { output: output.cloned() };
                self.notes[step].waited_for = seq;
                self.unblock(step);
            }
            Outcome::Refused => {
                // Behind a pivot, it is called again.
                let may_fail = self.may_fail(step) || self.definition.steps[step].optional;
                self.refused_later(step, reason.unwrap_or_default(), (!may_fail).then_some(now));
            }
            Outcome::Accepted | Outcome::Unknown | Outcome::NotSent => {
                return Err("a signal means success or failure");
            }
        }
        Ok(())
    }

    /// The step's action has no effect: a poll or a signal says so after it was accepted. `again`: when it is called again.
    pub(super) fn refused_later(&mut self, step: usize, reason: &str, again: Option<Timestamp>) {
        match (&mut self.steps[step], again) {
            (StepState::Doing { tries, may_have_run }, Some(at)) => {
                *may_have_run = false;
                tries.failures += 1;
                (tries.reason, tries.status) = (Some(reason.into()), None);
                tries.accepted = None;
                tries.progress = Progress::Due(at);
            }
            (state, _) => {
                *state = StepState::NotDone { reason: reason.into() };
                self.unblock(step);
            }
        }
    }

    /// An optional step has failed, or it cannot be found out whether it ran.
    pub(super) fn passed_over(&mut self, seq: Seq, step: usize, reason: &str) -> Result<(), &'static str> {
        let is_optional = self.definition.steps.get(step).is_some_and(|step| step.optional);
        if !is_optional || !self.active().contains(step) || self.is_calling(step) {
            return Err("no optional step has failed there");
        }
        if matches!(self.steps[step], StepState::Done { .. } | StepState::Undoing { .. }) {
            return Err("a step that has run is not passed over");
        }
        if matches!(self.phase, Phase::Forward { .. }) {
            self.notes[step].passed_over = true;
            self.notes[step].waited_for = seq;
            // Where its action may have run, that is found out if the saga rolls back.
            if matches!(self.steps[step], StepState::Doing { may_have_run: true, .. }) {
                return Ok(());
            }
        }
        self.steps[step] = match rules::is_not_done(true) {
            true => StepState::NotDone { reason: reason.into() },
            false => StepState::Done { output: None },
        };
        self.unblock(step);
        Ok(())
    }
}
