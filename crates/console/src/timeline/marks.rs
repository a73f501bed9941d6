//! A history as the marks of a timeline, without pixels.

use std::collections::BTreeMap;

use saga_core::event::{Cause, Stuck};
use saga_core::saga::{StepStands, WaitingFor};
use saga_core::{Direction, Event, Outcome, Timestamp};

use super::TimelineOf;
use crate::history::AttemptEnd;
use crate::shown::visible_cut;

/// The marks.
#[derive(Debug)]
pub(super) struct TimelineMarks<'a> {
    /// When the saga started.
    pub(super) begun: Timestamp,
    /// Its end; of a saga that is not over, now.
    pub(super) end: Timestamp,
    pub(super) is_over: bool,
    pub(super) bars: Vec<Bar<'a>>,
    pub(super) spans: Vec<SpanMark>,
    pub(super) instants: Vec<InstantMark>,
    /// The epochs of the processes that ran it, and when each began.
    pub(super) owners: Vec<Timestamp>,
    /// The steps that are tried next, and when.
    pub(super) next: Vec<(usize, Timestamp)>,
}

/// An attempt.
#[derive(Debug)]
pub(super) struct Bar<'a> {
    pub(super) step: usize,
    pub(super) direction: Direction,
    pub(super) number: u32,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) kind: BarKind,
    pub(super) end: AttemptEnd<'a>,
    /// Whether it is like those before and behind it.
    pub(super) is_quiet: bool,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BarKind {
    Ok,
    Accepted,
    Undone,
    Refused,
    Unsure,
    Failing,
    UnderWay,
    /// Its participant holds it back.
    Held,
    Lost,
}

/// A span of a step in which no call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SpanMark {
    pub(super) step: usize,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) kind: SpanKind,
}

/// Why no call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpanKind {
    /// Between two attempts.
    Retry,
    Signal,
    Pause,
    /// Other steps are undone first.
    UndoTurn,
    /// A person is needed; calls may be made meanwhile.
    Blocked,
}

/// An instant.
#[derive(Debug)]
pub(super) struct InstantMark {
    pub(super) at: Timestamp,
    pub(super) kind: InstantKind,
}

/// What happened then.
#[derive(Debug)]
pub(super) enum InstantKind {
    Rollback,
    /// A person did something; the person's name.
    Person(String),
    /// A signal came; its name.
    Signal(String),
}

impl<'a> TimelineMarks<'a> {
    pub(super) fn of(of: &TimelineOf<'a>) -> Self {
        let (saga, is_over) = (of.saga, of.saga.is_over());
        let last = of.records.iter().map(|record| record.at).max().unwrap_or(saga.updated());
        let end = if is_over { last } else { of.now.max(last) };
        let waiting = saga.waits_for();
        let next =
            waiting.iter().filter(|waiting| waiting.cause == WaitingFor::Retry).filter_map(|waiting| {
                let step = saga.definition().step_named(&waiting.step)?;
                Some((step, waiting.until.filter(|until| *until > end)?))
            });
        let mut marks = Self {
            begun: saga.created(),
            end,
            is_over,
            bars: bars(of, end),
            spans: Vec::new(),
            instants: Vec::new(),
            owners: vec![saga.created()],
            next: next.collect(),
        };
        marks.retries();
        marks.told(of);
        marks
    }

    /// The spans between two attempts of the same call, and from the last one to the next.
    fn retries(&mut self) {
        let mut last: BTreeMap<usize, (Direction, Timestamp)> = BTreeMap::new();
        for bar in &self.bars {
            if let Some((direction, ended)) = last.insert(bar.step, (bar.direction, bar.to))
                && direction == bar.direction
                && bar.from > ended
            {
                let (step, from, to) = (bar.step, ended, bar.from);
                self.spans.push(SpanMark { step, from, to, kind: SpanKind::Retry });
            }
        }
        for (step, _) in &self.next {
            if let Some((_, ended)) = last.get(step).filter(|(_, ended)| *ended < self.end) {
                let (step, from, to) = (*step, *ended, self.end);
                self.spans.push(SpanMark { step, from, to, kind: SpanKind::Retry });
            }
        }
    }

