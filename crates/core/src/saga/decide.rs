//! Which events an input, or the passing of time, brings about.
//!
//! An input brings about at most one event of its own ([`Saga::decide`]); what follows from the new state without
//! any further input ([`Saga::next`]: the next attempt, the decision to roll back, the end) is found by asking the
//! state again until it has nothing more to say. So a history that was cut off anywhere goes on by itself.

use std::sync::Arc;

use super::{Phase, Progress, Saga, StepState, Tries};
use crate::definition::{Definition, Safety};
use crate::event::{Cause, Direction, Event, Outcome, Record, Stuck};
use crate::id::{AttemptNumber, Claim, SagaId, Timestamp};
use crate::json::Json;
use crate::reply::Verdict;
use crate::retry::Random;

/// What the driver brings along with every input: this crate has no clock and no dice.
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
        /// What its answer means.
        verdict: Verdict,
    },
    /// Time has passed.
    Tick,
    /// Somebody wants the order stopped.
    Cancel,
    /// This process has just read the saga from the journal and goes on with it.
    TakeOver,
}

/// Why an input changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// A reply to a call that nobody waits for any more, such as that of an abandoned attempt. Ignore it.
    #[error("nobody waits for that call any more")]
    Stale,
    /// The saga is over, and the order stands.
    #[error("the order is confirmed; it cannot be cancelled any more")]
    Completed,
    /// The saga is being rolled back, or has been, for another reason.
    #[error("the order has failed already; what was done is undone without being asked")]
    Failing,
    /// The saga is over.
    #[error("the order is over")]
    Over,
}

impl Saga {
    /// A new saga, its first events recorded.
    pub fn start(
        id: SagaId,
        definition: &Arc<Definition>,
        input: Json,
        moment: Moment,
    ) -> (Self, Vec<Record>) {
        let started = Record {
            at: moment.now,
            etat: Some(definition.states.started.clone()),
            event: Event::Started {
                definition: definition.hash.clone(),
                input,
                deadline: moment.now.plus(definition.deadline),
                claim: Claim::drawn(moment.random.0),
            },
        };
        let mut saga = Self::begin(id, definition.clone(), &started)
            .expect("a start begins a saga of its own definition");
        let mut records = vec![started];
        saga.settle(moment, &mut records);
        (saga, records)
    }

    /// Takes an input: records what it brings about, and applies it. The only way a live saga changes.
    pub fn handle(&mut self, input: &Input, moment: Moment) -> Result<Vec<Record>, Rejected> {
        let mut records = Vec::new();
        if let Some(event) = self.decide(input, moment)? {
            self.record(event, moment.now, &mut records);
        }
        self.settle(moment, &mut records);
        Ok(records)
    }

    /// Records and applies what follows from the state by itself.
    fn settle(&mut self, moment: Moment, records: &mut Vec<Record>) {
        while let Some(event) = self.next(moment.now) {
            self.record(event, moment.now, records);
        }
    }

    fn record(&mut self, event: Event, now: Timestamp, records: &mut Vec<Record>) {
        let record = Record { at: now, etat: self.etat_after(&event), event };
        self.apply(&record).expect("what is decided from a state is legal in that state");
        records.push(record);
    }

    /// The order's state after `event`, where it changes.
    fn etat_after(&self, event: &Event) -> Option<Arc<str>> {
        let definition = &self.definition;
        match event {
            Event::Started { .. } => Some(definition.states.started.clone()),
            Event::AttemptEnded { step, direction: Direction::Action, outcome: Outcome::Ok, .. }
                if matches!(self.phase, Phase::Forward { .. }) =>
            {
                definition.steps[*step].success.clone()
            }
            Event::RollbackDecided { cause } => Some(match cause {
                Cause::StepFailed { step, .. } => definition.steps[*step].failure.clone(),
                Cause::Cancelled | Cause::DeadlinePassed => definition.states.cancelled.clone(),
            }),
            Event::Completed => Some(definition.states.completed.clone()),
            Event::AttemptStarted { .. }
            | Event::AttemptEnded { .. }
            | Event::Blocked { .. }
            | Event::RolledBack
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
            Input::Cancel => match &self.phase {
                Phase::Forward { .. } => Ok(Some(Event::RollbackDecided { cause: Cause::Cancelled })),
                // Asking twice is no mistake.
                Phase::RollingBack { cause: Cause::Cancelled, .. }
                | Phase::RolledBack { cause: Cause::Cancelled, .. } => Ok(None),
                Phase::RollingBack { .. } | Phase::RolledBack { .. } => Err(Rejected::Failing),
                Phase::Completed => Err(Rejected::Completed),
            },
            Input::Reply { step, direction, attempt, verdict } => {
                let Some((_, _, tries)) = self
                    .in_flight()
                    .filter(|(s, d, tries)| (*s, *d, tries.attempt) == (*step, *direction, *attempt))
                else {
                    return Err(Rejected::Stale);
                };
                Ok(Some(Event::AttemptEnded {
                    step: *step,
                    direction: *direction,
                    attempt: *attempt,
                    outcome: verdict.outcome,
                    status: verdict.status,
                    reason: verdict.reason.clone(),
                    output: verdict.output.clone(),
                    retry_at: self.retry_at(*step, *direction, tries, verdict, moment),
                }))
            }
        }
    }

