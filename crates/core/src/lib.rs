//! The pure heart of the orchestrator: no I/O, no clock, no randomness, no async.
//!
//! A saga is a fold of events. Three questions are answered here, and nowhere else:
//!
//! ```text
//!   input (reply, timer, command) ── decide ──▶ events ── apply ──▶ Saga ── effects ──▶ what is wanted NOW
//! ```
//!
//! - [`Saga::handle`]: what an input means. It records events and applies them; the only way a saga changes.
//! - [`Saga::fold`]: the same saga again from its recorded events, after a restart or on another machine.
//! - [`Saga::effects`]: the call, the timer and the answer that this state wants, each with the event that has
//!   to be on disk before it may leave (`needs`).
//!
//! The steps of a saga are data: a [`Definition`], read from YAML and checked in full when it is loaded.

pub mod access_token;
mod callback;
mod cause_group;
mod command;
mod deed;
pub mod definition;
mod direction;
pub mod effects_page;
pub mod event;
mod flow;
pub mod id;
pub mod json;
mod location;
mod printable;
pub mod reconcile;
pub mod record_text;
pub mod reply;
pub mod retention;
pub mod retry;
pub mod rules;
pub mod saga;
#[cfg(debug_assertions)]
pub mod seeded;
pub mod trace;
mod trace_context;
pub mod understood;

pub use callback::{CallbackSecret, CallbackToken, Callbacks, NoToken};
pub use cause_group::{CauseGroup, CauseKind, CauseParts, CauseRange};
pub use command::{Command, CommandKind};
pub use deed::Deed;
pub use definition::{Definition, budget};
pub use direction::Direction;
pub use event::{Event, Outcome, Record};
pub use flow::FlowOutcome;
pub use id::{AttemptNumber, BulkActionId, Claim, CommandId, Epoch, Incarnation, SagaId, Seq, Timestamp};
pub use json::Json;
pub use saga::Saga;
