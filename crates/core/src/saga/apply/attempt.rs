//! Attempts of actions and compensations: their starts and ends.

use super::super::polling::{AcceptedWork, Polling};
use super::super::{Phase, ProbeState, Progress, Saga, StepState, Tries};
use super::EndedCall;
use crate::direction::Direction;
use crate::event::Outcome;
use crate::id::{AttemptNumber, Seq, Timestamp};

impl Saga {
    /// A call may leave from here on.
    pub(super) fn attempt_started(
        &mut self,
        seq: Seq,
        now: Timestamp,
        step: usize,
        direction: Direction,
        attempt: AttemptNumber,
    ) -> Result<(), &'static str> {
        if step >= self.steps.len() {
            return Err("there is no such step");
        }
        let is_its_turn = match (&self.phase, direction) {
            (Phase::Forward { .. }, Direction::Compensation) => {
                return Err("nothing is undone before that is decided");
            }
            (_, Direction::Compensation) if self.definition.steps[step].compensation().is_none() => false,
            _ if self.definition.steps[step].as_call().is_none() => false,
            _ => self.active().contains(step),
        };
        if !is_its_turn {
            return Err("it is not this step's turn");
        }
        let is_barrier = self.is_barrier(step);
        let is_read = self.definition.steps[step].is_read();
        // A barrier's compensation needs no more than the decision to roll back: a former owner may have sent it before
        // the history could say so.
        let may_have_been_sent = is_barrier && self.marks.take_over > self.marks.rollback;
        let start = |tries: Option<&Tries>| -> Result<Box<Tries>, &'static str> {
            let due = tries.map_or(AttemptNumber::FIRST, |tries| tries.attempt.next());
            if tries.is_some_and(|tries| tries.in_flight() || tries.asked.is_in_flight()) {
                return Err("an attempt is still in flight");
            }
            if attempt != due {
                return Err("attempts are numbered without gaps");
            }
            Ok(Box::new(Tries {
                attempt,
                progress: Progress::InFlight,
                started: seq,
                first_at: tries.map_or(now, |tries| tries.first_at),
                ended_at: now,
                failures: tries.map_or(0, |tries| tries.failures),
                reason: tries.and_then(|tries| tries.reason.clone()),
                status: tries.and_then(|tries| tries.status),
                asked: ProbeState::default(),
                accepted: None,
            }))
        };
        let state = &mut self.steps[step];
        *state = match (&*state, direction) {
            (StepState::Pending { shadow }, Direction::Action) => {
                StepState::Doing { tries: start(None)?, may_have_run: *shadow }
            }
            (StepState::Doing { tries, may_have_run }, Direction::Action) => {
                StepState::Doing { tries: start(Some(tries))?, may_have_run: *may_have_run }
            }
            (StepState::Done { output }, Direction::Compensation) => {
                let (tries, output) = (start(None)?, output.clone());
                StepState::Undoing { tries, may_have_run: may_have_been_sent, has_run: true, output }
            }
            // Barriers are undone at once, even with the action in flight: it is refused if it arrives late.
            (StepState::Doing { .. } | StepState::Pending { shadow: true }, Direction::Compensation)
                if is_barrier =>
            {
                StepState::Undoing {
                    tries: start(None)?,
                    may_have_run: may_have_been_sent,
                    has_run: false,
                    output: None,
                }
            }
            (StepState::Undoing { tries, may_have_run, has_run, output }, Direction::Compensation) => {
                let (tries, output) = (start(Some(tries))?, output.clone());
                StepState::Undoing { tries, may_have_run: *may_have_run, has_run: *has_run, output }
            }
            _ => return Err("the step is not in a state for that"),
        };
        if direction == Direction::Action {
            self.notes[step].first_called.get_or_insert(now);
            if !is_read && self.marks.first_effect.is_none() {
                self.marks.first_effect = Some(seq);
            }
        }
        Ok(())
    }

    /// The call in flight has ended.
    pub(super) fn attempt_ended(
        &mut self,
        direction: Direction,
        ended: &EndedCall<'_>,
    ) -> Result<(), &'static str> {
        let &EndedCall { seq, at, step, outcome, status, reason, output, retry_at } = ended;
        let is_barrier = self.is_barrier(step);
        let acceptance = self.definition.steps[step].acceptance().is_some();
        let is_late = self.late().any(|(late, ..)| late == step);
        let state = &mut self.steps[step];
        let (StepState::Doing { tries, may_have_run } | StepState::Undoing { tries, may_have_run, .. }) =
            &mut *state
        else {
            return Err("no such call is under way");
        };
        if is_late {
            // The history has the answer; the rollback has not waited for it.
            tries.progress = Progress::GivenUp;
            tries.ended_at = at;
            return Ok(());
        }
        tries.progress = match (retry_at, outcome, direction) {
            (_, Outcome::Accepted, Direction::Action) if acceptance => Progress::Accepted,
            (_, Outcome::Accepted, _) => return Err("the call cannot be accepted"),
            (Some(at), _, _) => Progress::Due(at),
            // A compensation that is refused is made again by itself, unless its refusal contradicts what is known.
            (None, Outcome::Refused, Direction::Compensation) => Progress::Contradicted,
            (None, _, _) => Progress::GivenUp,
        };
        tries.ended_at = at;
        if outcome == Outcome::Accepted {
            let polling = Polling::from(retry_at.unwrap_or(at));
            tries.accepted = Some(Box::new(AcceptedWork { at, answer: output.cloned(), polling }));
        } else if outcome != Outcome::Ok {
            tries.failures += 1;
            tries.reason = reason.map(Into::into);
            tries.status = status;
        }
        *may_have_run |= matches!(outcome, Outcome::Unknown | Outcome::Accepted);
        // A barrier that may have run before is undone all the same: that is always safe, and a refusal of the
        // repetition says little about the first call.
        let is_undone_anyway = is_barrier && *may_have_run;
        match (outcome, direction) {
            (Outcome::Ok, Direction::Action) => {
                *state = StepState::Done { output: output.cloned() };
            }
            (Outcome::Ok, _) => *state = StepState::Undone,
            // Behind a pivot, a refused action is called again.
            (Outcome::Refused, Direction::Action) if !is_undone_anyway && retry_at.is_none() => {
                *state = StepState::NotDone { reason: reason.unwrap_or_default().into() };
            }
            (Outcome::Accepted | Outcome::Refused | Outcome::Unknown | Outcome::NotSent, _) => {}
        }
        if outcome == Outcome::Ok {
            self.succeeded(seq, step);
        } else if self.is_settled(step) {
            self.unblock(step);
        }
        Ok(())
    }

    /// A poll has found out how the accepted action ended.
    pub(super) fn poll_ended(&mut self, ended: &EndedCall<'_>) -> Result<(), &'static str> {
        let &EndedCall { seq, step, outcome, reason, output, retry_at, .. } = ended;
        match outcome {
            Outcome::Ok => {
                self.steps[step] = StepState::Done { output: output.cloned() };
                self.succeeded(seq, step);
            }
            Outcome::Refused => self.refused_later(step, reason.unwrap_or_default(), retry_at),
            Outcome::Accepted | Outcome::Unknown | Outcome::NotSent => {
                return Err("a poll that finds out nothing has no event");
            }
        }
        Ok(())
    }
}