    /// When a call that ended like this is tried again; `None`: not by itself.
    fn retry_at(
        &self,
        step: usize,
        direction: Direction,
        tries: &Tries,
        verdict: &Verdict,
        moment: Moment,
    ) -> Option<Timestamp> {
        let definition = &self.definition.steps[step];
        let repeatable = definition.is_read() || self.definition.participant(step).safety != Safety::None;
        let forward = matches!(self.phase, Phase::Forward { .. });
        let failures = tries.failures + 1;
        let backoff = match (verdict.outcome, direction) {
            (Outcome::Ok, _) => return None,
            // Without a promise, a call that may have run is never repeated, in either direction.
            (Outcome::Unknown, _) if !repeatable => return None,
            (Outcome::Refused, Direction::Action) => return None,
            (_, Direction::Action) if forward => {
                if failures >= definition.retry.attempts {
                    return None;
                }
                definition.retry
            }
            // Rolling back never gives up. A refused compensation included: whoever refuses may be mended.
            (Outcome::Refused | Outcome::Unknown | Outcome::NotSent, _) => definition.persist,
        };
        Some(moment.now.plus(backoff.delay(failures, verdict.retry_after, moment.random)))
    }

    /// The event that the state brings about by itself at `now`, if any.
    fn next(&self, now: Timestamp) -> Option<Event> {
        match &self.phase {
            Phase::Forward { step } if *step == self.steps.len() => Some(Event::Completed),
            Phase::Forward { .. } if now >= self.deadline => {
                Some(Event::RollbackDecided { cause: Cause::DeadlinePassed })
            }
            Phase::Forward { step } => self.next_forward(*step, now),
            Phase::RollingBack { blocked, .. } => match self.undoing() {
                None => Some(Event::RolledBack),
                Some(step) => {
                    let flagged = blocked.as_ref().is_some_and(|blocked| blocked.step == step);
                    self.next_back(step, flagged, now)
                }
            },
            Phase::Completed | Phase::RolledBack { .. } => None,
        }
    }

    fn next_forward(&self, step: usize, now: Timestamp) -> Option<Event> {
        let failed = |reason: &str| {
            Some(Event::RollbackDecided { cause: Cause::StepFailed { step, reason: reason.into() } })
        };
        match &self.steps[step] {
            StepState::Pending { .. } => Some(started(step, Direction::Action, AttemptNumber::FIRST)),
            StepState::Doing { tries, .. } => match tries.progress {
                Progress::InFlight => None,
                Progress::Due(at) => {
                    (now >= at).then(|| started(step, Direction::Action, tries.attempt.next()))
                }
                Progress::GivenUp => failed(tries.reason.as_deref().unwrap_or("no good answer")),
            },
            StepState::NotDone { reason } => failed(reason),
            // Going forward, a step that is done is behind us, and none is being undone.
            StepState::Done { .. } | StepState::Undoing { .. } | StepState::Undone => None,
        }
    }

    fn next_back(&self, step: usize, flagged: bool, now: Timestamp) -> Option<Event> {
        let safety = self.definition.participant(step).safety;
        let undo = Some(started(step, Direction::Compensation, AttemptNumber::FIRST));
        let block = |stuck, tries: &Tries| {
            let words = tries.reason.as_deref().unwrap_or("no answer");
            let why = match stuck {
                Stuck::ActionUnknown => "nobody can know whether the action ran",
                Stuck::CompensationUnknown => "nobody can know whether the compensation ran",
                Stuck::CompensationFailing => "the compensation keeps failing; it is still tried",
                Stuck::ActionUnsettled => "whether the action ran is still not known; it is still asked",
            };
            Some(Event::Blocked { step, stuck, reason: format!("{why}: {words}").into() })
        };
        match &self.steps[step] {
            StepState::Done { .. } => undo,
            // Only barriers are shadowed or undone without knowing whether they ran.
            StepState::Pending { .. } => undo,
            StepState::Doing { .. } if safety == Safety::Barrier => undo,
            StepState::Doing { tries, .. } => match (safety, tries.progress) {
                (Safety::None, Progress::GivenUp) if !flagged => block(Stuck::ActionUnknown, tries),
                (Safety::None, Progress::GivenUp) => None,
                _ => self.again(step, Direction::Action, tries, flagged, Stuck::ActionUnsettled, now, block),
            },
            StepState::Undoing { tries, .. } => match (safety, tries.progress) {
                (Safety::None, Progress::GivenUp) if !flagged => block(Stuck::CompensationUnknown, tries),
                (Safety::None, Progress::GivenUp) => None,
                _ => self.again(
                    step,
                    Direction::Compensation,
                    tries,
                    flagged,
                    Stuck::CompensationFailing,
                    now,
                    block,
                ),
            },
            StepState::NotDone { .. } | StepState::Undone => None,
        }
    }

    /// The next attempt of a call that never gives up, or the flag for people once it has failed often.
    #[expect(clippy::too_many_arguments, reason = "one rule, shared by both directions of rolling back")]
    fn again(
        &self,
        step: usize,
        direction: Direction,
        tries: &Tries,
        flagged: bool,
        stuck: Stuck,
        now: Timestamp,
        block: impl Fn(Stuck, &Tries) -> Option<Event>,
    ) -> Option<Event> {
        match tries.progress {
            Progress::InFlight => None,
            _ if !flagged && tries.failures >= self.definition.steps[step].persist.attempts => {
                block(stuck, tries)
            }
            Progress::Due(at) if now < at => None,
            Progress::Due(_) | Progress::GivenUp => Some(started(step, direction, tries.attempt.next())),
        }
    }
}

fn started(step: usize, direction: Direction, attempt: AttemptNumber) -> Event {
    Event::AttemptStarted { step, direction, attempt }
}
