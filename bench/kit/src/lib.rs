//! The programs that `bench/run` measures the orchestrator with, and their common parts.
//!
//! ```text
//!   load ──▶ orchestrateur, or `limit` ──▶ participants
//!    │                                         │
//!    └── orders told to callers == effects ────┘   (checked by bench/run at every measured point)
//! ```
//!
//! | program | its parts |
//! |---|---|
//! | `participants` | [`shop`] (the routes), [`ledger`] (effects, each key once), [`patience`] (the delay before an answer) |
//! | `load` | [`orders`] (a closed loop over connections), [`tally`] (answers and times) |
//! | `limit` | [`checkout`] (the four calls), [`rows`] (group commit), [`sqlite`] and [`postgres`] |
//!
//! [`server`] (hyper) and [`client`] (one request at a time on a connection, without a task of its own) are
//! for all of them.

pub mod checkout;
pub mod client;
pub mod clients;
pub mod ledger;
pub mod orders;
pub mod patience;
pub mod postgres;
pub mod rows;
pub mod server;
pub mod shop;
pub mod sqlite;
pub mod tally;
