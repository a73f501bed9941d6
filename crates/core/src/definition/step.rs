//! Steps: a call, a wait for a signal, or a pause.

use std::sync::Arc;
use std::time::Duration;

use super::call::Call;
use super::condition::Condition;
use super::template::Template;
use super::{Safety, StateName};
use crate::retry::{Backoff, RETRY_AFTER_MAX};

/// The shortest time until the next poll that an answer can ask for.
const POLL_WAIT_MIN: Duration = Duration::from_millis(500);

/// One step of a saga.
#[derive(Debug)]
pub struct Step {
    /// Its name in the definition, in keys and in the history.
    pub name: Arc<str>,
    /// Whether the step is done, once the steps that it waits for are: an expression about the input and their outputs. If
    /// it does not hold, the step is skipped. `None`: it is done.
    pub when: Option<Condition>,
    /// How it is done.
    pub work: StepWork,
    /// Whether its failure is passed over: the saga goes on without its output.
    pub optional: bool,
    /// The saga's state once the step has succeeded; `None`: the state stays as it is.
    pub success: Option<StateName>,
    /// The saga's state once the step has failed.
    pub failure: StateName,
}

/// How a step is done.
#[derive(Debug)]
pub enum StepWork {
    /// By a call to a participant.
    Call(Box<CallStep>),
    /// By waiting for a signal.
    Signal(Box<SignalWait>),
    /// By waiting for a time.
    Pause(PauseEnd),
}

/// A step that calls a participant.
#[derive(Debug)]
pub struct CallStep {
    /// Index into [`Definition::participants`](super::Definition::participants).
    pub participant: usize,
    /// The call that does the step.
    pub action: Call,
    /// The call that undoes the step; `None` for reads and for `compensation: none`.
    pub compensation: Option<Call>,
    /// Whether there is anything to undo, once the step is done; `None`: there is.
    pub undo_when: Option<Condition>,
    /// The call that asks whether the step's effect is there, if there is one.
    pub probe: Option<Probe>,
    /// How an action that was accepted, and is not done yet, comes to its end.
    pub acceptance: Option<Acceptance>,
    /// Whether there is no way back once the step is done.
    pub pivot: bool,
    /// Attempts of the action.
    pub retry: Backoff,
    /// Attempts of the compensation, and of finding out whether the action ran.
    pub persist: Backoff,
}

/// A call that asks whether a step's effect is there.
#[derive(Debug)]
pub struct Probe {
    /// Success means that the effect is there; a refusal means that it is not.
    pub call: Call,
    /// Time between the end of the call with the unknown outcome and the probe: by then, the call has taken effect or
    /// never will.
    pub after: Duration,
}

/// How an accepted action comes to its end: by a poll, by a signal, or by whichever comes first.
#[derive(Debug)]
pub struct Acceptance {
    /// The call that asks until it is done.
    pub poll: Option<PollCall>,
    /// The signal that says that it is done.
    pub signal: Option<SignalWait>,
    /// From the answer that accepted it on; `None`: until the saga's deadline.
    pub within: Option<Duration>,
}

/// A call that asks whether an accepted action is done.
#[derive(Debug)]
pub struct PollCall {
    /// Only `refused` refuses, and only `ok` succeeds.
    pub call: Call,
    /// The time between two polls, unless an answer asks for another one.
    pub every: Duration,
    /// Whether it is sent to the address that the answer's header `Location` gave.
    pub follows_location: bool,
}

impl PollCall {
    /// The time until the next poll, where an answer asked for this one. A participant can neither have itself hammered nor
    /// put the poll off for good.
    pub fn wait(&self, asked: Option<Duration>) -> Duration {
        let longest = self.every.max(RETRY_AFTER_MAX);
        asked.map_or(self.every, |asked| asked.clamp(POLL_WAIT_MIN.min(self.every), longest))
    }
}

/// A wait for a signal.
#[derive(Debug)]
pub struct SignalWait {
    /// The signal's name.
    pub name: Arc<str>,
    /// From the beginning of the wait on; then the step has failed.
    pub within: Duration,
    /// Whether a signal means success; `None`: each that is not refused does.
    pub ok: Option<Condition>,
    /// Whether a signal means that the step has failed.
    pub refused: Option<Condition>,
    /// The part of the signal's body that is kept for later steps; `None`: nothing.
    pub output: Option<Template>,
}

/// When a pause is over.
#[derive(Debug)]
pub enum PauseEnd {
    /// So long after its beginning.
    After(Duration),
    /// At the time, or after the duration, that an expression gives.
    Until(Template),
}

impl Step {
    /// The step's calls, if it calls.
    pub fn as_call(&self) -> Option<&CallStep> {
        match &self.work {
            StepWork::Call(call) => Some(call),
            StepWork::Signal(_) | StepWork::Pause(_) => None,
        }
    }

    /// The call that does the step.
    pub fn action(&self) -> Option<&Call> {
        self.as_call().map(|call| &call.action)
    }

    /// The call that undoes the step, if it is ever undone.
    pub fn compensation(&self) -> Option<&Call> {
        self.as_call().and_then(|call| call.compensation.as_ref())
    }

    /// The call that asks whether the step's effect is there.
    pub fn probe(&self) -> Option<&Probe> {
        self.as_call().and_then(|call| call.probe.as_ref())
    }

    /// The end of an action that was accepted.
    pub fn acceptance(&self) -> Option<&Acceptance> {
        self.as_call().and_then(|call| call.acceptance.as_ref())
    }

    /// The signal that the step waits for: instead of a call, or once its action was accepted.
    pub fn signal(&self) -> Option<&SignalWait> {
        match &self.work {
            StepWork::Signal(signal) => Some(signal),
            StepWork::Call(call) => call.acceptance.as_ref()?.signal.as_ref(),
            StepWork::Pause(_) => None,
        }
    }

    /// Whether its output is kept.
    pub fn keeps_output(&self) -> bool {
        match &self.work {
            StepWork::Call(call) => call.action.output.is_some(),
            StepWork::Signal(signal) => signal.output.is_some(),
            StepWork::Pause(_) => false,
        }
    }

    /// Whether the step has no effect at any participant: it may be repeated, forgotten and sent early. (Safe methods, RFC
    /// 9110, 9.2.1.)
    pub fn is_read(&self) -> bool {
        self.as_call().is_none_or(|call| call.action.method.is_safe())
    }

    /// Whether there is no way back once the step is done.
    pub fn is_pivot(&self) -> bool {
        self.as_call().is_some_and(|call| call.pivot)
    }

    /// Whether its turn begins with an expression: a condition, or the end of a pause.
    pub fn begins_with_expression(&self) -> bool {
        self.when.is_some() || matches!(self.work, StepWork::Pause(PauseEnd::Until(_)))
    }
}

impl super::Definition {
    /// The participant that a step calls, if it calls one.
    pub fn participant(&self, step: usize) -> Option<&super::Participant> {
        let call = self.steps.get(step)?.as_call()?;
        self.participants.get(call.participant)
    }

    /// What the step's participant promises about repeated and undone calls.
    pub fn safety(&self, step: usize) -> Safety {
        self.participant(step).map_or(Safety::None, |participant| participant.safety)
    }
}
