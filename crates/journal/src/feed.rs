//! The feed: the frames of all sagas in one order, which never changes behind a reader.
//!
//! A reader that has read up to a place, and goes on from there at any later time, at any process, misses no frame and reads
//! each saga's frames in their order.
//!
//! SQLite has one writer, so the order in which its frames are numbered is the order in which they become readable. In PostgreSQL
//! transactions overlap: a frame is ordered by the id of its transaction, and is read once no transaction with a lower id can bring
//! another one (`FEED_HORIZON`). A saga's next frame is appended after the one before is durable, so its transaction has a
//! higher id.

use std::sync::Arc;

use saga_core::definition::{DefinitionHash, Labels};
use saga_core::{Record, SagaId, Seq, record_text};

/// Bytes of frames that one reading of the feed takes from the journal; a frame that is larger comes alone.
pub(crate) const FEED_BYTES_MAX: usize = 1024 * 1024;

/// A place in the feed: behind an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedPlace {
    /// Orders the transactions, or the frames.
    pub commit: i64,
    /// Orders the frames of a transaction: it has one for a saga at most.
    pub saga: SagaId,
    /// The event, by its position in its saga's history.
    pub seq: Seq,
}

impl FeedPlace {
    /// Before all events.
    pub const BEGINNING: Self = Self { commit: 0, saga: SagaId::new(uuid::Uuid::nil()), seq: Seq::NONE };

    /// Behind all frames whose number is lower than `commit`.
    pub(crate) const fn before(commit: i64) -> Self {
        Self { commit, ..Self::BEGINNING }
    }
}

/// A frame in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FedFrame {
    /// See [`FeedPlace::commit`].
    pub commit: i64,
    /// Whose history it belongs to.
    pub saga: SagaId,
    /// The position of its first event.
    pub first_seq: Seq,
    /// The events; `Err`: the frame is damaged.
    pub records: Result<Vec<Record>, Arc<str>>,
    /// The name of the saga's definition; empty where the saga's row is lost.
    pub definition: Arc<str>,
    /// The definition that the saga is pinned to.
    pub definition_hash: DefinitionHash,
    /// The labels by which the saga is found.
    pub labels: Labels,
}

impl FedFrame {
    /// The place behind the whole frame: from there on, the feed has the next ones.
    pub fn after(&self) -> FeedPlace {
        match self.saga.as_uuid().as_u128().checked_add(1) {
            Some(next) => FeedPlace {
                commit: self.commit,
                saga: SagaId::new(uuid::Uuid::from_u128(next)),
                seq: Seq::NONE,
            },
            None => FeedPlace::before(self.commit.saturating_add(1)),
        }
    }

    /// The places of its events.
    pub fn places(&self) -> impl Iterator<Item = FeedPlace> + '_ {
        let records = self.records.as_ref().map_or(0, Vec::len);
        (0..records).map(|index| FeedPlace {
            commit: self.commit,
            saga: self.saga,
            seq: self.first_seq.plus(index),
        })
    }
}

/// A frame of the feed as it is kept.
pub(crate) struct FedFrameText<'a> {
    pub(crate) commit: i64,
    pub(crate) saga: SagaId,
    pub(crate) first_seq: i64,
    pub(crate) events: &'a [u8],
    pub(crate) definition: &'a str,
    pub(crate) definition_hash: &'a str,
    /// A JSON object.
    pub(crate) labels: &'a [u8],
}

impl FedFrameText<'_> {
    pub(crate) fn read(&self) -> FedFrame {
        let records = record_text::read(self.events).map_err(|error| error.to_string().into());
        FedFrame {
            commit: self.commit,
            saga: self.saga,
            first_seq: Seq::new(self.first_seq as u64),
            records,
            definition: self.definition.into(),
            definition_hash: DefinitionHash::new(self.definition_hash),
            labels: serde_json::from_slice(self.labels).unwrap_or_default(),
        }
    }
}
