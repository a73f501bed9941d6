//! A saga's current state in one row: written in the transaction of the events that it is derived from, and read for
//! lists, by other replicas, and by operators with SQL.

use std::sync::Arc;

use saga_core::definition::{DefinitionHash, Labels, StateName};
use saga_core::event::{Cause, RollbackCause};
use saga_core::saga::{Failure, Rollback, Waiting};
use saga_core::{CauseGroup, Epoch, Saga, SagaId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ReplicaId;

/// One saga's row; `columns.rs` says which column has which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The definition's name.
    pub definition: Arc<str>,
    /// The definition that the saga is pinned to.
    pub definition_hash: DefinitionHash,
    /// The labels by which the saga is found. Only its start writes them.
    pub labels: Labels,
    /// The saga's state.
    pub state: StateName,
    /// Whether done steps are being undone.
    pub rollback: Rollback,
    /// Of the current owner.
    pub epoch: Epoch,
    /// Since when the saga waits for an operator; `None`: it does not.
    pub blocked_since: Option<Timestamp>,
    /// The key of its cause, by which it is found with the sagas that are stuck for the same; `None`: it does not wait.
    pub cause: Option<Arc<str>>,
    /// Whether nothing will change any more.
    pub over: bool,
    /// When the saga started.
    pub created: Timestamp,
    /// When its last event was recorded.
    pub updated: Timestamp,
    /// When it was to go on by itself, at the latest; `None`: it is over, or waits for an operator alone. An instant
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
    /// The kind of that reason: a step's failure, a command, or the saga's deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<RollbackCause>,
    /// The obstacle for which the saga waits for an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Failure>,
    /// The name of the caller who has started the saga, where callers are known by their keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<Arc<str>>,
    /// What each step in progress waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
}

/// A row as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRow {
    /// Which saga.
    pub saga: SagaId,
    /// Which replica runs it, or ran it last.
    pub owner: ReplicaId,
    /// The row itself.
    pub row: Row,
    /// The reason for which the saga cannot be read: it waits for an operator, even if the row's state says otherwise.
    /// The next event clears it.
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
            cause: saga.cause_group().map(|cause| cause.key().clone()),
            over: saga.is_over(),
            created: saga.created(),
            updated: saga.updated(),
            due: saga.due(),
            summary: Summary {
                failure: saga.failure(),
                cause: saga.cause().map(Cause::kind),
                blocked: saga.blocked_by(),
                started_by: saga.started_by().cloned(),
                waiting: saga.waits_for(),
            },
        }
    }
}

impl Row {
    /// The money at stake, in cents, while the saga waits for an operator.
    pub(crate) fn at_stake(&self) -> Option<i64> {
        self.blocked_since.and_then(|_| self.labels.at_stake())
    }

    /// The step that has failed the saga; empty where no step did, but a command or its deadline.
    pub(crate) fn failed_step(&self) -> Option<&str> {
        match &self.summary.failure {
            Some(failure) => Some(failure.step.as_deref().unwrap_or_default()),
            None => (self.rollback == Rollback::Done).then_some(""),
        }
    }
}

impl KeptRow {
    /// The key of the cause for which the saga waits for an operator; `None`: it does not wait.
    pub fn cause(&self) -> Option<Arc<str>> {
        let needs_person = self.rollback() == Rollback::Blocked;
        needs_person.then(|| self.row.cause.clone().unwrap_or_else(|| CauseGroup::BEFORE_KEYS.into()))
    }

    /// Whether done steps are being undone; a saga that cannot be read is blocked.
    pub fn rollback(&self) -> Rollback {
        if self.parked.is_some() { Rollback::Blocked } else { self.row.rollback }
    }

    /// The reason for which the saga fails; where that is not decided, the obstacle for which it waits for an operator.
    pub fn trouble(&self) -> Option<Failure> {
        let Summary { failure, blocked, .. } = &self.row.summary;
        match &self.parked {
            Some(reason) => Some(Failure { step: None, reason: reason.clone() }),
            None => failure.as_ref().or(blocked.as_ref()).cloned(),
        }
    }
}
