//! Which events an input, or the passing of time, brings about.
//!
//! An input brings about at most one event of its own ([`Saga::decide`]); what follows from the new state without
//! any further input ([`Saga::next`]: the next attempt, the decision to roll back, the end) is found by asking the
//! state again until it has nothing more to say. So a history that was cut off anywhere goes on by itself.
//!
//! - `next.rs`: what a state brings about by itself.
//! - `waiting.rs`: what the values of expressions bring about, and the answers to polls.
//! - `command.rs`, `rejected.rs`: what commands bring about, and why an input changes nothing.

mod command;
mod next;
mod rejected;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

pub use self::rejected::Rejected;
use super::polling::is_final;
use super::{Evaluated, Phase, Saga, StepState};
use crate::callback::Callbacks;
use crate::command::Command;
use crate::definition::{self, Safety};
use crate::direction::Direction;
use crate::event::{Cause, Event, Finding, Outcome, Record};
use crate::id::{AttemptNumber, Claim, Epoch, Incarnation, SagaId, Timestamp};
use crate::json::Json;
use crate::reply::Verdict;
use crate::retry::Random;
use crate::trace_context::TraceContext;

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

/// A saga that is to be started.
#[derive(Debug, Clone)]
pub struct NewSaga {
    /// Its id.
    pub id: SagaId,
    /// Its input, and the definition that it runs.
    pub input: definition::SagaInput,
    /// Where it is called back; its definition may read that.
    pub callbacks: Option<Callbacks>,
    /// The name of the caller who starts it, where callers are known by their keys.
    pub by: Option<Arc<str>>,
    /// The trace context that the caller sent.
    pub trace: Option<Arc<TraceContext>>,
    /// The journal's.
    pub incarnation: Incarnation,
}

impl NewSaga {
    /// A saga that is not called back, of a caller without a name, in a journal that was never restored.
    pub fn of(id: SagaId, input: definition::SagaInput) -> Self {
        let incarnation = Incarnation::FIRST;
        Self { id, input, callbacks: None, by: None, trace: None, incarnation }
    }
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
    /// The expression that a step waits for has been evaluated.
    Evaluated {
        /// The step's index.
        step: usize,
        /// Its value, or why it has none.
        value: Result<Evaluated, Box<str>>,
    },
    /// The saga's output has been made, or why it cannot be.
    Output(Result<Json, Box<str>>),
    /// Time has passed.
    Tick,
    /// An operator's command, or a caller's wish to cancel.
    Command(Command),
    /// A step's participant answers again: a call that waits for its next attempt need not wait any longer.
    Hurry {
        /// The step's index.
        step: usize,
    },
    /// This process has just read the saga from the journal, which has this incarnation, and goes on with it.
    TakeOver(Incarnation),
    /// The task that ran the saga has failed: the saga stays as it is until an operator resumes or cancels it.
    Park {
        /// How it failed.
        reason: Box<str>,
    },
}

