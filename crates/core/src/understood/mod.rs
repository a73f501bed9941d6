//! A definition explained to its author: every request as it would be sent, and the consequence of a lost answer at
//! each step.
//!
//! Nothing here restates a rule. A sample order runs through the saga machine itself, with answers that were given or
//! are made up, and what the machine wants on the way is the account.
//!
//! - `sample.rs`: an input of the declared types, and outputs that stand for what services would give.
//! - `ways.rs`: the steps that are done, as the conditions decide.
//! - `lost.rs`: the turns that an order takes when a service is silent.

mod lost;
mod sample;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use self::lost::Turn;
pub use self::sample::input;
pub use self::ways::{WayThrough, Ways, ways};
use crate::callback::{CallbackSecret, Callbacks};
use crate::command::{Command, CommandKind};
use crate::definition::{self, PauseEnd, StepWork};
use crate::direction::Direction;
use crate::event::Outcome;
use crate::id::{AttemptNumber, CommandId, SagaId, Seq, Timestamp};
use crate::json::Json;
use crate::reply::{Answer, Reply, Verdict, verdict};
use crate::retry::Random;
use crate::saga::{CallWanted, Evaluated, Input, Moment, NewSaga, PauseTime, Request, RequestError, Saga};

/// The account of one step.
#[derive(Debug)]
pub struct StepUnderstood {
    /// The call that does it; `None`: it waits, for a signal or a time.
    pub action: Option<CallUnderstood>,
    /// The call that undoes it.
    pub compensation: Option<CallUnderstood>,
    /// The probe, which asks whether its effect is there.
    pub probe: Option<Result<Request, NotShown>>,
    /// The meaning of the answer that was given along; `None`: none was.
    pub answered: Option<Verdict>,
}

/// One call of a step.
#[derive(Debug)]
pub struct CallUnderstood {
    /// As it would be sent.
    pub request: Result<Request, NotShown>,
    /// The turns of the order if the call's answer is lost, and every further answer of that service, too.
    pub if_lost: Vec<Turn>,
}

