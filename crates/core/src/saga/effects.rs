//! The effects that a state wants, and the events that must be on disk before the driver carries them out.

#[cfg(debug_assertions)]
mod lens;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use smallvec::SmallVec;

#[cfg(debug_assertions)]
pub use self::lens::{Lens, look_through};
use super::{Phase, Progress, Question, Saga, StepState};
use crate::definition::{Body, Call, EvalError, Safety, Scope, StepSet};
use crate::direction::Direction;
use crate::event::Stuck;
use crate::id::{AttemptNumber, Epoch, SagaId, Seq, Timestamp};
use crate::location::LocationPath;
use crate::trace::CallTrace;

/// Everything a state wants at once. Comparing it with what is under way is all that a driver does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effects {
    /// The calls that should be under way, at most one for each step, in the order of the file. Any other one is
    /// abandoned.
    pub calls: SmallVec<[CallWanted; 2]>,
    /// The steps whose calls go on if they are under way, and are not made: see `Saga::late`.
    pub late: StepSet,
    /// When the state wants to be asked again, whatever happens until then.
    pub wake_at: Option<Timestamp>,
    /// The steps that an expression is to be evaluated for: [`Saga::evaluate`] does it, and
    /// [`Input::Evaluated`](super::Input::Evaluated) tells the saga.
    pub evaluations: StepSet,
    /// Whether the saga's output is to be made: [`Saga::evaluate_output`] does it, and
    /// [`Input::Output`](super::Input::Output) tells the saga.
    pub output: bool,
    /// The caller that waits for the end may be answered once this event is on disk: the saga is over, or blocked.
    pub answer: Option<Seq>,
}

impl Effects {
    /// The first of the calls, in the order of the file.
    pub fn first_call(&self) -> Option<CallWanted> {
        self.calls.first().copied()
    }
}

/// A call that should be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallWanted {
    /// The step's index.
    pub step: usize,
    /// Whether it is done or undone.
    pub direction: Direction,
    /// Tells this call from the one before.
    pub attempt: AttemptNumber,
    /// The event that must be on disk before the call may leave; [`Seq::NONE`]: none.
    pub needs: Seq,
    /// From sending the request to the end of its answer.
    pub timeout: Duration,
}

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, to be put after the participant's base URL.
    pub path: String,
    /// Whether the path stands on the participant's origin instead: the participant itself gave it.
    pub on_origin: bool,
    /// The headers that the call sets itself, beside its participant's and those that every call carries.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Option<Body>,
    /// The header `Saga-Id`.
    pub saga: SagaId,
    /// The header `Saga-Step`.
    pub step: Arc<str>,
    /// Whether it is done or undone.
    pub direction: Direction,
    /// The header `Saga-Attempt`.
    pub attempt: AttemptNumber,
    /// The header `Saga-Epoch`.
    pub epoch: Epoch,
    /// The headers of its trace.
    pub trace: CallTrace,
}

/// Whether a request has the tokens of the addresses at which its saga is called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tokens {
    Sent,
    Hidden,
}

