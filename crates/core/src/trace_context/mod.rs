//! Trace contexts, by W3C Trace Context and W3C Baggage: what callers say of the traces that they belong to.
//!
//! - `context.rs`: the context that a caller sends, as it is kept with the saga. `inbound.rs`: how it is read from headers.
//! - `ids.rs`: the ids of traces and spans. `sampler.rs`: which traces are recorded.

mod context;
mod ids;
mod inbound;
mod sampler;

pub use self::context::{TraceContext, TraceFlags, TraceParent};
pub use self::ids::{SpanId, TraceId};
pub use self::inbound::{
    BAGGAGE_BYTES_MAX, BAGGAGE_MEMBERS_MAX, Propagation, REQUEST_ID_BYTES_MAX, TRACESTATE_BYTES_MAX,
    TRACESTATE_MEMBERS_MAX, sent_request_id,
};
pub use self::sampler::{RatioOutside, Sampler};
