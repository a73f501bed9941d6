//! The events that a state brings about by itself, as time passes.

use std::time::Duration;

use super::super::{Phase, Progress, Saga, StepState, Tries};
use crate::definition::Safety;
use crate::direction::Direction;
use crate::event::{Cause, Event, Stuck};
use crate::id::{AttemptNumber, Timestamp};
use crate::rules;

/// Owners that a saga may lose in a row, with a call in flight and no end of one in between, before it is parked: it
/// may be what ends them.
const LOST_OWNERS_MAX: u32 = 3;

impl Saga {
    /// The event that the state brings about by itself at `now`, if any.
    pub(super) fn next(&self, now: Timestamp) -> Option<Event> {
        match &self.phase {
            _ if self.is_parked() => None,
            Phase::Forward { .. } if self.active().is_empty() && !self.wants_output() => {
                Some(Event::Completed)
            }
            _ if rules::may_end_its_process(self.marks.lost_owners, LOST_OWNERS_MAX) => self.park(&format!(
                "its process ended {LOST_OWNERS_MAX} times while it was here, without any progress in between"
            )),
            // All steps are done, or there is no way back.
            Phase::Forward { .. } if self.active().is_empty() => None,
            Phase::Forward { .. } if now >= self.deadline && !self.is_past_pivot() => {
                Some(Event::RollbackDecided { cause: Cause::DeadlinePassed })
            }
            Phase::Forward { .. } => self.active().iter().find_map(|step| self.next_forward(step, now)),
            Phase::RollingBack { .. } => {
                let active = self.active();
                let over = active.is_empty().then_some(Event::RolledBack);
                over.or_else(|| active.iter().find_map(|step| self.next_back(step, now)))
            }
            Phase::Completed | Phase::RolledBack { .. } => None,
        }
    }

    fn next_forward(&self, step: usize, now: Timestamp) -> Option<Event> {
        let definition = &self.definition.steps[step];
        // Behind a pivot, what cannot succeed is tried on, and a person is told.
        let is_final = self.may_fail(step) || definition.optional;
        match &self.steps[step] {
            _ if self.is_calling(step) => None,
            // Called again, it would run again.
            StepState::Pending { shadow: true } if self.is_beyond_horizon(step, now) => self.failed(
                step,
                "a former owner may have run it, and the participant may have forgotten that (`horizon`)",
            ),
            // What it begins with is evaluated first.
            StepState::Pending { .. } if definition.begins_with_expression() => None,
            StepState::Pending { .. } => self.begun(step, now),
            StepState::Waiting { until, .. } => {
                let is_late = rules::is_late(now >= *until, self.signal_for(step).is_some());
                match definition.signal() {
                    _ if !is_late => None,
                    Some(signal) => self.failed(step, &format!("no signal `{}` came in time", signal.name)),
                    None => Some(Event::PauseEnded { step }),
                }
            }
            StepState::Doing { tries, .. } if self.is_in_doubt(step, now) => {
                let attempts = definition.as_call().map_or(0, |call| call.retry.attempts);
                let may_ask = definition.probe().is_some() && tries.asked.failures < attempts;
                let why = tries.reason.as_deref().unwrap_or("nobody can know whether it ran");
                match () {
                    () if !is_final => self.ask_or_block(step, Stuck::ActionUnknown, tries, now),
                    () if may_ask => self.question(step, now),
                    () => self.failed(step, why),
                }
            }
            StepState::Doing { tries, .. } => match tries.progress {
                // A call is late going back alone.
                Progress::InFlight | Progress::Late => None,
                Progress::Accepted => {
                    let is_over = self.accepted_until(step).is_some_and(|until| now >= until);
                    let is_late = rules::is_late(is_over, self.signal_for(step).is_some());
                    match () {
                        () if !is_late => None,
                        () if is_final => self.failed(step, "it was accepted, and not done in time"),
                        () => self.block(step, Stuck::ActionUnsettled),
                    }
                }
                _ if !is_final => self.again(step, Direction::Action, Stuck::ActionFailing, tries, now),
                Progress::Due(at) => {
                    (now >= at).then(|| started(step, Direction::Action, tries.attempt.next()))
                }
                Progress::GivenUp | Progress::Contradicted => {
                    self.failed(step, tries.reason.as_deref().unwrap_or("no good answer"))
                }
            },
            StepState::NotDone { reason } => self.failed(step, reason),
            // Going forward, a step that is done or skipped is behind us, and none is being undone.
            StepState::Skipped | StepState::Done { .. } | StepState::Undoing { .. } | StepState::Undone => {
                None
            }
        }
    }

