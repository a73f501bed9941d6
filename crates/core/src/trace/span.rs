//! Spans, as a saga's history tells them.

use std::sync::Arc;

use crate::definition::{Definition, StateName};
use crate::direction::Direction;
use crate::event::Outcome;
use crate::id::{AttemptNumber, SagaId, Timestamp};
use crate::trace_context::{SpanId, TraceContext, TraceFlags, TraceId, TraceParent};

/// A span that has ended. It is the same whenever, and wherever, it is read from the history.
#[derive(Debug, Clone)]
pub struct SagaSpan {
    /// The trace.
    pub trace: TraceId,
    /// Its id in the trace.
    pub id: SpanId,
    /// The span above it; `None`: it is the first of its trace.
    pub parent: Option<SpanId>,
    /// The saga.
    pub saga: SagaId,
    /// The definition that the saga runs.
    pub definition: Arc<Definition>,
    /// The context that the saga's caller sent.
    pub context: Option<Arc<TraceContext>>,
    /// By the records' clocks.
    pub begun: Timestamp,
    /// Never before it has begun.
    pub ended: Timestamp,
    /// Its subject.
    pub about: SpanAbout,
    /// Spans of other traces that belong to it.
    pub links: Vec<SpanLink>,
}

/// The subject of a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanAbout {
    /// A saga, or the part of it between two pauses.
    Saga {
        /// The order's state at its end.
        state: StateName,
        /// Whether an order stands at its end; `None`: the saga is not over, and goes on in another trace.
        completed: Option<bool>,
        /// Whether its caller's span is above it.
        is_called: bool,
    },
    /// A step that is done, or undone.
    Step {
        /// The step's index.
        step: usize,
        /// `action` or `compensation`.
        direction: Direction,
        /// How it came out.
        end: StepEnd,
    },
    /// An attempt.
    Attempt {
        /// The step's index.
        step: usize,
        /// The call.
        direction: Direction,
        /// Its number.
        attempt: AttemptNumber,
        /// How it came out.
        end: TracedEnd,
    },
}

/// How a step came out, as far as its span tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd {
    /// It is done, or undone.
    Ok,
    /// It has failed.
    Failed,
    /// Not in this trace, or not by its own calls.
    Open,
}

/// How an attempt came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TracedEnd {
    /// As its answer shows, or the absence of one.
    Answered {
        /// The meaning.
        outcome: Outcome,
        /// The HTTP status, where there was an answer.
        status: Option<u16>,
    },
    /// Its answer is not known: its process was gone, or the saga went on without it.
    Interrupted,
}

/// A span of another trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanLink {
    /// The trace.
    pub trace: TraceId,
    /// The span.
    pub span: SpanId,
    /// The trace's flags, where they are known.
    pub flags: Option<TraceFlags>,
}

impl From<TraceParent> for SpanLink {
    fn from(parent: TraceParent) -> Self {
        Self { trace: parent.trace, span: parent.span, flags: Some(parent.flags) }
    }
}
