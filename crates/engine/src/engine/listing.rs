//! Lists of sagas by what they wait for. No index knows it: rows that the journal gives are passed over here, up to a limit. Sagas that
//! are over are found by the step that failed.

use std::collections::VecDeque;
use std::sync::Arc;

use saga_core::saga::{Rollback, Waiting, WaitingFor};
use saga_core::{Definition, SagaId, Timestamp};
use saga_journal::{Cursor, FailedAt, Filter, KeptRow, Page, ROWS_MAX, StateFamily};

use super::Engine;
use crate::refusal::Refusal;

/// Rows that are read for one page at most; then the page ends, however few sagas are on it, and says where the next begins.
pub const LISTED_ROWS_READ_MAX: usize = 10_000;
/// Labels that a value is looked for in.
const LABELS_SEARCHED_MAX: usize = 50;

/// Which sagas to list; `None` is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The part that the journal's indices serve.
    pub filter: Filter,
    /// The family of their states.
    pub family: Option<StateFamily>,
    /// What a step in progress waits for. Sagas that are over wait for nothing.
    pub waiting: Option<WaitingFor>,
    /// Only steps that have waited since then or earlier.
    pub waiting_since: Option<Timestamp>,
    /// The name of a step that waits (for that, if `waiting` says for what), or that the saga failed at.
    pub step: Option<Arc<str>>,
    /// The name of such a step's participant.
    pub participant: Option<Arc<str>>,
}

impl Listing {
    fn is_by_index(&self) -> bool {
        self.is_family_by_index() && !self.asks_for_steps()
    }

    /// Whether it is a step that a saga waits at, or failed at, that matters.
    fn asks_for_steps(&self) -> bool {
        self.waiting.is_some()
            || self.waiting_since.is_some()
            || self.step.is_some()
            || self.participant.is_some()
    }

    /// Whether the journal's part of the listing leaves no saga of another family over.
    fn is_family_by_index(&self) -> bool {
        match self.family {
            None => true,
            Some(StateFamily::Person) => {
                self.filter.rollback.is_none_or(|rollback| rollback == Rollback::Blocked)
            }
            Some(StateFamily::Waiting | StateFamily::Running | StateFamily::Done | StateFamily::Failed) => {
                false
            }
        }
    }

    /// The journal's part, with what else the journal can tell of the family.
    fn by_index(&self) -> Filter {
        let mut filter = self.filter.clone();
        match self.family {
            Some(StateFamily::Person) => {
                filter.rollback.get_or_insert(Rollback::Blocked);
            }
            Some(StateFamily::Waiting | StateFamily::Running) => {
                (filter.under_way, filter.needs_nobody) = (true, true);
            }
            Some(StateFamily::Failed) => filter.failed = Some(FailedAt::Any),
            Some(StateFamily::Done) | None => {}
        }
        filter
    }

    /// Whether a saga passes that waits for what its summary says. `definition` is the one that it is pinned to, where participants matter.
    fn passes(&self, row: &KeptRow, definition: Option<&Definition>) -> bool {
        let waiting = &row.row.summary.waiting;
        if self.family.is_some_and(|family| row.family() != family) {
            return false;
        }
        let is_meant = |step: &str| {
            let is_called = |wanted: &Arc<str>| {
                let called = definition.and_then(|definition| {
                    definition.step_named(step).and_then(|step| definition.participant(step))
                });
                called.is_some_and(|called| called.name == *wanted)
            };
            self.step.as_ref().is_none_or(|wanted| **wanted == *step)
                && self.participant.as_ref().is_none_or(is_called)
        };
        let is_long = |entry: &Waiting| {
            self.waiting_since.is_none_or(|since| entry.since.unwrap_or(row.row.updated) <= since)
        };
        let is_waited_for = |entry: &Waiting| {
            self.waiting.is_none_or(|cause| cause == entry.cause) && is_long(entry) && is_meant(&entry.step)
        };
        let failed_at = row.row.summary.failure.as_ref().and_then(|failure| failure.step.as_ref());
        !self.asks_for_steps()
            || waiting.iter().any(is_waited_for)
            || self.waiting.is_none()
                && self.waiting_since.is_none()
                && failed_at.is_some_and(|step| is_meant(step))
    }
}

/// Rows of one filter, newest first, that are read until one passes.
struct Rows {
    filter: Filter,
    /// Rows that are read at a time.
    page_rows: usize,
    /// Rows that may still be read.
    left: usize,
    read: VecDeque<KeptRow>,
    /// The row that is next, if one has passed.
    head: Option<KeptRow>,
    /// The last row that was looked at.
    at: Option<Cursor>,
    /// Whether the journal has no more.
    is_end: bool,
}

impl Rows {
    fn new(filter: Filter, after: Option<Cursor>, page_rows: usize) -> Self {
        let (left, read) = (LISTED_ROWS_READ_MAX, VecDeque::new());
        Self { filter, page_rows, left, read, head: None, at: after, is_end: false }
    }

    /// Whether it has no row that passes, and did not come to its end: there may be one behind `at`.
    fn has_stopped(&self) -> bool {
        self.head.is_none() && !self.is_end
    }

    /// Whether there may be rows behind the head.
    fn has_more(&self) -> bool {
        self.head.is_some() || !self.read.is_empty() || !self.is_end
    }
}

fn cursor(row: &KeptRow) -> Cursor {
    Cursor { created: row.row.created, saga: row.saga }
}

/// In the order of lists.
fn place(at: &Cursor) -> (Timestamp, SagaId) {
    (at.created, at.saga)
}

