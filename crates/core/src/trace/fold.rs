//! The spans that a history tells: one for the saga, one for each step that is done or undone, one for each attempt.
//!
//! ```text
//!   (caller's span) ─▶ saga ─▶ step ─▶ attempt ─▶ (participant's spans)
//!                        ┆ after a pause, in a new trace
//!                        └┄┄ link ┄┄ saga ─▶ step ─▶ attempt
//! ```
//!
//! A span is told once its end is known, so an attempt's comes before its step's. An attempt of which no end is recorded ends
//! where the history goes on without it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::kept::SagaTrace;
use super::span::{SagaSpan, SpanAbout, SpanLink, StepEnd, TracedEnd};
use crate::definition::{Definition, StateName};
use crate::direction::Direction;
use crate::event::{Cause, Event, Outcome, Record, Stuck};
use crate::id::{AttemptNumber, SagaId, Seq, Timestamp};
use crate::trace_context::{SpanId, TraceId};

/// A history, as far as it has been read for spans: the spans that are still open.
#[derive(Debug, Clone)]
pub struct SpanFold {
    saga: SagaId,
    definition: Arc<Definition>,
    traces: SagaTrace,
    seq: Seq,
    last: Timestamp,
    state: StateName,
    /// Of the trace in which the saga is now: the event at which it began, and when.
    since: Seq,
    begun: Timestamp,
    links: Vec<SpanLink>,
    steps: Vec<OpenStep>,
    /// The spans of steps that have ended, counted by the event at which their trace began: a step that has failed may be called again, until
    /// it is known whether it has had its effect.
    ended: BTreeMap<(Seq, usize, Direction), u32>,
    attempts: Vec<OpenAttempt>,
    /// The senders' spans, in the order of the signals.
    signals: Vec<Option<SpanLink>>,
}

#[derive(Debug, Clone)]
struct OpenStep {
    step: usize,
    direction: Direction,
    begun: Timestamp,
    /// When something was last heard of it.
    touched: Timestamp,
    links: Vec<SpanLink>,
}

#[derive(Debug, Clone, Copy)]
struct OpenAttempt {
    call: (usize, Direction, AttemptNumber),
    begun: Timestamp,
    /// Of the trace in which it started.
    trace: TraceId,
    parent: SpanId,
}

impl SpanFold {
    /// The saga that `record` starts; `None`: it is no start.
    pub fn begin(saga: SagaId, definition: Arc<Definition>, record: &Record) -> Option<Self> {
        let Event::Started { trace, .. } = &record.event else { return None };
        Some(Self {
            saga,
            traces: SagaTrace::of(trace.clone()),
            seq: Seq::NONE.next(),
            last: record.at,
            state: record.state.clone().unwrap_or_else(|| definition.states.started.clone()),
            definition,
            since: Seq::NONE,
            begun: record.at,
            links: Vec::new(),
            steps: Vec::new(),
            ended: BTreeMap::new(),
            attempts: Vec::new(),
            signals: Vec::new(),
        })
    }

    /// A history from its first record on, and the spans that have ended in it.
    pub fn of(
        saga: SagaId,
        definition: Arc<Definition>,
        records: &[Record],
    ) -> Option<(Self, Vec<SagaSpan>)> {
        let (first, rest) = records.split_first()?;
        let mut fold = Self::begin(saga, definition, first)?;
        let mut spans = Vec::new();
        rest.iter().for_each(|record| fold.apply(record, &mut spans));
        Some((fold, spans))
    }

