//! Calls that ask about a step: is its effect there?

use super::super::{Phase, ProbeState, Progress, Question, Saga, StepState};
use super::EndedCall;
use crate::event::{Outcome, Stuck};
use crate::id::AttemptNumber;

impl Saga {
    /// A question may leave from here on.
    pub(super) fn probe_started(&mut self, step: usize, attempt: AttemptNumber) -> Result<(), &'static str> {
        if !self.active().contains(step) || self.definition.steps[step].probe().is_none() {
            return Err("there is nothing to ask about that step");
        }
        let due = self.next_probe(step);
        let Some(tries) = self.tries_mut(step) else { return Err("there is nothing to ask about that step") };
        if tries.in_flight() || tries.asked.is_in_flight() {
            return Err("an attempt is still in flight");
        }
        if attempt != due {
            return Err("attempts are numbered without gaps");
        }
        tries.asked.question = Question::InFlight(attempt);
        self.notes[step].probe = Some(attempt);
        Ok(())
    }

    /// The question in flight was answered, or was not.
    pub(super) fn probe_ended(&mut self, ended: &EndedCall<'_>) -> Result<(), &'static str> {
        let &EndedCall { seq, at, step, outcome, reason, output, retry_at, .. } = ended;
        let is_forward = matches!(self.phase, Phase::Forward { .. });
        let keeps_failing =
            self.blocked_at(step).is_some_and(|blocked| blocked.stuck == Stuck::CompensationFailing);
        let is_answer = matches!(outcome, Outcome::Ok | Outcome::Refused);
        let state = &mut self.steps[step];
        let (StepState::Doing { tries, may_have_run } | StepState::Undoing { tries, may_have_run, .. }) =
            &mut *state
        else {
            return Err("no such call is under way");
        };
        if !is_answer {
            tries.asked.failures += 1;
            tries.asked.question = Question::Due(retry_at.unwrap_or(at));
            return Ok(());
        }
        // Where the call did not run after all, it may be made again.
        *may_have_run = false;
        tries.asked = ProbeState::default();
        tries.progress = retry_at.map_or(Progress::GivenUp, Progress::Due);
        match (&*state, outcome) {
            (StepState::Doing { .. }, Outcome::Ok) => {
                *state = StepState::Done { output: output.cloned() };
                self.succeeded(seq, step);
            }
            (StepState::Doing { .. }, _) if !is_forward => {
                *state = StepState::NotDone { reason: reason.unwrap_or_default().into() };
                self.unblock(step);
            }
            (StepState::Undoing { .. }, Outcome::Refused) => {
                *state = StepState::Undone;
                self.succeeded(seq, step);
            }
            // The question is settled. That the compensation keeps failing is not.
            _ if keeps_failing => {}
            _ => self.unblock(step),
        }
        Ok(())
    }
}
