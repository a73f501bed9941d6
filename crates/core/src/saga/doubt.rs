//! Doubt: the outcomes that repeating a call cannot settle.
//!
//! A call with an unknown outcome is repeated where its participant promises that repeating does no harm
//! ([`Safety`]), for as long as it keeps that promise (`horizon`). Beyond that, only a probe or an operator can tell.

use super::{Progress, Question, Saga, StepState, Vouched};
use crate::definition::Safety;
use crate::id::Timestamp;

impl Saga {
    /// Whether the step is in doubt: its last call, which is over, has an unknown outcome, and calling again is no way
    /// to find out.
    ///
    /// Judged for the time at which the probe can be sent: were the call repeated so late that the promise has ended by
    /// then, the answer to the probe would be as old as the promise. A call that an operator wants is judged for now.
    pub(super) fn is_in_doubt(&self, step: usize, now: Timestamp) -> bool {
        let (tries, may_have_run) = match &self.steps[step] {
            // An action that was accepted is asked about with a poll.
            StepState::Doing { tries, .. } if tries.progress == Progress::Accepted => return false,
            StepState::Doing { tries, may_have_run } => (tries, *may_have_run),
            // Of a barrier that has forgotten the action, the compensation is not what is in doubt: it would undo
            // nothing, and say that it did. See `is_beyond_horizon`.
            StepState::Undoing { tries, may_have_run, .. } => {
                (tries, *may_have_run && !self.is_barrier(step))
            }
            _ => return false,
        };
        let is_vouched_for = self.vouched(step).is_some_and(|vouched| vouched.seq > tries.started);
        let judged_at = match self.question_at(step) {
            Some(at) if !is_vouched_for => at.max(now),
            _ => now,
        };
        may_have_run && !self.is_repeatable(step, judged_at)
    }

    /// Whether calling again does no harm, whatever became of the calls before.
    fn is_repeatable(&self, step: usize, now: Timestamp) -> bool {
        let has_promise = self.definition.safety(step) != Safety::None;
        self.definition.steps[step].is_read() || (has_promise && !self.is_beyond_horizon(step, now))
    }

    /// Whether the participant may have forgotten what its promise was about: the whole order for a barrier, which
    /// has to know the action when it undoes it, the call's key for others.
    pub(super) fn is_beyond_horizon(&self, step: usize, now: Timestamp) -> bool {
        let Some(participant) = self.definition.participant(step) else { return false };
        let since = match (participant.safety, self.tries(step)) {
            // What it has to know is the action.
            (Safety::Barrier, _) => match self.notes[step].first_called {
                Some(at) => at,
                None => return false,
            },
            (Safety::Idempotent, Some((_, tries))) => tries.first_at,
            (Safety::Idempotent | Safety::None, _) => return false,
        };
        let since = self.vouched(step).map_or(since, |vouched| vouched.at.max(since));
        !self.definition.steps[step].is_read() && now.since(since) > participant.horizon
    }

    /// The last time that an operator vouched for the step's participant. It says nothing about the other steps.
    pub(super) fn vouched(&self, step: usize) -> Option<Vouched> {
        self.notes[step].vouched
    }

    /// When a step's probe may be asked (again), if it has one and is not being asked.
    pub(super) fn question_at(&self, step: usize) -> Option<Timestamp> {
        let probe = self.definition.steps[step].probe()?;
        let (_, tries) = self.tries(step)?;
        match tries.asked.question {
            Question::NotYet => Some(tries.ended_at.plus(probe.after)),
            Question::Due(at) => Some(at),
            Question::InFlight(_) => None,
        }
    }
}
