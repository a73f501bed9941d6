//! The call of one step: whether it is to be made, its turn at the participant's breaker, its request, its reply.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use saga_core::definition::EvalError;
use saga_core::reply::{self, Reply, Verdict};
use saga_core::saga::{CallWanted, Evaluated, Input, Request, RequestError};
use saga_core::{Definition, Outcome, Saga, Seq, Timestamp};
use saga_journal::ReplicaId;
use tokio::sync::watch;

use super::evaluating::{Elsewhere, at_once, elsewhere};
use super::means::Means;
use crate::admission::HeldBytes;
use crate::breaker::{BreakerTurn, Permit};
use crate::breakers;
use crate::observer::{CallEnded, Called};
use crate::participants::{self, AwaitedAccess};

/// While the lease may have run out, a call that wants to leave looks this often whether it holds.
const LEASE_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// While there is no room for its answer, a call that wants to leave looks this often whether there is.
const ROOM_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Why a call that its saga wanted in time has not left.
const TOO_LATE: &str = "the call has waited for longer than the participant's promise holds";

/// Why a call that was evaluated elsewhere has no result.
pub(super) const PANICKED: &str = "the evaluation of an expression has panicked";

/// The call of one step, from being wanted to its end.
pub(super) struct StepCall {
    means: Arc<Means>,
    owner: ReplicaId,
    /// The step's index.
    step: usize,
    call: Option<OpenCall>,
    /// The wanted call's turn at its participant's breaker.
    turn: Option<Queued>,
    /// When a call that may not leave now is looked at again.
    again_at: Option<Timestamp>,
    /// The participant's recovery, where the next attempt waits for it.
    recovery: Option<Recovery>,
    /// The expression that the step waits for, while it is being evaluated.
    evaluation: Option<Elsewhere<Result<Evaluated, EvalError>>>,
}

/// A call under way.
struct OpenCall {
    wanted: CallWanted,
    permit: Permit,
    since: Timestamp,
    definition: Arc<Definition>,
    stage: Stage,
    /// Bytes for its answer, where that is to be kept.
    _room: Option<HeldBytes>,
}

/// How far a call has come. Making the request and reading the answer are done at once, as far as that takes no time.
enum Stage {
    /// It must not leave any more: see [`Saga::may_do_harm`].
    TooLate,
    /// Its request is being made.
    Preparing(Elsewhere<Result<Request, RequestError>>),
    /// It is with its participant.
    Sent(participants::Calling),
    /// Its answer is being read.
    Reading { verdict: Elsewhere<Verdict>, was_made: bool },
}

/// The result of a call.
pub(super) struct Read {
    verdict: Verdict,
    /// A call that could not even be made says nothing about its participant.
    was_made: bool,
}

/// There is no room in memory for another answer that is to be kept.
struct NoRoomYet;

/// A call that waits until it may leave.
struct Queued {
    wanted: CallWanted,
    turn: CallTurn,
}

enum CallTurn {
    /// It has asked its participant's breaker.
    Breaker(BreakerTurn),
    /// It waits for what a call to the participant needs.
    Access(AwaitedAccess),
}

/// The next recovery of a participant, with the means to wait for the one after it.
type Recovery = Pin<Box<dyn Future<Output = watch::Receiver<u64>> + Send>>;

/// An event that a saga with a wanted call waits for.
pub(super) enum CallEvent {
    /// The result of the call under way.
    Reply(Read),
    /// The wanted call's turn has come.
    Permit(Permit),
    /// What calls to the participant need is there.
    Accessible,
    /// The participant that the next attempt waits for has come back.
    Recovered,
    /// The value of the expression that the step waits for.
    Evaluated(Result<Evaluated, Box<str>>),
}

impl StepCall {
    pub(super) fn new(means: Arc<Means>, owner: ReplicaId, step: usize) -> Self {
        Self { means, owner, step, call: None, turn: None, again_at: None, recovery: None, evaluation: None }
    }

    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// Whether the step has no evaluation, no call, no turn, and waits for no participant to come back.
    pub(super) fn is_idle(&self) -> bool {
        self.call.is_none() && self.turn.is_none() && self.recovery.is_none() && self.evaluation.is_none()
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.call.is_some()
    }

