//! The traces of one saga: its caller's, or one of its own, and those in which it went on after pauses.

use std::sync::Arc;

use super::TRACE_PAUSE;
use crate::direction::Direction;
use crate::event::Record;
use crate::id::{AttemptNumber, SagaId, Seq, Timestamp};
use crate::trace_context::{Sampler, SpanId, TraceContext, TraceFlags, TraceId, TraceParent};

/// The traces of one saga. Without a caller's context and without pauses, that is one trace, which has the saga's id, and takes no memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SagaTrace(Option<Box<KnownTraces>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KnownTraces {
    context: Option<Arc<TraceContext>>,
    /// The events at which it went on in a new trace.
    since: Vec<Seq>,
}

impl SagaTrace {
    /// Of a saga whose caller sent this context.
    pub(crate) fn of(context: Option<Arc<TraceContext>>) -> Self {
        Self(context.map(|context| KnownTraces { context: Some(context), since: Vec::new() }.into()))
    }

    /// The next event, and when the one before it was recorded. Tells whether a new trace begins with it.
    pub(crate) fn goes_on(&mut self, seq: Seq, record: &Record, last: Timestamp) -> bool {
        let is_paused = record.at.since(last) > TRACE_PAUSE;
        if is_paused {
            self.0.get_or_insert_default().since.push(seq);
        }
        is_paused
    }

    /// The caller's context.
    pub fn context(&self) -> Option<&Arc<TraceContext>> {
        self.0.as_ref()?.context.as_ref()
    }

    /// The event at which the trace began that this event belongs to; [`Seq::NONE`]: it is the first one.
    pub(crate) fn since(&self, at: Seq) -> Seq {
        let pauses = self.0.as_ref().map_or(&[][..], |kept| &kept.since);
        pauses.iter().rev().find(|since| **since <= at).copied().unwrap_or(Seq::NONE)
    }

    /// The trace that began at this event of `saga`.
    pub(crate) fn id(&self, saga: SagaId, since: Seq) -> TraceId {
        match self.context().and_then(|context| context.parent) {
            _ if since > Seq::NONE => TraceId::after_pause(saga, since),
            Some(parent) => parent.trace,
            None => TraceId::of_saga(saga),
        }
    }

    /// Bytes that it keeps, beside a saga that has none.
    pub(crate) fn bytes(&self) -> usize {
        self.context().map_or(0, |context| context.bytes())
    }

    /// What the caller says of its trace.
    pub(crate) fn caller_flags(&self) -> Option<TraceFlags> {
        Some(self.context()?.parent?.flags)
    }

    /// Whether the saga's traces are recorded: all of them or none.
    pub(crate) fn is_sampled(&self, saga: SagaId, sampler: &Sampler) -> bool {
        sampler.samples(self.id(saga, Seq::NONE), self.caller_flags())
    }
}

/// The trace context of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTrace {
    /// The trace in which the saga began.
    first: TraceId,
    trace: TraceId,
    span: SpanId,
    context: Option<Arc<TraceContext>>,
}

impl CallTrace {
    /// Of an attempt that started at `started`.
    pub fn of(
        saga: SagaId,
        traces: &SagaTrace,
        started: Seq,
        (step, direction, attempt): (usize, Direction, AttemptNumber),
    ) -> Self {
        Self {
            first: traces.id(saga, Seq::NONE),
            trace: traces.id(saga, traces.since(started)),
            span: SpanId::of_attempt(saga, step, direction, attempt),
            context: traces.context().cloned(),
        }
    }

    /// The header `traceparent`.
    pub fn parent(&self, sampler: &Sampler) -> TraceParent {
        let caller = self.context.as_ref().and_then(|context| context.parent).map(|parent| parent.flags);
        let is_sampled = sampler.samples(self.first, caller);
        let flags = match caller {
            Some(flags) if self.trace == self.first => flags.sampled(is_sampled),
            _ => TraceFlags::of(is_sampled),
        };
        TraceParent { trace: self.trace, span: self.span, flags }
    }

    /// The header `tracestate`: it belongs to the caller's trace.
    pub fn state(&self) -> Option<&str> {
        self.context.as_ref()?.state.as_deref().filter(|_| self.trace == self.first)
    }

    /// The header `baggage`.
    pub fn baggage(&self) -> Option<&str> {
        self.context.as_ref()?.baggage.as_deref()
    }

    /// The header `X-Request-Id`.
    pub fn request_id(&self) -> Option<&str> {
        self.context.as_ref()?.request_id.as_deref()
    }
}
