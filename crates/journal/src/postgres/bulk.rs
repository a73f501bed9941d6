//! Bulk actions and their items.

use std::sync::Arc;

use saga_core::{BulkActionId, SagaId, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::ownership::cell;
use super::pool::ConnectionPool;
use super::{Postgres, sql};
use crate::bulk_rows::{head, seen, seen_seq};
use crate::columns::{page_rows, text};
use crate::{
    BulkActions, BulkBegun, BulkCounts, BulkCursor, BulkHead, BulkItemResult, BulkState, ClaimedItem,
    KeptBulkAction, KeptBulkItem, NewBulkAction, ReplicaId, StoreFuture, Unavailable,
};

/// Open actions of which a claim looks at the waiting items.
const ACTIONS_LOOKED_AT_MAX: i64 = 16;

/// Values with their types.
type Bound<'p, const N: usize> = [(&'p (dyn ToSql + Sync), Type); N];

fn some_text(row: &Row, index: usize) -> Result<Option<Arc<str>>, Unavailable> {
    Ok(cell::<Option<&str>>(row, index)?.map(Into::into))
}

fn action_id(row: &Row, index: usize) -> Result<BulkActionId, Unavailable> {
    cell(row, index).map(BulkActionId::new)
}

fn time(row: &Row, index: usize) -> Result<Option<Timestamp>, Unavailable> {
    Ok(cell::<Option<i64>>(row, index)?.map(Timestamp::from_micros))
}

/// See [`BulkActions::begin_bulk`]. Two statements: an action that another process keeps meanwhile is seen by the second one.
async fn begin(pool: &ConnectionPool, action: &NewBulkAction) -> Result<BulkBegun, Unavailable> {
    let (head, items) = (head(action), action.items());
    let (kind, begun_us): (&str, _) = (head.kind.into(), head.begun.as_micros());
    let (key, by, described) = (&*head.key, &*head.by, &*head.described);
    let (caller, reason) = (head.caller.as_deref(), head.reason.as_deref());
    let sagas: Vec<Uuid> = items.iter().map(|item| *item.saga.as_uuid()).collect();
    let seen_us: Vec<i64> = items.iter().map(|item| item.seen.at.as_micros()).collect();
    let seen_seqs: Vec<Option<i64>> = items.iter().map(|item| seen_seq(item.seen)).collect();
    let params: Bound<'_, 11> = [
        (head.id.as_uuid(), Type::UUID),
        (&key, Type::TEXT),
        (&kind, Type::TEXT),
        (&caller, Type::TEXT),
        (&by, Type::TEXT),
        (&reason, Type::TEXT),
        (&described, Type::TEXT),
        (&begun_us, Type::INT8),
        (&sagas, Type::UUID_ARRAY),
        (&seen_us, Type::INT8_ARRAY),
        (&seen_seqs, Type::INT8_ARRAY),
    ];
    if !pool.query(sql::BEGIN_BULK, &params).await?.is_empty() {
        return Ok(BulkBegun::Begun);
    }
    let rows = pool.query(sql::BULK_OF_KEY, &[(&key, Type::TEXT)]).await?;
    let row = rows.first().ok_or_else(|| Unavailable::because("the bulk action's id is another one's"))?;
    Ok(BulkBegun::of(head.id, action_id(row, 0)?))
}

/// See [`BulkActions::claim_items`].
async fn claim(
    pool: &ConnectionPool,
    replica: ReplicaId,
    in_hand: &[(BulkActionId, SagaId)],
    limit: usize,
    now: Timestamp,
) -> Result<Vec<ClaimedItem>, Unavailable> {
    let open = pool.query(sql::IS_ANY_BULK_OPEN, &[]).await?;
    if !open.first().map_or(Ok(false), |row| cell(row, 0))? {
        return Ok(Vec::new());
    }
    let limit = page_rows(limit) as i64;
    let actions: Vec<Uuid> = in_hand.iter().map(|(action, _)| *action.as_uuid()).collect();
    let sagas: Vec<Uuid> = in_hand.iter().map(|(_, saga)| *saga.as_uuid()).collect();
    let params: Bound<'_, 5> = [
        (replica.as_uuid(), Type::UUID),
        (&limit, Type::INT8),
        (&actions, Type::UUID_ARRAY),
        (&sagas, Type::UUID_ARRAY),
        (&ACTIONS_LOOKED_AT_MAX, Type::INT8),
    ];
    let rows = pool.query(sql::CLAIM_ITEMS, &params).await?;
    if rows.is_empty() {
        end(pool, now).await?;
    }
    let read = |row| {
        let kind = cell::<&str>(row, 4)?.parse().map_err(Unavailable::because)?;
        Ok(ClaimedItem {
            action: action_id(row, 0)?,
            saga: SagaId::new(cell(row, 1)?),
            seen: seen(cell(row, 2)?, cell(row, 3)?),
            kind,
            caller: some_text(row, 5)?,
            by: cell::<&str>(row, 6)?.into(),
            reason: some_text(row, 7)?,
        })
    };
    rows.iter().map(read).collect()
}

async fn end(pool: &ConnectionPool, now: Timestamp) -> Result<(), Unavailable> {
    pool.query(sql::END_BULK, &[(&now.as_micros(), Type::INT8)]).await.map(drop)
}

/// See [`BulkActions::record_item`].
async fn record(
    pool: &ConnectionPool,
    action: BulkActionId,
    saga: SagaId,
    result: &BulkItemResult,
) -> Result<(), Unavailable> {
    let (state, why): (&str, _) = (result.state.into(), result.why.as_deref().map(text));
    let at_us = result.at.as_micros();
    let params: Bound<'_, 5> = [
        (action.as_uuid(), Type::UUID),
        (saga.as_uuid(), Type::UUID),
        (&state, Type::TEXT),
        (&why, Type::TEXT),
        (&at_us, Type::INT8),
    ];
    pool.query(sql::RECORD_ITEM, &params).await?;
    end(pool, result.at).await
}

