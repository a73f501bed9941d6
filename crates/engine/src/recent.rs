//! The sagas that this process has started last. A request whose key belongs to one of them is a repeated one, so the journal is asked for its
//! saga before anything is called for it. Any other key is most likely a new one, and nothing is asked; if it is not, the append of the
//! saga's start says so.
//!
//! After a process has ended without a word, its callers repeat their requests. One of these may be for the saga that has ended it, by an answer
//! that ends whoever reads it; then the saga's calls must not be made again. So a process that has just started, or has taken over another
//! one's sagas, has every key looked up for a while.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use saga_core::SagaId;
use tokio::time::{Duration, Instant};

/// Sagas whose ids are remembered, at least: twice as many at most.
const RECENT_SAGAS: usize = 16_384;

/// The ids of these sagas.
pub(crate) struct RecentSagas(Mutex<RecentIds>);

/// Each half has at most [`RECENT_SAGAS`]. When the newer one is full, it takes the place of the older one.
struct RecentIds {
    newer: HashSet<SagaId>,
    older: HashSet<SagaId>,
    /// Until then, any saga may be asked for again.
    cautious_until: Instant,
}

impl RecentSagas {
    /// No sagas yet, but for so long any may be asked for again.
    pub(crate) fn new(cautious_for: Duration) -> Self {
        let cautious_until = Instant::now() + cautious_for;
        let (newer, older) = Default::default();
        Self(Mutex::new(RecentIds { newer, older, cautious_until }))
    }

    /// Whether the journal is to be asked for this saga.
    pub(crate) fn may_have(&self, saga: SagaId) -> bool {
        let ids = self.ids();
        Instant::now() < ids.cautious_until || ids.newer.contains(&saga) || ids.older.contains(&saga)
    }

    /// This saga is started here.
    pub(crate) fn add(&self, saga: SagaId) {
        let mut guard = self.ids();
        let ids = &mut *guard;
        if ids.newer.len() >= RECENT_SAGAS {
            mem::swap(&mut ids.newer, &mut ids.older);
            ids.newer.clear();
        }
        ids.newer.insert(saga);
    }

    /// Sagas were taken over: for so long, any may be asked for again.
    pub(crate) fn be_cautious(&self, cautious_for: Duration) {
        self.ids().cautious_until = Instant::now() + cautious_for;
    }

    fn ids(&self) -> MutexGuard<'_, RecentIds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;
    use uuid::Uuid;

    use super::*;

    const CAUTIOUS_FOR: Duration = Duration::from_secs(60);

    fn saga(number: usize) -> SagaId {
        SagaId::new(Uuid::from_u128(number as u128))
    }

    #[tokio::test(start_paused = true)]
    async fn any_saga_may_be_asked_for_again_after_a_start_or_a_take_over() {
        let recent = RecentSagas::new(CAUTIOUS_FOR);
        recent.add(saga(2));
        advance(Duration::from_secs(59)).await;
        assert!(recent.may_have(saga(1)));
        advance(Duration::from_secs(1)).await;
        assert_eq!([1, 2].map(|number| recent.may_have(saga(number))), [false, true]);
        recent.be_cautious(CAUTIOUS_FOR);
        advance(Duration::from_secs(59)).await;
        assert!(recent.may_have(saga(1)));
        advance(Duration::from_secs(1)).await;
        assert!(!recent.may_have(saga(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_ones_are_remembered_and_their_number_is_bounded() {
        let recent = RecentSagas::new(Duration::ZERO);
        for number in 0..4 * RECENT_SAGAS + 1 {
            recent.add(saga(number));
            assert!(recent.may_have(saga((number + 1).saturating_sub(RECENT_SAGAS))), "{number}");
        }
        assert!(!recent.may_have(saga(0)));
        let ids = recent.ids();
        assert!(ids.newer.len() + ids.older.len() <= 2 * RECENT_SAGAS);
    }
}
