//! The turns that an order takes when a service is silent.
//!
//! Each lost call takes its participant's timeout, and each wait is as long as it can be: so the turns tell also what
//! the deadline cuts short.

use std::time::Duration;

use uuid::Uuid;

use super::{BEGINNING, answer};
use crate::command::{Command, CommandKind};
use crate::direction::Direction;
use crate::event::{Cause, Event, Outcome, Stuck};
use crate::id::CommandId;
use crate::reply::Verdict;
use crate::retry::Random;
use crate::saga::{Input, Moment, Saga};

/// Events after which the account ends at the latest: an order whose service is silent never does.
const EVENTS_MAX: usize = 10_000;

/// Has the order stopped.
const CANCEL: Command =
    Command { id: CommandId::new(Uuid::nil()), asked: BEGINNING.now, by: None, kind: CommandKind::Cancel };

/// Every wait is as long as it can be.
const LONGEST: Random = Random(u64::MAX);

/// One turn of an order whose service is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The same call again, with the same key.
    Repeated {
        /// How often.
        times: u32,
    },
    /// The probe asks whether the call took effect.
    Asked {
        /// How long after the end of the call.
        after: Duration,
        /// How often.
        times: u32,
    },
    /// The order fails and is rolled back.
    Failed,
    /// Its deadline has passed by now: it is stopped and rolled back.
    Late,
    /// The step is undone without knowing whether it ran.
    Undone,
    /// Its failure is passed over: the step is optional.
    PassedOver,
    /// There is nothing to undo.
    Left,
    /// The saga is flagged for an operator.
    Parked {
        /// Why.
        stuck: Stuck,
        /// Whether the calls or questions go on all the same.
        goes_on: bool,
    },
}

/// The turns of an order at `step`, whose action is under way, when the answer to its action or compensation is lost,
/// and every further answer, too.
pub(super) fn turns(saga: &Saga, step: usize, direction: Direction) -> Vec<Turn> {
    let mut saga = saga.clone();
    let mut now = BEGINNING.now;
    let mut turns = Vec::new();
    if direction == Direction::Compensation {
        if saga.definition().steps[step].compensation().is_none() {
            return turns;
        }
        undo(&mut saga, step);
    }
    let mut events = 0;
    while events < EVENTS_MAX {
        let effects = saga.effects();
        if let Some(asked) = effects.evaluations.least() {
            events += 1;
            super::begin(&mut saga, asked);
            continue;
        }
        let of_step = effects.calls.iter().find(|call| call.step == step);
        if of_step.is_none()
            && let Some(other) = effects.first_call()
        {
            // The services of steps that run at the same time are not silent.
            succeed(&mut saga, other.step);
            continue;
        }
        let input = match (of_step, effects.wake_at) {
            (Some(call), _) => {
                now = now.plus(call.timeout);
                Input::Reply {
                    step: call.step,
                    direction: call.direction,
                    attempt: call.attempt,
                    verdict: Verdict::without_answer(Outcome::Unknown, "no answer"),
                }
            }
            (None, Some(at)) => {
                now = now.max(at);
                Input::Tick
            }
            (None, None) => break,
        };
        let moment = Moment { now, random: LONGEST };
        let Ok(records) = saga.handle(&input, moment) else { break };
        if records.is_empty() {
            break;
        }
        events += records.len();
        for record in &records {
            note(&mut turns, &saga, step, direction, &record.event);
            if matches!(
                turns.last(),
                Some(Turn::Undone | Turn::PassedOver | Turn::Left | Turn::Parked { .. })
            ) {
                return turns;
            }
        }
    }
    turns
}

/// Stops the order, and answers what is under way, until the step is being undone.
fn undo(saga: &mut Saga, step: usize) {
    let _ = saga.handle(&Input::Command(CANCEL), BEGINNING);
    let is_undone = |saga: &Saga| {
        let mut calls = saga.effects().calls.into_iter();
        calls.any(|call| call.step == step && call.direction == Direction::Compensation)
    };
    let evaluate = |saga: &mut Saga| {
        if let Some(asked) = saga.effects().evaluations.least() {
            super::begin(saga, asked);
        }
    };
    evaluate(saga);
    while !is_undone(saga)
        && let Some(call) = saga.effects().first_call()
    {
        succeed(saga, call.step);
        evaluate(saga);
        if saga.effects().first_call() == Some(call) {
            break;
        }
    }
}

/// The step's call under way succeeds.
fn succeed(saga: &mut Saga, step: usize) {
    let output = saga.definition().steps[step].keeps_output();
    let output = output.then(|| super::sample::output(saga.definition(), step));
    answer(saga, step, Verdict { output, ..Verdict::without_answer(Outcome::Ok, "") });
}

fn note(turns: &mut Vec<Turn>, saga: &Saga, step: usize, direction: Direction, event: &Event) {
    let turn = match event {
        Event::AttemptStarted { step: at, direction: Direction::Probe, .. } if *at == step => {
            if let Some(Turn::Asked { times, .. }) = turns.last_mut() {
                *times += 1;
                return;
            }
            let probe = saga.definition().steps[step].probe();
            Turn::Asked { after: probe.map_or(Duration::ZERO, |probe| probe.after), times: 1 }
        }
        Event::AttemptStarted { step: at, direction: what, .. } if *at == step && *what == direction => {
            if let Some(Turn::Repeated { times }) = turns.last_mut() {
                *times += 1;
                return;
            }
            Turn::Repeated { times: 1 }
        }
        Event::AttemptStarted { step: at, direction: Direction::Compensation, .. } if *at == step => {
            Turn::Undone
        }
        // Other steps are undone, or none: nothing is left to do about this one.
        Event::AttemptStarted { direction: Direction::Compensation, .. } | Event::RolledBack
            if saga.is_settled(step) =>
        {
            Turn::Left
        }
        Event::RollbackDecided { cause: Cause::StepFailed { .. } } => Turn::Failed,
        Event::RollbackDecided { .. } => Turn::Late,
        Event::PassedOver { step: at, .. } if *at == step => Turn::PassedOver,
        Event::Blocked { stuck, .. } => {
            let effects = saga.effects();
            Turn::Parked { stuck: *stuck, goes_on: !effects.calls.is_empty() || effects.wake_at.is_some() }
        }
        _ => return,
    };
    turns.push(turn);
}
