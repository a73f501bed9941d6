//! Where a saga stands, in one row: written in the transaction of the events that it is derived from, and read for
//! lists, by other replicas, and by people with SQL.

use std::sync::Arc;

use saga_core::definition::{DefinitionHash, Labels, StateName};
use saga_core::saga::{Failure, Rollback};
use saga_core::{Epoch, Saga, SagaId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ReplicaId;

/// What one saga's row says; `columns.rs` says which column has what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The definition's name.
    pub definition: Arc<str>,
    /// The definition that the saga is pinned to.
    pub definition_hash: DefinitionHash,
    /// What the saga is found by. Only its start writes them.
    pub labels: Labels,
    /// The saga's state.
    pub state: StateName,
    /// Whether what was done is being undone.
    pub rollback: Rollback,
    /// Of the current owner.
    pub epoch: Epoch,
    /// Since when a person is needed; `None`: no person is.
    pub blocked_since: Option<Timestamp>,
    /// Whether nothing will change any more.
    pub over: bool,
    /// When the saga started.
    pub created: Timestamp,
    /// When its last event was recorded.
    pub updated: Timestamp,
    /// When it was to go on by itself, at the latest; `None`: it is over, or waits for a person alone. An instant
    /// that is long past means that no replica runs it.
    pub due: Option<Timestamp>,
    /// The values that are only shown.
    pub summary: Summary,
}

/// The values of a saga that are shown, and neither compared nor sorted by: one JSON text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Why the saga fails, once that is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Why a person is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Failure>,
}

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// Which saga.
    pub saga: SagaId,
    /// Which replica runs it, or ran it last.
    pub owner: ReplicaId,
    /// What it says.
    pub row: Row,
    /// Why the saga cannot be read: a person is needed, whatever the row says. The next event clears it.
    pub parked: Option<Arc<str>>,
}

impl Row {
    /// The row of `saga`.
    pub fn of(saga: &Saga) -> Self {
        Self {
            definition: saga.definition().name.clone(),
            definition_hash: saga.definition().hash.clone(),
            labels: saga.labels().clone(),
            state: saga.state().clone(),
            rollback: saga.rollback(),
            epoch: saga.epoch(),
            blocked_since: saga.blocked().map(|blocked| blocked.at),
            over: saga.is_over(),
            created: saga.created(),
            updated: saga.updated(),
            due: saga.due(),
            summary: Summary { failure: saga.failure(), blocked: saga.blocked_by() },
        }
    }
}

impl KeptRow {
    /// Whether what was done is being undone; a saga that cannot be read is blocked.
    pub fn rollback(&self) -> Rollback {
        if self.parked.is_some() { Rollback::Blocked } else { self.row.rollback }
    }

    /// Why the saga fails; where that is not decided, why a person is needed.
    pub fn trouble(&self) -> Option<Failure> {
        let Summary { failure, blocked } = &self.row.summary;
        match &self.parked {
            Some(reason) => Some(Failure { step: None, reason: reason.clone() }),
            None => failure.as_ref().or(blocked.as_ref()).cloned(),
        }
    }
}
