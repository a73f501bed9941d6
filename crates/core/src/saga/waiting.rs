//! What a step waits for beside calls: expressions to be evaluated, times, signals. And the pivot, after which there is no
//! way back.

use std::time::Duration;

use super::{Phase, Saga, StepState};
use crate::definition::{
    Condition, DEADLINE_MAX, EvalError, PauseEnd, Scope, SignalWait, Step, StepSet, StepWork, Template,
    duration,
};
use crate::event::{Cause, Event, Stuck};
use crate::id::Timestamp;
use crate::json::Json;
use crate::rules;

/// The value of the expression that a step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluated {
    /// Of a condition: whether it holds.
    Holds(bool),
    /// Of a pause: when it is over.
    Pause(PauseTime),
    /// Of a signal: its meaning for the step.
    Signal {
        /// The signal's number.
        signal: u32,
        /// Whether it means that the step has failed.
        refused: bool,
        /// The part of its body that is kept.
        output: Option<Json>,
    },
}

/// When a pause is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseTime {
    /// So long after its beginning.
    After(Duration),
    /// At this time.
    At(Timestamp),
}

impl Saga {
    /// Whether a step's turn to be done begins with an expression: an error of it fails the step.
    pub fn is_undecided(&self, step: usize) -> bool {
        self.definition.steps[step].begins_with_expression()
            && matches!(self.steps[step], StepState::Pending { .. })
    }

    /// The steps that an expression is to be evaluated for: whether they are done, or undone; when a pause is over; what a
    /// signal means.
    pub(super) fn evaluations(&self) -> StepSet {
        if self.is_parked() {
            return StepSet::NONE;
        }
        let is_forward = matches!(self.phase, Phase::Forward { .. });
        let waits = |step: &usize| match &self.steps[*step] {
            _ if is_forward && self.signal_for(*step).is_some() => true,
            _ if self.blocked_at(*step).is_some() => false,
            StepState::Pending { .. } => is_forward && self.is_undecided(*step),
            StepState::Done { .. } => !is_forward && self.undo_when(*step).is_some(),
            _ => false,
        };
        self.active().iter().filter(waits).collect()
    }

    /// The condition of a step's compensation, unless an operator has said that the step is to be undone.
    fn undo_when(&self, step: usize) -> Option<&Condition> {
        let call = self.definition.steps[step].as_call().filter(|_| !self.notes[step].to_be_undone)?;
        call.undo_when.as_ref()
    }

    /// Whether it is evaluated first whether there is anything to undo.
    pub(super) fn has_undo_condition(&self, step: usize) -> bool {
        self.undo_when(step).is_some()
    }

    /// Whether the saga's output is to be made.
    pub(super) fn wants_output(&self) -> bool {
        let has_succeeded = matches!(self.phase, Phase::Forward { .. }) && self.active().is_empty();
        has_succeeded && self.definition.output.is_some() && self.output.is_none() && !self.is_parked()
    }

    /// The value of the expression that is to be evaluated for a step. It is the same whenever it is evaluated.
    pub fn evaluate(&self, step: usize) -> Result<Evaluated, EvalError> {
        let Some(definition) = self.definition.steps.get(step) else {
            return Err(EvalError("there is no such step".into()));
        };
        if let Some(signal) = self.signal_for(step) {
            let Some(wait) = self.signal_wait(step) else {
                return Err(EvalError("no signal is waited for".into()));
            };
            let meaning = wait.meaning(&self.signals[signal].body)?;
            let signal = number(signal);
            return Ok(Evaluated::Signal { signal, refused: meaning.refused, output: meaning.output });
        }
        if let (StepState::Done { .. }, Some(when)) = (&self.steps[step], self.undo_when(step)) {
            return when.holds(&self.scope()).map(Evaluated::Holds).map_err(|error| error.of("`when`"));
        }
        let holds = definition.when.as_ref().map_or(Ok(true), |when| when.holds(&self.scope()));
        let holds = holds.map_err(|error| error.of("`when`"))?;
        match &definition.work {
            StepWork::Pause(PauseEnd::Until(until)) if holds => {
                pause_time(until, &self.scope()).map(Evaluated::Pause).map_err(|error| error.of("`pause`"))
            }
            StepWork::Pause(_) | StepWork::Call(_) | StepWork::Signal(_) => Ok(Evaluated::Holds(holds)),
        }
    }

    /// The saga's output.
    pub fn evaluate_output(&self) -> Result<Json, EvalError> {
        match &self.definition.output {
            Some(output) => output.render(&self.scope()),
            None => Ok(Json::null()),
        }
    }

    /// The signal that a step waits for now: instead of a call, or after its action was accepted.
    pub(super) fn signal_wait(&self, step: usize) -> Option<&SignalWait> {
        match (&self.steps[step], &self.definition.steps[step].work) {
            (StepState::Waiting { .. }, StepWork::Signal(signal)) => Some(signal),
            (StepState::Doing { .. }, _) => self.awaits(step),
            _ => None,
        }
    }

