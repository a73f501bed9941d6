//! Bulk actions and their items.

use std::collections::BTreeMap;

use saga_core::{BulkActionId, SagaId, Timestamp};

use super::{Memory, Tables};
use crate::bulk_rows;
use crate::columns::{page_rows, text};
use crate::{
    BulkActions, BulkBegun, BulkCounts, BulkCursor, BulkItemResult, BulkState, ClaimedItem, KeptBulkAction,
    KeptBulkItem, NewBulkAction, ReplicaId, StoreFuture, Unavailable,
};

/// All actions.
#[derive(Default)]
pub(super) struct MemoryBulk(BTreeMap<BulkActionId, MemoryAction>);

struct MemoryAction {
    kept: KeptBulkAction,
    items: Vec<MemoryItem>,
}

struct MemoryItem {
    kept: KeptBulkItem,
    claimed_by: Option<ReplicaId>,
}

impl MemoryBulk {
    fn begin(&mut self, action: &NewBulkAction) -> BulkBegun {
        let head = bulk_rows::head(action);
        if let Some(same) = self.0.values().find(|known| known.kept.head.key == head.key) {
            return BulkBegun::of(head.id, same.kept.head.id);
        }
        let items = action.items().iter().zip(0..).map(|(item, place)| MemoryItem {
            kept: KeptBulkItem {
                saga: item.saga,
                place,
                seen: item.seen,
                state: BulkState::Waiting,
                why: None,
                ended: None,
            },
            claimed_by: None,
        });
        let items: Vec<_> = items.collect();
        let kept = KeptBulkAction { items: items.len() as u64, head, ended: None };
        self.0.insert(kept.head.id, MemoryAction { kept, items });
        BulkBegun::Begun
    }

    /// The actions in the order in which they were begun.
    fn in_order(&self) -> Vec<&MemoryAction> {
        let mut actions: Vec<_> = self.0.values().collect();
        actions.sort_by_key(|action| action.kept.cursor());
        actions
    }

    fn end(&mut self, now: Timestamp) {
        for action in self.0.values_mut().filter(|action| action.kept.ended.is_none()) {
            if action.items.iter().all(|item| item.kept.ended.is_some()) {
                action.kept.ended = Some(now);
            }
        }
    }

    fn has_open(&self) -> bool {
        self.0.values().any(|action| action.kept.ended.is_none())
    }
}

impl Tables {
    /// The items that `replica` is to have, with those left behind first.
    fn to_claim(
        &self,
        replica: ReplicaId,
        in_hand: &[(BulkActionId, SagaId)],
    ) -> Vec<(BulkActionId, SagaId)> {
        let mut left_behind = Vec::new();
        let mut waiting = Vec::new();
        for action in self.bulk.in_order() {
            for item in action.items.iter().filter(|item| item.kept.ended.is_none()) {
                let key = (action.kept.head.id, item.kept.saga);
                match item.claimed_by {
                    None => waiting.push(key),
                    Some(owner) if owner != replica && self.is_live(owner) => {}
                    Some(_) if in_hand.contains(&key) => {}
                    Some(_) => left_behind.push(key),
                }
            }
        }
        left_behind.append(&mut waiting);
        left_behind
    }

    fn claim_items(
        &mut self,
        replica: ReplicaId,
        in_hand: &[(BulkActionId, SagaId)],
        limit: usize,
        now: Timestamp,
    ) -> Vec<ClaimedItem> {
        if !self.is_live(replica) {
            return Vec::new();
        }
        let mut taken = self.to_claim(replica, in_hand);
        taken.truncate(page_rows(limit));
        if taken.is_empty() {
            self.bulk.end(now);
        }
        let mut claimed = Vec::new();
        for (id, saga) in taken {
            let Some(action) = self.bulk.0.get_mut(&id) else { continue };
            let Some(item) = action.items.iter_mut().find(|item| item.kept.saga == saga) else { continue };
            (item.kept.state, item.claimed_by) = (BulkState::Sent, Some(replica));
            let head = &action.kept.head;
            claimed.push(ClaimedItem {
                action: id,
                saga,
                seen: item.kept.seen,
                kind: head.kind,
                caller: head.caller.clone(),
                by: head.by.clone(),
                reason: head.reason.clone(),
            });
        }
        claimed
    }
}

