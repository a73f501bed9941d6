//! The sagas that need a person, by cause: what the databases find by index, without one.

use std::collections::BTreeMap;

use saga_core::{CauseGroup, CauseRange, Timestamp};

use super::Tables;
use crate::causes::{
    self, CAUSES_ASKED_MAX, CauseAnswer, CauseQuestion, CausesAsked, CausesGathered, MINUTE_US,
};
use crate::columns::page_rows;
use crate::{
    CAUSE_MINUTES_MAX, CAUSE_SAGAS_COUNTED_MAX, CauseCursor, CauseMembers, CauseMinute, Causes, KeptRow,
};

/// Whether a saga needs a person for one of these causes.
pub(super) fn has(kept: &KeptRow, range: &CauseRange) -> bool {
    let cause = kept.row.cause.as_deref();
    match range {
        CauseRange::Key(key) => cause == Some(key),
        CauseRange::Between { above, below } => {
            cause.is_some_and(|cause| *cause > **above && *cause < **below)
        }
    }
}

fn cursor(kept: &KeptRow) -> CauseCursor {
    CauseCursor { blocked: kept.row.blocked_since.unwrap_or(kept.row.updated), saga: kept.saga }
}

impl Tables {
    pub(super) fn causes(&self, recent: Timestamp, limit: usize) -> Causes {
        let mut gathered = CausesGathered::new(recent, limit);
        while let Some(question) = gathered.question() {
            gathered.take(self.answers(&question));
        }
        gathered.finish()
    }

    fn answers(&self, question: &CauseQuestion) -> Vec<CauseAnswer> {
        match &question.about {
            CausesAsked::All(range) => self.answer(range, None, question).into_iter().collect(),
            CausesAsked::Behind(key) => {
                let keys = self
                    .sagas
                    .values()
                    .filter_map(|kept| kept.row.row.cause.clone())
                    .filter(|cause| cause > key);
                let keys: std::collections::BTreeSet<_> = keys.collect();
                let answer = |key: std::sync::Arc<str>| {
                    self.answer(&CauseRange::Key(key.clone()), Some(&key), question)
                };
                keys.into_iter().take(CAUSES_ASKED_MAX).filter_map(answer).collect()
            }
        }
    }

    fn answer(&self, range: &CauseRange, key: Option<&str>, question: &CauseQuestion) -> Option<CauseAnswer> {
        let mut sagas = self.with_cause(range);
        sagas.sort_by_key(|kept| (kept.row.cause.clone(), cursor(kept)));
        let looked = &sagas[..sagas.len().min(question.rows_max)];
        let at = |kept: &KeptRow| cursor(kept).blocked.as_micros();
        let last = if key.is_some() { &sagas } else { looked };
        let (oldest, newest) =
            (looked.iter().min_by_key(|kept| cursor(kept))?, last.iter().max_by_key(|kept| cursor(kept))?);
        let recent = if key.is_some() { &sagas } else { looked };
        let amounts: Vec<i64> = looked.iter().filter_map(|kept| kept.row.at_stake()).collect();
        Some(CauseAnswer {
            cause: key.map(str::to_owned),
            count: looked.len() as i64,
            at_stake: (!amounts.is_empty()).then(|| amounts.iter().sum()),
            oldest_us: at(oldest),
            newest_us: at(newest),
            recent: recent.iter().filter(|kept| at(kept) >= question.recent_us).count() as i64,
            sample: oldest.saga,
        })
    }

    /// Those first that have waited for longest.
    fn with_cause(&self, range: &CauseRange) -> Vec<&KeptRow> {
        let all = self.sagas.values().map(|kept| &kept.row);
        let mut sagas: Vec<&KeptRow> = all.filter(|kept| has(kept, range)).collect();
        sagas.sort_by_key(|kept| cursor(kept));
        sagas
    }

    pub(super) fn cause_members(
        &self,
        of: &CauseMembers,
        after: Option<CauseCursor>,
        limit: usize,
    ) -> Vec<KeptRow> {
        let sagas = self.with_cause(&CauseGroup::range(&of.cause)).into_iter();
        let is_wanted = |kept: &&KeptRow| {
            of.definition.as_ref().is_none_or(|name| kept.row.definition == *name)
                && after.is_none_or(|after| cursor(kept) > after)
        };
        sagas.filter(is_wanted).take(page_rows(limit)).cloned().collect()
    }

    pub(super) fn cause_minutes(&self, cause: &str, since: Timestamp) -> Vec<CauseMinute> {
        let sagas = self.with_cause(&CauseGroup::range(cause));
        let came = sagas.iter().rev().map(|kept| cursor(kept).blocked).filter(|at| *at >= since);
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        for at in came.take(CAUSE_SAGAS_COUNTED_MAX) {
            *counts.entry(at.as_micros() / MINUTE_US).or_default() += 1;
        }
        causes::minutes(counts.into_iter().rev().take(CAUSE_MINUTES_MAX))
    }
}
