//! The task of one saga.
//!
//! ```text
//!   ┌─▶ what does the state want?  (effects)
//!   │      ├─ a call that is not under way, and its event is durable      ─▶ start it; drop any other
//!   │      ├─ something that needs events that are not durable yet        ─▶ append them
//!   │      ├─ an answer whose event is durable                            ─▶ answer the waiting callers
//!   │      ├─ nothing for a while, and all is durable                     ─▶ fall asleep, and end
//!   │      └─ nothing any more, and all is durable                        ─▶ end
//!   └── wait for one thing: a command, the journal, a reply, the time  ─▶ the core says what it means
//! ```
//!
//! Live work, restart and take-over are this one loop: a saga that was read from the journal enters it with
//! nothing under way, and finds out by itself what to do.
//!
//! *Cancel points.* The four things waited for are kept in the driver between turns, and polled there, so none is lost when another
//! comes first. The driver itself is dropped only by the end of the process, which is a crash, and safe as one.
//!
//! - `means.rs`: what the tasks of all sagas share.
//! - `calling.rs`, `step_call.rs`: the calls that are wanted, and the way of each: its turn, its request, its reply.
//! - `evaluating.rs`: expressions, at once or elsewhere.
//! - `saving.rs`: the events on disk, and the way of the rest there.
//! - `waiters.rs`: the callers that wait for a reply.

mod calling;
mod evaluating;
mod means;
mod saving;
mod step_call;
mod waiters;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use saga_core::definition::Safety;
use saga_core::reply::Verdict;
use saga_core::saga::{CallWanted, Effects, Input, Rejected};
use saga_core::{Direction, Outcome, Record, Saga, SagaId, Seq, Timestamp};
use saga_journal::{NotAppended, ReplicaId, Resting};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use self::calling::{Calling, CallingEvent};
pub(crate) use self::evaluating::{at_once, elsewhere};
pub(crate) use self::means::{Calls, Means, Saves};
pub(crate) use self::saving::Spans;
use self::saving::{Dropped, Saving};
use self::waiters::{Waiter, Waiters};
use crate::handle::{Message, Messages, Milestone, Snapshot};
use crate::registry::RunningGuard;

/// One running saga.
pub(crate) struct Driver {
    means: Arc<Means>,
    owner: ReplicaId,
    saga: Saga,
    calling: Calling,
    saving: Saving,
    /// Dropped before the waiters and the messages: those who hear that the task has ended must not find it in the registry again.
    guard: RunningGuard,
    waiters: Waiters,
    messages: Messages,
    alarm: Option<(Timestamp, Pin<Box<Sleep>>)>,
    /// Whether the saga went forward when it was last looked at.
    forward: bool,
    stopping: bool,
    disowned: bool,
}

/// A saga that is to be run, and its spans.
pub(crate) struct RunnableSaga {
    pub(crate) saga: Saga,
    pub(crate) spans: Spans,
}

/// The events that a turn of the loop waits for.
enum Wakeup {
    Saved(Result<(), NotAppended>),
    Call(CallingEvent),
    Message(Message),
    Alarm,
}

/// How a turn of the loop goes on.
enum NextTurn {
    /// The saga has changed.
    Again,
    Wait,
    /// The saga falls asleep.
    Rest(Resting),
    End,
}

/// Why a saga's task has ended.
pub(crate) enum TaskEnd {
    /// The saga is over, asleep, or another replica's, or the process stops.
    Done,
    /// It cannot go on, and would not if it were run again: how so.
    Failed(String),
}

impl Driver {
    pub(crate) fn new(
        means: Arc<Means>,
        owner: ReplicaId,
        RunnableSaga { saga, spans }: RunnableSaga,
        (durable, records): (Seq, Vec<Record>),
        messages: Messages,
        guard: RunningGuard,
    ) -> Self {
        Self {
            calling: Calling::new(means.clone(), owner),
            saving: Saving::new(means.clone(), owner, durable, records, spans),
            forward: saga.cause().is_none(),
            means,
            owner,
            saga,
            waiters: Waiters::default(),
            messages,
            alarm: None,
            stopping: false,
            disowned: false,
            guard,
        }
    }

    pub(crate) fn saga_id(&self) -> SagaId {
        self.saga.id()
    }

    pub(crate) fn owner(&self) -> ReplicaId {
        self.owner
    }

    /// Keeps a turn until the events that the saga begins with here are on disk; those are written at once.
    pub(crate) fn take_turn(&mut self, turn: Option<OwnedSemaphorePermit>) {
        self.saving.take_turn(turn);
    }

    /// Replies once the saga has reached `milestone`.
    pub(crate) fn await_milestone(&mut self, milestone: Milestone, reply: oneshot::Sender<Snapshot>) {
        self.waiters.add(Waiter::Reaches { milestone, reply });
    }

