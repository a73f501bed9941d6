//! What all running sagas of a process share: the journal's health, the definitions, the way to park what cannot be
//! read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_core::definition::{DefinitionHash, Format};
use saga_core::{Definition, Saga, SagaId, Timestamp};
use saga_journal::{History, Journal, KeptDefinition, Unavailable};
use tokio::time::sleep;

use crate::admission::Admission;
use crate::announce::Announcer;
use crate::breakers::Breakers;
use crate::clock::Clock;
use crate::engine::{Definitions, Refusal};
use crate::limits::Limits;
use crate::observer::Observer;
use crate::participants::Participants;
use crate::registry::Registry;
use crate::replica::Membership;
use crate::sleepers::Sleepers;
use crate::vital::Vital;
use crate::world::World;

/// While the journal fails, it is tried this often, whether or not a saga has something to write.
pub(crate) const JOURNAL_PROBE_AFTER: Duration = Duration::from_millis(500);

/// Why nothing is started while the lease may have run out.
pub(crate) const LEASE_RAN_OUT: &str =
    "it has not been heard of for longer than this process's lease: others may own its orders by now";

/// What all running sagas share.
pub(crate) struct Shared {
    pub(crate) world: Arc<dyn World>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) journal: Journal,
    pub(crate) participants: Arc<dyn Participants>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) breakers: Breakers,
    pub(crate) limits: Limits,
    pub(crate) registry: Arc<Registry>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) sleepers: Sleepers,
    pub(crate) announcer: Announcer,
    pub(crate) vital: Vital,
    pub(crate) membership: Membership,
    pub(crate) definitions: Definitions,
    pub(crate) stopping: AtomicBool,
    pub(crate) has_left: AtomicBool,
    pub(crate) recovered: AtomicBool,
    loaded: Mutex<HashMap<DefinitionHash, Arc<Definition>>>,
    failing: Mutex<Option<Failing>>,
    /// Sagas whose last entry the journal could not take.
    held_up: AtomicUsize,
    /// What cannot be read, and why: looked at again and again, but told once.
    parked: Mutex<HashMap<SagaId, Arc<str>>>,
}

/// Counts a saga as held up by the journal, for as long as it lives.
pub(crate) struct HeldUp(Arc<Shared>);

impl HeldUp {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.held_up.fetch_add(1, Ordering::AcqRel);
        Self(shared.clone())
    }
}

