//! The engine: starts sagas, finds them wherever they are, applies what operators want of them, and stops.
//!
//! - `start.rs`: a request for a saga, new or repeated.
//! - `whereabouts.rs`: where a saga is, and waiting for it there.
//! - `commands.rs`: operators' commands. `bulk.rs`: one wish for many sagas.
//! - `foretold.rs`: what follows from a command.
//! - `listing.rs`: lists of sagas by what they wait for.
//! - `running.rs`: from a history to a task, and the end of a task.
//! - `takeover.rs`: the sagas whose owner is gone. `asleep.rs`: the sagas that fall asleep, and those that wake.
//! - `lease.rs`: joining, renewing the lease, losing it.
//! - `retention.rs`: old sagas leave the journal.
//! - `shutdown.rs`: the end.

mod asleep;
mod bulk;
mod commands;
mod foretold;
mod lease;
mod listing;
mod retention;
mod running;
mod shutdown;
mod start;
mod takeover;
mod whereabouts;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_core::definition::DefinitionHash;
use saga_core::{Definition, Saga, SagaId, Timestamp};
use saga_journal::{History, Journal, ReplicaId};
use tokio::sync::Notify;
use tokio::time::sleep;

use self::bulk::BulkHands;
pub use self::bulk::{BULK_ITEMS_AT_ONCE, BulkRefused, BulkWish};
pub use self::commands::Asking;
pub use self::listing::{LISTED_ROWS_READ_MAX, Listing};
pub use self::retention::RetentionPlan;
pub use self::start::Start;
use crate::admission::Admission;
use crate::announce::Announcer;
use crate::breakers::Breakers;
use crate::catalog::{Catalog, Definitions, ServedDefinitions};
use crate::clock::Clock;
use crate::driver::{Calls, Means, Saves};
use crate::journal_health::{JOURNAL_PROBE_AFTER, JournalHealth};
use crate::lifecycle::Lifecycle;
use crate::limits::Limits;
use crate::membership::Membership;
use crate::observer::Observer;
use crate::participants::{ParticipantState, Participants};
use crate::recent::RecentSagas;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::resting::{RestQueue, Woken};
use crate::unreadable::Unreadable;

/// Runs sagas. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
}

struct Parts {
    /// The parts that the tasks of all sagas share.
    means: Arc<Means>,
    catalog: Catalog,
    unreadable: Unreadable,
    registry: Arc<Registry>,
    recent: RecentSagas,
    woken: Woken,
    /// Told when a command was posted: it may be for a saga that is asleep.
    called: Notify,
    /// When sagas whose time had come were last looked for.
    looked: Mutex<Option<Timestamp>>,
    lifecycle: Lifecycle,
    /// Sagas for which commands from the journal are being applied.
    applying: Mutex<HashSet<SagaId>>,
    /// The items of bulk actions that this process carries out.
    bulk: BulkHands,
}

/// Whether the engine can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Sagas in memory in this process.
    pub active: usize,
    /// Those of them that hold a slot: they were started here and go forward.
    pub slots: usize,
    /// Bytes that the sagas in memory are accounted for with.
    pub bytes: usize,
    /// Which task has ended that the process cannot do without.
    pub dead: Option<Arc<str>>,
    /// Whether the lease may have run out: others may own this process's sagas.
    pub lease_ran_out: bool,
    /// Whether all sagas that were unfinished at the start have been taken over.
    pub recovered: bool,
    /// Whether the process is going down.
    pub stopping: bool,
    /// Since when the journal fails, and why.
    pub journal_failing: Option<(Timestamp, Arc<str>)>,
    /// How long ago the saga that is latest here was to go on by itself.
    pub oldest_due_age: Duration,
    /// Whether that is longer than `stall_max`.
    pub stalled: bool,
}

impl Health {
    /// Whether new sagas are accepted.
    pub fn is_ready(&self) -> bool {
        let works = self.dead.is_none() && self.journal_failing.is_none();
        works && !self.stopping && !self.stalled && !self.lease_ran_out
    }
}

impl Engine {
    /// An engine that accepts sagas at once. [`Engine::recover`] has to be called too. `name` tells this process from
    /// the others that share the journal, and stays the same when it is started again.
    pub fn new(
        clock: Arc<Clock>,
        journal: Journal,
        participants: Arc<dyn Participants>,
        observer: Arc<dyn Observer>,
        limits: Limits,
        definitions: Definitions,
        name: &str,
    ) -> Self {
        let lifecycle = Lifecycle::new(clock.world().clone());
        let calls = Calls {
            participants,
            breakers: Breakers::new(clock.clone(), &definitions.served),
            admission: Arc::new(Admission::new(&limits)),
            membership: Membership::new(clock.clone(), journal.clone(), name.into(), limits.lease).into(),
            observer: observer.clone(),
        };
        let catalog = Catalog::new(journal.clone(), definitions);
        let saves = Saves {
            journal: journal.clone(),
            health: Arc::new(JournalHealth::new(clock.clone(), lifecycle.clone(), journal.clone())),
            observer: observer.clone(),
            announcer: Announcer::new(),
        };
        let cautious_for = limits.cautious_for;
        let parts = Parts {
            means: Arc::new(Means { clock, limits, calls, saves, rests: RestQueue::default() }),
            catalog,
            unreadable: Unreadable::new(journal, observer),
            registry: Arc::default(),
            recent: RecentSagas::new(cautious_for),
            woken: Woken::default(),
            called: Notify::new(),
            looked: Mutex::default(),
            lifecycle,
            applying: Mutex::default(),
            bulk: BulkHands::default(),
        };
        Self { parts: Arc::new(parts) }
    }

