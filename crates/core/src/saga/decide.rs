//! Which events an input, or the passing of time, brings about.
//!
//! An input brings about at most one event of its own ([`Saga::decide`]); what follows from the new state without
//! any further input ([`Saga::next`]: the next attempt, the decision to roll back, the end) is found by asking the
//! state again until it has nothing more to say. So a history that was cut off anywhere goes on by itself.

use std::sync::Arc;

use super::{Phase, Progress, Saga, StepState, Tries};
use crate::definition::{Definition, Safety};
use crate::event::{Cause, Direction, Event, Finding, Outcome, Record, Stuck};
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
    /// The participant answers again: a call that waits for its next attempt need not wait any longer.
    Hurry,
    /// A person wants the next attempt at once.
    Resume {
        /// Who.
        by: Box<str>,
        /// Why, where they say.
        reason: Option<Box<str>>,
    },
    /// A person says what became of the step that is stuck.
    Resolve {
        /// Its index.
        step: usize,
        /// What they found.
        finding: Finding,
        /// What the action's answer would have given, where its compensation needs that.
        output: Option<Json>,
        /// Who.
        by: Box<str>,
        /// How they know.
        reason: Box<str>,
    },
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
    /// Nobody waits for a person.
    #[error("the order is not blocked; there is nothing to resolve")]
    NotBlocked,
    /// A person is needed, but for another step.
    #[error("the order is blocked at another step")]
    OtherStep,
    /// Nobody can know whether the last call took effect, and calling again may double it.
    #[error(
        "nobody can know whether the last call took effect, and its participant promises nothing about repeated calls: \
         find out there, and say so with `resoudre`"
    )]
    InDoubt,
    /// The call may change what the person has found.
    #[error(
        "a call to the participant is under way and may change what was found; look again when it has ended"
    )]
    CallUnderWay,
    /// The compensation is made of the answer that nobody has.
    #[error("undoing the step needs what its action's answer gave: add it as `sortie`")]
    OutputNeeded,
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
            Event::AttemptEnded { step, direction: Direction::Probe, outcome: Outcome::Ok, .. }
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
            Input::Cancel => match &self.phase {
                Phase::Forward { .. } => Ok(Some(Event::RollbackDecided { cause: Cause::Cancelled })),
                // Asking twice is no mistake.
                Phase::RollingBack { cause: Cause::Cancelled, .. }
                | Phase::RolledBack { cause: Cause::Cancelled, .. } => Ok(None),
                Phase::RollingBack { .. } | Phase::RolledBack { .. } => Err(Rejected::Failing),
                Phase::Completed => Err(Rejected::Completed),
            },
            Input::Hurry => Ok(self.hurried(moment.now)),
            Input::Resume { by, reason } => {
                self.may_resume()?;
                let resumed = Event::Resumed { by: by.clone(), reason: reason.clone() };
                // What is being tried already need not be told to try.
                Ok(self.in_flight().is_none().then_some(resumed))
            }
            Input::Resolve { step, finding, output, by, reason } => {
                self.may_resolve(*step, *finding, output.is_some())?;
                let (by, reason) = (by.clone(), reason.clone());
                let (step, finding, output) = (*step, *finding, output.clone());
                Ok(Some(Event::Resolved { step, finding, output, by, reason }))
            }
            Input::Reply { step, direction, attempt, verdict } => {
                if self.in_flight() != Some((*step, *direction, *attempt)) {
                    return Err(Rejected::Stale);
                }
                Ok(Some(Event::AttemptEnded {
                    step: *step,
                    direction: *direction,
                    attempt: *attempt,
                    outcome: verdict.outcome,
                    status: verdict.status,
                    reason: verdict.reason.clone(),
                    output: verdict.output.clone(),
                    retry_at: self.retry_at(*step, *direction, verdict, moment),
                }))
            }
        }
    }

    /// The attempt that only waits for its time.
    fn hurried(&self, now: Timestamp) -> Option<Event> {
        let step = self.current()?;
        let (direction, tries) = self.tries(step)?;
        let Progress::Due(at) = tries.progress else { return None };
        let in_time = !matches!(self.phase, Phase::Forward { .. }) || now < self.deadline;
        let undoes_at_once =
            direction == Direction::Action && self.is_barrier(step) && self.cause().is_some();
        let waits = at > now && in_time && tries.asked.progress.is_none() && !undoes_at_once;
        (waits && !self.is_beyond_horizon(step, now)).then(|| started(step, direction, tries.attempt.next()))
    }

    fn may_resume(&self) -> Result<(), Rejected> {
        if self.is_over() {
            return Err(Rejected::Over);
        }
        let Some(step) = self.current() else { return Ok(()) };
        let no_promise = self.definition.participant(step).safety == Safety::None;
        let given_up = self.tries(step).is_some_and(|(_, tries)| tries.progress == Progress::GivenUp);
        let can_ask = self.definition.steps[step].probe.is_some();
        if no_promise && given_up && !can_ask { Err(Rejected::InDoubt) } else { Ok(()) }
    }

    fn may_resolve(&self, step: usize, finding: Finding, has_output: bool) -> Result<(), Rejected> {
        let blocked = match (self.blocked(), self.is_over()) {
            (_, true) => return Err(Rejected::Over),
            (None, _) => return Err(Rejected::NotBlocked),
            (Some(blocked), _) => blocked,
        };
        if blocked.step != step {
            return Err(Rejected::OtherStep);
        }
        if self.in_flight().is_some() {
            return Err(Rejected::CallUnderWay);
        }
        let definition = &self.definition.steps[step];
        let needs_output = definition.compensation.as_ref().is_some_and(|call| call.sends(&definition.name));
        let knows_output = has_output || !matches!(self.steps[step], StepState::Doing { .. });
        if finding == Finding::Ran && needs_output && !knows_output {
            return Err(Rejected::OutputNeeded);
        }
        Ok(())
    }

    /// When a call that ended like this is tried again; `None`: not by itself.
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
        let failed = if direction == Direction::Probe { tries.asked.failures } else { tries.failures };
        let failures = failed + 1;
        let backoff = match (verdict.outcome, direction) {
            (Outcome::Ok, _) | (Outcome::Refused, Direction::Probe) => return None,
            (_, Direction::Probe) if forward => definition.retry,
            (_, Direction::Probe) => definition.persist,
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
                    let flagged = blocked.as_ref().filter(|blocked| blocked.step == step);
                    self.next_back(step, flagged.map(|blocked| blocked.stuck), now)
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
            StepState::Doing { tries, .. } if self.is_in_doubt(step, now) => {
                let definition = &self.definition.steps[step];
                let may_ask = definition.probe.is_some() && tries.asked.failures < definition.retry.attempts;
                let why = tries.reason.as_deref().unwrap_or("nobody can know whether it ran");
                if may_ask { self.question(step, now) } else { failed(why) }
            }
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

    fn next_back(&self, step: usize, flagged: Option<Stuck>, now: Timestamp) -> Option<Event> {
        let is_barrier = self.is_barrier(step);
        let undo = started(step, Direction::Compensation, AttemptNumber::FIRST);
        let is_called = self.in_flight().is_some_and(|(_, direction, _)| direction != Direction::Action);
        match &self.steps[step] {
            _ if is_called => None,
            StepState::NotDone { .. } | StepState::Undone => None,
            _ if is_barrier && self.is_beyond_horizon(step, now) && !self.is_in_doubt(step, now) => {
                self.block(step, Stuck::HorizonPassed, flagged)
            }
            // Only barriers are shadowed or undone without knowing whether they ran.
            StepState::Done { .. } | StepState::Pending { .. } => Some(undo),
            StepState::Doing { tries, .. } if self.is_in_doubt(step, now) => {
                self.ask_or_block(step, Stuck::ActionUnknown, tries, flagged, now)
            }
            StepState::Doing { .. } if is_barrier => Some(undo),
            StepState::Doing { tries, .. } => {
                self.again(step, Direction::Action, Stuck::ActionUnsettled, tries, flagged, now)
            }
            StepState::Undoing { tries, .. } if self.is_in_doubt(step, now) => {
                self.ask_or_block(step, Stuck::CompensationUnknown, tries, flagged, now)
            }
            StepState::Undoing { tries, .. } => {
                self.again(step, Direction::Compensation, Stuck::CompensationFailing, tries, flagged, now)
            }
        }
    }

    /// Flags the saga for people, unless it is flagged for the same.
    fn block(&self, step: usize, stuck: Stuck, flagged: Option<Stuck>) -> Option<Event> {
        let words = self.tries(step).and_then(|(_, tries)| tries.reason.as_deref()).unwrap_or("no answer");
        let horizon = self.definition.participant(step).horizon;
        let reason = match stuck {
            Stuck::ActionUnknown => format!("nobody can know whether the action ran: {words}"),
            Stuck::CompensationUnknown => format!("nobody can know whether the compensation ran: {words}"),
            Stuck::CompensationFailing => {
                format!("the compensation keeps failing; it is still tried: {words}")
            }
            Stuck::ActionUnsettled => {
                format!("whether the action ran is still not known; it is still asked: {words}")
            }
            Stuck::HorizonPassed => format!(
                "the participant keeps its promise for {horizon:?} (`horizon`) and may have forgotten this order: {words}"
            ),
        };
        (flagged != Some(stuck)).then(|| Event::Blocked { step, stuck, reason: reason.into() })
    }

    /// The next question about a call that cannot be repeated; a person is told when there is nothing to ask, or no
    /// answer comes. The questions go on all the same.
    fn ask_or_block(
        &self,
        step: usize,
        unknown: Stuck,
        tries: &Tries,
        flagged: Option<Stuck>,
        now: Timestamp,
    ) -> Option<Event> {
        let definition = &self.definition.steps[step];
        let no_promise = self.definition.participant(step).safety == Safety::None;
        let stuck = if no_promise { unknown } else { Stuck::HorizonPassed };
        let has_asked_enough = tries.asked.failures >= definition.persist.attempts;
        let blocked = if definition.probe.is_none() || has_asked_enough {
            self.block(step, stuck, flagged)
        } else {
            None
        };
        blocked.or_else(|| self.question(step, now))
    }

    /// The next probe, when it is due.
    fn question(&self, step: usize, now: Timestamp) -> Option<Event> {
        let (_, tries) = self.tries(step)?;
        let attempt = tries.asked.attempt.map_or(AttemptNumber::FIRST, AttemptNumber::next);
        // What is beyond the horizon has been over for long.
        let due = self.is_beyond_horizon(step, now) && tries.asked.progress.is_none()
            || self.question_at(step).is_some_and(|at| now >= at);
        (due && self.definition.steps[step].probe.is_some()).then(|| started(step, Direction::Probe, attempt))
    }

    /// The next attempt of a call that never gives up, or the flag for people once it has failed often.
    fn again(
        &self,
        step: usize,
        direction: Direction,
        stuck: Stuck,
        tries: &Tries,
        flagged: Option<Stuck>,
        now: Timestamp,
    ) -> Option<Event> {
        let too_often = tries.failures >= self.definition.steps[step].persist.attempts;
        match tries.progress {
            Progress::InFlight => None,
            _ if too_often && flagged.is_none() => self.block(step, stuck, flagged),
            Progress::Due(at) if now < at => None,
            Progress::Due(_) | Progress::GivenUp => Some(started(step, direction, tries.attempt.next())),
        }
    }
}

fn started(step: usize, direction: Direction, attempt: AttemptNumber) -> Event {
    Event::AttemptStarted { step, direction, attempt }
}