/// See [`BulkActions::take_back`].
async fn take_back(pool: &ConnectionPool, action: BulkActionId, now: Timestamp) -> Result<u64, Unavailable> {
    let now_us = now.as_micros();
    let params: Bound<'_, 2> = [(action.as_uuid(), Type::UUID), (&now_us, Type::INT8)];
    let rows = pool.query_once(sql::TAKE_BACK, &params).await?;
    end(pool, now).await?;
    rows.first().map_or(Ok(0), |row| cell::<i64>(row, 0).map(i64::unsigned_abs))
}

/// An action of a kind that this release knows.
fn kept_action(row: &Row) -> Result<Option<KeptBulkAction>, Unavailable> {
    let Ok(kind) = cell::<&str>(row, 2)?.parse() else { return Ok(None) };
    let head = BulkHead {
        id: action_id(row, 0)?,
        key: cell::<&str>(row, 1)?.into(),
        kind,
        caller: some_text(row, 3)?,
        by: cell::<&str>(row, 4)?.into(),
        reason: some_text(row, 5)?,
        described: cell::<&str>(row, 6)?.into(),
        begun: Timestamp::from_micros(cell(row, 8)?),
    };
    let items = cell::<i64>(row, 7)?.unsigned_abs();
    Ok(Some(KeptBulkAction { head, items, ended: time(row, 9)? }))
}

/// See [`BulkActions::bulk_items`].
async fn items(
    pool: &ConnectionPool,
    action: BulkActionId,
    state: Option<BulkState>,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<KeptBulkItem>, Unavailable> {
    let state: Option<&str> = state.map(Into::into);
    let after = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
    let limit = page_rows(limit) as i64;
    let params: Bound<'_, 4> =
        [(action.as_uuid(), Type::UUID), (&after, Type::INT8), (&state, Type::TEXT), (&limit, Type::INT8)];
    let rows = pool.query(sql::BULK_ITEMS, &params).await?;
    let read = |row| {
        Ok(KeptBulkItem {
            saga: SagaId::new(cell(row, 0)?),
            place: cell::<i64>(row, 1)?.unsigned_abs(),
            seen: seen(cell(row, 2)?, cell(row, 3)?),
            state: BulkState::read(cell(row, 4)?),
            why: some_text(row, 5)?,
            ended: time(row, 6)?,
        })
    };
    rows.iter().map(read).collect()
}

impl BulkActions for Postgres {
    fn begin_bulk(&self, action: NewBulkAction) -> StoreFuture<'_, Result<BulkBegun, Unavailable>> {
        Box::pin(async move { begin(&self.pool, &action).await })
    }

    fn claim_items(
        &self,
        replica: ReplicaId,
        in_hand: Vec<(BulkActionId, SagaId)>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<ClaimedItem>, Unavailable>> {
        Box::pin(async move { claim(&self.pool, replica, &in_hand, limit, now).await })
    }

    fn record_item(
        &self,
        action: BulkActionId,
        saga: SagaId,
        result: BulkItemResult,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { record(&self.pool, action, saga, &result).await })
    }

    fn take_back(&self, action: BulkActionId, now: Timestamp) -> StoreFuture<'_, Result<u64, Unavailable>> {
        Box::pin(take_back(&self.pool, action, now))
    }

    fn bulk_action(
        &self,
        action: BulkActionId,
    ) -> StoreFuture<'_, Result<Option<KeptBulkAction>, Unavailable>> {
        Box::pin(async move {
            let rows = self.pool.query(sql::BULK_ACTION, &[(action.as_uuid(), Type::UUID)]).await?;
            Ok(rows.first().map(kept_action).transpose()?.flatten())
        })
    }

    fn bulk_counts(&self, action: BulkActionId) -> StoreFuture<'_, Result<BulkCounts, Unavailable>> {
        Box::pin(async move {
            let rows = self.pool.query(sql::BULK_COUNTS, &[(action.as_uuid(), Type::UUID)]).await?;
            let mut counts = BulkCounts::new();
            for row in &rows {
                let (state, count) = (BulkState::read(cell(row, 0)?), cell::<i64>(row, 1)?.unsigned_abs());
                *counts.entry(state).or_default() += count;
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
            let below = after.unwrap_or(BulkCursor::END);
            let (below_us, limit) = (below.begun.as_micros(), page_rows(limit) as i64);
            let params: Bound<'_, 3> =
                [(&below_us, Type::INT8), (below.id.as_uuid(), Type::UUID), (&limit, Type::INT8)];
            let rows = self.pool.query(sql::BULK_ACTIONS, &params).await?;
            rows.iter().filter_map(|row| kept_action(row).transpose()).collect()
        })
    }

    fn bulk_items(
        &self,
        action: BulkActionId,
        state: Option<BulkState>,
        after: Option<u64>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkItem>, Unavailable>> {
        Box::pin(items(&self.pool, action, state, after, limit))
    }

    fn forget_bulk(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let (before_us, limit) = (before.as_micros(), page_rows(limit) as i64);
            let params: Bound<'_, 2> = [(&before_us, Type::INT8), (&limit, Type::INT8)];
            self.pool.query(sql::FORGET_ITEMS, &params).await?;
            self.pool.query(sql::FORGET_BULK, &[(&before_us, Type::INT8)]).await.map(drop)
        })
    }
}
