//! Lists of rows.

use std::sync::Arc;

use saga_core::CauseGroup;
use saga_core::saga::Rollback;

use super::{Tables, causes};
use crate::{Cursor, FailedAt, Filter, KeptRow, Page, columns};

impl Tables {
    pub(super) fn list(&self, filter: &Filter, after: Option<Cursor>, limit: usize) -> Page {
        let before = |kept: &KeptRow| {
            after.is_none_or(|after| (kept.row.created, kept.saga) < (after.created, after.saga))
        };
        let all = self.sagas.values().map(|kept| &kept.row);
        let mut rows: Vec<KeptRow> =
            all.filter(|kept| filter.matches(kept) && before(kept)).cloned().collect();
        rows.sort_by_key(|kept| std::cmp::Reverse((kept.row.created, kept.saga)));
        Page::cut(rows, columns::page_rows(limit))
    }
}

impl Filter {
    /// Whether the row passes.
    pub(crate) fn matches(&self, kept: &KeptRow) -> bool {
        let has = |(name, value): &(Arc<str>, Arc<str>)| {
            kept.row.labels.get(name).is_some_and(|label| label.to_string() == **value)
        };
        let created = kept.row.created;
        self.definition.as_ref().is_none_or(|name| kept.row.definition == *name)
            && (!self.under_way || !kept.row.over)
            && (!self.needs_nobody || kept.rollback() != Rollback::Blocked)
            && self.since.is_none_or(|since| created >= since)
            && self.until.is_none_or(|until| created < until)
            && self.state.as_ref().is_none_or(|state| kept.row.state == *state)
            && self.rollback.is_none_or(|rollback| kept.rollback() == rollback)
            && self.cause.as_ref().is_none_or(|cause| causes::has(kept, &CauseGroup::range(cause)))
            && self.failed.as_ref().is_none_or(|failed| match failed {
                FailedAt::Any => kept.row.over && kept.row.failed_step().is_some(),
                FailedAt::Step(step) => kept.row.over && kept.row.failed_step() == Some(step),
            })
            && self.labels.iter().all(has)
    }
}
