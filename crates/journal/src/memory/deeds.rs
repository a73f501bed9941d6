//! The deeds, in the order of their list.

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::{SagaId, Seq, Timestamp};

use crate::deeds::DeedBounds;
use crate::{DeedCursor, DeedsOf, Entry, KeptDeed, columns, deed_rows};

/// The deeds of all names.
#[derive(Default)]
pub(super) struct MemoryDeeds(BTreeMap<(Arc<str>, DeedCursor), &'static str>);

impl MemoryDeeds {
    pub(super) fn put(&mut self, entry: &Entry) {
        for new in deed_rows::new(entry) {
            let (at, seq) = (Timestamp::from_micros(new.at_us), Seq::new(new.seq as u64));
            let place = DeedCursor { at, saga: entry.saga, seq };
            self.0.insert((new.name.as_ref().into(), place), new.deed);
        }
    }

    /// Takes away what was done to a saga.
    pub(super) fn forget(&mut self, saga: SagaId) {
        self.0.retain(|(_, place), _| place.saga != saga);
    }

    /// See [`Histories::deeds`](crate::Histories::deeds); `definition` knows each saga's.
    pub(super) fn of(
        &self,
        of: &DeedsOf,
        after: Option<DeedCursor>,
        limit: usize,
        definition: impl Fn(SagaId) -> Option<Arc<str>>,
    ) -> Vec<KeptDeed> {
        let bounds = DeedBounds::of(of, after);
        let nil = SagaId::new(uuid::Uuid::nil());
        let since = DeedCursor { at: Timestamp::from_micros(bounds.since_us), saga: nil, seq: Seq::NONE };
        let (first, end) = ((of.name.clone(), since), (of.name.clone(), bounds.below));
        let of_the_time = if first < end { Some(self.0.range(first..end).rev()) } else { None };
        let kept = of_the_time.into_iter().flatten().map(|((_, place), deed)| KeptDeed {
            at: place.at,
            saga: place.saga,
            seq: place.seq,
            deed: (*deed).into(),
            definition: definition(place.saga),
        });
        kept.take(columns::page_rows(limit)).collect()
    }
}