    fn told(&mut self, of: &TimelineOf<'a>) {
        let (saga, end) = (of.saga, self.end);
        let mut waits: BTreeMap<usize, Timestamp> = BTreeMap::new();
        let mut blocked: BTreeMap<usize, (Timestamp, Stuck)> = BTreeMap::new();
        let mut rollback = None;
        let wait_kind = |step: usize| {
            let is_signal = saga.definition().steps.get(step).is_some_and(|step| step.signal().is_some());
            if is_signal { SpanKind::Signal } else { SpanKind::Pause }
        };
        for record in of.records {
            let at = record.at;
            let person = |by: &str| InstantKind::Person(visible_cut(by, 100));
            let mut instant = |kind| self.instants.push(InstantMark { at, kind });
            let mut over = |step: &usize| {
                if let Some(from) = waits.remove(step) {
                    self.spans.push(SpanMark { step: *step, from, to: at, kind: wait_kind(*step) });
                }
            };
            let mut cleared = Vec::new();
            match &record.event {
                Event::Waits { step, .. } => {
                    waits.insert(*step, at);
                }
                Event::PauseEnded { step } | Event::SignalTaken { step, .. } => over(step),
                Event::PassedOver { step, .. } => {
                    over(step);
                    cleared.push(*step);
                }
                Event::Signalled { name, .. } => instant(InstantKind::Signal(visible_cut(name, 64))),
                Event::RollbackDecided { cause } => {
                    instant(InstantKind::Rollback);
                    if let Cause::CancelledBy { by, .. } = cause {
                        instant(person(by));
                    }
                    rollback = Some(at);
                    let all: Vec<usize> = waits.keys().copied().collect();
                    for step in all {
                        if let Some(from) = waits.remove(&step) {
                            self.spans.push(SpanMark { step, from, to: at, kind: wait_kind(step) });
                        }
                    }
                }
                Event::Blocked { step, stuck, .. } => {
                    blocked.entry(*step).or_insert((at, *stuck)).1 = *stuck;
                }
                Event::Resumed { by, .. } => {
                    instant(person(by));
                    let parked = blocked.iter().filter(|(_, (_, stuck))| *stuck == Stuck::TaskFailed);
                    cleared.extend(parked.map(|(step, _)| *step));
                }
                Event::Resolved { step, by, .. } => {
                    instant(person(by));
                    cleared.push(*step);
                }
                Event::AttemptEnded { step, outcome: Outcome::Ok, .. } => cleared.push(*step),
                Event::TakenOver { .. } => self.owners.push(at),
                Event::Completed | Event::RolledBack => cleared.extend(blocked.keys().copied()),
                Event::Started { .. }
                | Event::Skipped { .. }
                | Event::OutputMade { .. }
                | Event::AttemptStarted { .. }
                | Event::AttemptEnded { .. } => {}
            }
            for step in cleared {
                if let Some((from, _)) = blocked.remove(&step) {
                    self.spans.push(SpanMark { step, from, to: at, kind: SpanKind::Blocked });
                }
            }
        }
        self.spans.extend(waits.into_iter().map(|(step, from)| SpanMark {
            step,
            from,
            to: end,
            kind: wait_kind(step),
        }));
        let still = blocked.into_iter();
        self.spans.extend(still.map(|(step, (from, _))| SpanMark {
            step,
            from,
            to: end,
            kind: SpanKind::Blocked,
        }));
        if let Some(decided) = rollback {
            self.undo_turns(of, decided);
        }
    }

    /// The spans in which steps that are done wait until those behind them are undone.
    fn undo_turns(&mut self, of: &TimelineOf<'a>, decided: Timestamp) {
        let kind = SpanKind::UndoTurn;
        for step in 0..of.saga.definition().steps.len() {
            let is_back = |bar: &&Bar<'_>| bar.step == step && bar.direction == Direction::Compensation;
            let begun = self.bars.iter().find(is_back).map(|bar| bar.from);
            let to = match (begun, of.saga.stands(step)) {
                (Some(begun), _) => begun,
                (None, StepStands::ToUndo) => self.end,
                (None, _) => continue,
            };
            if to > decided {
                self.spans.push(SpanMark { step, from: decided, to, kind });
            }
        }
    }

    /// The instants at which something happened that is not like what happened before: quiet spans are between them.
    pub(super) fn loud(&self) -> Vec<Timestamp> {
        let bars = self.bars.iter().filter(|bar| !bar.is_quiet).flat_map(|bar| [bar.from, bar.to]);
        let spans = self.spans.iter().filter(|span| span.kind != SpanKind::Retry);
        let spans = spans.flat_map(|span| [span.from, span.to]);
        let instants = self.instants.iter().map(|instant| instant.at);
        let owners = self.owners.iter().copied();
        let all = bars.chain(spans).chain(instants).chain(owners).chain([self.begun, self.end]);
        let mut all: Vec<Timestamp> = all.map(|at| at.clamp(self.begun, self.end.max(self.begun))).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn bars<'a>(of: &TimelineOf<'a>, end: Timestamp) -> Vec<Bar<'a>> {
    let bar = |attempt: &crate::history::AttemptTold<'a>| {
        let is_held = || {
            let step = of.saga.definition().steps.get(attempt.step);
            step.is_some_and(|step| of.held_back.contains(&step.name))
        };
        let kind = match (attempt.end, attempt.direction) {
            (AttemptEnd::NotYet, _) if is_held() => BarKind::Held,
            (AttemptEnd::NotYet, _) => BarKind::UnderWay,
            (AttemptEnd::Lost(_), _) => BarKind::Lost,
            (AttemptEnd::With { outcome: Outcome::Ok, .. }, Direction::Compensation) => BarKind::Undone,
            (AttemptEnd::With { outcome: Outcome::Ok, .. }, _) => BarKind::Ok,
            (AttemptEnd::With { outcome: Outcome::Accepted, .. }, _) => BarKind::Accepted,
            (AttemptEnd::With { .. }, Direction::Compensation) => BarKind::Failing,
            (AttemptEnd::With { outcome: Outcome::Refused, .. }, _) => BarKind::Refused,
            (AttemptEnd::With { .. }, _) => BarKind::Unsure,
        };
        Bar {
            step: attempt.step,
            direction: attempt.direction,
            number: attempt.number,
            from: attempt.from,
            to: attempt.end.at().unwrap_or(end).max(attempt.from),
            kind,
            end: attempt.end,
            is_quiet: attempt.is_folded,
        }
    };
    of.attempts.iter().map(bar).collect()
}
