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
mod columns;
mod deed_rows;
mod deeds;
mod ended;
mod feed;
mod figure_rows;
mod figures;
mod frame;
mod histogram;
mod inbox;
mod journal;
pub mod memory;
mod migration;
mod open;
mod ownership;
pub mod postgres;
mod query;
mod row;
pub mod sqlite;
mod stats;
mod store;
mod under_way;
mod writer;

pub use self::backlog::{Backlog, Unfinished};
pub use self::deeds::{DeedCursor, DeedsOf, KeptDeed};
pub use self::feed::{FedFrame, FeedPlace};
pub use self::figures::{FIGURES_ROWS_MAX, MinuteFigures, SagaDurations};
pub use self::histogram::Histogram;
pub use self::inbox::{COMMANDS_PER_SAGA_MAX, CommandStatus, KeptCommand, Posted};
pub use self::journal::{Appending, Journal, QUEUE_ENTRIES_MAX};
pub use self::open::OpenError;
pub use self::ownership::{
    Joining, LEASE_MAX, Lease, LeaseStanding, OWNED_COUNTED_MAX, REPLICAS_TOLD_MAX, ReplicaId,
    ReplicaStanding,
};
pub use self::row::{KeptRow, Row, Summary};
pub use self::stats::Stats;
pub use self::store::{
    AppendError, Cursor, Entry, Filter, Histories, History, Inbox, KeptDefinition, Library, LoadError,
    Membership, Page, ROWS_MAX, Resting, Store, StoreFuture, Unavailable, WakeUp,
};
pub use self::under_way::{PinnedSagas, SagasThatWait, UNDER_WAY_READ_MAX, UnderWay, WaitKey};
pub use self::writer::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, NotAppended};