    /// The definitions that new sagas can run.
    pub fn definitions(&self) -> ServedDefinitions {
        self.parts.catalog.served()
    }

    /// The definition that new sagas of this name run; `None`: none can be started.
    pub fn definition_named(&self, name: &str) -> Option<Arc<Definition>> {
        self.definitions().iter().find(|definition| *definition.name == *name).cloned()
    }

    /// Has new sagas run these definitions, once the journal keeps them; running sagas go on with the one that they started
    /// with. Keeps trying while the journal is unavailable.
    pub async fn serve(&self, definitions: Vec<Arc<Definition>>) {
        let served: ServedDefinitions = definitions.into();
        self.keep(&served).await;
        self.parts.means.calls.breakers.adjust(&served);
        self.parts.catalog.serve(served);
    }

    /// The journal, for reading.
    pub fn journal(&self) -> &Journal {
        &self.parts.means.saves.journal
    }

    /// The clock that sagas live by.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.parts.means.clock
    }

    /// Under which id this process owns sagas now; `None`: it owns none.
    pub fn replica(&self) -> Option<ReplicaId> {
        self.membership().id()
    }

    /// Whether the engine can do its work.
    pub fn health(&self) -> Health {
        let failing = self.journal_health().failing();
        let looked = *self.parts.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let dues = [self.parts.registry.oldest_due(), looked];
        let due = dues.into_iter().flatten().min();
        let oldest_due_age = due.map_or(Duration::ZERO, |due| self.clock().now().since(due));
        Health {
            active: self.parts.registry.active(),
            slots: self.admission().taken(),
            bytes: self.admission().bytes(),
            dead: self.parts.lifecycle.vital().ended(),
            lease_ran_out: self.membership().may_have_run_out(),
            recovered: self.parts.lifecycle.is_recovered(),
            stopping: self.parts.lifecycle.is_stopping(),
            journal_failing: failing.map(|failing| (failing.since, failing.reason)),
            oldest_due_age,
            stalled: oldest_due_age > self.limits().stall_max,
        }
    }

    /// Waits until a task has ended that the process cannot do without, and tells which. The process should end then:
    /// what goes on is not to be believed.
    pub async fn died(&self) -> Arc<str> {
        self.parts.lifecycle.vital().wait().await
    }

    /// The participants of the definitions that new sagas can run.
    pub fn participants(&self) -> Vec<ParticipantState> {
        let breakers = &self.parts.means.calls.breakers;
        let served = self.definitions();
        let named = served.iter().flat_map(|definition| {
            definition.participants.iter().map(move |participant| (&definition.name, participant))
        });
        let state = |(saga, participant): (&Arc<str>, _)| {
            let breaker = breakers.of_participant(participant).state();
            let access = self.parts.means.calls.participants.access_trouble(participant);
            ParticipantState::of(saga, participant, breaker, breakers.standing(participant), access)
        };
        named.map(state).collect()
    }

    /// A saga as its history tells it, without running it.
    pub async fn read(&self, id: SagaId) -> Result<Option<(Saga, History)>, Refusal> {
        self.parts.catalog.read(id).await
    }

    /// The definition that a saga is pinned to.
    pub async fn definition_of(&self, id: SagaId) -> Result<Arc<Definition>, Refusal> {
        let row = self.in_the_journal(id).await?.ok_or(Refusal::Unknown)?;
        self.pinned(&row.row.definition_hash).await
    }

    /// The definition that sagas with this hash are pinned to.
    pub async fn pinned(&self, hash: &DefinitionHash) -> Result<Arc<Definition>, Refusal> {
        self.parts.catalog.pinned(hash).await
    }

    /// Keeps the served definitions in the journal, which [`Engine::recover`] does too. To be called before sagas are
    /// accepted wherever a definition may have changed by the next start: a saga that started before its definition is
    /// kept could not be read back then. Keeps trying while the journal is unavailable.
    pub async fn keep_definitions(&self) {
        self.keep(&self.definitions()).await;
    }

    async fn keep(&self, definitions: &[Arc<Definition>]) {
        while let Err(error) = self.parts.catalog.keep(definitions).await {
            self.journal_health().fails(&error);
            sleep(JOURNAL_PROBE_AFTER).await;
        }
    }

    fn limits(&self) -> &Limits {
        &self.parts.means.limits
    }

    fn admission(&self) -> &Arc<Admission> {
        &self.parts.means.calls.admission
    }

    fn membership(&self) -> &Membership {
        &self.parts.means.calls.membership
    }

    fn observer(&self) -> &dyn Observer {
        &*self.parts.means.saves.observer
    }

    fn journal_health(&self) -> &Arc<JournalHealth> {
        &self.parts.means.saves.health
    }
}
