//! The traces of a saga: a projection of its history.
//!
//! - `kept.rs`: the traces of one saga, and the context of each of its calls.
//! - `fold.rs`, `span.rs`: the spans that a history tells.
//!
//! *Invariant:* every id of a span is derived from the saga's id and from its history, never drawn. Every replica, after every
//! crash, derives the same ones, so a call that left before a crash is found again by the spans that are written after it.
//!
//! A saga that stands still for longer than [`TRACE_PAUSE`] goes on in a new trace, whose first span links to the one before:
//! tools that show traces expect them to last minutes.

mod fold;
mod kept;
mod span;

use std::time::Duration;

pub use self::fold::SpanFold;
pub use self::kept::{CallTrace, SagaTrace};
pub use self::span::{SagaSpan, SpanAbout, SpanLink, StepEnd, TracedEnd};
pub use crate::trace_context::*;

/// A saga without an event for longer than this goes on in a new trace.
pub const TRACE_PAUSE: Duration = Duration::from_secs(60 * 60);
