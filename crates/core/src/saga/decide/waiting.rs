//! What the values of expressions bring about, and the answers to polls.

use super::super::{Evaluated, PauseTime, Phase, Saga};
use super::{Moment, Rejected};
use crate::definition::{PauseEnd, StepWork};
use crate::direction::Direction;
use crate::event::{Event, Outcome, Stuck};
use crate::id::{AttemptNumber, Timestamp};
use crate::reply::Verdict;

impl Saga {
    /// The event that the value of a step's expression brings about.
    pub(super) fn evaluated(
        &self,
        step: usize,
        value: &Result<Evaluated, Box<str>>,
        now: Timestamp,
    ) -> Result<Event, Rejected> {
        if !self.evaluations().contains(step) {
            return Err(Rejected::Stale);
        }
        let is_forward = matches!(self.phase, Phase::Forward { .. });
        let due = self.signal_due(step);
        Ok(match (value, due) {
            (Ok(Evaluated::Signal { signal, refused, output }), Some(due)) if *signal == due => {
                let outcome = if *refused { Outcome::Refused } else { Outcome::Ok };
                let reason = refused.then(|| "the signal means that it has failed".into());
                Event::SignalTaken { step, signal: *signal, outcome, reason, output: output.clone() }
            }
            // An error of a signal was found when it was sent, unless an expression ran over its budget only now.
            (Err(reason), Some(signal)) => Event::SignalTaken {
                step,
                signal,
                outcome: Outcome::Refused,
                reason: Some(format!("the signal cannot be read: {reason}").into()),
                output: None,
            },
            (Ok(Evaluated::Signal { .. }), _) | (Ok(_), Some(_)) => return Err(Rejected::Stale),
            (Ok(Evaluated::Holds(false)), None) => Event::Skipped { step },
            (Ok(Evaluated::Holds(true)), None) if is_forward => {
                self.begun(step, now).ok_or(Rejected::Stale)?
            }
            (Ok(Evaluated::Holds(true)), None) => {
                let (direction, attempt) = (Direction::Compensation, AttemptNumber::FIRST);
                Event::AttemptStarted { step, direction, attempt }
            }
            (Ok(Evaluated::Pause(time)), None) => {
                let until = match time {
                    PauseTime::After(pause) => now.plus(*pause),
                    PauseTime::At(time) => *time,
                };
                Event::Waits { step, until }
            }
            (Err(reason), None) if is_forward => self.failed(step, reason).ok_or(Rejected::Stale)?,
            (Err(reason), None) => {
                Event::Blocked { step, stuck: Stuck::CompensationFailing, reason: reason.clone() }
            }
        })
    }

    /// The event with which a step's turn begins, once nothing has to be evaluated for it any more.
    pub(super) fn begun(&self, step: usize, now: Timestamp) -> Option<Event> {
        Some(match &self.definition.steps[step].work {
            StepWork::Call(_) => {
                let (direction, attempt) = (Direction::Action, AttemptNumber::FIRST);
                Event::AttemptStarted { step, direction, attempt }
            }
            StepWork::Signal(signal) => Event::Waits { step, until: now.plus(signal.within) },
            StepWork::Pause(PauseEnd::After(pause)) => Event::Waits { step, until: now.plus(*pause) },
            StepWork::Pause(PauseEnd::Until(_)) => return None,
        })
    }

    /// The event that the answer to a poll brings about.
    pub(super) fn poll_answered(
        &self,
        step: usize,
        attempt: AttemptNumber,
        verdict: &Verdict,
        moment: Moment,
    ) -> Result<Event, Rejected> {
        if !self.polls().any(|poll| poll == (step, Direction::Poll, attempt)) {
            return Err(Rejected::Stale);
        }
        // Behind a pivot, a refused action is called again.
        let is_repeated = matches!(self.phase, Phase::Forward { .. })
            && verdict.outcome == Outcome::Refused
            && !self.may_fail(step)
            && !self.definition.steps[step].optional;
        let persist = self.definition.steps[step].as_call().map(|call| call.persist);
        let delay = persist.map(|persist| persist.delay(1, verdict.retry_after, moment.random));
        Ok(Event::AttemptEnded {
            step,
            direction: Direction::Poll,
            attempt,
            outcome: verdict.outcome,
            status: verdict.status,
            reason: verdict.reason.clone(),
            output: verdict.output.clone(),
            retry_at: delay.filter(|_| is_repeated).map(|delay| moment.now.plus(delay)),
        })
    }
}
