//! Why a store does not do what it is asked for.

use std::sync::Arc;

/// The store cannot be reached or cannot write now. Try again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal is unavailable: {0}")]
pub struct Unavailable(pub Arc<str>);

impl Unavailable {
    /// From the backend's own message.
    pub fn because(error: impl std::fmt::Display) -> Self {
        Self(error.to_string().into())
    }
}

/// Why an entry was not kept, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another replica has written to this saga, or owns it: it is not ours any more. Drop it from memory.
    #[error("the saga has another owner, or another history")]
    Conflict,
    /// The store does not take what the entry says, however often it comes: nothing was kept. Park the saga.
    #[error("the journal refuses what is to be recorded: {0}")]
    Refused(Arc<str>),
    /// It is not known whether it was kept. Append the same entry again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a saga could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Try again later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The kept history cannot be understood. Park the saga and report it to operators.
    #[error("the saga's history is damaged: {0}")]
    Damaged(Arc<str>),
}
