//! From a history to a task, and the end of a task.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use saga_core::saga::Input;
use saga_core::trace::{SagaSpan, SpanFold};
use saga_core::{Saga, SagaId};
use saga_journal::{History, LOADED_TOGETHER_MAX, ReplicaId, Unavailable};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::Engine;
use crate::caught::caught;
use crate::driver::{Driver, RunnableSaga, Spans, TaskEnd};
use crate::handle::{Handle, Milestone};
use crate::journal_health::JOURNAL_PROBE_AFTER;
use crate::refusal::Refusal;
use crate::registry::AlreadyRunning;

/// How long after its panic a saga's task is replaced by a task that parks the saga.
const PANIC_PAUSE: Duration = Duration::from_millis(100);

/// Spans that a new owner tells once more: the former one may have had no time to pass them on. The latest ones of each saga.
const SPANS_AGAIN_MAX: usize = 64;

/// Why a saga is read and run.
#[derive(Clone, Copy)]
pub(super) enum How<'a> {
    /// It is this process's: woken, or taken over.
    Own,
    /// Its task has failed: it is parked.
    Park(&'a str),
}

/// The result of running a saga here.
pub(super) enum Resumed {
    /// It runs here from now on.
    Here(Handle),
    /// Something was in its place here before.
    Before(Handle),
    /// There is nothing to run.
    Over,
}

impl Engine {
    /// Reads a saga that `owner`, which is this process, owns, and runs it here if it is not over.
    pub(super) async fn resume(
        &self,
        id: SagaId,
        owner: ReplicaId,
        how: How<'_>,
    ) -> Result<Resumed, Refusal> {
        let runnable = self.runnable(id).await?.ok_or(Refusal::Unknown)?;
        self.run_here(runnable, owner, how, None)
    }

    /// A saga as its history tells it, to be run here; `None`: there is none.
    pub(super) async fn runnable(&self, id: SagaId) -> Result<Option<RunnableSaga>, Refusal> {
        Ok(self.parts.catalog.read(id).await?.map(|read| self.with_spans(read)))
    }

    /// A saga that was read, and the spans that its history tells, where they are wanted.
    fn with_spans(&self, (saga, history): (Saga, History)) -> RunnableSaga {
        let is_wanted = self.observer().wants_spans(&saga);
        let read =
            is_wanted.then(|| SpanFold::of(saga.id(), saga.definition().clone(), &history.records)).flatten();
        let spans = read.map_or(Spans::Unwanted, |(fold, ended)| Spans::Read {
            fold: Box::new(fold),
            untold: latest(ended),
        });
        RunnableSaga { saga, spans }
    }

    /// The same for a saga that has just been read. It keeps `turn` until its first events here are on disk.
    pub(super) fn run_here(
        &self,
        RunnableSaga { mut saga, mut spans }: RunnableSaga,
        owner: ReplicaId,
        how: How<'_>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Resumed, Refusal> {
        let id = saga.id();
        if saga.is_over() {
            return Ok(Resumed::Over);
        }
        let (handle, messages) = Handle::new(self.limits().inbox_commands_max);
        // Sagas that exist are never refused for want of room.
        let held = self.admission().saga();
        let guard = match self.parts.registry.enter(id, owner, handle.clone(), None, held) {
            Ok(guard) => guard,
            Err(AlreadyRunning(handle)) => return Ok(Resumed::Before(handle)),
        };
        self.may_begin(owner)?;
        self.parts.unreadable.forget(id);
        let durable = saga.seq();
        let input = match how {
            How::Own => self.entering(&saga, owner),
            How::Park(reason) => Input::Park { reason: reason.into() },
        };
        if let (Input::Tick, Spans::Read { untold, .. }) = (&input, &mut spans) {
            // The process that put it to sleep has told all.
            untold.clear();
        }
        let records = saga.handle(&input, self.clock().moment())?;
        self.parts.woken.forget(id);
        let runnable = RunnableSaga { saga, spans };
        let means = self.parts.means.clone();
        let mut driver = Driver::new(means, owner, runnable, (durable, records), messages, guard);
        driver.take_turn(turn);
        self.run(driver);
        Ok(Resumed::Here(handle))
    }

    /// The first input of a saga that `owner`, which is this process, owns and begins to run. A saga that it has woken, and
    /// that has not moved on since, goes on where it was. Of any other, a former owner may have called participants. A saga whose former owner's clock was ahead is
    /// taken over as well, so that it does not wait by that clock; and one that fell asleep in an earlier incarnation of the journal: it may have gone on then.
    pub(super) fn entering(&self, saga: &Saga, owner: ReplicaId) -> Input {
        let incarnation = self.membership().incarnation();
        let is_as_it_was =
            self.parts.woken.is_as_it_was(saga, owner) && saga.epoch().incarnation() == incarnation;
        if is_as_it_was && !Self::was_ahead(saga, self.clock().now()) {
            Input::Tick
        } else {
            Input::TakeOver(incarnation)
        }
    }

