//! The part of a saga that is on disk, and the way of the rest there: in order, one append at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use saga_core::trace::{SagaSpan, SpanFold};
use saga_core::{Record, Saga, Seq, Timestamp};
use saga_journal::{AppendError, Appending, Entry, NotAppended, ReplicaId, Row};
use tokio::sync::OwnedSemaphorePermit;

use super::means::Means;
use crate::journal_health::HeldUp;
use crate::observer::CommitSummary;

/// A saga's events on their way to the journal.
pub(super) struct Saving {
    means: Arc<Means>,
    owner: ReplicaId,
    /// The last event on disk.
    durable: Seq,
    /// Events after the ones being appended.
    unsaved: Vec<Record>,
    spans: Spans,
    append: Append,
    /// When the append under way was first offered.
    since: Timestamp,
    /// Times that the journal could not take it.
    failures: u32,
    held_up: Option<HeldUp>,
    /// When events that no effect and no caller waits for are written all the same.
    flush_at: Option<Timestamp>,
    /// Kept until the first events are on disk.
    turn: Option<OwnedSemaphorePermit>,
}

/// The spans of a saga.
#[derive(Default)]
pub(crate) enum Spans {
    /// They are not wanted.
    #[default]
    Unwanted,
    /// They are wanted, and no event has been read.
    Expected,
    /// The events so far, and spans that are told with the next ones.
    Read { fold: Box<SpanFold>, untold: Vec<SagaSpan> },
}

impl Spans {
    /// The spans that end with `records`, the next ones of `saga`.
    fn ended(&mut self, saga: &Saga, records: &[Record]) -> Vec<SagaSpan> {
        let Some((first, rest)) = records.split_first() else { return Vec::new() };
        let mut ended = Vec::new();
        let mut unread = records;
        match self {
            Self::Unwanted => return ended,
            Self::Expected => match SpanFold::begin(saga.id(), saga.definition().clone(), first) {
                Some(fold) => {
                    unread = rest;
                    *self = Self::Read { fold: Box::new(fold), untold: Vec::new() };
                }
                None => *self = Self::Unwanted,
            },
            Self::Read { .. } => {}
        }
        if let Self::Read { fold, untold } = self {
            ended = std::mem::take(untold);
            unread.iter().for_each(|record| fold.apply(record, &mut ended));
        }
        ended
    }
}

/// The append under way.
enum Append {
    None,
    Offered {
        contents: Box<Contents>,
        appending: Appending,
    },
    /// The journal could not take the entry. The same entry is offered again, so that the journal recognizes an entry
    /// that did arrive.
    Waiting {
        contents: Box<Contents>,
        entry: Box<Entry>,
        until: Timestamp,
    },
}

/// The parts of an entry that the driver needs once it is durable.
struct Contents {
    events: usize,
    summary: CommitSummary,
    /// The events themselves, where the log has a line about them.
    told: Vec<Record>,
    /// The spans that end with them.
    spans: Vec<SagaSpan>,
}

/// Why the saga's task cannot go on.
pub(super) enum Dropped {
    /// The saga belongs to another replica now.
    NotOurs,
    /// The journal refuses the saga's events.
    Refused(String),
}

impl Saving {
    /// Everything up to `durable` is on disk; `records` come after it.
    pub(super) fn new(
        means: Arc<Means>,
        owner: ReplicaId,
        durable: Seq,
        records: Vec<Record>,
        spans: Spans,
    ) -> Self {
        Self {
            means,
            owner,
            durable,
            unsaved: records,
            spans,
            append: Append::None,
            since: Timestamp::from_micros(0),
            failures: 0,
            held_up: None,
            flush_at: None,
            turn: None,
        }
    }

    /// Keeps a turn until the events that are not on disk yet are; without any it is over.
    pub(super) fn take_turn(&mut self, turn: Option<OwnedSemaphorePermit>) {
        self.turn = turn.filter(|_| !self.is_done());
    }

    /// Whether others wait until the events here are on disk.
    pub(super) fn has_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// The last event on disk.
    pub(super) fn durable(&self) -> Seq {
        self.durable
    }