    /// Runs the saga until it is over, asleep, stopped, or another replica's. Then the driver is of no use any more.
    pub(crate) async fn run(&mut self) -> TaskEnd {
        loop {
            match self.turn() {
                NextTurn::Again => continue,
                NextTurn::Wait => {}
                NextTurn::Rest(resting) => {
                    self.means.rests.rest(self.owner, resting).await;
                    return TaskEnd::Done;
                }
                NextTurn::End => return TaskEnd::Done,
            }
            let wakeup = poll_fn(|context| self.poll_wakeup(context)).await;
            match self.take(wakeup) {
                Ok(()) => {}
                Err(Dropped::NotOurs) => break,
                Err(Dropped::Refused(reason)) => {
                    self.waiters.send_away();
                    self.calling.abandon(&self.saga);
                    return TaskEnd::Failed(reason);
                }
            }
        }
        // A start that conflicts is a repeated request, whose saga exists already: nothing is lost.
        if self.saving.durable() > Seq::NONE {
            tracing::warn!(saga.id = %self.saga.id(), trace.id = %self.saga.trace_id(), saga.epoch = self.saga.epoch().get(),
                "the saga has another owner; it is dropped here");
        }
        self.waiters.send_away();
        self.calling.abandon(&self.saga);
        TaskEnd::Done
    }

    /// Does all that is to be done now. No future: the effects would be kept while the saga waits.
    fn turn(&mut self) -> NextTurn {
        let effects = self.saga.effects();
        if (self.stopping || self.has_turned_back()) && self.withdraw(&effects) {
            return NextTurn::Again;
        }
        self.act(&effects);
        self.save(&effects);
        self.reply(&effects);
        if self.is_finished() {
            return NextTurn::End;
        }
        if let Some(resting) = self.may_rest(&effects) {
            self.guard.is_due(Some(self.means.clock.now()));
            return NextTurn::Rest(resting);
        }
        self.set_alarm(&effects);
        self.guard.is_due(self.due());
        self.guard.takes(self.saga.payload_bytes(), self.saga.cause().is_none() && !self.saga.is_parked());
        self.calling.listen(&self.saga);
        NextTurn::Wait
    }

    /// How the saga may leave memory: nothing is under way, all is on disk, and its time is far, or never. Callers that wait
    /// for its end keep it, unless it waits for an operator alone: then they have been answered, or watch its row.
    fn may_rest(&self, effects: &Effects) -> Option<Resting> {
        let has_work = !effects.calls.is_empty() || !effects.evaluations.is_empty() || effects.output;
        if has_work || self.stopping || self.saga.is_over() {
            return None;
        }
        let sleep_after = self.means.limits.sleep_after;
        let is_far = |until| until > self.means.clock.now().plus(sleep_after) && self.waiters.is_empty();
        // The process that wakes the saga may have another clock, by which the wait before a probe would be over.
        let is_free = !self.saga.waits_to_ask()
            && !self.saga.counts_polls()
            && self.saving.is_done()
            && !self.calling.is_under_way()
            && self.messages.is_empty()
            && !self.calling.waits_for_participant(&self.saga);
        let until = effects.wake_at;
        let at = self.means.clock.now();
        let resting = Resting { saga: self.saga.id(), seq: self.saga.seq(), at, until };
        (is_free && until.is_none_or(is_far)).then_some(resting)
    }

    /// Starts the calls that the saga wants, if they may leave; drops calls that it does not want any more.
    fn act(&mut self, effects: &Effects) {
        self.calling.keep(&self.saga, effects);
        if !self.stopping {
            self.calling.evaluate(&self.saga, effects);
            for wanted in &effects.calls {
                self.calling.start(&self.saga, *wanted, self.saving.durable());
            }
        }
    }

    /// Appends the events that are not durable, if an effect or a caller waits for one or they have waited long enough.
    fn save(&mut self, effects: &Effects) {
        let durable = self.saving.durable();
        let blocks = |needs: Seq| needs > durable;
        // A start alone waits for nothing but the callers that want to know of it: it joins the events of the first
        // read.
        let is_needed = durable == Seq::NONE && self.waiters.want_start()
            || self.saving.has_turn()
            || effects.calls.iter().any(|wanted| blocks(wanted.needs))
            || effects.answer.is_some_and(blocks)
            || self.waiters.need_more_than(durable)
            || effects.calls.is_empty() && self.waiters.want_a_try()
            || self.stopping;
        self.saving.save(&self.saga, is_needed);
    }

    /// Replies to those whose event is durable.
    fn reply(&mut self, effects: &Effects) {
        if !self.waiters.is_empty() {
            let snapshot = self.snapshot(effects);
            self.waiters.reply(&snapshot, self.saving.durable(), self.saga.seq());
        }
    }

    fn snapshot(&self, effects: &Effects) -> Snapshot {
        let durable = self.saving.durable();
        Snapshot {
            saga: self.saga.id(),
            definition: self.saga.definition().name.clone(),
            state: self.saga.state().clone(),
            rollback: self.saga.rollback(),
            settled: effects.answer.is_some_and(|needs| needs <= durable),
            calling: !effects.calls.is_empty(),
            started: durable > Seq::NONE,
            input: self.saga.input().clone(),
            failure: self.saga.failure(),
            held_back: self.calling.held_back(&self.saga),
        }
    }

    fn is_finished(&self) -> bool {
        self.saving.is_done() && !self.calling.is_under_way() && (self.saga.is_over() || self.stopping)
    }