    /// Asked once a saga is in the registry: a process that joins anew first takes its former id back, and then drops
    /// the sagas that are in the registry; one that stops first says so, and then ends them. So one that is in the
    /// registry is dropped or ended there, or is not begun here.
    pub(super) fn may_begin(&self, owner: ReplicaId) -> Result<(), Refusal> {
        if self.membership().id() != Some(owner) {
            let reason = "this process's lease has run out; it joins anew";
            return Err(Refusal::Unavailable(Unavailable::because(reason)));
        }
        if self.parts.lifecycle.is_ending() { Err(Refusal::Stopping) } else { Ok(()) }
    }

    /// Runs a saga's task; when the task fails, has the saga parked.
    pub(super) fn run(&self, mut driver: Driver) {
        let engine = self.clone();
        let (id, owner) = (driver.saga_id(), driver.owner());
        self.parts.lifecycle.spawn(async move {
            let end = caught(driver.run()).await;
            // From here on, the saga does not run here.
            drop(driver);
            match end {
                Ok(TaskEnd::Done) => {}
                Ok(TaskEnd::Failed(reason)) => engine.task_failed(id, owner, &reason).await,
                Err(panic) => engine.task_failed(id, owner, &format!("its task has panicked: {panic}")).await,
            }
        });
    }

    /// A saga's task has failed: the saga is parked, so that it does not fail again and again.
    async fn task_failed(&self, id: SagaId, owner: ReplicaId, reason: &str) {
        tracing::error!(saga.id = %id, reason, "the task of an order has failed; the order is parked for an operator");
        self.observer().task_failed();
        // Should parking it fail alike, it must not do so in a hot loop.
        sleep(PANIC_PAUSE).await;
        while self.membership().id() == Some(owner) {
            match self.resume(id, owner, How::Park(reason)).await {
                Err(Refusal::Unavailable(_)) => sleep(JOURNAL_PROBE_AFTER).await,
                Err(error @ Refusal::Damaged(_)) => {
                    return self.parts.unreadable.park(id, owner, &error).await;
                }
                // Where its start is not on disk, there is nothing to park.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Runs sagas that this process owns, as many at a time as `turns` has room for. Each has its turn until its first events here are
    /// on disk, or there is nothing to run.
    pub(super) async fn run_all(&self, sagas: Vec<SagaId>, turns: &Arc<Semaphore>) {
        for page in sagas.chunks(LOADED_TOGETHER_MAX) {
            let Ok(mut turns) = turns.clone().acquire_many_owned(page.len() as u32).await else { return };
            let (engine, page) = (self.clone(), page.to_vec());
            self.parts.lifecycle.spawn(async move {
                let owner = engine.membership().id();
                let read = engine.parts.catalog.read_all(&page).await;
                join_all(page.into_iter().zip(read).map(|(id, read)| {
                    let turn = turns.split(1);
                    let read = read.map(|read| read.map(|read| engine.with_spans(read)));
                    engine.run_own(id, owner, read, turn)
                }))
                .await;
            });
        }
    }

    /// Runs a saga that `owner`, which was this process, owned when it was `read`; whatever prevents that is tried again.
    async fn run_own(
        &self,
        id: SagaId,
        owner: Option<ReplicaId>,
        read: Result<Option<RunnableSaga>, Refusal>,
        mut turn: Option<OwnedSemaphorePermit>,
    ) {
        let mut next = owner.map(|owner| (owner, read));
        while let Some((owner, read)) = next {
            if self.try_own(id, owner, read, &mut turn).await {
                // Should the saga not run, it is not known to be where it fell asleep any more.
                self.parts.woken.forget(id);
                return;
            }
            next = match self.membership().id() {
                Some(owner) => Some((owner, self.runnable(id).await)),
                None => None,
            };
        }
    }

    /// Tells whether there is nothing more to be done to have the saga run here.
    async fn try_own(
        &self,
        id: SagaId,
        owner: ReplicaId,
        read: Result<Option<RunnableSaga>, Refusal>,
        turn: &mut Option<OwnedSemaphorePermit>,
    ) -> bool {
        let resumed = read.and_then(|saga| {
            let saga = saga.ok_or(Refusal::Unknown)?;
            self.run_here(saga, owner, How::Own, turn.take())
        });
        match resumed {
            Ok(Resumed::Here(_) | Resumed::Over) | Err(Refusal::Stopping) => true,
            // A repeated request may be in the saga's place, and not know yet that the saga exists already: that turns out
            // when its start is written.
            Ok(Resumed::Before(handle)) => handle.reaches(Milestone::Started).await.is_ok(),
            Err(Refusal::Unavailable(_)) => {
                sleep(JOURNAL_PROBE_AFTER).await;
                false
            }
            Err(error) => {
                self.parts.unreadable.park(id, owner, &error).await;
                true
            }
        }
    }
}

/// The latest of these spans.
fn latest(mut spans: Vec<SagaSpan>) -> Vec<SagaSpan> {
    let first = spans.len().saturating_sub(SPANS_AGAIN_MAX);
    spans.split_off(first)
}