/// A request cannot be shown, or cannot even be made.
#[derive(Debug, thiserror::Error)]
pub enum NotShown {
    /// A program in it reads what a step's answer gives, and that was made up: its value would mean nothing.
    #[error("it is computed from the answer of `{0}`; give one")]
    Computed(Arc<str>),
    /// It says why its order rolls back, which a sample does not know.
    #[error("it says why the order rolls back: `.failure`")]
    Failure,
    /// From such an input and answers it cannot be made: an order would fail here.
    #[error(transparent)]
    Impossible(#[from] RequestError),
}

/// Time and dice of a sample order: no time passes but what it waits for, and waits have no jitter.
const BEGINNING: Moment = Moment { now: Timestamp::from_micros(0), random: Random(0) };

/// Stands for the address at which a server takes callbacks.
const CALLED_BACK_AT: &str = "{public-url}/api/callbacks";

/// The account of a definition for an order of `input`, which it has made. `answers` are answers to the actions of steps, by name; the
/// output of a step without one is made up of texts that name their places, such as `~sale.id~`.
pub fn understood(input: definition::SagaInput, answers: &BTreeMap<String, Answer>) -> Vec<StepUnderstood> {
    let definition = input.definition().clone();
    let callbacks =
        definition.reads_callbacks.then(|| Callbacks::new(CALLED_BACK_AT.into(), CallbackSecret::drawn(0)));
    let new = NewSaga { callbacks, ..NewSaga::of(SagaId::new(Uuid::nil()), input) };
    let (mut saga, _) = Saga::start(new, BEGINNING);
    let mut made_up: Vec<Arc<str>> = Vec::new();
    let mut steps = Vec::with_capacity(definition.steps.len());
    // The file's order is one in which the steps can run.
    for (step, given) in definition.steps.iter().enumerate() {
        begin(&mut saga, step);
        let Some(call) = given.as_call() else {
            made_up.push(given.name.clone());
            wait(&mut saga, step);
            steps.push(StepUnderstood { action: None, compensation: None, probe: None, answered: None });
            continue;
        };
        let action = CallUnderstood {
            request: request(&saga, step, Direction::Action, &made_up),
            if_lost: lost::turns(&saga, step, Direction::Action),
        };
        let compensation_lost = lost::turns(&saga, step, Direction::Compensation);
        let probe = call.probe.is_some().then(|| request(&saga, step, Direction::Probe, &made_up));
        let answered =
            answers.get(&*given.name).map(|answer| verdict(&call.action, &Reply::Answered(answer.clone())));
        let good = answered.clone().filter(|verdict| verdict.outcome == Outcome::Ok).unwrap_or_else(|| {
            made_up.push(given.name.clone());
            Verdict {
                output: call.action.output.is_some().then(|| sample::output(&definition, step)),
                ..Verdict::without_answer(Outcome::Ok, "")
            }
        });
        answer(&mut saga, step, good);
        let compensation = call.compensation.is_some().then(|| CallUnderstood {
            request: request(&saga, step, Direction::Compensation, &made_up),
            if_lost: compensation_lost,
        });
        steps.push(StepUnderstood { action: Some(action), compensation, probe, answered });
    }
    steps
}

fn request(
    saga: &Saga,
    step: usize,
    direction: Direction,
    made_up: &[Arc<str>],
) -> Result<Request, NotShown> {
    if let Some(call) = saga.call(step, direction)
        && let Some(name) = made_up.iter().find(|name| call.computes_from(name))
    {
        return Err(NotShown::Computed(name.clone()));
    }
    if saga.definition().reads_failure
        && saga
            .call(step, direction)
            .is_some_and(|call| direction == Direction::Compensation && call.sends("failure"))
    {
        return Err(NotShown::Failure);
    }
    Ok(saga.shown_request(&call(saga, step, direction))?)
}

/// A first call of a step.
fn call(saga: &Saga, step: usize, direction: Direction) -> CallWanted {
    let timeout =
        saga.definition().participant(step).map_or(Duration::ZERO, |participant| participant.timeout);
    CallWanted { step, direction, attempt: AttemptNumber::FIRST, needs: Seq::NONE, timeout }
}

/// The expression that the step begins with has a value, where it has one: a step that is skipped needs no account.
fn begin(saga: &mut Saga, step: usize) {
    if saga.effects().evaluations.contains(step) {
        let is_pause = matches!(saga.definition().steps[step].work, StepWork::Pause(PauseEnd::Until(_)));
        let soon = Evaluated::Pause(PauseTime::After(Duration::from_secs(1)));
        let value = if is_pause { soon } else { Evaluated::Holds(true) };
        // It is asked for, so it is taken.
        let _ = saga.handle(&Input::Evaluated { step, value: Ok(value) }, BEGINNING);
    }
}

/// The step's wait is over.
fn wait(saga: &mut Saga, step: usize) {
    let definition = saga.definition().clone();
    let Some(signal) = definition.steps[step].signal() else {
        if let Some(at) = saga.effects().wake_at {
            let _ = saga.handle(&Input::Tick, Moment { now: at, ..BEGINNING });
        }
        return;
    };
    let kind =
        CommandKind::Signal { name: (&*signal.name).into(), key: None, body: Json::null(), trace: None };
    let id = CommandId::new(Uuid::from_u128(step as u128 + 1));
    let _ = saga.handle(&Input::Command(Command { id, asked: BEGINNING.now, by: None, kind }), BEGINNING);
    if let Some(signal_due) = saga.signal_due(step) {
        let output = signal.output.is_some().then(|| sample::output(&definition, step));
        let value = Ok(Evaluated::Signal { signal: signal_due, refused: false, output });
        let _ = saga.handle(&Input::Evaluated { step, value }, BEGINNING);
    }
}

/// The step's call under way is answered.
fn answer(saga: &mut Saga, step: usize, verdict: Verdict) {
    let under_way = saga.effects().calls.into_iter().find(|call| call.step == step);
    if let Some(CallWanted { step, direction, attempt, .. }) = under_way {
        // It is the call that is wanted, so its answer is taken.
        let _ = saga.handle(&Input::Reply { step, direction, attempt, verdict }, BEGINNING);
    }
}
