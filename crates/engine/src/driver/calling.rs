//! The calls that a saga wants: one for each step that it is at.

use std::sync::Arc;

use futures_util::future::{FutureExt, pending, select_all};
use saga_core::definition::StepSet;
use saga_core::saga::{CallWanted, Input};
use saga_core::{Saga, Seq, Timestamp};
use saga_journal::ReplicaId;

use super::means::Means;
use super::step_call::{CallEvent, StepCall};
use crate::breaker;

/// The calls of one saga.
pub(super) struct Calling {
    means: Arc<Means>,
    owner: ReplicaId,
    /// At most one for each step; none is idle for longer than a turn of the driver.
    calls: Vec<StepCall>,
}

impl Calling {
    pub(super) fn new(means: Arc<Means>, owner: ReplicaId) -> Self {
        Self { means, owner, calls: Vec::new() }
    }

    /// Whether any call is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.calls.iter().any(StepCall::is_under_way)
    }

    /// Whether a step's call is under way.
    pub(super) fn is_calling(&self, step: usize) -> bool {
        self.calls.iter().any(|call| call.step() == step && call.is_under_way())
    }

    /// Evaluates the conditions that are asked for, and drops those that are not any more.
    pub(super) fn decide(&mut self, saga: &Saga, conditions: StepSet) {
        for call in &mut self.calls {
            call.decide(saga, conditions.contains(call.step()));
        }
        for step in conditions.iter() {
            self.of_step(step).decide(saga, true);
        }
    }

    /// Drops calls under way that the saga does not want any more, and forgets the turns of queued calls that it does
    /// not want.
    pub(super) fn keep(&mut self, saga: &Saga, wanted: &[CallWanted]) {
        for call in &mut self.calls {
            let of_step = wanted.iter().find(|wanted| wanted.step == call.step());
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
            self.means.calls.breakers.of(saga.definition(), step).state().kind != breaker::BreakerKind::Closed
        };
        saga.waiting().iter().any(is_suspended)
    }

    /// Waits for the first event of any call, and returns it with its step. Loses nothing when it is dropped.
    pub(super) async fn event(&mut self) -> (usize, CallEvent) {
        match &mut self.calls[..] {
            [] => pending().await,
            // Sagas without a fork have one.
            [call] => (call.step(), call.event().await),
            calls => {
                let events = calls.iter_mut().map(|call| {
                    let step = call.step();
                    call.event().map(move |event| (step, event)).boxed()
                });
                select_all(events).await.0
            }
        }
    }

    /// The meaning of an event for the saga: its next input.
    pub(super) fn take(&mut self, saga: &Saga, (step, event): (usize, CallEvent)) -> Option<Input> {
        self.of_step(step).take(saga, event)
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
            self.calls.push(StepCall::new(self.means.clone(), self.owner, step));
            self.calls.len() - 1
        });
        &mut self.calls[at]
    }
}