impl Saga {
    /// A new saga, its first events recorded.
    pub fn start(new: NewSaga, moment: Moment) -> (Self, Vec<Record>) {
        let NewSaga { id, input, callbacks, by, trace, incarnation } = new;
        let (definition, input, labels) = input.into_parts();
        let started = Record {
            at: moment.now,
            state: Some(definition.states.started.clone()),
            command: None,
            by,
            event: Event::Started {
                definition: definition.hash.clone(),
                input,
                labels,
                callbacks,
                deadline: moment.now.plus(definition.deadline),
                claim: Claim::drawn(moment.random.0),
                epoch: Epoch::first_of(incarnation),
                trace,
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
        if let Input::Reply { step, direction: Direction::Poll, attempt, verdict } = input
            && !is_final(verdict.outcome)
        {
            if !self.polls().any(|poll| poll == (*step, Direction::Poll, *attempt)) {
                return Err(Rejected::Stale);
            }
            self.poll_again(*step, verdict, moment.now, moment.random);
        } else if let Some(event) = self.decide(input, moment)? {
            let command = match input {
                Input::Command(command) => Some(command),
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
        self.ask_polls(moment.now);
    }

    fn record(&mut self, event: Event, command: Option<&Command>, now: Timestamp, records: &mut Vec<Record>) {
        let event = self.without_addresses(event);
        let record = Record {
            at: now,
            state: self.state_after(&event),
            command: command.map(|command| command.id),
            by: command.and_then(|command| command.by.clone()),
            event,
        };
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
            // Behind a pivot, an operator's finding completes a step, too.
            Event::Resolved { step, finding: Finding::Ran, .. }
            | Event::PauseEnded { step }
            | Event::SignalTaken { step, outcome: Outcome::Ok, .. }
                if matches!(self.phase, Phase::Forward { .. }) =>
            {
                definition.steps[*step].success.clone()
            }
            Event::RollbackDecided { cause } => Some(match cause {
                Cause::StepFailed { step, .. } => definition.steps[*step].failure.clone(),
                Cause::Cancelled | Cause::CancelledBy { .. } | Cause::DeadlinePassed => {
                    definition.states.cancelled.clone()
                }
            }),
            Event::Completed => Some(definition.states.completed.clone()),
            Event::Skipped { .. }
            | Event::Waits { .. }
            | Event::PauseEnded { .. }
            | Event::Signalled { .. }
            | Event::SignalTaken { .. }
            | Event::PassedOver { .. }
            | Event::OutputMade { .. }
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
            Input::TakeOver(_) if self.is_over() => Err(Rejected::Over),
            Input::TakeOver(incarnation) => {
                let claim = Claim::drawn(moment.random.0);
                Ok(Some(Event::TakenOver { epoch: self.epoch.next_in(*incarnation), claim }))
            }
            Input::Command(command) => self.command(command, moment.now),
            Input::Hurry { step } => Ok(self.hurried(*step, moment.now)),
            Input::Park { .. } if self.is_over() => Err(Rejected::Over),
            Input::Park { reason } => Ok(self.park(reason)),
            Input::Evaluated { step, value } => self.evaluated(*step, value, moment.now).map(Some),
            Input::Output(_) if !self.wants_output() => Err(Rejected::Stale),
            Input::Output(output) => Ok(Some(Event::OutputMade {
                output: output.clone().unwrap_or_else(|_| Json::null()),
                error: output.as_ref().err().cloned(),
            })),
            Input::Reply { step, direction: Direction::Poll, attempt, verdict } => {
                self.poll_answered(*step, *attempt, verdict, moment).map(Some)
            }
            Input::Reply { step, direction, attempt, verdict } => {
                let is_it = |call| call == (*step, *direction, *attempt);
                let is_late = self.late().any(is_it);
                if !is_late && !self.in_flight().any(is_it) {
                    return Err(Rejected::Stale);
                }
                let contradicted = self.contradiction(*step, *direction, verdict);
                let verdict = contradicted.as_ref().unwrap_or(verdict);
                let unfollowable = (verdict.outcome == Outcome::Accepted)
                    .then(|| self.followable(*step, verdict).err())
                    .flatten()
                    .map(|why| Verdict {
                        status: verdict.status,
                        ..Verdict::without_answer(Outcome::Unknown, &why)
                    });
                let verdict = unfollowable.as_ref().unwrap_or(verdict);
                // A late answer changes nothing any more.
                let retry_at = self.retry_at(*step, *direction, verdict, moment).filter(|_| !is_late);
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
        let call = definition.as_call()?;
        let repeatable = definition.is_read() || self.definition.safety(step) != Safety::None;
        // Behind a pivot the saga cannot fail, so nothing is given up.
        let forward = matches!(self.phase, Phase::Forward { .. });
        let may_give_up = forward && (self.may_fail(step) || definition.optional);
        let patience = if may_give_up { call.retry } else { call.persist };
        let failures = tries.failures + 1;
        let failures = match (verdict.outcome, direction) {
            (Outcome::Unknown | Outcome::NotSent, Direction::Probe) => tries.asked.failures + 1,
            // It is not there, or still there: the call that was in doubt may be made again.
            (Outcome::Refused, Direction::Probe)
                if forward && (!may_give_up || tries.failures < patience.attempts) =>
            {
                tries.failures
            }
            (Outcome::Ok, Direction::Probe) if self.is_undoing(step) => tries.failures,
            (Outcome::Accepted, _) => {
                let poll = definition.acceptance()?.poll.as_ref()?;
                return Some(moment.now.plus(poll.wait(verdict.retry_after)));
            }
            (Outcome::Ok, _) | (Outcome::Refused, Direction::Probe) => return None,
            // Without a promise, a call that may have run is never repeated, in either direction.
            (Outcome::Unknown, _) if !repeatable => return None,
            (Outcome::Refused, Direction::Action) if may_give_up || !forward => return None,
            (_, Direction::Action) if may_give_up && failures >= patience.attempts => return None,
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
