//! What follows from a command: the events that it brings about at once, and the calls that come after them.
//!
//! The command itself is carried out on a copy of the saga, so what is foretold and what happens come from the same rules.

use super::{CallWanted, Input, Moment, Phase, Rejected, Request, RequestError, Saga, Waiting};
use crate::command::Command;
use crate::definition::StateName;
use crate::direction::Direction;
use crate::event::{Outcome, Record};
use crate::id::{AttemptNumber, Timestamp};
use crate::reply::Verdict;

/// Inputs that are tried for one command, for each step of the definition: each call and each expression takes one.
const INPUTS_PER_STEP_MAX: usize = 8;

/// What follows from a command.
#[derive(Debug)]
pub struct Following {
    /// The events that the command brings about at once. None: there is nothing to do that is not under way.
    pub records: Vec<Record>,
    /// The calls, in their order, as long as each is answered with `ok`.
    pub calls: Vec<FollowingCall>,
    /// Where the saga stands after them.
    pub end: FollowingEnd,
}

/// A call that follows.
#[derive(Debug)]
pub struct FollowingCall {
    /// The step's index.
    pub step: usize,
    /// Whether it is done, undone or asked about.
    pub direction: Direction,
    /// Which attempt.
    pub attempt: AttemptNumber,
    /// Whether it was under way before the command.
    pub is_under_way: bool,
    /// When it is made, if that is later.
    pub at: Option<Timestamp>,
    /// The request, as it may be shown. An error: it needs an output that is not known yet.
    pub request: Result<Request, RequestError>,
}

/// Where a saga stands after the calls that follow.
#[derive(Debug, PartialEq, Eq)]
pub enum FollowingEnd {
    /// It is over.
    Over(StateName),
    /// It waits: for a signal, a time, an operator.
    Waits(Vec<Waiting>),
    /// It goes on as the answers to these calls say.
    GoesOn,
}

impl Saga {
    /// What follows if this command comes now; or why it would be refused. Nothing of the saga changes.
    ///
    /// A rollback is foretold to its end. Going forward, the next calls are: which others come depends on their answers.
    /// Evaluates expressions, so it may take as long as they do.
    pub fn what_follows(&self, command: &Command, moment: Moment) -> Result<Following, Rejected> {
        let under_way: Vec<CallWanted> = self.effects().calls.to_vec();
        let mut saga = self.clone();
        let records = saga.handle(&Input::Command(command.clone()), moment)?;
        let mut calls: Vec<FollowingCall> = Vec::new();
        let mut now = moment.now;
        for _ in 0..INPUTS_PER_STEP_MAX * (1 + self.definition.steps.len()) {
            let effects = saga.effects();
            for wanted in &effects.calls {
                let is_it = |call: &FollowingCall| {
                    (call.step, call.direction, call.attempt)
                        == (wanted.step, wanted.direction, wanted.attempt)
                };
                if !calls.iter().any(is_it) {
                    let same = |other: &CallWanted| {
                        (other.step, other.direction, other.attempt)
                            == (wanted.step, wanted.direction, wanted.attempt)
                    };
                    calls.push(FollowingCall {
                        step: wanted.step,
                        direction: wanted.direction,
                        attempt: wanted.attempt,
                        is_under_way: under_way.iter().any(same),
                        at: (now > moment.now).then_some(now),
                        request: saga.shown_request(wanted),
                    });
                }
            }
            let Some(input) = saga.foretold_input(&mut now) else { break };
            // An input that the state does not want any more would have been none of its effects.
            if saga.handle(&input, Moment { now, ..moment }).is_err() {
                break;
            }
        }
        let end = match &saga.phase {
            Phase::Completed | Phase::RolledBack { .. } => FollowingEnd::Over(saga.state.clone()),
            _ if !saga.effects().calls.is_empty() => FollowingEnd::GoesOn,
            _ => FollowingEnd::Waits(saga.waits_for()),
        };
        Ok(Following { records, calls, end })
    }

    /// The input that comes next if calls are answered with `ok`; `None`: that depends on others. `now` moves on to the time
    /// when the rollback does.
    fn foretold_input(&self, now: &mut Timestamp) -> Option<Input> {
        let effects = self.effects();
        if let Some(step) = effects.evaluations.iter().next() {
            let value = self.evaluate(step).map_err(|error| error.0.into());
            return Some(Input::Evaluated { step, value });
        }
        if effects.output {
            return Some(Input::Output(self.evaluate_output().map_err(|error| error.0.into())));
        }
        // Going forward, the answers decide.
        self.cause()?;
        match effects.first_call() {
            Some(CallWanted { step, direction, attempt, .. }) => {
                let verdict = Verdict { reason: None, ..Verdict::without_answer(Outcome::Ok, "") };
                Some(Input::Reply { step, direction, attempt, verdict })
            }
            None => {
                // A retry comes by itself; what else a rollback waits for does not.
                let next = effects.wake_at.filter(|at| at > now && !self.is_over())?;
                *now = next;
                Some(Input::Tick)
            }
        }
    }
}