    fn next_back(&self, step: usize, now: Timestamp) -> Option<Event> {
        let is_barrier = self.is_barrier(step);
        let is_forgotten = is_barrier && self.is_beyond_horizon(step, now);
        // A barrier refuses an action that arrives after its compensation, so the saga does not wait for one in flight.
        let undoes_at_once = is_barrier && !is_forgotten;
        let is_waiting = self
            .in_flight_at(step)
            .is_some_and(|(_, direction, _)| direction != Direction::Action || !undoes_at_once);
        match &self.steps[step] {
            _ if is_waiting => None,
            StepState::Skipped
            | StepState::Waiting { .. }
            | StepState::NotDone { .. }
            | StepState::Undone => None,
            StepState::Doing { tries, .. } if self.is_in_doubt(step, now) => {
                self.ask_or_block(step, Stuck::ActionUnknown, tries, now)
            }
            StepState::Undoing { tries, .. } if self.is_in_doubt(step, now) => {
                self.ask_or_block(step, Stuck::CompensationUnknown, tries, now)
            }
            _ if is_forgotten => self.block(step, Stuck::HorizonPassed),
            // Whether there is anything to undo is evaluated first.
            StepState::Done { .. } if self.has_undo_condition(step) => None,
            // Only barriers are shadowed or undone without knowing whether they ran.
            StepState::Done { .. } | StepState::Pending { .. } => {
                Some(started(step, Direction::Compensation, AttemptNumber::FIRST))
            }
            StepState::Doing { .. } if is_barrier => {
                Some(started(step, Direction::Compensation, AttemptNumber::FIRST))
            }
            StepState::Doing { tries, .. } if tries.progress == Progress::Accepted => {
                let is_told = self.blocked_at(step).is_some();
                let needs_person = self.poll(step).is_none() || self.is_polled_too_often(step);
                if needs_person && !is_told { self.block(step, Stuck::ActionUnsettled) } else { None }
            }
            StepState::Doing { tries, .. } => {
                self.again(step, Direction::Action, Stuck::ActionUnsettled, tries, now)
            }
            StepState::Undoing { tries, .. } if tries.progress == Progress::Contradicted => {
                self.block(step, Stuck::NothingToUndo)
            }
            StepState::Undoing { tries, .. } => {
                self.again(step, Direction::Compensation, Stuck::CompensationFailing, tries, now)
            }
        }
    }

    /// Flags the saga as one whose task fails, at the first step that it is at; `None`: it is flagged for that already.
    pub(super) fn park(&self, reason: &str) -> Option<Event> {
        let last = self.steps.len().saturating_sub(1);
        let step = self.active().least().unwrap_or(last);
        let reason = format!("the order is not run any more, so that it harms no other: {reason}").into();
        (!self.is_parked()).then_some(Event::Blocked { step, stuck: Stuck::TaskFailed, reason })
    }

    /// The saga's flag at this step.
    fn flagged(&self, step: usize) -> Option<Stuck> {
        self.blocked_at(step).map(|blocked| blocked.stuck)
    }

