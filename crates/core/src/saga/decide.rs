//! Which events an input, or the passing of time, brings about.
//!
//! An input brings about at most one event of its own ([`Saga::decide`]); what follows from the new state without
//! any further input ([`Saga::next`]: the next attempt, the decision to roll back, the end) is found by asking the
//! state again until it has nothing more to say. So a history that was cut off anywhere goes on by itself.
//!
//! - `next.rs`: what a state brings about by itself.
//! - `command.rs`, `rejected.rs`: what commands bring about, and why an input changes nothing.

mod command;
mod next;
mod rejected;

use std::sync::Arc;
use std::time::Duration;

pub use self::rejected::Rejected;
use super::{Phase, Saga, StepState};
use crate::command::Command;
use crate::definition::{self, Safety};
use crate::direction::Direction;
use crate::event::{Cause, Event, Outcome, Record};
use crate::id::{AttemptNumber, Claim, CommandId, SagaId, Timestamp};
use crate::reply::Verdict;
use crate::retry::Random;

/// How far two clocks that show the right time may be apart: an owner's and the next one's, or one that is corrected.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(1);

/// The moment of an input, which the driver brings along: this crate has no clock and no random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// For the jitter of a retry.
    pub random: Random,
}

/// Something that happened to a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A call has ended.
    Reply {
        /// The step called.
        step: usize,
        /// Whether it was done or undone.
        direction: Direction,
        /// The attempt, as it was wanted.
        attempt: AttemptNumber,
        /// The meaning of its answer.
        verdict: Verdict,
    },
    /// A step's condition has been evaluated.
    Condition {
        /// The step's index.
        step: usize,
        /// Whether the step is done, or why that cannot be said.
        holds: Result<bool, Box<str>>,
    },
    /// Time has passed.
    Tick,
    /// An operator's command, or a caller's wish to cancel.
    Command(Command),
    /// A step's participant answers again: a call that waits for its next attempt need not wait any longer.
    Hurry {
        /// The step's index.
        step: usize,
    },
    /// This process has just read the saga from the journal and goes on with it.
    TakeOver,
    /// The task that ran the saga has failed: the saga stays as it is until an operator resumes or cancels it.
    Park {
        /// How it failed.
        reason: Box<str>,
    },
}

impl Saga {
    /// A new saga, its first events recorded.
    pub fn start(id: SagaId, input: definition::SagaInput, moment: Moment) -> (Self, Vec<Record>) {
        let (definition, input, labels) = input.into_parts();
        let started = Record {
            at: moment.now,
            state: Some(definition.states.started.clone()),
            command: None,
            event: Event::Started {
                definition: definition.hash.clone(),
                input,
                labels,
                deadline: moment.now.plus(definition.deadline),
                claim: Claim::drawn(moment.random.0),
            },
        };
        let mut saga =
            Self::begin(id, definition, &started).expect("a start begins a saga of its own definition");
        let mut records = vec![started];
        saga.settle(moment, &mut records);
        (saga, records)
    }

    /// Takes an input: records what it brings about, and applies it. The only way a live saga changes.
    pub fn handle(&mut self, input: &Input, moment: Moment) -> Result<Vec<Record>, Rejected> {
        let moment = Moment { now: self.not_before_the_last_event(moment.now), ..moment };
        let mut records = Vec::new();
        if let Some(event) = self.decide(input, moment)? {
            let command = match input {
                Input::Command(command) => Some(command.id),
                _ => None,
            };
            self.record(event, command, moment.now, &mut records);
        }
        self.settle(moment, &mut records);
        Ok(records)
    }

    /// A history's times do not go back because a clock was corrected, or because the next owner's is a little behind.
    /// A clock that is far behind was wrong before, or has been set: the saga goes by it, and does not stand still.
    fn not_before_the_last_event(&self, now: Timestamp) -> Timestamp {
        let last = self.updated();
        if now < last && last.since(now) <= CLOCKS_DIFFER_MAX { last } else { now }
    }

    /// Records and applies what follows from the state by itself.
    fn settle(&mut self, moment: Moment, records: &mut Vec<Record>) {
        while let Some(event) = self.next(moment.now) {
            self.record(event, None, moment.now, records);
        }
    }

    fn record(
        &mut self,
        event: Event,
        command: Option<CommandId>,
        now: Timestamp,
        records: &mut Vec<Record>,
    ) {
        let record = Record { at: now, state: self.state_after(&event), command, event };
        self.apply(&record).expect("what is decided from a state is legal in that state");
        records.push(record);
    }

    /// The order's state after `event`, where it changes.
    fn state_after(&self, event: &Event) -> Option<Arc<str>> {
        let definition = &self.definition;
        match event {
            Event::Started { .. } => Some(definition.states.started.clone()),
            // Going forward, a step has succeeded also when a probe finds its effect there.
            Event::AttemptEnded { step, outcome: Outcome::Ok, .. }
                if matches!(self.phase, Phase::Forward { .. }) =>
            {
                definition.steps[*step].success.clone()
            }
            Event::RollbackDecided { cause } => Some(match cause {
                Cause::StepFailed { step, .. } => definition.steps[*step].failure.clone(),
                Cause::Cancelled | Cause::DeadlinePassed => definition.states.cancelled.clone(),
            }),
            Event::Completed => Some(definition.states.completed.clone()),
            Event::Skipped { .. }
            | Event::AttemptStarted { .. }
            | Event::AttemptEnded { .. }
            | Event::Blocked { .. }
            | Event::RolledBack
            | Event::Resumed { .. }
            | Event::Resolved { .. }
            | Event::TakenOver { .. } => None,
        }
    }