    /// Whether a call has left, and is under way.
    pub(super) fn has_left(&self) -> bool {
        self.call.as_ref().is_some_and(|call| matches!(call.stage, Stage::Sent(_) | Stage::Reading { .. }))
    }

    /// Evaluates the expression that the step waits for, if that is asked for.
    pub(super) fn evaluate(&mut self, saga: &Saga, is_asked: bool) {
        self.evaluation.take_if(|_| !is_asked);
        if !is_asked || self.evaluation.is_some() {
            return;
        }
        let step = self.step;
        self.evaluation = Some(match at_once(|| saga.evaluate(step)) {
            Some(value) => Box::pin(ready(Some(value))),
            None => {
                let saga = saga.clone();
                elsewhere(self.means.clock.world().clone(), move || saga.evaluate(step))
            }
        });
    }

    /// Drops the call under way if the saga does not want it any more, and forgets the turn of a queued call likewise.
    pub(super) fn keep(&mut self, saga: &Saga, wanted: Option<CallWanted>) {
        self.again_at = None;
        let same = |call: &CallWanted| (call.step, call.direction, call.attempt);
        if self.call.as_ref().is_some_and(|call| wanted.as_ref().map(same) != Some(same(&call.wanted))) {
            self.abandon(saga);
        }
        self.turn.take_if(|asked| wanted != Some(asked.wanted));
    }

    /// Drops the call under way; whether it has an effect stays unknown.
    pub(super) fn abandon(&mut self, saga: &Saga) {
        if let Some(abandoned) = self.call.take() {
            self.ended(saga, &abandoned, None);
        }
    }

    /// Starts the call that is wanted, if none is under way and it may leave by now.
    pub(super) fn start(&mut self, saga: &Saga, wanted: CallWanted, durable: Seq) {
        if self.call.is_some() || wanted.needs > durable {
            return;
        }
        // No call leaves while the lease may have expired: another replica may own the saga.
        if !self.means.calls.membership.may_act(self.owner) {
            self.again_at = Some(self.means.clock.now().plus(LEASE_AGAIN_AFTER));
            return;
        }
        let room = match self.room(saga, &wanted) {
            Ok(room) => room,
            Err(NoRoomYet) => {
                self.again_at = Some(self.means.clock.now().plus(ROOM_AGAIN_AFTER));
                return;
            }
        };
        let Some(permit) = self.permit(saga, wanted) else { return };
        let definition = saga.definition().clone();
        let is_too_late = saga.may_do_harm(&wanted, self.means.clock.now());
        let stage = match at_once(|| saga.request(&wanted)) {
            _ if is_too_late => Stage::TooLate,
            Some(request) => Stage::Sent(send(&self.means, &definition, &wanted, request)),
            None => {
                let saga = saga.clone();
                Stage::Preparing(elsewhere(self.means.clock.world().clone(), move || saga.request(&wanted)))
            }
        };
        self.means.calls.observer.call_started(&called(saga, &wanted));
        let since = self.means.clock.now();
        self.call = Some(OpenCall { wanted, permit, since, definition, stage, _room: room });
    }

    /// Room for the answer of a call whose output is kept. Only a saga's first such call waits for room: a saga that
    /// holds an output already must be able to come to its end, or no room would ever be freed.
    fn room(&self, saga: &Saga, wanted: &CallWanted) -> Result<Option<HeldBytes>, NoRoomYet> {
        let keeps_output = saga.call(wanted.step, wanted.direction).is_some_and(|call| call.output.is_some());
        if !keeps_output || saga.cause().is_some() || saga.keeps_outputs() {
            return Ok(None);
        }
        let bytes = saga.definition().participant(wanted.step).map_or(0, |called| called.answer_bytes_max);
        self.means.calls.admission.reserve(bytes).map(Some).ok_or(NoRoomYet)
    }

    /// Whether its participant holds the wanted call back.
    pub(super) fn is_held_back(&self) -> bool {
        matches!(
            self.turn,
            Some(Queued { turn: CallTurn::Breaker(BreakerTurn::Wait(_)) | CallTurn::Access(_), .. })
        )
    }

