//! Runs sagas. The only crate with effects: calls, timers, answers. It has no saga rules of its own.
//!
//! ```text
//!   API ── commands ──▶ ┌──────────────┐ ── append ──▶ journal
//!                       │ one task per │ ◀── durable ──
//!   clock ── ticks ───▶ │ active saga  │ ── call ─────▶ participants
//!                       └──────────────┘ ◀── reply ────
//! ```
//!
//! - [`Engine`]: starts sagas, finds them, passes on what people ask of them, stops.
//! - `replica`: this process as one of several: its lease, the sagas it takes over.
//! - `admission`: slots, bytes, shares of callers. `sleepers`: sagas that wait on disk. `vital`: what may not die.
//! - `driver`: the task of one saga. It compares what the saga's state wants with what is under way, and acts.
//! - `evaluation`: expressions that take long, on threads of their own.
//! - [`participants`]: calls over HTTP.
//! - [`Clock`]: the time that sagas live by.
//! - [`world`]: the machine's clock and the dice, so that a simulator can bring its own.

mod admission;
mod announce;
pub mod breaker;
mod breakers;
mod caught;
mod clock;
mod demand;
mod driver;
mod engine;
mod evaluation;
mod limits;
mod observer;
pub mod participants;
mod registry;
mod replica;
mod shared;
mod sleepers;
mod vital;
pub mod world;

pub use self::admission::{Caller, NoRoom};
pub use self::clock::Clock;
pub use self::demand::Demand;
pub use self::driver::{Failed, Snapshot};
pub use self::engine::{Checkout, Definitions, Engine, Health, Refusal, Wait};
pub use self::evaluation::{Busy, Evaluation};
pub use self::limits::Limits;
pub use self::observer::{CallEnded, Called, Failure, News, Observer, Over, Silent};