    /// The first event of those that a turn waits for. The others stay where they are: one that is not taken now is there the next time.
    fn poll_wakeup(&mut self, context: &mut Context<'_>) -> Poll<Wakeup> {
        if let Poll::Ready(result) = self.saving.poll_ended(context) {
            return Poll::Ready(Wakeup::Saved(result));
        }
        if let Poll::Ready(event) = self.calling.poll_event(context) {
            return Poll::Ready(Wakeup::Call(event));
        }
        if let Poll::Ready(message) = self.messages.poll_next(context) {
            return Poll::Ready(Wakeup::Message(message));
        }
        match &mut self.alarm {
            Some((_, alarm)) => alarm.as_mut().poll(context).map(|()| Wakeup::Alarm),
            None => Poll::Pending,
        }
    }

    /// When something has to happen here by itself, for the watchdog.
    fn due(&self) -> Option<Timestamp> {
        let alarm = self.alarm.as_ref().map(|(at, _)| *at);
        [self.calling.due(&self.saga), self.saving.under_way_since(), alarm].into_iter().flatten().min()
    }

    /// Sets the alarm for the earliest instant that matters. An alarm that is early already is left: waking up once for
    /// nothing costs less than setting it anew on every turn.
    fn set_alarm(&mut self, effects: &Effects) {
        let wake_at = effects.wake_at.filter(|_| !self.stopping);
        let Some(at) = [wake_at, self.saving.wake_at(), self.calling.wake_at()].into_iter().flatten().min()
        else {
            self.alarm = None;
            return;
        };
        if self.alarm.as_ref().is_some_and(|(set_for, _)| *set_for <= at) {
            return;
        }
        let instant = Instant::now() + at.since(self.means.clock.now());
        match &mut self.alarm {
            Some((set_for, alarm)) => {
                *set_for = at;
                alarm.as_mut().reset(instant);
            }
            None => self.alarm = Some((at, Box::pin(sleep_until(instant)))),
        }
    }

    fn take(&mut self, wakeup: Wakeup) -> Result<(), Dropped> {
        match wakeup {
            Wakeup::Saved(Ok(())) => self.saving.saved(&self.saga),
            Wakeup::Saved(Err(failed)) => self.saving.not_saved(failed)?,
            Wakeup::Call(event) => {
                if let Some(input) = self.calling.take(&self.saga, event) {
                    // A stale reply cannot come: the call is dropped as soon as another is wanted.
                    let _ = self.input(&input);
                }
            }
            Wakeup::Message(message) => self.message(message),
            Wakeup::Alarm => {
                self.alarm = None;
                self.saving.offer_again();
                let _ = self.input(&Input::Tick);
            }
        }
        if self.disowned { Err(Dropped::NotOurs) } else { Ok(()) }
    }

    fn input(&mut self, input: &Input) -> Result<(), Rejected> {
        let records = self.saga.handle(input, self.means.clock.moment())?;
        self.saving.add(records);
        Ok(())
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Await { milestone, reply } => self.await_milestone(milestone, reply),
            Message::Look { reply } => {
                // The asker may have gone.
                let _ = reply.send(self.snapshot(&self.saga.effects()));
            }
            Message::Apply { input, reply } => {
                let outcome = self.input(&input);
                self.waiters.add(Waiter::Applied { outcome, needs: self.saga.seq(), reply });
            }
            Message::Disown { owner } => self.disowned |= owner == self.owner,
            Message::Stop => self.stopping = true,
        }
    }

    /// Whether the saga has begun to roll back since it was last looked at.
    fn has_turned_back(&mut self) -> bool {
        let forward = self.saga.cause().is_none();
        std::mem::replace(&mut self.forward, forward) && !forward
    }

    /// While stopping, and when the saga has just turned back: an action that is recorded as started but has not left
    /// (it waits for the disk, or for its participant's breaker) is recorded as not sent, so that it is never in doubt
    /// whether it ran. Tells whether that changed anything.
    fn withdraw(&mut self, effects: &Effects) -> bool {
        let mut is_changed = false;
        for &CallWanted { step, direction, attempt, .. } in &effects.calls {
            let has_promise = self.saga.definition().safety(step) != Safety::None;
            if self.calling.is_calling(step)
                || self.stopping && has_promise
                || !self.stopping && direction != Direction::Action
            {
                continue;
            }
            let reason = "the call had not left yet when the order was stopped";
            let verdict = Verdict::without_answer(Outcome::NotSent, reason);
            is_changed |= self.input(&Input::Reply { step, direction, attempt, verdict }).is_ok();
        }
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hundreds of thousands of sagas may wait at the same time. With what the runtime adds, their tasks are blocks of 1,024 bytes; the
    /// allocator's next size is 1,280.
    #[test]
    fn the_task_of_a_saga_that_waits_is_small() {
        fn future_bytes<F: Future>(_: impl FnOnce(&'static mut Driver) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size_of::<Driver>() + future_bytes(Driver::run);
        assert!(bytes <= 900, "the driver and its future take {bytes} bytes");
    }
}