/// A request cannot be made from what the saga knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot build the request: {0}")]
pub struct RequestError(#[from] EvalError);

impl Request {
    /// The header `Idempotency-Key`, without quotes: the same for every attempt.
    pub fn idempotency_key(&self) -> String {
        let mut key = String::new();
        self.write_idempotency_key(&mut key);
        key
    }

    /// Writes it behind `text`, without the detour that formatting takes: every call has one.
    pub fn write_idempotency_key(&self, text: &mut String) {
        self.saga.write(text);
        // A poll's key is its action's, with a word behind it.
        let (direction, poll) = match self.direction {
            Direction::Poll => (Direction::Action, "poll"),
            other => (other, ""),
        };
        for part in [&*self.step, direction.into(), poll].into_iter().filter(|part| !part.is_empty()) {
            text.push(':');
            text.push_str(part);
        }
    }
}

impl Saga {
    /// The effects that this state wants now.
    pub fn effects(&self) -> Effects {
        let wanted = |(step, direction, attempt)| CallWanted {
            step,
            direction,
            attempt,
            needs: self.needs(step, direction),
            timeout: self.timeout(step),
        };
        let mut calls: SmallVec<[CallWanted; 2]> = self.in_flight().map(wanted).collect();
        if self.definition.has_polls {
            calls.extend(self.polls().map(wanted));
            calls.sort_by_key(|call| call.step);
        }
        let effects = Effects {
            calls,
            late: self.late().map(|(step, ..)| step).collect(),
            wake_at: self.wake_at(),
            evaluations: self.evaluations(),
            output: self.wants_output(),
            answer: self.answer(),
        };
        #[cfg(debug_assertions)]
        let effects = lens::seen(self, effects);
        effects
    }

    /// From sending a request to the step's participant to the end of its answer.
    pub(super) fn timeout(&self, step: usize) -> Duration {
        self.definition.participant(step).map_or(Duration::ZERO, |participant| participant.timeout)
    }

    /// The event that must be on disk before the callers that wait for the end are answered; `None`: not yet. A blocked
    /// saga is settled once each step that it is at needs an operator.
    fn answer(&self) -> Option<Seq> {
        if self.is_over() {
            return Some(self.seq);
        }
        let needs_person = |step| self.blocked_at(step).is_some();
        let is_settled = self.is_parked() || self.active().iter().all(needs_person);
        self.flags().map(|flag| flag.since).max().filter(|_| is_settled)
    }

    /// The durability rule of each call. See `docs/decisions/0003-needs.md`.
    fn needs(&self, step: usize, direction: Direction) -> Seq {
        let safety = self.definition.safety(step);
        let marks = &self.marks;
        let rule = match (&self.steps[step], direction) {
            (_, Direction::Probe | Direction::Poll) => Seq::NONE,
            (_, Direction::Action) if self.definition.steps[step].is_read() => Seq::NONE,
            // The same key has one effect, so calling early loses nothing but work; but not before the events that the
            // request was computed from are safe, nor ahead of a result that cannot be had a second time.
            (_, Direction::Action) if safety == Safety::Barrier && !self.is_announced_first(step) => {
                let before = self.definition.graph.before(step).iter();
                let waited_for = before.map(|earlier| self.notes[earlier].waited_for).max();
                marks.first_effect.unwrap_or(self.seq).max(waited_for.unwrap_or(Seq::NONE))
            }
            // Also when it is repeated: a repetition that had left ahead of its record would be unknown to the next
            // owner, who would take a step whose first call was turned away for one that never ran.
            (StepState::Doing { tries, .. }, _) => tries.started,
            // But a call that only an operator may want is never made ahead of its event.
            (StepState::Undoing { .. }, _) if safety == Safety::Barrier && self.vouched(step).is_none() => {
                marks.rollback
            }
            (StepState::Undoing { tries, .. }, _) => tries.started,
            _ => self.seq,
        };
        if marks.take_over == Seq::NONE {
            return rule;
        }
        // A saga that has lost an owner never runs ahead of the disk again: one of its calls may be what ends its
        // owners. Were its announcement not on disk, a new owner could not count how often that happened.
        let announced = match (&self.steps[step], direction) {
            (
                StepState::Doing { tries, .. } | StepState::Undoing { tries, .. },
                Direction::Action | Direction::Compensation,
            ) => tries.started,
            _ => self.seq,
        };
        rule.max(announced).max(marks.take_over)
    }

    /// Each is an instant at which [`Saga::handle`] does something, whatever the time is by then.
    fn wake_at(&self) -> Option<Timestamp> {
        if self.is_parked() {
            return None;
        }
        let due = self.active().iter().filter_map(|step| self.due_at(step)).min();
        match self.phase {
            // There is nothing to wait for, or no deadline any more.
            Phase::Forward { .. } if self.active().is_empty() || self.is_past_pivot() => due,
            Phase::Forward { .. } => Some(due.map_or(self.deadline, |due| due.min(self.deadline))),
            _ => due,
        }
    }

    /// When a step that the saga is at goes on by itself: its next call, its next probe, or the flag for operators.
    pub(super) fn due_at(&self, step: usize) -> Option<Timestamp> {
        if self.signal_for(step).is_some() && matches!(self.phase, Phase::Forward { .. }) {
            return None;
        }
        if let StepState::Waiting { until, .. } = self.steps[step] {
            return Some(until);
        }
        if self.accepted(step).is_some() {
            let may_be_late = matches!(self.phase, Phase::Forward { .. }) && self.blocked_at(step).is_none();
            let late = self.accepted_until(step).filter(|_| may_be_late);
            return self.poll_at(step).into_iter().chain(late).min();
        }
        let (_, tries) = self.tries(step)?;
        if self.is_calling(step) {
            return None;
        }
        let question = self.question_at(step);
        let is_flagged = self.blocked_at(step).is_some_and(|blocked| blocked.stuck == Stuck::HorizonPassed);
        match (question, tries.progress) {
            (Some(at), _) if self.is_in_doubt(step, at) => Some(at),
            // Only an operator can vouch that the participant has not forgotten, after all.
            (_, Progress::Due(_)) if is_flagged && (self.is_barrier(step) || question.is_none()) => None,
            (_, Progress::Due(at)) => Some(at),
            (
                _,
                Progress::GivenUp
                | Progress::InFlight
                | Progress::Late
                | Progress::Accepted
                | Progress::Contradicted,
            ) => None,
        }
    }

    /// Whether the saga waits before a probe asks what became of a call, which may still be on its way. Nothing may shorten this wait, so one
    /// clock has to measure it. Where a probe was asked in vain, the next one may come at any time.
    pub fn waits_to_ask(&self) -> bool {
        let waits = |step| {
            let is_unasked =
                self.tries(step).is_some_and(|(_, tries)| tries.asked.question == Question::NotYet);
            is_unasked && self.question_at(step).is_some_and(|at| self.is_in_doubt(step, at))
        };
        self.active().iter().any(waits)
    }

    /// When it is to go on by itself at the latest: its next attempt's time, or the end of the call under way. `None`:
    /// it is over, or only an operator can move it.
    pub fn due(&self) -> Option<Timestamp> {
        let ends = |(step, ..): (usize, _, _)| self.updated.plus(self.timeout(step));
        let called = self.in_flight().map(ends).min();
        called.or_else(|| self.wake_at())
    }

    /// The steps whose next attempt has to wait for its time.
    pub fn waiting(&self) -> StepSet {
        let is_waiting = |step: &usize| {
            self.tries(*step).is_some_and(|(_, tries)| matches!(tries.progress, Progress::Due(_)))
        };
        self.active().iter().filter(is_waiting).collect()
    }

    /// Whether the call that is wanted has waited for so long that its participant's promise has ended meanwhile: then
    /// it must not leave any more. Where an operator has vouched for the participant, the promise counts from there.
    pub fn is_too_late(&self, wanted: &CallWanted, now: Timestamp) -> bool {
        !matches!(wanted.direction, Direction::Probe | Direction::Poll)
            && self.is_beyond_horizon(wanted.step, now)
    }

    /// Whether the promise has ended that makes the call harmless, while the call waited for the disk, or its process was
    /// paused: it repeats one that may have run, or undoes at a barrier that may have forgotten the action.
    pub fn may_do_harm(&self, wanted: &CallWanted, now: Timestamp) -> bool {
        let relies_on_memory = match &self.steps[wanted.step] {
            StepState::Doing { may_have_run, .. } => *may_have_run,
            StepState::Undoing { may_have_run, .. } => *may_have_run || self.is_barrier(wanted.step),
            _ => false,
        };
        relies_on_memory && self.is_too_late(wanted, now)
    }

    /// How the definition describes a call.
    pub fn call(&self, step: usize, direction: Direction) -> Option<&Call> {
        self.definition.call(step, direction)
    }

    /// The values that the expressions of requests and conditions read. A name that is not there is null, as is the output of
    /// a skipped step.
    pub(super) fn scope(&self) -> Scope<'_> {
        self.scope_with(Tokens::Sent)
    }

    fn scope_with(&self, tokens: Tokens) -> Scope<'_> {
        let mut scope =
            Scope::default().with("saga_id", format!("\"{}\"", self.id)).with("input", self.input.text());
        for (step, state) in self.definition.steps.iter().zip(&self.steps) {
            if let StepState::Done { output: Some(output), .. }
            | StepState::Undoing { output: Some(output), .. } = state
            {
                scope = scope.with(&step.name, output.text());
            }
        }
        // These cost a text each, which most definitions do not read. Where they are read, no step has their name.
        if self.definition.reads_created_at {
            scope = scope.with("created_at", format!("\"{}\"", self.created));
        }
        if self.definition.reads_failure {
            scope = scope.with("failure", self.failure_text());
        }
        if let Some(addresses) = self.callback_addresses(tokens == Tokens::Hidden) {
            scope = scope.with("callbacks", addresses);
        }
        scope
    }

    /// The trace context of a call. An attempt belongs to the trace in which it started.
    pub fn call_trace(&self, step: usize, direction: Direction, attempt: AttemptNumber) -> CallTrace {
        let started = self.tries(step).filter(|(of, _)| *of == direction).map(|(_, tries)| tries.started);
        CallTrace::of(self.id, &self.traces, started.unwrap_or(self.seq), (step, direction, attempt))
    }

    /// The request of a wanted call. It is the same for every attempt but for attempt and epoch.
    pub fn request(&self, wanted: &CallWanted) -> Result<Request, RequestError> {
        self.request_with(wanted, Tokens::Sent)
    }

    /// The same request, to be shown: no callback can be sent to the addresses in it.
    pub fn shown_request(&self, wanted: &CallWanted) -> Result<Request, RequestError> {
        self.request_with(wanted, Tokens::Hidden)
    }

    fn request_with(&self, wanted: &CallWanted, tokens: Tokens) -> Result<Request, RequestError> {
        let call = self
            .call(wanted.step, wanted.direction)
            .ok_or_else(|| EvalError("the step has no such call".into()))?;
        let mut scope = self.scope_with(tokens);
        let mut target = None;
        if wanted.direction == Direction::Poll
            && let Some((poll, work)) = self.poll(wanted.step)
        {
            if poll.follows_location {
                let action =
                    self.call(wanted.step, Direction::Action).map(|action| action.path.render_path(&scope));
                let action = action.transpose()?.unwrap_or_default();
                target = Some(self.poll_target(wanted.step, &action).map_err(EvalError)?);
            }
            scope = scope.with("accepted", work.answer.as_ref().map_or("null", |answer| answer.text()));
        }
        let (path, on_origin) = match target {
            Some(LocationPath(path)) => (path, true),
            None => (call.path.render_path(&scope)?, false),
        };
        Ok(Request {
            method: call.method.clone(),
            path,
            on_origin,
            headers: call.render_headers(&scope)?,
            body: call.body.as_ref().map(|body| body.render(&scope)).transpose()?,
            saga: self.id,
            step: self.definition.steps[wanted.step].name.clone(),
            direction: wanted.direction,
            attempt: wanted.attempt,
            epoch: self.epoch,
            trace: self.call_trace(wanted.step, wanted.direction, wanted.attempt),
        })
    }
}
