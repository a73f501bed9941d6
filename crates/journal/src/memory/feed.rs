//! The feed, in the order in which frames came.

use saga_core::SagaId;

use super::{KeptSaga, Tables};
use crate::columns;
use crate::feed::{FEED_BYTES_MAX, FedFrameText};
use crate::{FedFrame, FeedPlace};

impl Tables {
    pub(super) fn feed(&self, from: FeedPlace, limit: usize) -> Vec<FedFrame> {
        let (first, mut bytes) = (usize::try_from(from.commit).unwrap_or(0), 0);
        let is_behind = |(number, (saga, _)): &(usize, &(SagaId, i64))| *number > first || *saga >= from.saga;
        // Sagas that were taken away have left their places in the feed.
        let is_kept =
            |(_, (saga, first_seq)): &(usize, &(SagaId, i64))| self.frame(*saga, *first_seq).is_some();
        let frames = self.feed.iter().enumerate().skip(first).filter(is_behind).filter(is_kept);
        let frames = frames.take(columns::page_rows(limit));
        let read = |(number, (saga, first_seq)): (usize, &(SagaId, i64))| {
            let (kept, events) = self.frame(*saga, *first_seq)?;
            let row = &kept.row.row;
            let labels = serde_json::to_vec(&row.labels).unwrap_or_default();
            let text = FedFrameText {
                commit: number as i64,
                saga: *saga,
                first_seq: *first_seq,
                events,
                definition: &row.definition,
                definition_hash: row.definition_hash.as_str(),
                labels: &labels,
            };
            let is_first = bytes == 0;
            bytes += events.len();
            (is_first || bytes <= FEED_BYTES_MAX).then(|| text.read())
        };
        frames.map_while(read).collect()
    }

    /// The bytes of a frame, with its saga.
    fn frame(&self, saga: SagaId, first_seq: i64) -> Option<(&KeptSaga, &[u8])> {
        let kept = self.sagas.get(&saga)?;
        Some((kept, kept.frames.get(&first_seq)?.as_bytes()))
    }
}