impl Memory {
    /// Whether there is a bulk action that has not ended.
    pub fn has_bulk_action(&self) -> bool {
        self.tables().bulk.has_open()
    }
}

impl BulkActions for Memory {
    fn begin_bulk(&self, action: NewBulkAction) -> StoreFuture<'_, Result<BulkBegun, Unavailable>> {
        Box::pin(async move { Ok(self.tables().bulk.begin(&action)) })
    }

    fn claim_items(
        &self,
        replica: ReplicaId,
        in_hand: Vec<(BulkActionId, SagaId)>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<ClaimedItem>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().claim_items(replica, &in_hand, limit, now)) })
    }

    fn record_item(
        &self,
        action: BulkActionId,
        saga: SagaId,
        result: BulkItemResult,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let items = tables.bulk.0.get_mut(&action).into_iter().flat_map(|action| &mut action.items);
            for item in items.filter(|item| item.kept.saga == saga && item.claimed_by.is_some()) {
                item.claimed_by = None;
                item.kept.state = result.state;
                item.kept.why = result.why.as_deref().map(|why| text(why).into());
                item.kept.ended = Some(result.at);
            }
            tables.bulk.end(result.at);
            Ok(())
        })
    }

    fn take_back(&self, action: BulkActionId, now: Timestamp) -> StoreFuture<'_, Result<u64, Unavailable>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let items = tables.bulk.0.get_mut(&action).into_iter().flat_map(|action| &mut action.items);
            let mut taken = 0;
            for item in items.filter(|item| item.kept.state == BulkState::Waiting) {
                (item.kept.state, item.kept.ended) = (BulkState::TakenBack, Some(now));
                taken += 1;
            }
            tables.bulk.end(now);
            Ok(taken)
        })
    }

    fn bulk_action(
        &self,
        action: BulkActionId,
    ) -> StoreFuture<'_, Result<Option<KeptBulkAction>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().bulk.0.get(&action).map(|action| action.kept.clone())) })
    }

    fn bulk_counts(&self, action: BulkActionId) -> StoreFuture<'_, Result<BulkCounts, Unavailable>> {
        Box::pin(async move {
            let tables = self.tables();
            let mut counts = BulkCounts::new();
            for item in tables.bulk.0.get(&action).into_iter().flat_map(|action| &action.items) {
                *counts.entry(item.kept.state).or_default() += 1;
            }
            Ok(counts)
        })
    }

    fn bulk_actions(
        &self,
        after: Option<BulkCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkAction>, Unavailable>> {
        Box::pin(async move {
            let tables = self.tables();
            let below = after.unwrap_or(BulkCursor::END);
            let newest_first = tables.bulk.in_order().into_iter().rev().map(|action| &action.kept);
            let page = newest_first.filter(|action| action.cursor() < below).take(page_rows(limit));
            Ok(page.cloned().collect())
        })
    }

    fn bulk_items(
        &self,
        action: BulkActionId,
        state: Option<BulkState>,
        after: Option<u64>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkItem>, Unavailable>> {
        Box::pin(async move {
            let tables = self.tables();
            let items = tables.bulk.0.get(&action).into_iter().flat_map(|action| &action.items);
            let is_wanted = |item: &&KeptBulkItem| {
                state.is_none_or(|state| item.state == state) && after.is_none_or(|after| item.place > after)
            };
            Ok(items.map(|item| &item.kept).filter(is_wanted).take(page_rows(limit)).cloned().collect())
        })
    }

    fn forget_bulk(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let is_old = |action: &MemoryAction| {
                action.kept.head.begun < before && action.kept.ended.is_some_and(|ended| ended < before)
            };
            let oldest = tables.bulk.in_order().into_iter().find(|action| is_old(action));
            let Some(oldest) = oldest.map(|action| action.kept.head.id) else { return Ok(()) };
            if let Some(action) = tables.bulk.0.get_mut(&oldest) {
                let gone = page_rows(limit).min(action.items.len());
                action.items.drain(..gone);
                if action.items.is_empty() {
                    tables.bulk.0.remove(&oldest);
                }
            }
            Ok(())
        })
    }
}
