//! Runs sagas. The only crate with effects: calls, timers, answers. It has no saga rules of its own.
//!
//! ```text
//!   API ── commands ──▶ ┌──────────────┐ ── append ──▶ journal
//!                       │ one task per │ ◀── durable ──
//!   clock ── ticks ───▶ │ active saga  │ ── call ─────▶ participants
//!                       └──────────────┘ ◀── reply ────
//! ```
//!
//! - [`Engine`]: starts sagas, finds them, applies operators' commands, takes over sagas without an owner, stops.
//! - `driver`: the task of one saga. It compares what the saga's state wants with what is under way, and acts.
//! - `handle`: messages to that task. `registry`: the tasks that run. `resting`: sagas that wait on disk.
//! - `membership`: this process's lease. `journal_health`: whether the journal works. `lifecycle`: the process's tasks,
//!   and its end. `vital`: tasks without which the process ends. `admission`: slots, bytes, shares of callers.
//! - `catalog`: definitions, and how sagas are read back. `unreadable`: sagas that cannot be.
//! - `archive`: where old sagas go.
//! - `bulk_reason`: why a saga of a bulk action has its result.
//! - `evaluation`: threads for expressions that take long.
//! - [`participants`]: calls over HTTP.
//! - [`Clock`]: the time that sagas live by.
//! - [`world`]: the machine's clock and the dice, so that a simulator can bring its own.

mod admission;
mod announce;
mod archive;
pub mod breaker;
mod breakers;
mod bulk_reason;
mod catalog;
mod caught;
mod clock;
mod driver;
mod engine;
mod evaluation;
mod handle;
mod journal_health;
mod lifecycle;
mod limits;
mod mailbox;
mod membership;
mod observer;
pub mod participants;
mod recent;
mod refusal;
mod registry;
mod resting;
mod unreadable;
mod vital;
pub mod world;

pub use self::admission::{Caller, NoRoom, SLOTS_PERCENT};
pub use self::archive::{Archive, ArchiveError, ArchiveFuture, ArchivedSaga};
pub use self::bulk_reason::BulkReason;
pub use self::catalog::{Definitions, ServedDefinitions};
pub use self::clock::Clock;
pub use self::engine::{
    Asking, BULK_ITEMS_AT_ONCE, BulkRefused, BulkWish, Engine, Health, LISTED_ROWS_READ_MAX, Listing,
    RetentionPlan, Start,
};
pub use self::evaluation::{Busy, Evaluation};
pub use self::handle::{Milestone, Snapshot, Wait};
pub use self::limits::Limits;
pub use self::observer::{CallEnded, Called, CommitSummary, FailureCause, Observer, Over, Silent};
pub use self::refusal::Refusal;