impl Drop for HeldUp {
    fn drop(&mut self) {
        self.0.held_up.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Since when the journal fails, and why.
#[derive(Debug, Clone)]
pub(crate) struct Failing {
    pub(crate) since: Timestamp,
    pub(crate) reason: Arc<str>,
}

/// A definition as the journal keeps it.
fn kept(definition: &Definition) -> KeptDefinition {
    KeptDefinition {
        name: definition.name.clone(),
        source: definition.source.clone(),
        format: definition.format.number(),
    }
}

impl Shared {
    pub(crate) fn new(
        clock: Arc<Clock>,
        journal: Journal,
        participants: Arc<dyn Participants>,
        observer: Arc<dyn Observer>,
        limits: Limits,
        definitions: Definitions,
        name: Arc<str>,
    ) -> Self {
        let world = clock.world().clone();
        let loaded = HashMap::from([(definitions.current.hash.clone(), definitions.current.clone())]);
        Self {
            breakers: Breakers::new(clock.clone(), &definitions.current),
            world,
            clock,
            journal,
            participants,
            observer,
            admission: Arc::new(Admission::new(&limits)),
            sleepers: Sleepers::default(),
            announcer: Announcer::new(),
            vital: Vital::new(),
            limits,
            registry: Arc::default(),
            membership: Membership::new(name),
            definitions,
            stopping: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            recovered: AtomicBool::new(false),
            loaded: Mutex::new(loaded),
            failing: Mutex::default(),
            held_up: AtomicUsize::new(0),
            parked: Mutex::default(),
        }
    }

    /// Whether a new saga may start, before anything is written.
    pub(crate) fn admit(&self) -> Result<(), Refusal> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(Refusal::Stopping);
        }
        if let Some(what) = self.vital.ended() {
            return Err(Refusal::Unavailable(Unavailable(what)));
        }
        if self.membership.may_have_run_out() {
            return Err(Refusal::Unavailable(Unavailable::because(LEASE_RAN_OUT)));
        }
        match &*self.failing.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(failing) => Err(Refusal::Unavailable(Unavailable(failing.reason.clone()))),
            None => Ok(()),
        }
    }

    /// Since when the journal fails, and why.
    pub(crate) fn failing(&self) -> Option<Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that something could be written. The journal works again only when nothing is held up any more: a
    /// disk that is nearly full takes a small entry now and then.
    pub(crate) fn journal_works(&self) {
        if self.held_up.load(Ordering::Acquire) > 0 {
            return;
        }
        let failed = self.failing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(failing) = failed {
            let seconds = self.now_since(failing.since).as_secs_f64();
            tracing::info!(outage.seconds = seconds, "the journal works again after {seconds:.1} s");
        }
    }

    /// Notes that the journal fails. New sagas are refused until it works again; a probe finds out when.
    pub(crate) fn journal_fails(self: &Arc<Self>, error: &Unavailable) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_none() {
            tracing::error!(error = %error, "the journal fails: new orders are refused until it works again");
            *failing = Some(Failing { since: self.clock.now(), reason: error.0.clone() });
            let shared = self.clone();
            self.world.spawn(Box::pin(async move { shared.probe_journal().await }));
        }
    }

    async fn probe_journal(self: Arc<Self>) {
        loop {
            sleep(JOURNAL_PROBE_AFTER).await;
            if self.failing.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                return;
            }
            let current = &self.definitions.current;
            let kept = self.journal.define(current.hash.clone(), kept(current)).await;
            if kept.is_ok() {
                self.journal_works();
            }
        }
    }

    fn now_since(&self, then: Timestamp) -> Duration {
        self.clock.now().since(then)
    }

    /// Keeps the current definition, so that its sagas can be read back whatever becomes of the file.
    pub(crate) async fn keep_definition(self: &Arc<Self>) {
        let current = &self.definitions.current;
        while let Err(error) = self.journal.define(current.hash.clone(), kept(current)).await {
            self.journal_fails(&error);
            sleep(JOURNAL_PROBE_AFTER).await;
        }
    }

    pub(crate) async fn load(&self, id: SagaId) -> Result<Option<Saga>, Refusal> {
        match self.journal.load(id).await? {
            Some(history) => self.fold(id, &history).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) async fn fold(&self, id: SagaId, history: &History) -> Result<Saga, Refusal> {
        let definition = self.pinned(&history.definition_hash).await?;
        Saga::fold(id, definition, &history.records)
            .map_err(|error| Refusal::Damaged(error.to_string().into()))
    }

    /// The definition that a saga is pinned to.
    async fn pinned(&self, hash: &DefinitionHash) -> Result<Arc<Definition>, Refusal> {
        let known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned();
        if let Some(definition) = known {
            return Ok(definition);
        }
        let damaged = |reason: String| Refusal::Damaged(reason.into());
        let kept = self.journal.definition(hash.clone()).await?.ok_or_else(|| {
            damaged(format!("the definition {hash} that the order is pinned to is not in the journal"))
        })?;
        let format = Format::numbered(kept.format).ok_or_else(|| {
            damaged(format!(
                "the definition {hash} that the order is pinned to has the format {}, which this release does not know; \
                 run the order with the release that started it, or a later one",
                kept.format
            ))
        })?;
        let definition = (self.definitions.read)(&kept.source, format).map_err(|error| {
            damaged(format!("the definition {hash} that the order is pinned to cannot be read: {error}"))
        })?;
        let definition = Arc::new(definition);
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(hash.clone(), definition.clone());
        Ok(definition)
    }

    /// Flags an order that cannot be read for people, once for each reason.
    pub(crate) async fn park(&self, id: SagaId, error: &Refusal) {
        let reason: Arc<str> = error.to_string().into();
        let told = self.parked.lock().unwrap_or_else(PoisonError::into_inner).insert(id, reason.clone());
        if told.as_ref() == Some(&reason) {
            return;
        }
        tracing::error!(saga.id = %id, error = %error, "cannot go on with an order; it is parked for a person");
        if told.is_none() {
            self.observer.parked();
        }
        if let Err(error) = self.journal.park(id, reason).await {
            self.unpark(id);
            tracing::error!(saga.id = %id, error = %error, "cannot flag the parked order in the journal");
        }
    }

    /// Forgets that an order could not be read.
    pub(crate) fn unpark(&self, id: SagaId) {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
