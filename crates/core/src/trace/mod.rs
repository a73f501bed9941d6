//! Traces, by W3C Trace Context and W3C Baggage: a projection of a saga's history.
//!
//! - `context.rs`: the context that a caller sends, as it is kept with the saga.
//! - `inbound.rs`: how it is read from a request's headers.
//! - `ids.rs`: the ids of traces and spans. `sampler.rs`: which traces are recorded.
//! - `kept.rs`: the traces of one saga.
//! - `fold.rs`, `span.rs`: the spans that a history tells.
//!
//! *Invariant:* every id of a span is derived from the saga's id and from its history, never drawn. Every replica, after every
//! crash, derives the same ones, so a call that left before a crash is found again by the spans that are written after it.
//!
//! A saga that stands still for longer than [`TRACE_PAUSE`] goes on in a new trace, whose first span links to the one before:
//! tools that show traces expect them to last minutes.

mod context;
mod fold;
mod ids;
mod inbound;
mod kept;
mod sampler;
mod span;

use std::time::Duration;

pub use self::context::{TraceContext, TraceFlags, TraceParent};
pub use self::fold::SpanFold;
pub use self::ids::{SpanId, TraceId};
pub use self::inbound::{
    BAGGAGE_BYTES_MAX, BAGGAGE_MEMBERS_MAX, Propagation, REQUEST_ID_BYTES_MAX, TRACESTATE_BYTES_MAX,
    TRACESTATE_MEMBERS_MAX, sent_request_id,
};
pub use self::kept::{CallTrace, SagaTrace};
pub use self::sampler::{RatioOutside, Sampler};
pub use self::span::{AttemptEnd, Span, SpanAbout, SpanLink, StepEnd};

/// A saga without an event for longer than this goes on in a new trace.
pub const TRACE_PAUSE: Duration = Duration::from_secs(60 * 60);
