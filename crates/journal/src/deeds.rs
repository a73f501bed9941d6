//! The deeds of callers with names: what a request of theirs has done with a saga.
//!
//! Each is written in the transaction of its event, so the list of all that one name did lacks none, and has none that did
//! not happen.

use std::sync::Arc;

use saga_core::{SagaId, Seq, Timestamp};

/// Whose deeds are wanted, and of which time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeedsOf {
    /// The caller's name.
    pub name: Arc<str>,
    /// Those of then or later.
    pub since: Option<Timestamp>,
    /// Those before then.
    pub until: Option<Timestamp>,
}

/// A deed as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDeed {
    /// When its event was recorded.
    pub at: Timestamp,
    /// Which saga it is about.
    pub saga: SagaId,
    /// The event's position in the saga's history.
    pub seq: Seq,
    /// The word of its [`Deed`](saga_core::Deed); a later release may have written one that this one does not know.
    pub deed: Arc<str>,
    /// The name of the saga's definition; `None`: the saga's row is not there any more.
    pub definition: Option<Arc<str>>,
}

impl KeptDeed {
    /// Its place in the list.
    pub fn cursor(&self) -> DeedCursor {
        DeedCursor { at: self.at, saga: self.saga, seq: self.seq }
    }
}

/// The last deed of a page: the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeedCursor {
    /// When it was.
    pub at: Timestamp,
    /// Tells deeds of the same instant apart.
    pub saga: SagaId,
    /// Tells deeds of the same instant and saga apart.
    pub seq: Seq,
}

/// The bounds of a query, with which all stores compare: the deeds of `since_us` or later, whose places are less than `below`.
pub(crate) struct DeedBounds {
    pub(crate) since_us: i64,
    pub(crate) below: DeedCursor,
}

impl DeedBounds {
    pub(crate) fn of(of: &DeedsOf, after: Option<DeedCursor>) -> Self {
        let until =
            of.until.map(|at| DeedCursor { at, saga: SagaId::new(uuid::Uuid::nil()), seq: Seq::NONE });
        let end = DeedCursor {
            at: Timestamp::from_micros(i64::MAX),
            saga: SagaId::new(uuid::Uuid::max()),
            seq: Seq::new(i64::MAX as u64),
        };
        // One bound from above, so that both databases begin there in the index.
        let below = until.into_iter().chain(after).fold(end, DeedCursor::min);
        Self { since_us: of.since.map_or(i64::MIN, Timestamp::as_micros), below }
    }
}
