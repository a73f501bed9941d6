//! Why the engine refuses a caller's request or an operator's command.

use std::sync::Arc;

use saga_core::SagaId;
use saga_core::saga::Rejected;
use saga_journal::{COMMANDS_PER_SAGA_MAX, LoadError, Unavailable};

use crate::admission::NoRoom;

/// Why there is no saga for a request, or no answer about one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As many sagas run as may, or as may for this caller. Nothing was written; try again later.
    #[error(
        "there is no room for another order: {} is {}; nothing was done, try again in {} s",
        .0.limit, .0.value, .0.retry_after.as_secs()
    )]
    Full(NoRoom),
    /// The process is going down. Nothing was written; try again.
    #[error("this process is shutting down; nothing was done, try again")]
    Stopping,
    /// The journal cannot be reached. Nothing was done; try again later.
    #[error("{0}; nothing was done, try again later")]
    Unavailable(Unavailable),
    /// The journal failed while the start was being written. It is not known whether the order will go on.
    #[error(
        "the journal failed while order {0} was being recorded, and whether it goes on is not known yet; \
         ask for the order again later, or repeat the request with its Idempotency-Key"
    )]
    InDoubt(SagaId),
    /// The key belongs to another request.
    #[error("this Idempotency-Key belongs to a request with another body")]
    KeyReused(SagaId),
    /// There is no such saga.
    #[error("there is no such order")]
    Unknown,
    /// The saga's history cannot be read; the log has reported it to operators.
    #[error("the order's history cannot be read: {0}")]
    Damaged(Arc<str>),
    /// Another process runs the order and has not answered yet.
    #[error("another process runs the order and has not followed what was asked yet; it will, or ask again")]
    NotAppliedYet(SagaId),
    /// As many commands wait for the saga as may.
    #[error(
        "COMMANDS_PER_SAGA_MAX ({COMMANDS_PER_SAGA_MAX}) commands wait for the process that runs the order; nothing was \
         done, try again later"
    )]
    InboxFull(SagaId),
    /// The process that runs the saga does not know this command.
    #[error(
        "the process that runs the order does not understand the command ({0}): bring it to this release"
    )]
    NotUnderstood(Arc<str>),
    /// A step that takes the signal cannot read it.
    #[error("the signal cannot be taken: {0}; nothing was kept")]
    BadSignal(Arc<str>),
    /// The command makes no sense for where the saga stands.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

impl From<LoadError> for Refusal {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Unavailable(error) => Self::Unavailable(error),
            LoadError::Damaged(reason) => Self::Damaged(reason),
        }
    }
}

impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}