    /// The next record: adds the spans that end with it.
    pub fn apply(&mut self, record: &Record, spans: &mut Vec<SagaSpan>) {
        self.seq = self.seq.next();
        // A poll has no start in the history: its calls have left in the trace before this record.
        let before = self.since;
        let is_paused = self.traces.goes_on(self.seq, record, self.last);
        if is_paused {
            self.pause(spans);
            self.since = self.seq;
            self.begun = record.at;
        }
        let last = std::mem::replace(&mut self.last, record.at);
        if let Some(state) = &record.state {
            self.state = state.clone();
        }
        let at = record.at;
        match &record.event {
            Event::AttemptStarted { step, direction, attempt } => {
                self.attempt_started(at, (*step, *direction, *attempt), spans);
            }
            Event::AttemptEnded { step, direction, attempt, outcome, status, .. } => {
                let end = TracedEnd::Answered { outcome: *outcome, status: *status };
                self.attempt_ended(at, (*step, *direction, *attempt), end, (before, last), spans);
            }
            Event::Waits { step, .. } => _ = self.touch(*step, Direction::Action, at),
            Event::PauseEnded { step } => self.step_ended(*step, Direction::Action, at, StepEnd::Ok, spans),
            Event::Signalled { trace, .. } => self.signals.push(trace.map(SpanLink::from)),
            Event::SignalTaken { step, signal, outcome, .. } => {
                let sender = (*signal as usize).checked_sub(1).and_then(|at| *self.signals.get(at)?);
                self.touch(*step, Direction::Action, at).links.extend(sender);
                let end = if *outcome == Outcome::Ok { StepEnd::Ok } else { StepEnd::Failed };
                self.step_ended(*step, Direction::Action, at, end, spans);
            }
            Event::PassedOver { step, .. }
            | Event::RollbackDecided { cause: Cause::StepFailed { step, .. } } => {
                self.close(*step, Direction::Action, StepEnd::Failed, spans);
            }
            Event::Resolved { step, .. } => {
                for direction in [Direction::Action, Direction::Compensation] {
                    if self.is_open(*step, direction) {
                        self.step_ended(*step, direction, at, StepEnd::Ok, spans);
                    }
                }
            }
            Event::TakenOver { .. } | Event::Blocked { stuck: Stuck::TaskFailed, .. } => {
                // A call does not last for a pause.
                self.interrupt(if is_paused { last } else { at }, |_| true, spans);
            }
            Event::Completed | Event::RolledBack => {
                self.interrupt(at, |_| true, spans);
                for open in std::mem::take(&mut self.steps) {
                    self.told(open, StepEnd::Open, spans);
                }
                let completed = Some(matches!(record.event, Event::Completed));
                self.saga_ended(at, completed, spans);
            }
            Event::Started { .. }
            | Event::Skipped { .. }
            | Event::OutputMade { .. }
            | Event::RollbackDecided {
                cause: Cause::Cancelled | Cause::CancelledBy { .. } | Cause::DeadlinePassed,
            }
            | Event::Blocked { .. }
            | Event::Resumed { .. } => {}
        }
    }

    /// Before this trace, nothing happened for long: it ends where it stood, and the saga goes on in another.
    fn pause(&mut self, spans: &mut Vec<SagaSpan>) {
        for open in std::mem::take(&mut self.steps) {
            self.told(open, StepEnd::Open, spans);
        }
        self.saga_ended(self.last, None, spans);
        self.links = vec![SpanLink {
            trace: self.traces.id(self.saga, self.since),
            span: SpanId::of_saga(self.saga, self.since),
            flags: None,
        }];
    }

    fn attempt_started(
        &mut self,
        at: Timestamp,
        call: (usize, Direction, AttemptNumber),
        spans: &mut Vec<SagaSpan>,
    ) {
        let (step, direction, _) = call;
        // An earlier attempt of the same step has no answer any more.
        self.interrupt(at, |(of, ..)| of == step, spans);
        if direction == Direction::Compensation {
            self.close(step, Direction::Action, StepEnd::Open, spans);
        }
        let above = self.above(step, direction);
        self.touch(step, above, at);
        let parent = self.step_span(self.since, (step, above));
        let trace = self.traces.id(self.saga, self.since);
        self.attempts.push(OpenAttempt { call, begun: at, trace, parent });
    }

    /// `before`: the trace before this record, and when the record before was made.
    fn attempt_ended(
        &mut self,
        at: Timestamp,
        call: (usize, Direction, AttemptNumber),
        end: TracedEnd,
        (before, last): (Seq, Timestamp),
        spans: &mut Vec<SagaSpan>,
    ) {
        let (step, direction, _) = call;
        let above = self.above(step, direction);
        let open = self.attempts.iter().position(|open| open.call == call);
        let open = open.map(|index| self.attempts.remove(index)).unwrap_or_else(|| {
            let accepted = self.steps.iter().find(|open| (open.step, open.direction) == (step, above));
            OpenAttempt {
                call,
                begun: accepted.map_or(last, |open| open.touched),
                trace: self.traces.id(self.saga, before),
                parent: self.step_span(before, (step, above)),
            }
        });
        self.attempt_told(open, at, end, spans);
        self.touch(step, above, at);
        let TracedEnd::Answered { outcome, .. } = end else { return };
        match (direction, outcome) {
            (Direction::Probe, _) | (_, Outcome::Unknown | Outcome::NotSent | Outcome::Accepted) => {}
            (_, Outcome::Ok) => self.close(step, above, StepEnd::Ok, spans),
            // A refused compensation is tried again.
            (Direction::Compensation, Outcome::Refused) => {}
            (_, Outcome::Refused) => self.close(step, above, StepEnd::Failed, spans),
        }
    }