    /// Whether everything is on disk.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.append, Append::None) && self.unsaved.is_empty()
    }

    /// More has happened.
    pub(super) fn add(&mut self, records: Vec<Record>) {
        self.unsaved.extend(records);
    }

    /// Appends the events that are not on disk, if `is_needed` or if they have waited long enough. `saga` is the state
    /// after all of them.
    pub(super) fn save(&mut self, saga: &Saga, is_needed: bool) {
        if !matches!(self.append, Append::None) || self.unsaved.is_empty() {
            return;
        }
        let now = self.means.clock.now();
        let flush_at = *self.flush_at.get_or_insert_with(|| now.plus(self.means.limits.flush_after));
        if !is_needed && now < flush_at {
            return;
        }
        self.flush_at = None;
        let records = std::mem::take(&mut self.unsaved);
        let summary = CommitSummary::of(saga, &records);
        let is_told = summary.failure.is_some() || !summary.blocked.is_empty();
        let told = if is_told { records.clone() } else { Vec::new() };
        let spans = self.spans.ended(saga, &records);
        let contents = Box::new(Contents { events: records.len(), summary, told, spans });
        let entry =
            Entry { saga: saga.id(), owner: self.owner, expected: self.durable, records, row: Row::of(saga) };
        self.since = now;
        self.append = Append::Offered { contents, appending: self.means.saves.journal.append(entry) };
    }

    /// How the append under way ends.
    pub(super) fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<Result<(), NotAppended>> {
        match &mut self.append {
            Append::Offered { appending, .. } => Pin::new(appending).poll(context),
            Append::None | Append::Waiting { .. } => Poll::Pending,
        }
    }

    /// The entry is on disk.
    pub(super) fn saved(&mut self, saga: &Saga) {
        if let Append::Offered { contents, .. } = std::mem::replace(&mut self.append, Append::None) {
            self.durable = self.durable.plus(contents.events);
            self.turn = None;
            if self.held_up.take().is_some() {
                self.failures = 0;
                self.means.saves.health.works();
            }
            self.means.saves.observer.committed(saga.definition(), &contents.summary);
            self.means.saves.announcer.committed(saga, &contents.told);
            if !contents.spans.is_empty() {
                self.means.saves.observer.spans_ended(contents.spans);
            }
        }
    }

    /// The entry was not taken.
    pub(super) fn not_saved(&mut self, failed: NotAppended) -> Result<(), Dropped> {
        let (reason, entry) = match (failed.error, failed.entry) {
            (AppendError::Unavailable(reason), Some(entry)) => (reason, entry),
            (error @ AppendError::Refused(_), _) => return Err(Dropped::Refused(error.to_string())),
            (AppendError::Conflict, _) | (AppendError::Unavailable(_), None) => return Err(Dropped::NotOurs),
        };
        let Append::Offered { contents, .. } = std::mem::replace(&mut self.append, Append::None) else {
            return Ok(());
        };
        self.means.saves.health.fails(&reason);
        let (base, cap) = self.means.limits.journal_retry;
        let wait = base.saturating_mul(1 << self.failures.min(10)).min(cap);
        self.failures += 1;
        self.held_up.get_or_insert_with(|| self.means.saves.health.holds_up());
        let until = self.means.clock.now().plus(wait);
        self.append = Append::Waiting { contents, entry, until };
        Ok(())
    }

    /// Offers an entry that the journal could not take once more, when its wait is over.
    pub(super) fn offer_again(&mut self) {
        let now = self.means.clock.now();
        self.append = match std::mem::replace(&mut self.append, Append::None) {
            Append::Waiting { contents, entry, until } if now >= until => {
                Append::Offered { contents, appending: self.means.saves.journal.append(*entry) }
            }
            other => other,
        };
    }

    /// When the driver must look at the append again, even if no event comes until then.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        match &self.append {
            Append::Waiting { until, .. } => Some(*until),
            Append::None | Append::Offered { .. } => self.flush_at,
        }
    }

    /// Since when an append is under way.
    pub(super) fn under_way_since(&self) -> Option<Timestamp> {
        (!matches!(self.append, Append::None)).then_some(self.since)
    }
}