    /// The breaker's permit for a call, once it has been given, and the call has all else that it needs.
    fn permit(&mut self, saga: &Saga, wanted: CallWanted) -> Option<Permit> {
        let turn = match self.turn.take().map(|asked| asked.turn) {
            Some(CallTurn::Breaker(turn)) => turn,
            None => self.means.calls.breakers.of(saga.definition(), wanted.step)?.ask(),
            Some(turn @ CallTurn::Access(_)) => {
                self.turn = Some(Queued { wanted, turn });
                return None;
            }
        };
        let turn = match turn {
            BreakerTurn::Go(permit) => {
                match self.means.calls.participants.access(saga.definition(), wanted.step) {
                    None => return Some(permit),
                    // The permit is given back, and asked for again: others that can be made are let through.
                    Some(access) => CallTurn::Access(access),
                }
            }
            BreakerTurn::Wait(_) => CallTurn::Breaker(turn),
        };
        self.turn = Some(Queued { wanted, turn });
        None
    }

    /// Listens to the breaker of the step's participant while its next attempt waits for its time.
    pub(super) fn listen(&mut self, saga: &Saga, is_waiting: bool) {
        self.recovery.take_if(|_| !is_waiting);
        if is_waiting && self.recovery.is_none() {
            let breaker = self.means.calls.breakers.of(saga.definition(), self.step);
            self.recovery = breaker.map(|breaker| next_recovery(breaker.recovered()));
        }
    }

    /// The step's next event. Such functions poll, and are no futures: a future of each would be kept for every saga that waits.
    pub(super) fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<CallEvent> {
        let Self { means, owner, call, turn, recovery, evaluation, .. } = self;
        if let Some(Poll::Ready(read)) = call.as_mut().map(|call| call.poll_read(means, *owner, context)) {
            return Poll::Ready(CallEvent::Reply(read));
        }
        if let Some(Poll::Ready(value)) = evaluation.as_mut().map(|value| value.as_mut().poll(context)) {
            let value = value.map(|value| value.map_err(|error| error.0.into()));
            return Poll::Ready(CallEvent::Evaluated(value.unwrap_or_else(|| Err(PANICKED.into()))));
        }
        if let Some(Poll::Ready(event)) = turn.as_mut().map(|queued| queued.turn.poll(context)) {
            return Poll::Ready(event);
        }
        if let Some(Poll::Ready(recovered)) =
            recovery.as_mut().map(|recovery| recovery.as_mut().poll(context))
        {
            *recovery = Some(next_recovery(recovered));
            return Poll::Ready(CallEvent::Recovered);
        }
        Poll::Pending
    }

    /// The meaning of an event for the saga: its next input.
    pub(super) fn take(&mut self, saga: &Saga, event: CallEvent) -> Option<Input> {
        match event {
            CallEvent::Reply(read) => self.replied(saga, read),
            CallEvent::Permit(permit) => self.permitted(saga, Some(permit)),
            CallEvent::Accessible => self.permitted(saga, None),
            CallEvent::Evaluated(value) => {
                self.evaluation = None;
                Some(Input::Evaluated { step: self.step, value })
            }
            CallEvent::Recovered => Some(Input::Hurry { step: self.step }),
        }
    }

    /// The call that has waited may go on: with the breaker's permit, or to ask for one.
    fn permitted(&mut self, saga: &Saga, permit: Option<Permit>) -> Option<Input> {
        let Queued { wanted, .. } = self.turn.take()?;
        if saga.is_too_late(&wanted, self.means.clock.now()) {
            let CallWanted { step, direction, attempt, .. } = wanted;
            let reason = "the participant was suspended for longer than its promise holds";
            let verdict = Verdict::without_answer(Outcome::NotSent, reason);
            return Some(Input::Reply { step, direction, attempt, verdict });
        }
        self.turn = permit.map(|permit| Queued { wanted, turn: CallTurn::Breaker(BreakerTurn::Go(permit)) });
        None
    }

    fn replied(&mut self, saga: &Saga, Read { verdict, was_made }: Read) -> Option<Input> {
        let call = self.call.take()?;
        let CallWanted { step, direction, attempt, .. } = call.wanted;
        self.ended(saga, &call, Some(verdict.outcome));
        if was_made {
            call.permit.ended(breakers::ended(&verdict));
            self.means.calls.breakers.note(saga.definition(), step, &verdict);
        }
        Some(Input::Reply { step, direction, attempt, verdict })
    }

    fn ended(&self, saga: &Saga, call: &OpenCall, outcome: Option<Outcome>) {
        self.means.calls.observer.call_ended(&CallEnded {
            call: called(saga, &call.wanted),
            outcome,
            duration: self.means.clock.now().since(call.since),
        });
    }