impl Listing {
    /// The rows among which its sagas are. Sagas that wait are under way; sagas that failed at a step are found by that once they are
    /// over.
    fn rows(&self, after: Option<Cursor>, limit: usize) -> Vec<Rows> {
        let filter = self.by_index();
        if self.is_by_index() {
            return vec![Rows::new(filter, after, limit.max(1))];
        }
        // Often the first rows are enough; where few pass, more and more are read at once.
        let page_rows = limit.saturating_mul(2).clamp(1, ROWS_MAX);
        if !self.asks_for_steps() {
            return vec![Rows::new(filter, after, page_rows)];
        }
        let mut filters = Vec::new();
        if filter.failed.is_none() {
            filters.push(Filter { under_way: true, ..filter.clone() });
        }
        if self.waiting.is_none() && self.waiting_since.is_none() && !filter.under_way {
            let failed = Some(self.step.clone().map_or(FailedAt::Any, FailedAt::Step));
            filters.push(Filter { failed, ..filter });
        }
        let left = LISTED_ROWS_READ_MAX / filters.len().max(1);
        filters.into_iter().map(|filter| Rows { left, ..Rows::new(filter, after, page_rows) }).collect()
    }
}

impl Engine {
    /// Sagas, newest first, at most `limit`; each row's summary says what the saga waits for, as [`Engine::waiting`] does.
    pub async fn list(
        &self,
        listing: &Listing,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, Refusal> {
        let mut all = listing.rows(after, limit);
        let mut found = Page::default();
        loop {
            for rows in &mut all {
                self.look_further(listing, rows).await?;
            }
            // Sagas that start later are first.
            let stopped = all.iter().filter(|rows| rows.has_stopped()).filter_map(|rows| rows.at);
            let stopped = stopped.max_by_key(place);
            let newest = all.iter_mut().filter(|rows| rows.head.is_some());
            let newest = newest.max_by_key(|rows| rows.head.as_ref().map(|row| place(&cursor(row))));
            let Some(row) = newest.and_then(|rows| rows.head.take()) else {
                found.next = stopped;
                return Ok(found);
            };
            let here = cursor(&row);
            if let Some(stopped) = stopped.filter(|stopped| place(stopped) > place(&here)) {
                found.next = Some(stopped);
                return Ok(found);
            }
            // A saga may have ended between two questions.
            if found.rows.iter().all(|known| known.saga != row.saga) {
                found.rows.push(row);
            }
            if found.rows.len() >= limit.max(1) {
                found.next = all.iter().any(Rows::has_more).then_some(here);
                return Ok(found);
            }
        }
    }

    /// The sagas that have this value as one of these labels, newest first, at most `limit`. More than `LABELS_SEARCHED_MAX` names
    /// are not looked at.
    pub async fn labelled(
        &self,
        value: &Arc<str>,
        names: &[Arc<str>],
        limit: usize,
    ) -> Result<Vec<KeptRow>, Refusal> {
        let mut found: Vec<KeptRow> = Vec::new();
        for name in names.iter().take(LABELS_SEARCHED_MAX) {
            let filter = Filter { labels: vec![(name.clone(), value.clone())], ..Filter::default() };
            found.extend(self.journal().list(filter, None, limit.min(ROWS_MAX)).await?.rows);
        }
        found.sort_by_key(|row| std::cmp::Reverse(place(&cursor(row))));
        found.dedup_by_key(|row| row.saga);
        found.truncate(limit);
        Ok(found)
    }

    /// Reads rows until one passes, there are no more, or none may be read any more.
    async fn look_further(&self, listing: &Listing, rows: &mut Rows) -> Result<(), Refusal> {
        while rows.head.is_none() {
            let Some(mut row) = rows.read.pop_front() else {
                if rows.is_end || rows.left == 0 {
                    return Ok(());
                }
                let page = self.journal().list(rows.filter.clone(), rows.at, rows.page_rows).await?;
                rows.left = rows.left.saturating_sub(page.rows.len());
                (rows.is_end, rows.read) = (page.next.is_none(), page.rows.into());
                rows.page_rows = rows.page_rows.saturating_mul(4).min(ROWS_MAX);
                continue;
            };
            rows.at = Some(cursor(&row));
            row.row.summary.waiting = self.waiting(&row).await;
            if listing.is_by_index() || self.passes(listing, &row).await? {
                rows.head = Some(row);
            }
        }
        Ok(())
    }

    async fn passes(&self, listing: &Listing, row: &KeptRow) -> Result<bool, Refusal> {
        let definition = match listing.participant {
            None => None,
            Some(_) => match self.pinned(&row.row.definition_hash).await {
                Ok(definition) => Some(definition),
                // Its participants are not known here.
                Err(Refusal::Damaged(_)) => None,
                Err(refusal) => return Err(refusal),
            },
        };
        Ok(listing.passes(row, definition.as_deref()))
    }

    /// What each step in progress of a saga waits for: as its row says, and for calls that their participants hold back, as
    /// this process knows if the saga runs here. A saga that cannot be read waits for a person.
    pub async fn waiting(&self, row: &KeptRow) -> Vec<Waiting> {
        let mut waiting = row.row.summary.waiting.clone();
        if row.parked.is_some() {
            for entry in &mut waiting {
                (entry.cause, entry.until) = (WaitingFor::Person, None);
            }
        } else if waiting.iter().any(|entry| entry.cause == WaitingFor::Call) {
            let held_back = self.held_back(row.saga).await;
            for entry in waiting.iter_mut().filter(|entry| entry.cause == WaitingFor::Call) {
                if held_back.contains(&entry.step) {
                    entry.cause = WaitingFor::Participant;
                }
            }
        }
        waiting
    }
}