    /// Flags the saga for operators, unless it is flagged for the same.
    ///
    /// A step that may fail without failing the saga is passed over instead, if it cannot be found out whether it ran.
    fn block(&self, step: usize, stuck: Stuck) -> Option<Event> {
        let is_undoing = matches!(self.steps[step], StepState::Undoing { .. } | StepState::Done { .. });
        if self.definition.steps[step].optional && !is_undoing && stuck != Stuck::TaskFailed {
            let reason = "it cannot be found out whether it ran, and it is optional".into();
            return Some(Event::PassedOver { step, reason });
        }
        let words = self.tries(step).and_then(|(_, tries)| tries.reason.as_deref()).unwrap_or("no answer");
        let horizon =
            self.definition.participant(step).map_or(Duration::ZERO, |participant| participant.horizon);
        let reason = match stuck {
            Stuck::ActionFailing => {
                format!("the action keeps failing, and there is no way back; it is still tried: {words}")
            }
            Stuck::ActionUnknown => format!("nobody can know whether the action ran: {words}"),
            Stuck::CompensationUnknown => format!("nobody can know whether the compensation ran: {words}"),
            Stuck::CompensationFailing => {
                format!("the compensation keeps failing; it is still tried: {words}")
            }
            Stuck::ActionUnsettled => {
                format!("whether the action ran is still not known; it is still asked: {words}")
            }
            Stuck::NothingToUndo | Stuck::TaskFailed => words.to_owned(),
            Stuck::HorizonPassed => format!(
                "the participant keeps its promise for {horizon:?} (`horizon`) and may have forgotten this order: {words}"
            ),
        };
        (self.flagged(step) != Some(stuck)).then(|| Event::Blocked { step, stuck, reason: reason.into() })
    }

    /// The next probe about a call that cannot be repeated; the saga is flagged when there is nothing to ask, or no
    /// answer comes. The probes go on all the same.
    fn ask_or_block(&self, step: usize, unknown: Stuck, tries: &Tries, now: Timestamp) -> Option<Event> {
        let call = self.definition.steps[step].as_call()?;
        let has_promise = self.definition.safety(step) != Safety::None;
        let stuck = if has_promise { Stuck::HorizonPassed } else { unknown };
        let needs_person = call.probe.is_none() || tries.asked.failures >= call.persist.attempts;
        let blocked = if needs_person { self.block(step, stuck) } else { None };
        blocked.or_else(|| self.question(step, now))
    }

    /// The next probe, when it is due.
    fn question(&self, step: usize, now: Timestamp) -> Option<Event> {
        let at = self.question_at(step)?;
        (now >= at).then(|| started(step, Direction::Probe, self.next_probe(step)))
    }

    /// The next attempt of a call that never gives up, or the flag for operators once it has failed often.
    fn again(
        &self,
        step: usize,
        direction: Direction,
        stuck: Stuck,
        tries: &Tries,
        now: Timestamp,
    ) -> Option<Event> {
        let attempts = self.definition.steps[step].as_call().map_or(0, |call| call.persist.attempts);
        let too_often = tries.failures >= attempts;
        match tries.progress {
            Progress::InFlight | Progress::Late | Progress::Accepted | Progress::Contradicted => None,
            _ if too_often && self.flagged(step).is_none() => self.block(step, stuck),
            Progress::Due(at) if now < at => None,
            Progress::Due(_) | Progress::GivenUp => Some(started(step, direction, tries.attempt.next())),
        }
    }

    /// A step's next attempt, if it only waits for its time.
    pub(super) fn hurried(&self, step: usize, now: Timestamp) -> Option<Event> {
        let (direction, tries) = self.tries(step).filter(|_| self.active().contains(step))?;
        let is_waiting =
            matches!(tries.progress, Progress::Due(_)) && !self.is_calling(step) && !self.is_parked();
        // An attempt that has to wait for a probe or for an operator is not pulled forward, and an attempt that is due
        // comes anyway.
        let is_held =
            self.is_in_doubt(step, now) || (self.is_barrier(step) && self.is_beyond_horizon(step, now));
        let is_free = is_waiting && !is_held && self.next(now).is_none();
        is_free.then(|| started(step, direction, tries.attempt.next()))
    }
}

fn started(step: usize, direction: Direction, attempt: AttemptNumber) -> Event {
    Event::AttemptStarted { step, direction, attempt }
}
