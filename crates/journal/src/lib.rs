//! Where sagas are kept. No saga rules: what an event means is the core's business.
//!
//! ```text
//!   saga tasks ── append ──▶ queue ──▶ writer: all waiting entries, one transaction, one flush ──▶ wakes all
//! ```
//!
//! Each saga has an append-only history of records, and one row (its [`Row`]) written in the same
//! transaction, which says where it stands. The row is the queue of unfinished sagas, too: there is no second
//! table that could drift from it. The row names the saga's owner, too (`ownership.rs`).
//!
//! [`Journal`] is the front: group commit over any [`Store`]. Stores keep bytes and compare numbers:
//! [`memory`] for tests, [`sqlite`] for one process, [`postgres`] for many.

mod backlog;
mod bulk;
mod bulk_rows;
mod cause_query;
mod causes;
mod columns;
mod deed_rows;
mod deeds;
mod delivery;
mod ended;
mod failure;
mod family;
mod feed;
mod figure_rows;
mod figures;
mod frame;
mod histogram;
mod inbox;
mod journal;
mod lookups;
pub mod memory;
mod migration;
#[cfg(test)]
mod migration_rules;
mod open;
mod ownership;
pub mod postgres;
mod query;
mod retention;
mod retention_rows;
mod row;
mod sessions;
pub mod sqlite;
mod stats;
mod store;
mod under_way;
mod writer;

pub use self::backlog::{Backlog, Unfinished};
pub use self::bulk::{
    BULK_CHOICE_BYTES_MAX, BULK_ITEMS_MAX, BULK_NAME_BYTES_MAX, BULK_WHY_BYTES_MAX, BulkBegun, BulkCounts,
    BulkCursor, BulkHead, BulkItem, BulkItemResult, BulkKind, BulkState, ClaimedItem, KeptBulkAction,
    KeptBulkItem, NewBulkAction, UnfitBulkAction,
};
pub use self::causes::{
    CAUSE_MINUTES_MAX, CAUSE_SAGAS_COUNTED_MAX, CAUSES_MAX, CAUSES_OF_STEP_MAX, CauseCursor, CauseFigures,
    CauseMembers, CauseMinute, Causes,
};
pub use self::deeds::{DeedCursor, DeedsOf, KeptDeed};
pub use self::delivery::{NotAppended, deliver_here};
pub use self::failure::{AppendError, LoadError, Unavailable};
pub use self::family::StateFamily;
pub use self::feed::{FedFrame, FeedPlace};
pub use self::figures::{FIGURES_ROWS_MAX, MinuteFigures, SagaDurations};
pub use self::histogram::Histogram;
pub use self::inbox::{COMMANDS_PER_SAGA_MAX, CommandStatus, KeptCommand, Posted};
pub use self::journal::{Appending, Journal, QUEUE_ENTRIES_MAX};
pub use self::open::OpenError;
pub use self::ownership::{
    Joining, LEASE_MAX, Lease, LeaseStanding, OWNED_COUNTED_MAX, REPLICAS_TOLD_MAX, ReplicaId,
    ReplicaStanding, Resting, WakeUp,
};
pub use self::retention::{AgedSaga, FORGOTTEN_TOGETHER_MAX, Forgotten};
pub use self::row::{KeptRow, Row, Summary};
pub use self::sessions::{
    KeptSession, KeyDigest, SESSIONS_FORGOTTEN_MAX, SESSIONS_PER_NAME_MAX, SessionHash,
};
pub use self::stats::{LineageCounts, Stats};
pub use self::store::{
    BulkActions, Cursor, Entry, FailedAt, Filter, Histories, History, Inbox, KeptDefinition,
    LOADED_TOGETHER_MAX, Library, LoadedHistory, Membership, Page, ROWS_MAX, Retention, Sessions, Store,
    StoreFuture,
};
pub use self::under_way::{PinnedSagas, SagasThatWait, UNDER_WAY_READ_MAX, UnderWay, WaitKey};
pub use self::writer::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};
