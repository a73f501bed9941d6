//! Where sagas are kept for good once they are taken out of the journal.

use std::pin::Pin;
use std::sync::Arc;

use saga_core::definition::{DefinitionHash, Labels};
use saga_core::retention::SagaEnd;
use saga_core::{Definition, Record, SagaId, Timestamp};
use thiserror::Error;

/// A place for sagas that are over and old.
pub trait Archive: Send + Sync + 'static {
    /// Keeps these sagas. They are durable when this ends without an error; after one, any of them may be kept. A saga may come again: the
    /// process, or another one, had no time to take it out of the journal.
    fn keep(&self, sagas: Vec<ArchivedSaga>) -> ArchiveFuture<'_>;

    /// Keeps a definition that archived sagas are pinned to: its YAML. It may come again.
    fn define(&self, hash: DefinitionHash, source: Arc<str>) -> ArchiveFuture<'_>;
}

/// A future of [`Archive`].
pub type ArchiveFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ArchiveError>> + Send + 'a>>;

/// Why sagas are not archived: they stay in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ArchiveError(pub Arc<str>);

/// A saga that leaves the journal.
#[derive(Debug, Clone)]
pub struct ArchivedSaga {
    /// Which one.
    pub saga: SagaId,
    /// The definition that it is pinned to.
    pub definition: Arc<Definition>,
    /// How it has ended.
    pub end: SagaEnd,
    /// When it started.
    pub started: Timestamp,
    /// When its last event was recorded.
    pub ended: Timestamp,
    /// The labels by which it was found.
    pub labels: Labels,
    /// All that has happened to it, in order.
    pub records: Vec<Record>,
}
