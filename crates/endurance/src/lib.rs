//! Real processes, a real shop, callers, faults and a judge.
//!
//! ```text
//!   callers ──HTTP──▶ fleet: `orchestrateur serve`, several ──proxy each──▶ PostgreSQL (or one SQLite file)
//!   (callers.rs)        ▲        │                              ▲
//!                       │        └──HTTP──▶ shop (ledgers)      │
//!                       └──── trouble: a fault every so often ──┘       then no faults: every order must end
//!                                     judge: do ledgers, histories and answers agree?
//! ```
//!
//! [`Ordeal::run`] runs all of it together; the command `endurance` runs it for hours. The process tests of
//! `crates/server` use the parts.

pub mod client;
pub mod events;
pub mod ledgers;
pub mod load;
pub mod proxy;
pub mod serve;
pub mod shop;
pub mod store;

mod between;
mod callers;
mod database;
mod doors;
mod doors_changes;
mod errand;
mod fault;
mod fleet;
mod follower;
mod issuer;
mod judge;
mod measures;
mod ordeal;
mod release;
mod report;
mod rolling;
mod servers;
mod trouble;

pub use self::between::Between;
pub use self::errand::Errand;
pub use self::fault::Fault;
pub use self::ordeal::{Length, Ordeal};
pub use self::release::Rolling;
pub use self::report::Report;

pub use self::servers::StandbyKind;
