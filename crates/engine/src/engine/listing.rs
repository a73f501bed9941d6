//! Lists of sagas by what they wait for. No index knows it: rows that the journal gives are passed over here, up to a limit.

use std::sync::Arc;

use saga_core::saga::{Rollback, Waiting, WaitingFor};
use saga_core::{Definition, Timestamp};
use saga_journal::{Cursor, Filter, KeptRow, Page, ROWS_MAX, StateFamily};

use super::Engine;
use crate::refusal::Refusal;

/// Rows that are read for one page at most; then the page ends, however few sagas are on it, and says where the next begins.
pub const LISTED_ROWS_READ_MAX: usize = 10_000;

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
        self.is_family_by_index()
            && self.waiting.is_none()
            && self.waiting_since.is_none()
            && self.step.is_none()
            && self.participant.is_none()
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

    /// The journal's part, with what else the journal can tell of the others.
    fn by_index(&self) -> Filter {
        let mut filter = self.filter.clone();
        filter.under_way |= self.waiting.is_some() || self.waiting_since.is_some();
        match self.family {
            Some(StateFamily::Person) => {
                filter.rollback.get_or_insert(Rollback::Blocked);
            }
            Some(StateFamily::Waiting | StateFamily::Running) => filter.under_way = true,
            Some(StateFamily::Done | StateFamily::Failed) | None => {}
        }
        filter
    }

    /// Whether a saga passes that waits for what its summary says. `definition` is the one that it is pinned to, where participants matter.
    fn passes(&self, row: &KeptRow, definition: Option<&Definition>) -> bool {
        let waiting = &row.row.summary.waiting;
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
        if self.family.is_some_and(|family| row.family() != family) {
            return false;
        }
        let is_any = self.waiting.is_none()
            && self.waiting_since.is_none()
            && self.step.is_none()
            && self.participant.is_none();
        let failed_at = row.row.summary.failure.as_ref().and_then(|failure| failure.step.as_ref());
        is_any
            || waiting.iter().any(is_waited_for)
            || self.waiting.is_none()
                && self.waiting_since.is_none()
                && failed_at.is_some_and(|step| is_meant(step))
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
        let filter = listing.by_index();
        let mut found = Page { rows: Vec::new(), next: after };
        let (mut read, mut rows) = (0, if listing.is_by_index() { limit } else { limit.saturating_mul(2) });
        loop {
            let page = self.journal().list(filter.clone(), found.next, rows.min(ROWS_MAX)).await?;
            read += page.rows.len();
            let mut left = page.rows.len();
            for mut row in page.rows {
                left -= 1;
                let here = Cursor { created: row.row.created, saga: row.saga };
                row.row.summary.waiting = self.waiting(&row).await;
                if listing.is_by_index() || self.passes(listing, &row).await? {
                    found.rows.push(row);
                    if found.rows.len() >= limit.max(1) {
                        found.next = (left > 0 || page.next.is_some()).then_some(here);
                        return Ok(found);
                    }
                }
            }
            found.next = page.next;
            // Often the first rows are enough; where few pass, many are read at once.
            rows = rows.saturating_mul(4);
            if page.next.is_none() || read >= LISTED_ROWS_READ_MAX {
                return Ok(found);
            }
        }
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
