//! A request for a saga: a new one is started, a repeated one finds the saga that its key belongs to.

use std::sync::Arc;

use saga_core::saga::NewSaga;
use saga_core::trace::TraceContext;
use saga_core::{Callbacks, Definition, Json, Saga, SagaId, Seq, definition};
use saga_journal::Unavailable;
use tokio::sync::oneshot;

use super::Engine;
use crate::admission::Caller;
use crate::driver::{Driver, RunnableSaga, Spans};
use crate::handle::{Gone, Handle, Snapshot, Wait};
use crate::refusal::Refusal;
use crate::registry::AlreadyRunning;

/// Why nothing is started while the lease may have run out.
const LEASE_RAN_OUT: &str =
    "it has not been heard of for longer than this process's lease: others may own its orders by now";

/// A request for a new saga.
#[derive(Debug, Clone)]
pub struct Start {
    /// The definition that the saga runs, and its input.
    pub input: definition::SagaInput,
    /// The id that the caller's `Idempotency-Key` gives the saga; `None`: the caller has none, and gets a fresh one.
    pub id: Option<SagaId>,
    /// How long the caller waits.
    pub wait: Wait,
    /// The caller that sent the request, for its share of the slots.
    pub caller: Caller,
    /// The percentage of all slots that the caller may hold; `None`: what [`Limits::caller_share_percent`](crate::Limits) leaves it.
    pub slots_percent_max: Option<u8>,
    /// The caller's name, where callers are known by their keys.
    pub by: Option<Arc<str>>,
    /// The trace context that the caller sent.
    pub trace: Option<Arc<TraceContext>>,
}

impl Engine {
    /// Starts a saga, or finds the saga that has its id, and waits.
    ///
    /// A caller that goes away changes nothing: the saga has a task of its own.
    pub async fn start(&self, request: Start) -> Result<Snapshot, Refusal> {
        let id = request.id.unwrap_or_else(|| self.clock().new_saga_id());
        if let Some(handle) = self.running_here(id) {
            return self.join(id, &handle, &request).await;
        }
        self.admits()?;
        let owner = self.joined().await?;
        if request.id.is_some() && self.parts.recent.may_have(id) && self.journal().has(id).await? {
            return self.join_kept(id, &request).await;
        }
        let slot = self
            .admission()
            .admit(request.caller.clone(), request.slots_percent_max)
            .map_err(Refusal::Full)?;
        let (handle, messages) = Handle::new(self.limits().inbox_commands_max);
        let held = self.admission().saga();
        let guard = match self.parts.registry.enter(id, owner, handle.clone(), Some(slot), held) {
            Ok(guard) => guard,
            Err(AlreadyRunning(handle)) => return self.join(id, &handle, &request).await,
        };
        if request.id.is_some() {
            self.parts.recent.add(id);
        }
        self.may_begin(owner)?;
        let callbacks = self.callbacks(request.input.definition())?;
        let (input, by, trace) = (request.input.clone(), request.by.clone(), request.trace.clone());
        let incarnation = self.membership().incarnation();
        let new = NewSaga { id, input, callbacks, by, trace, incarnation };
        let (saga, records) = Saga::start(new, self.clock().moment());
        let spans = if self.observer().wants_spans(&saga) { Spans::Expected } else { Spans::Unwanted };
        let runnable = RunnableSaga { saga, spans };
        let means = self.parts.means.clone();
        let mut driver = Driver::new(means, owner, runnable, (Seq::NONE, records), messages, guard);
        let (reply, reached) = oneshot::channel();
        driver.await_milestone(request.wait.until, reply);
        self.run(driver);
        let reached = async { reached.await.map_err(|_| Gone) };
        match self.reached(id, &handle, reached, request.wait).await? {
            Ok(snapshot) => Ok(snapshot),
            // The key's saga is in the journal already.
            Err(Gone) => self.join_kept(id, &request).await,
        }
    }

    /// Where a new saga of this definition is called back.
    fn callbacks(&self, definition: &Definition) -> Result<Option<Callbacks>, Refusal> {
        if !definition.reads_callbacks {
            return Ok(None);
        }
        let unavailable = |why: String| Refusal::Unavailable(Unavailable(why.into()));
        let at = self.parts.catalog.callbacks_at();
        let at = at.ok_or_else(|| unavailable("this server has no address for callbacks".to_owned()))?;
        let secret = self.clock().world().secret();
        let secret = secret.map_err(|error| unavailable(format!("there are no random numbers: {error}")))?;
        Ok(Some(Callbacks::new(at.clone(), secret)))
    }

    /// Whether a new saga may start, before anything is written.
    fn admits(&self) -> Result<(), Refusal> {
        if self.parts.lifecycle.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if let Some(what) = self.parts.lifecycle.vital().ended() {
            return Err(Refusal::Unavailable(Unavailable(what)));
        }
        if self.membership().may_have_run_out() {
            return Err(Refusal::Unavailable(Unavailable::because(LEASE_RAN_OUT)));
        }
        self.journal_health().failure().map_or(Ok(()), |failure| Err(Refusal::Unavailable(failure)))
    }

    /// Another request for a saga that runs here.
    async fn join(&self, id: SagaId, handle: &Handle, request: &Start) -> Result<Snapshot, Refusal> {
        match handle.look().await {
            Ok(snapshot) => {
                same_request(id, (&snapshot.definition, &snapshot.input), request)?;
                self.ask(id, handle, request.wait).await
            }
            Err(Gone) => self.join_kept(id, request).await,
        }
    }

    /// Another request for a saga that is kept in the journal.
    async fn join_kept(&self, id: SagaId, request: &Start) -> Result<Snapshot, Refusal> {
        let saga = self.parts.catalog.load(id).await?.ok_or(Refusal::InDoubt(id))?;
        same_request(id, (&saga.definition().name, saga.input()), request)?;
        self.wait(id, request.wait).await
    }
}

/// Whether the saga with the request's key is the one that the request describes: of the same name, with the same input.
fn same_request(id: SagaId, (name, input): (&str, &Json), request: &Start) -> Result<(), Refusal> {
    let is_same = *request.input.definition().name == *name && input.same_value(request.input.json());
    if is_same { Ok(()) } else { Err(Refusal::KeyReused(id)) }
}
