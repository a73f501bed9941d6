//! Where a saga stands, in one row: what people ask for by SQL and by API, derived from the saga and never the
//! other way round.

use saga_core::definition::{DefinitionHash, StateName};
use saga_core::event::Cause;
use saga_core::saga::Rollback;
use saga_core::{Epoch, Saga, Timestamp};
use std::sync::Arc;

/// One order's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The definition's name.
    pub definition: Arc<str>,
    /// The definition that the saga is pinned to.
    pub definition_hash: DefinitionHash,
    /// The input's `client_id`.
    pub client_id: Option<i64>,
    /// The input's `magasin_id`.
    pub magasin_id: Option<i64>,
    /// The order's state.
    pub etat: StateName,
    /// Whether what was done is being undone.
    pub rollback: Rollback,
    /// Why there is no order; where that is not decided, why a person is needed.
    pub echec: Option<Echec>,
    /// Of the current owner.
    pub epoch: Epoch,
    /// Since when a person is needed; `None`: nobody is, or only because the order cannot be read.
    pub blocked_since: Option<Timestamp>,
    /// Whether nothing will change any more.
    pub over: bool,
    /// When the saga started.
    pub created: Timestamp,
    /// When its last event was recorded.
    pub updated: Timestamp,
    /// When it was to go on by itself, at the latest; `None`: it is over, or waits for a person alone. An instant
    /// that is long past means that nobody runs it.
    pub due: Option<Timestamp>,
}

/// Why there is no order, or why a person is needed. Both parts are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echec {
    /// The step's name; `None` where the saga as a whole was stopped.
    pub etape: Option<Arc<str>>,
    /// The participant's words, where it gave any.
    pub raison: Arc<str>,
}

impl Projection {
    /// The row of `saga`. `client_id` and `magasin_id` are its input's, read once by whoever started or loaded it.
    pub fn of(saga: &Saga, client_id: Option<i64>, magasin_id: Option<i64>) -> Self {
        let step = |index: usize| saga.definition().steps.get(index).map(|step| step.name.clone());
        let echec = match (saga.cause(), saga.blocked()) {
            // Why there is no order stays, whatever happens while it is rolled back.
            (Some(Cause::StepFailed { step: index, reason }), _) => {
                Some(Echec { etape: step(*index), raison: reason.as_ref().into() })
            }
            (Some(Cause::Cancelled), _) => Some(Echec { etape: None, raison: "cancelled on request".into() }),
            (Some(Cause::DeadlinePassed), _) => {
                Some(Echec { etape: None, raison: "the saga's deadline passed".into() })
            }
            (None, Some(blocked)) => {
                Some(Echec { etape: step(blocked.step), raison: blocked.reason.as_ref().into() })
            }
            (None, None) => None,
        };
        Self {
            definition: saga.definition().name.clone(),
            definition_hash: saga.definition().hash.clone(),
            client_id,
            magasin_id,
            etat: saga.state().clone(),
            rollback: saga.rollback(),
            echec,
            epoch: saga.epoch(),
            blocked_since: saga.blocked().map(|blocked| blocked.at),
            over: saga.is_over(),
            created: saga.created(),
            updated: saga.updated(),
            due: saga.due(),
        }
    }
}