    /// The event that `input` itself brings about.
    fn decide(&self, input: &Input, moment: Moment) -> Result<Option<Event>, Rejected> {
        match input {
            Input::Tick => Ok(None),
            Input::TakeOver if self.is_over() => Err(Rejected::Over),
            Input::TakeOver => {
                let claim = Claim::drawn(moment.random.0);
                Ok(Some(Event::TakenOver { epoch: self.epoch.next(), claim }))
            }
            Input::Command(command) => self.command(command, moment.now),
            Input::Hurry { step } => Ok(self.hurried(*step, moment.now)),
            Input::Park { .. } if self.is_over() => Err(Rejected::Over),
            Input::Park { reason } => Ok(self.park(reason)),
            Input::Condition { step, .. } if !self.conditions().contains(*step) => Err(Rejected::Stale),
            Input::Condition { step, holds } => Ok(Some(match holds {
                Ok(true) => Event::AttemptStarted {
                    step: *step,
                    direction: Direction::Action,
                    attempt: AttemptNumber::FIRST,
                },
                Ok(false) => Event::Skipped { step: *step },
                Err(reason) => Event::RollbackDecided {
                    cause: Cause::StepFailed { step: *step, reason: format!("`when`: {reason}").into() },
                },
            })),
            Input::Reply { step, direction, attempt, verdict } => {
                if !self.in_flight().any(|call| call == (*step, *direction, *attempt)) {
                    return Err(Rejected::Stale);
                }
                let contradicted = self.contradiction(*step, *direction, verdict);
                let verdict = contradicted.as_ref().unwrap_or(verdict);
                let retry_at = self.retry_at(*step, *direction, verdict, moment);
                Ok(Some(Event::AttemptEnded {
                    step: *step,
                    direction: *direction,
                    attempt: *attempt,
                    outcome: verdict.outcome,
                    status: verdict.status,
                    reason: verdict.reason.clone(),
                    output: verdict.output.clone(),
                    retry_at: retry_at.filter(|_| contradicted.is_none()),
                }))
            }
        }
    }

    /// "There was nothing to undo", about a step whose action is known to have run, and of whose compensation no
    /// earlier attempt can have left: no success, but most likely a compensation that looks in the wrong place.
    fn contradiction(&self, step: usize, direction: Direction, verdict: &Verdict) -> Option<Verdict> {
        if direction != Direction::Compensation || !verdict.absent {
            return None;
        }
        match self.steps[step] {
            StepState::Undoing { has_run: true, may_have_run: false, .. } => {}
            _ => return None,
        }
        let answer = verdict.status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
        let reason = format!(
            "the answer{answer} says that there was nothing to undo, but the action is known to have run: does the \
             compensation name the right thing?"
        );
        Some(Verdict {
            outcome: Outcome::Refused,
            reason: Some(reason.into()),
            output: None,
            ..verdict.clone()
        })
    }

    /// When the call is made again, or the question asked again, after one that ended like this; `None`: not by
    /// itself.
    fn retry_at(
        &self,
        step: usize,
        direction: Direction,
        verdict: &Verdict,
        moment: Moment,
    ) -> Option<Timestamp> {
        let (_, tries) = self.tries(step)?;
        let definition = &self.definition.steps[step];
        let repeatable = definition.is_read() || self.definition.participant(step).safety != Safety::None;
        let forward = matches!(self.phase, Phase::Forward { .. });
        let patience = if forward { definition.retry } else { definition.persist };
        let failures = tries.failures + 1;
        let failures = match (verdict.outcome, direction) {
            (Outcome::Unknown | Outcome::NotSent, Direction::Probe) => tries.asked.failures + 1,
            // It is not there, or still there: the call that was in doubt may be made again.
            (Outcome::Refused, Direction::Probe) if forward && tries.failures < patience.attempts => {
                tries.failures
            }
            (Outcome::Ok, Direction::Probe) if self.is_undoing(step) => tries.failures,
            (Outcome::Ok, _) | (Outcome::Refused, Direction::Probe) => return None,
            // Without a promise, a call that may have run is never repeated, in either direction.
            (Outcome::Unknown, _) if !repeatable => return None,
            (Outcome::Refused, Direction::Action) => return None,
            (_, Direction::Action) if forward && failures >= patience.attempts => return None,
            // Rolling back never gives up. A refused compensation is repeated, too: the service that refuses it may be
            // mended.
            (Outcome::Refused | Outcome::Unknown | Outcome::NotSent, _) => failures,
        };
        Some(moment.now.plus(patience.delay(failures, verdict.retry_after, moment.random)))
    }

    fn is_undoing(&self, step: usize) -> bool {
        matches!(self.steps[step], StepState::Undoing { .. })
    }
}
