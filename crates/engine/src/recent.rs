//! The sagas that were started last: by this process, and before it by any.
//!
//! A request whose key belongs to one of them is likely a repeated one, so the journal is asked for its saga before anything is called for it.
//! Any other key is most likely a new one, and nothing is asked; if it is not, the append of the saga's start says so.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use saga_core::SagaId;
use saga_journal::NEWEST_MAX;

/// The ids of these sagas.
#[derive(Default)]
pub(crate) struct RecentSagas(Mutex<RecentIds>);

/// Each half has at most [`NEWEST_MAX`]. When the newer one is full, it takes the place of the older one.
#[derive(Default)]
struct RecentIds {
    newer: HashSet<SagaId>,
    older: HashSet<SagaId>,
    /// Whether those that are in the journal from before are among them.
    has_earlier: bool,
}

impl RecentSagas {
    /// Whether this may be one of them.
    pub(crate) fn may_have(&self, saga: SagaId) -> bool {
        let ids = self.ids();
        !ids.has_earlier || ids.newer.contains(&saga) || ids.older.contains(&saga)
    }

    /// This saga is started here.
    pub(crate) fn add(&self, saga: SagaId) {
        self.ids().add(saga);
    }

    /// These were started last when this process began.
    pub(crate) fn add_earlier(&self, newest: Vec<SagaId>) {
        let mut ids = self.ids();
        newest.into_iter().for_each(|saga| ids.add(saga));
        ids.has_earlier = true;
    }

    fn ids(&self) -> MutexGuard<'_, RecentIds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RecentIds {
    fn add(&mut self, saga: SagaId) {
        if self.newer.len() >= NEWEST_MAX {
            mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
        self.newer.insert(saga);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn saga(number: usize) -> SagaId {
        SagaId::new(Uuid::from_u128(number as u128))
    }

    #[test]
    fn any_saga_may_be_recent_until_the_earlier_ones_are_known() {
        let recent = RecentSagas::default();
        assert!(recent.may_have(saga(1)));
        recent.add_earlier(vec![saga(3), saga(2)]);
        recent.add(saga(4));
        assert_eq!([1, 2, 3, 4].map(|number| recent.may_have(saga(number))), [false, true, true, true]);
    }

    #[test]
    fn the_newest_are_kept_and_their_number_is_bounded() {
        let recent = RecentSagas::default();
        recent.add_earlier((0..NEWEST_MAX).map(saga).collect());
        assert!(recent.may_have(saga(0)));
        for number in NEWEST_MAX..4 * NEWEST_MAX + 1 {
            recent.add(saga(number));
            assert!(recent.may_have(saga(number + 1 - NEWEST_MAX)), "{number}");
        }
        assert!(!recent.may_have(saga(0)));
        let ids = recent.ids();
        assert!(ids.newer.len() + ids.older.len() <= 2 * NEWEST_MAX);
    }
}
