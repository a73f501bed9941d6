//! Orders whose history cannot be read: parked for an operator, and reported once for each reason.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use saga_core::SagaId;
use saga_journal::{Journal, ReplicaId};

use crate::observer::Observer;
use crate::refusal::Refusal;

/// The orders that cannot be read, and why. Each is tried again and again, but reported once.
pub(crate) struct Unreadable {
    journal: Journal,
    observer: Arc<dyn Observer>,
    reported: Mutex<HashMap<SagaId, Arc<str>>>,
}

impl Unreadable {
    pub(crate) fn new(journal: Journal, observer: Arc<dyn Observer>) -> Self {
        Self { journal, observer, reported: Mutex::default() }
    }

    /// Parks an order that its owner cannot read for an operator, and reports it once for each reason.
    pub(crate) async fn park(&self, id: SagaId, owner: ReplicaId, error: &Refusal) {
        let reason: Arc<str> = error.to_string().into();
        let before = self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert(id, reason.clone());
        if before.as_ref() == Some(&reason) {
            return;
        }
        tracing::error!(saga.id = %id, error = %error, "cannot go on with an order; it is parked for an operator");
        if before.is_none() {
            self.observer.parked();
        }
        if let Err(error) = self.journal.park(id, owner, reason).await {
            self.forget(id);
            tracing::error!(saga.id = %id, error = %error, "cannot flag the parked order in the journal");
        }
    }

    /// Forgets that an order could not be read.
    pub(crate) fn forget(&self, id: SagaId) {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