    /// Which of the signals the step takes: those of a name are taken in their order, by the waiting steps in the order of
    /// the file.
    pub(super) fn signal_for(&self, step: usize) -> Option<usize> {
        if self.signals.is_empty() || !self.active().contains(step) {
            return None;
        }
        let name = &self.signal_wait(step)?.name;
        let waits = |step: &usize| self.signal_wait(*step).is_some_and(|wait| wait.name == *name);
        let turn = self.active().iter().filter(waits).position(|waiting| waiting == step)?;
        let untaken = |(_, signal): &(usize, &super::SignalKept)| {
            rules::may_be_taken(signal.taken) && *signal.name == **name
        };
        self.signals.iter().enumerate().filter(untaken).nth(turn).map(|(index, _)| index)
    }

    /// The number of the signal that the step takes.
    pub(crate) fn signal_due(&self, step: usize) -> Option<u32> {
        self.signal_for(step).map(number)
    }

    /// Steps of the definition that take signals of that name, and how many of them have yet to take one.
    pub(super) fn takers(&self, name: &str) -> (usize, usize) {
        let takes =
            |step: &usize| self.definition.steps[*step].signal().is_some_and(|signal| *signal.name == *name);
        let all: Vec<usize> = (0..self.steps.len()).filter(takes).collect();
        let is_open = |step: &&usize| {
            !self.notes[**step].passed_over
                && matches!(
                    self.steps[**step],
                    StepState::Pending { .. } | StepState::Waiting { .. } | StepState::Doing { .. }
                )
        };
        (all.len(), all.iter().filter(is_open).count())
    }

    /// Signals of that name that no step has taken.
    pub(super) fn untaken(&self, name: &str) -> usize {
        self.signals.iter().filter(|signal| !signal.taken && *signal.name == *name).count()
    }

    /// Whether a step is done after which there is no way back.
    pub fn is_past_pivot(&self) -> bool {
        let is_done =
            |(step, state): (&Step, &StepState)| step.is_pivot() && matches!(state, StepState::Done { .. });
        self.definition.has_pivot && self.definition.steps.iter().zip(&self.steps).any(is_done)
    }

    /// Whether the failure of a step would fail the saga.
    pub(super) fn may_fail(&self, step: usize) -> bool {
        !self.definition.steps[step].optional && !self.is_past_pivot()
    }

    /// The consequence of a step's failure, going forward; `None`: a person has been told already.
    pub(super) fn failed(&self, step: usize, reason: &str) -> Option<Event> {
        if self.definition.steps[step].optional {
            return Some(Event::PassedOver { step, reason: reason.into() });
        }
        if !self.is_past_pivot() {
            let cause = Cause::StepFailed { step, reason: reason.into() };
            return Some(Event::RollbackDecided { cause });
        }
        let stuck = Stuck::ActionFailing;
        let is_told = self.blocked_at(step).is_some();
        (!is_told).then(|| Event::Blocked { step, stuck, reason: reason.into() })
    }
}

/// The number of the signal at that index.
fn number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// The meaning of a signal for a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalMeaning {
    /// Whether it means that the step has failed.
    pub refused: bool,
    /// The part of its body that is kept.
    pub output: Option<Json>,
}

impl SignalWait {
    /// The meaning of a signal with this body. A signal that means neither success nor failure is an error.
    pub fn meaning(&self, body: &Json) -> Result<SignalMeaning, EvalError> {
        let scope = Scope::default().with("body", body.text());
        let asked = |condition: &Option<Condition>, default: bool| {
            condition.as_ref().map_or(Ok(default), |condition| condition.holds(&scope))
        };
        if asked(&self.refused, false).map_err(|error| error.of("`refused`"))? {
            return Ok(SignalMeaning { refused: true, output: None });
        }
        if !asked(&self.ok, true).map_err(|error| error.of("`ok`"))? {
            return Err(EvalError("neither `ok` nor `refused` holds for it".into()));
        }
        let output = self.output.as_ref().map(|output| output.render(&scope)).transpose();
        Ok(SignalMeaning { refused: false, output: output.map_err(|error| error.of("`output`"))? })
    }
}

/// The time or duration that an expression gives.
fn pause_time(until: &Template, scope: &Scope<'_>) -> Result<PauseTime, EvalError> {
    let json = until.render(scope)?;
    let shown: String = json.text().chars().take(80).collect();
    let text: String = serde_json::from_str(json.text())
        .map_err(|_| EvalError(format!("gives {shown}, and a pause needs a text: a time or a duration")))?;
    if let Some(time) = Timestamp::from_rfc3339(&text) {
        return Ok(PauseTime::At(time));
    }
    match duration(&text) {
        Some(pause) if pause <= DEADLINE_MAX => Ok(PauseTime::After(pause)),
        _ => Err(EvalError(format!(
            "gives {shown}, which is neither a time as RFC 3339 has it, with an offset, nor a duration such as 14d of at \
             most 3650d"
        ))),
    }
}