    /// Attempts of which no end will be recorded.
    fn interrupt(
        &mut self,
        at: Timestamp,
        is_it: impl Fn((usize, Direction, AttemptNumber)) -> bool,
        spans: &mut Vec<SagaSpan>,
    ) {
        while let Some(index) = self.attempts.iter().position(|open| is_it(open.call)) {
            let open = self.attempts.remove(index);
            self.attempt_told(open, at, TracedEnd::Interrupted, spans);
        }
    }

    /// The direction of the step's span that is above a call: a question belongs to the call that it is about.
    fn above(&self, step: usize, direction: Direction) -> Direction {
        match direction {
            Direction::Action | Direction::Poll => Direction::Action,
            Direction::Compensation => Direction::Compensation,
            Direction::Probe if self.is_open(step, Direction::Compensation) => Direction::Compensation,
            Direction::Probe => Direction::Action,
        }
    }

    fn is_open(&self, step: usize, direction: Direction) -> bool {
        self.steps.iter().any(|open| (open.step, open.direction) == (step, direction))
    }

    /// Something is heard of a step: its span begins, if it has not.
    fn touch(&mut self, step: usize, direction: Direction, at: Timestamp) -> &mut OpenStep {
        let known = self.steps.iter().position(|open| (open.step, open.direction) == (step, direction));
        let index = known.unwrap_or_else(|| {
            self.steps.push(OpenStep { step, direction, begun: at, touched: at, links: Vec::new() });
            self.steps.len() - 1
        });
        let open = &mut self.steps[index];
        open.touched = at;
        open
    }

    fn step_ended(
        &mut self,
        step: usize,
        direction: Direction,
        at: Timestamp,
        end: StepEnd,
        spans: &mut Vec<SagaSpan>,
    ) {
        self.touch(step, direction, at);
        self.close(step, direction, end, spans);
    }

    /// The step's span ends when something was last heard of it.
    fn close(&mut self, step: usize, direction: Direction, end: StepEnd, spans: &mut Vec<SagaSpan>) {
        let known = self.steps.iter().position(|open| (open.step, open.direction) == (step, direction));
        if let Some(index) = known {
            let open = self.steps.remove(index);
            self.told(open, end, spans);
        }
    }

    /// The span of a step that is open in the trace that began then; in an earlier trace, the last one that was.
    fn step_span(&self, since: Seq, (step, direction): (usize, Direction)) -> SpanId {
        let ended = self.ended.get(&(since, step, direction)).copied().unwrap_or(0);
        let before = if since == self.since { ended } else { ended.saturating_sub(1) };
        SpanId::of_step(self.saga, since, (step, direction), before)
    }

    fn told(&mut self, open: OpenStep, end: StepEnd, spans: &mut Vec<SagaSpan>) {
        let OpenStep { step, direction, begun, touched, links } = open;
        let about = SpanAbout::Step { step, direction, end };
        let id = self.step_span(self.since, (step, direction));
        *self.ended.entry((self.since, step, direction)).or_default() += 1;
        let parent = Some(SpanId::of_saga(self.saga, self.since));
        let trace = self.traces.id(self.saga, self.since);
        spans.push(SagaSpan { links, ..self.span((trace, id, parent), (begun, touched), about) });
    }

    fn attempt_told(&self, open: OpenAttempt, at: Timestamp, end: TracedEnd, spans: &mut Vec<SagaSpan>) {
        let OpenAttempt { call: (step, direction, attempt), begun, trace, parent } = open;
        let id = SpanId::of_attempt(self.saga, step, direction, attempt);
        let about = SpanAbout::Attempt { step, direction, attempt, end };
        spans.push(self.span((trace, id, Some(parent)), (begun, at), about));
    }

    fn saga_ended(&mut self, at: Timestamp, completed: Option<bool>, spans: &mut Vec<SagaSpan>) {
        let caller = self.traces.context().and_then(|context| context.parent);
        let parent = caller.filter(|_| self.since == Seq::NONE).map(|caller| caller.span);
        let about = SpanAbout::Saga { state: self.state.clone(), completed, is_called: parent.is_some() };
        let id = SpanId::of_saga(self.saga, self.since);
        let trace = self.traces.id(self.saga, self.since);
        let links = std::mem::take(&mut self.links);
        spans.push(SagaSpan { links, ..self.span((trace, id, parent), (self.begun, at), about) });
    }

    fn span(
        &self,
        (trace, id, parent): (TraceId, SpanId, Option<SpanId>),
        (begun, ended): (Timestamp, Timestamp),
        about: SpanAbout,
    ) -> SagaSpan {
        SagaSpan {
            trace,
            id,
            parent,
            saga: self.saga,
            definition: self.definition.clone(),
            context: self.traces.context().cloned(),
            begun,
            // Clocks may step back.
            ended: ended.max(begun),
            about,
            links: Vec::new(),
        }
    }
}
