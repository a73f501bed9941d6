//! The parts of a world that stay the same in all of its events: the definition, the journal, the participants, and the
//! orders that were placed. All that is needed to judge it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saga_core::{Definition, Event, Record, Saga, SagaId};
use saga_journal::{Histories, KeptRow};

use crate::bugs::Lies;
use crate::definition::{Spec, step_name};
use crate::disk::{Disk, now};
use crate::ledger::LedgerPage;
use crate::record::Recorder;
use crate::shop::SimulatedShop;
use crate::signal::{Sent, SimulatedSignal};
use crate::watch::succeeds;

/// An order, as its caller knows it.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: SagaId,
    /// Whether a caller was told that it exists.
    pub(crate) acknowledged: bool,
}

pub(crate) struct Scene {
    pub(crate) specs: Vec<Spec>,
    /// The lies of the bug that is seeded on purpose, if there is one.
    pub(crate) lies: Lies,
    pub(crate) definition: Arc<Definition>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) shop: Arc<SimulatedShop>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) orders: Mutex<Vec<Order>>,
    pub(crate) signals: Mutex<Vec<Sent>>,
}

impl Scene {
    pub(crate) fn orders(&self) -> MutexGuard<'_, Vec<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn signals(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a process has said that this signal is kept.
    pub(crate) fn is_acknowledged(&self, message: &SimulatedSignal) -> bool {
        let is_it = |sent: &Sent| sent.message.number == message.number && sent.acknowledged > 0;
        self.signals().iter().any(is_it)
    }

    pub(crate) fn row(&self, id: SagaId) -> Option<KeptRow> {
        now(self.disk.memory.row(id)).ok().flatten()
    }

    pub(crate) fn rows(&self) -> Vec<KeptRow> {
        let ids: Vec<SagaId> = self.orders().iter().map(|order| order.id).collect();
        ids.into_iter().filter_map(|id| self.row(id)).collect()
    }

    /// The history that is on disk of an order; `None`: nothing is.
    pub(crate) fn history(&self, id: SagaId) -> Option<Vec<Record>> {
        now(self.disk.memory.load(id)).ok().flatten().map(|history| history.records)
    }

    /// The saga that its history tells.
    pub(crate) fn saga(&self, id: SagaId) -> Option<Saga> {
        Saga::fold(id, self.definition.clone(), &self.history(id)?).ok()
    }

    /// Whether these events show that the pivot is done.
    pub(crate) fn is_past_pivot<'a>(&self, mut events: impl Iterator<Item = &'a Event>) -> bool {
        let pivot = self.specs.iter().position(Spec::is_pivot);
        pivot.is_some_and(|pivot| events.any(|event| succeeds(event, pivot)))
    }

    /// The book of a step's participant about an order.
    pub(crate) fn page(&self, id: SagaId, step: usize) -> LedgerPage {
        self.shop.page(id, step, &step_name(step))
    }
}

/// Whether an operator is asked for.
pub(crate) fn is_blocked(row: &KeptRow) -> bool {
    row.rollback() == saga_core::saga::Rollback::Blocked
}

/// Whether nothing but an operator's command moves a saga on.
pub(crate) fn is_stuck(saga: &Saga) -> bool {
    let effects = saga.effects();
    saga.blocked().is_some() && effects.calls.is_empty() && effects.wake_at.is_none()
}
