//! A saga's history as people read it: attempts with their ends, instead of events.
//!
//! The table and the timeline show the same attempts, and fold the same ones.

use std::collections::BTreeMap;

use saga_core::saga::Saga;
use saga_core::{Direction, Event, Outcome, Record, Timestamp};

/// Alike attempts in a row that are all shown: of more, those in the middle are folded.
const ALIKE_SHOWN_MAX: usize = 6;
/// The first ones of a row, which are shown.
const FIRST_SHOWN: usize = 2;
/// The last ones of a row, which are shown.
const LAST_SHOWN: usize = 2;

/// An attempt: one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttemptTold<'a> {
    /// The number of its first event, which names it for good.
    pub(crate) seq: u64,
    pub(crate) step: usize,
    pub(crate) direction: Direction,
    pub(crate) number: u32,
    /// When it started; of a poll, which has no event until it is answered, when it ended.
    pub(crate) from: Timestamp,
    pub(crate) end: AttemptEnd<'a>,
    /// Whether it is one of many that are alike, and stands between others of them.
    pub(crate) is_folded: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptEnd<'a> {
    /// It is under way.
    NotYet,
    /// Its end was not heard of: its process ended, or the saga went on without it.
    Lost(Timestamp),
    /// With an answer, or without one in time.
    With { at: Timestamp, outcome: Outcome, status: Option<u16>, reason: Option<&'a str> },
}

impl AttemptEnd<'_> {
    /// When it ended.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        match self {
            Self::NotYet => None,
            Self::Lost(at) | Self::With { at, .. } => Some(*at),
        }
    }

    /// Whether both ended alike, whenever that was.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::With { outcome, status, reason, .. },
                Self::With { outcome: other_outcome, status: other_status, reason: other_reason, .. },
            ) => outcome == other_outcome && status == other_status && reason == other_reason,
            _ => false,
        }
    }
}

impl AttemptTold<'_> {
    /// Whether it ended well.
    pub(crate) fn is_ok(&self) -> bool {
        matches!(self.end, AttemptEnd::With { outcome: Outcome::Ok | Outcome::Accepted, .. })
    }
}

/// All attempts of a history, in the order in which they started.
pub(crate) fn attempts<'a>(saga: &Saga, records: &'a [Record]) -> Vec<AttemptTold<'a>> {
    let mut all: Vec<AttemptTold<'a>> = Vec::new();
    // A step has one call under way at a time, and one question about it.
    let mut open: BTreeMap<(usize, bool), usize> = BTreeMap::new();
    let asks = |direction: Direction| matches!(direction, Direction::Probe | Direction::Poll);
    for (index, record) in records.iter().enumerate() {
        let (seq, at) = (index as u64 + 1, record.at);
        match &record.event {
            Event::AttemptStarted { step, direction, attempt } => {
                if let Some(before) = open.insert((*step, asks(*direction)), all.len()) {
                    lose(&mut all, before, at);
                }
                let (step, direction, number) = (*step, *direction, attempt.get());
                let end = AttemptEnd::NotYet;
                all.push(AttemptTold { seq, step, direction, number, from: at, end, is_folded: false });
            }
            Event::AttemptEnded { step, direction, attempt, outcome, status, reason, .. } => {
                let end =
                    AttemptEnd::With { at, outcome: *outcome, status: *status, reason: reason.as_deref() };
                let begun = open.remove(&(*step, asks(*direction))).and_then(|index| all.get_mut(index));
                match begun.filter(|begun| begun.number == attempt.get() && begun.direction == *direction) {
                    Some(begun) => begun.end = end,
                    None => {
                        let (step, direction, number) = (*step, *direction, attempt.get());
                        all.push(AttemptTold {
                            seq,
                            step,
                            direction,
                            number,
                            from: at,
                            end,
                            is_folded: false,
                        });
                    }
                }
            }
            Event::TakenOver { .. } | Event::Completed | Event::RolledBack => {
                for (_, index) in std::mem::take(&mut open) {
                    lose(&mut all, index, at);
                }
            }
            _ => {}
        }
    }
    // A poll that is under way has no event yet.
    debug_assert!(all.iter().all(|attempt| attempt.step < saga.definition().steps.len()));
    fold(&mut all);
    all
}

fn lose(all: &mut [AttemptTold<'_>], index: usize, at: Timestamp) {
    if let Some(attempt) = all.get_mut(index).filter(|attempt| attempt.end == AttemptEnd::NotYet) {
        attempt.end = AttemptEnd::Lost(at);
    }
}

/// Marks those that stand in the middle of many that are alike.
fn fold(all: &mut [AttemptTold<'_>]) {
    let mut rows: BTreeMap<(usize, Direction), Vec<Vec<usize>>> = BTreeMap::new();
    for (index, attempt) in all.iter().enumerate() {
        let rows = rows.entry((attempt.step, attempt.direction)).or_default();
        let last = rows.last_mut().filter(|row| {
            row.last().and_then(|last| all.get(*last)).is_some_and(|last| last.end.is_like(&attempt.end))
        });
        match last {
            Some(row) => row.push(index),
            None => rows.push(vec![index]),
        }
    }
    for row in rows.into_values().flatten().filter(|row| row.len() > ALIKE_SHOWN_MAX) {
        for index in &row[FIRST_SHOWN..row.len() - LAST_SHOWN] {
            all[*index].is_folded = true;
        }
    }
}

/// The last action or compensation of a step that has ended, and how many before it in a row ended alike, with it.
pub(crate) fn last_of<'a, 'b>(
    attempts: &'b [AttemptTold<'a>],
    step: usize,
    direction: Direction,
) -> Option<(&'b AttemptTold<'a>, usize)> {
    let of_it = || {
        attempts.iter().rev().filter(|attempt| {
            attempt.step == step
                && attempt.direction == direction
                && matches!(attempt.end, AttemptEnd::With { .. })
        })
    };
    let last = of_it().next()?;
    Some((last, of_it().take_while(|attempt| attempt.end.is_like(&last.end)).count()))
}