    /// When the driver must look at the call again, even if no event comes until then.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.again_at
    }

    /// When the call under way must have ended.
    pub(super) fn due(&self, saga: &Saga) -> Option<Timestamp> {
        let is_sent = |call: &&OpenCall| matches!(call.stage, Stage::Sent(_));
        self.call.as_ref().filter(is_sent).map(|call| {
            let participant = saga.definition().participant(call.wanted.step);
            let connect_timeout = participant.map_or(Duration::ZERO, |called| called.connect_timeout);
            call.since.plus(connect_timeout + call.wanted.timeout)
        })
    }
}

impl CallTurn {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<CallEvent> {
        match self {
            Self::Breaker(BreakerTurn::Wait(waiting)) => {
                Pin::new(waiting).poll(context).map(CallEvent::Permit)
            }
            Self::Access(access) => access.as_mut().poll(context).map(|()| CallEvent::Accessible),
            // The driver starts such a call before it waits.
            Self::Breaker(BreakerTurn::Go(_)) => Poll::Pending,
        }
    }
}

impl OpenCall {
    /// The reply, once it is there and has been read. Each stage is kept until the next has begun.
    fn poll_read(&mut self, means: &Means, owner: ReplicaId, context: &mut Context<'_>) -> Poll<Read> {
        loop {
            match &mut self.stage {
                Stage::TooLate => {
                    let verdict = Verdict::without_answer(Outcome::NotSent, TOO_LATE);
                    return Poll::Ready(Read { verdict, was_made: false });
                }
                Stage::Preparing(request) => {
                    let request = ready!(request.as_mut().poll(context));
                    let not_sent = |reason: &str| Reply::NotSent { reason: reason.into() };
                    self.stage = Stage::Sent(match request {
                        // That has taken its time, and the lease is looked at just before a call leaves.
                        _ if !means.calls.membership.may_act(owner) => {
                            Box::pin(ready(not_sent("the lease may have run out")))
                        }
                        Some(request) => send(means, &self.definition, &self.wanted, request),
                        None => Box::pin(ready(not_sent(PANICKED))),
                    });
                }
                Stage::Sent(reply) => {
                    let reply = ready!(reply.as_mut().poll(context));
                    let was_made = !matches!(reply, Reply::Impossible { .. });
                    if let Some(verdict) = at_once(|| verdict(&self.definition, &self.wanted, &reply)) {
                        return Poll::Ready(Read { verdict, was_made });
                    }
                    let (definition, wanted) = (self.definition.clone(), self.wanted);
                    let verdict =
                        elsewhere(means.clock.world().clone(), move || verdict(&definition, &wanted, &reply));
                    self.stage = Stage::Reading { verdict, was_made };
                }
                Stage::Reading { verdict, was_made } => {
                    let verdict = ready!(verdict.as_mut().poll(context));
                    let lost = || Verdict::without_answer(Outcome::Unknown, PANICKED);
                    return Poll::Ready(Read { verdict: verdict.unwrap_or_else(lost), was_made: *was_made });
                }
            }
        }
    }
}

fn next_recovery(mut recovered: watch::Receiver<u64>) -> Recovery {
    Box::pin(async move {
        // The sender lives as long as the breaker, which this process keeps.
        let _ = recovered.changed().await;
        recovered
    })
}

fn send(
    means: &Means,
    definition: &Arc<Definition>,
    wanted: &CallWanted,
    request: Result<Request, RequestError>,
) -> participants::Calling {
    match request {
        Ok(request) => means.calls.participants.call(definition, wanted.step, request, wanted.timeout),
        Err(error) => Box::pin(ready(Reply::Impossible { reason: error.to_string() })),
    }
}

fn verdict(definition: &Definition, wanted: &CallWanted, reply: &Reply) -> Verdict {
    match definition.call(wanted.step, wanted.direction) {
        Some(call) => reply::verdict(call, reply),
        // A wanted call is in the definition.
        None => Verdict::without_answer(Outcome::Unknown, "the step has no such call"),
    }
}

fn called<'a>(saga: &'a Saga, wanted: &CallWanted) -> Called<'a> {
    let &CallWanted { step, direction, attempt, .. } = wanted;
    Called { definition: saga.definition(), step, direction, attempt, saga }
}
