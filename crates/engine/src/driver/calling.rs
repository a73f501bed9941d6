//! The calls that a saga wants: one for each step that it is at.

use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use saga_core::definition::EvalError;
use saga_core::saga::{CallWanted, Effects, Input};
use saga_core::{Json, Saga, Seq, Timestamp};
use saga_journal::ReplicaId;

use super::evaluating::{Elsewhere, at_once, elsewhere};
use super::means::Means;
use super::step_call::{CallEvent, PANICKED, StepCall};
use crate::breaker;

/// An event that a saga waits for.
pub(super) enum CallingEvent {
    /// Of a step's call, or of the expression that the step waits for.
    OfStep(usize, CallEvent),
    /// The saga's output, or why it cannot be made.
    Output(Result<Json, Box<str>>),
}

/// The calls of one saga.
pub(super) struct Calling {
    means: Arc<Means>,
    owner: ReplicaId,
    /// At most one for each step; none is idle for longer than a turn of the driver.
    calls: Vec<StepCall>,
    output: MakingOutput,
}

/// The saga's output, while it is being made.
type MakingOutput = Option<Elsewhere<Result<Json, EvalError>>>;

impl Calling {
    pub(super) fn new(means: Arc<Means>, owner: ReplicaId) -> Self {
        Self { means, owner, calls: Vec::new(), output: None }
    }

    /// Whether any call is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.calls.iter().any(StepCall::is_under_way)
    }

    /// Whether a step's call is under way.
    pub(super) fn is_calling(&self, step: usize) -> bool {
        self.calls.iter().any(|call| call.step() == step && call.is_under_way())
    }

    /// Evaluates the expressions that are asked for, and drops those that are not any more.
    pub(super) fn evaluate(&mut self, saga: &Saga, effects: &Effects) {
        for call in &mut self.calls {
            call.evaluate(saga, effects.evaluations.contains(call.step()));
        }
        for step in effects.evaluations.iter() {
            self.of_step(step).evaluate(saga, true);
        }
        self.output.take_if(|_| !effects.output);
        if effects.output && self.output.is_none() {
            self.output = Some(match at_once(|| saga.evaluate_output()) {
                Some(output) => Box::pin(ready(Some(output))),
                None => {
                    let saga = saga.clone();
                    elsewhere(self.means.clock.world().clone(), move || saga.evaluate_output())
                }
            });
        }
    }

    /// Drops calls under way that the saga does not want any more, and forgets the turns of queued calls that it does
    /// not want. A call that has left goes on where its answer is still recorded.
    pub(super) fn keep(&mut self, saga: &Saga, effects: &Effects) {
        for call in &mut self.calls {
            if effects.late.contains(call.step()) && call.has_left() {
                continue;
            }
            let of_step = effects.calls.iter().find(|wanted| wanted.step == call.step());
            call.keep(saga, of_step.copied());
        }
        self.calls.retain(|call| !call.is_idle());
    }

    /// Drops the calls under way; whether they have an effect stays unknown.
    pub(super) fn abandon(&mut self, saga: &Saga) {
        self.calls.iter_mut().for_each(|call| call.abandon(saga));
    }

    /// Starts a call that is wanted, if it is not under way and may leave by now.
    pub(super) fn start(&mut self, saga: &Saga, wanted: CallWanted, durable: Seq) {
        if wanted.needs <= durable {
            self.of_step(wanted.step).start(saga, wanted, durable);
        }
    }

    /// Listens to the breakers of the participants that next attempts wait for.
    pub(super) fn listen(&mut self, saga: &Saga) {
        let waiting = saga.waiting();
        for call in &mut self.calls {
            call.listen(saga, waiting.contains(call.step()));
        }
        for step in waiting.iter() {
            self.of_step(step).listen(saga, true);
        }
    }

    /// Whether a next attempt waits for a participant that is suspended: it may come back at any moment.
    pub(super) fn waits_for_participant(&self, saga: &Saga) -> bool {
        let is_suspended = |step| {
            let breaker = self.means.calls.breakers.of(saga.definition(), step);
            breaker.is_some_and(|breaker| breaker.state().kind != breaker::BreakerKind::Closed)
        };
        saga.waiting().iter().any(is_suspended)
    }

    /// The names of the steps whose calls their participants hold back.
    pub(super) fn held_back(&self, saga: &Saga) -> Vec<Arc<str>> {
        let held_back = self.calls.iter().filter(|call| call.is_held_back());
        held_back.map(|call| saga.definition().steps[call.step()].name.clone()).collect()
    }

    /// The next event of any call, or the saga's output.
    pub(super) fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<CallingEvent> {
        // The output is made when there are no calls any more.
        if let Some(output) = &mut self.output {
            let made = ready!(output.as_mut().poll(context));
            let output = made.map(|made| made.map_err(|error| error.0.into()));
            return Poll::Ready(CallingEvent::Output(output.unwrap_or_else(|| Err(PANICKED.into()))));
        }
        for call in &mut self.calls {
            if let Poll::Ready(event) = call.poll_event(context) {
                return Poll::Ready(CallingEvent::OfStep(call.step(), event));
            }
        }
        Poll::Pending
    }

    /// The meaning of an event for the saga: its next input.
    pub(super) fn take(&mut self, saga: &Saga, event: CallingEvent) -> Option<Input> {
        match event {
            CallingEvent::OfStep(step, event) => self.of_step(step).take(saga, event),
            CallingEvent::Output(output) => {
                self.output = None;
                Some(Input::Output(output))
            }
        }
    }

    /// When the driver must look at the calls again, even if no event comes until then.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.calls.iter().filter_map(StepCall::wake_at).min()
    }

    /// When the first of the calls under way must have ended.
    pub(super) fn due(&self, saga: &Saga) -> Option<Timestamp> {
        self.calls.iter().filter_map(|call| call.due(saga)).min()
    }

    fn of_step(&mut self, step: usize) -> &mut StepCall {
        let at = self.calls.iter().position(|call| call.step() == step).unwrap_or_else(|| {
            // Most sagas have one call at a time.
            self.calls.reserve_exact(1);
            self.calls.push(StepCall::new(self.means.clone(), self.owner, step));
            self.calls.len() - 1
        });
        &mut self.calls[at]
    }
}
