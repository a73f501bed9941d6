//! Bulk actions and their items.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use saga_core::{BulkActionId, SagaId, Timestamp};
use uuid::Uuid;

use super::replicas::Replicas;
use super::{Sqlite, id, saga_id, string};
use crate::bulk_rows::{head, seen, seen_seq};
use crate::columns::{page_rows, text};
use crate::{
    BulkActions, BulkBegun, BulkCounts, BulkCursor, BulkHead, BulkItemResult, BulkState, ClaimedItem,
    KeptBulkAction, KeptBulkItem, NewBulkAction, ROWS_MAX, ReplicaId, StoreFuture, Unavailable,
};

/// Before the items to claim are looked for: nothing is written where there are none. Served by bulk_action_open.
const IS_ANY_OPEN: &str = "SELECT EXISTS (SELECT 1 FROM bulk_action WHERE ended_us IS NULL)";

/// The items that replicas have. Served by bulk_item_claimed.
pub(super) const CLAIMED: &str = "SELECT item.action_id, item.saga_id, item.claimed_by FROM bulk_item AS item \
     JOIN bulk_action AS action ON action.action_id = item.action_id \
     WHERE item.claimed_by IS NOT NULL AND action.kind = 'resume' LIMIT ?1";

/// The actions that have not ended, those begun first. Served by bulk_action_open.
pub(super) const OPEN: &str = "SELECT action_id FROM bulk_action WHERE ended_us IS NULL AND kind = 'resume' \
     ORDER BY begun_us, action_id LIMIT ?1";

/// The items of `?1` that wait, at most `?2`. Without the index's name, all items of the action would be read and sorted.
pub(super) const WAITING: &str = "SELECT saga_id FROM bulk_item INDEXED BY bulk_item_open \
     WHERE action_id = ?1 AND ended_us IS NULL AND claimed_by IS NULL ORDER BY place LIMIT ?2";

/// Served by bulk_item_place.
pub(super) const ITEMS: &str = "SELECT saga_id, place, seen_us, seen_seq, state, why, ended_us FROM bulk_item \
     WHERE action_id = ?1 AND place > ?2 AND (?3 IS NULL OR state = ?3) ORDER BY place LIMIT ?4";

/// Served by bulk_action_begun.
pub(super) const ACTIONS: &str = "SELECT action_id, idempotency_key, kind, caller, asked_by, reason, described, items, begun_us, ended_us \
     FROM bulk_action WHERE (begun_us, action_id) < (?1, ?2) ORDER BY begun_us DESC, action_id DESC LIMIT ?3";

/// The oldest action that may be forgotten. Served by bulk_action_begun.
pub(super) const OLD: &str = "SELECT action_id FROM bulk_action WHERE begun_us < ?1 AND ended_us < ?1 ORDER BY begun_us, action_id LIMIT 1";

type ItemKey = (BulkActionId, SagaId);

fn key(action: &BulkActionId) -> &[u8; 16] {
    action.as_uuid().as_bytes()
}

fn action_id(row: &Row<'_>, index: usize) -> rusqlite::Result<BulkActionId> {
    row.get(index).map(|bytes| BulkActionId::new(Uuid::from_bytes(bytes)))
}

fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_micros))
}

fn some_string(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Arc<str>>> {
    let bytes = row.get_ref(index)?.as_bytes_or_null()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into()))
}

/// See [`BulkActions::begin_bulk`].
fn begin(connection: &Connection, action: &NewBulkAction) -> rusqlite::Result<BulkBegun> {
    const OF_KEY: &str = "SELECT action_id FROM bulk_action WHERE idempotency_key = ?1";
    const ACTION: &str = "INSERT INTO bulk_action (action_id, idempotency_key, kind, caller, asked_by, reason, described, items, begun_us) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    const ITEM: &str = "INSERT INTO bulk_item (action_id, saga_id, place, seen_us, seen_seq, state) \
         VALUES (?1, ?2, ?3, ?4, ?5, 'waiting')";

    let head = head(action);
    let known =
        connection.prepare_cached(OF_KEY)?.query_row([&*head.key], |row| action_id(row, 0)).optional()?;
    if let Some(known) = known {
        return Ok(BulkBegun::of(head.id, known));
    }
    let kind: &str = head.kind.into();
    connection.prepare_cached(ACTION)?.execute(params![
        key(&head.id),
        &*head.key,
        kind,
        head.caller.as_deref(),
        &*head.by,
        head.reason.as_deref(),
        &*head.described,
        action.items().len() as i64,
        head.begun.as_micros()
    ])?;
    let mut statement = connection.prepare_cached(ITEM)?;
    for (place, item) in action.items().iter().enumerate() {
        let (seen_us, seen_seq) = (item.seen.at.as_micros(), seen_seq(item.seen));
        statement.execute(params![key(&head.id), id(&item.saga), place as i64, seen_us, seen_seq])?;
    }
    Ok(BulkBegun::Begun)
}

/// See [`BulkActions::claim_items`].
fn claim(
    connection: &Connection,
    replicas: &Replicas,
    replica: ReplicaId,
    in_hand: &[ItemKey],
    (rows, now): (usize, Timestamp),
) -> rusqlite::Result<Vec<ClaimedItem>> {
    const CLAIM: &str =
        "UPDATE bulk_item SET state = 'sent', claimed_by = ?3 WHERE action_id = ?1 AND saga_id = ?2";
    const ITEM: &str = "SELECT item.seen_us, item.seen_seq, action.kind, action.caller, action.asked_by, action.reason \
         FROM bulk_item AS item JOIN bulk_action AS action ON action.action_id = item.action_id \
         WHERE item.action_id = ?1 AND item.saga_id = ?2";

    if !replicas.is_live(replica) {
        return Ok(Vec::new());
    }
    let mut keys = left_behind(connection, replicas, replica, in_hand)?;
    let mut open = connection.prepare_cached(OPEN)?;
    for action in open.query_map([ROWS_MAX as i64], |row| action_id(row, 0))? {
        let (action, left) = (action?, rows.saturating_sub(keys.len()));
        if left == 0 {
            break;
        }
        let mut waiting = connection.prepare_cached(WAITING)?;
        for saga in waiting.query_map(params![key(&action), left as i64], |row| saga_id(row, 0))? {
            keys.push((action, saga?));
        }
    }
    keys.truncate(rows);
    if keys.is_empty() {
        end(connection, now)?;
    }
    let mut claimed = Vec::with_capacity(keys.len());
    for (action, saga) in keys {
        let owner = replica.as_uuid().as_bytes();
        connection.prepare_cached(CLAIM)?.execute(params![key(&action), id(&saga), owner])?;
        let read = |row: &Row<'_>| {
            let Ok(kind) = string(row, 2)?.parse() else { return Ok(None) };
            let seen = seen(row.get(0)?, row.get(1)?);
            let (caller, by) = (some_string(row, 3)?, string(row, 4)?.into());
            let reason = some_string(row, 5)?;
            Ok(Some(ClaimedItem { action, saga, seen, kind, caller, by, reason }))
        };
        let item = connection.prepare_cached(ITEM)?.query_row(params![key(&action), id(&saga)], read)?;
        claimed.extend(item);
    }
    Ok(claimed)
}

/// The items that were claimed by `replica` itself and are not in its hand, or by a replica that is gone.
fn left_behind(
    connection: &Connection,
    replicas: &Replicas,
    replica: ReplicaId,
    in_hand: &[ItemKey],
) -> rusqlite::Result<Vec<ItemKey>> {
    let mut statement = connection.prepare_cached(CLAIMED)?;
    let read = |row: &Row<'_>| {
        let owner = ReplicaId::new(Uuid::from_bytes(row.get(2)?));
        Ok(((action_id(row, 0)?, saga_id(row, 1)?), owner))
    };
    let mut keys = Vec::new();
    for found in statement.query_map([ROWS_MAX as i64], read)? {
        let (key, owner) = found?;
        if (owner == replica || !replicas.is_live(owner)) && !in_hand.contains(&key) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Notes of actions that have no item left to carry out that they have ended.
fn end(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    const END: &str = "UPDATE bulk_action SET ended_us = ?1 WHERE ended_us IS NULL AND NOT EXISTS \
         (SELECT 1 FROM bulk_item WHERE bulk_item.action_id = bulk_action.action_id AND bulk_item.ended_us IS NULL)";
    connection.prepare_cached(END)?.execute([now.as_micros()]).map(drop)
}

/// See [`BulkActions::record_item`].
fn record(connection: &Connection, (action, saga): ItemKey, result: &BulkItemResult) -> rusqlite::Result<()> {
    const RECORD: &str = "UPDATE bulk_item SET state = ?3, why = ?4, ended_us = ?5, claimed_by = NULL \
         WHERE action_id = ?1 AND saga_id = ?2 AND claimed_by IS NOT NULL";
    let (state, why): (&str, _) = (result.state.into(), result.why.as_deref().map(text));
    let params = params![key(&action), id(&saga), state, why, result.at.as_micros()];
    connection.prepare_cached(RECORD)?.execute(params)?;
    end(connection, result.at)
}

/// See [`BulkActions::take_back`].
fn take_back(connection: &Connection, action: BulkActionId, now: Timestamp) -> rusqlite::Result<u64> {
    const TAKE_BACK: &str = "UPDATE bulk_item SET state = 'taken_back', ended_us = ?2 \
         WHERE action_id = ?1 AND ended_us IS NULL AND claimed_by IS NULL";
    let taken = connection.prepare_cached(TAKE_BACK)?.execute(params![key(&action), now.as_micros()])?;
    end(connection, now)?;
    Ok(taken as u64)
}

/// An action of a kind that this release knows.
fn kept_action(row: &Row<'_>) -> rusqlite::Result<Option<KeptBulkAction>> {
    let Ok(kind) = string(row, 2)?.parse() else { return Ok(None) };
    let head = BulkHead {
        id: action_id(row, 0)?,
        key: string(row, 1)?.into(),
        kind,
        caller: some_string(row, 3)?,
        by: string(row, 4)?.into(),
        reason: some_string(row, 5)?,
        described: string(row, 6)?.into(),
        begun: Timestamp::from_micros(row.get(8)?),
    };
    let items = row.get::<_, i64>(7)?.unsigned_abs();
    Ok(Some(KeptBulkAction { head, items, ended: time(row, 9)? }))
}

/// See [`BulkActions::bulk_items`].
fn items(
    connection: &Connection,
    action: BulkActionId,
    state: Option<BulkState>,
    after: Option<u64>,
    rows: usize,
) -> rusqlite::Result<Vec<KeptBulkItem>> {
    let state: Option<&str> = state.map(Into::into);
    let after = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
    let read = |row: &Row<'_>| {
        Ok(KeptBulkItem {
            saga: saga_id(row, 0)?,
            place: row.get::<_, i64>(1)?.unsigned_abs(),
            seen: seen(row.get(2)?, row.get(3)?),
            state: BulkState::read(&string(row, 4)?),
            why: some_string(row, 5)?,
            ended: time(row, 6)?,
        })
    };
    let mut statement = connection.prepare_cached(ITEMS)?;
    statement.query_map(params![key(&action), after, state, rows as i64], read)?.collect()
}

/// See [`BulkActions::forget_bulk`].
fn forget(connection: &Connection, before: Timestamp, rows: usize) -> rusqlite::Result<()> {
    const FORGET_ITEMS: &str = "DELETE FROM bulk_item WHERE action_id = ?1 AND saga_id IN \
         (SELECT saga_id FROM bulk_item WHERE action_id = ?1 LIMIT ?2)";
    const FORGET_ACTION: &str = "DELETE FROM bulk_action WHERE action_id = ?1 \
         AND NOT EXISTS (SELECT 1 FROM bulk_item WHERE bulk_item.action_id = ?1)";
    let oldest = connection.prepare_cached(OLD)?.query_row([before.as_micros()], |row| action_id(row, 0));
    let Some(action) = oldest.optional()? else { return Ok(()) };
    connection.prepare_cached(FORGET_ITEMS)?.execute(params![key(&action), rows as i64])?;
    connection.prepare_cached(FORGET_ACTION)?.execute([key(&action)]).map(drop)
}

impl BulkActions for Sqlite {
    fn begin_bulk(&self, action: NewBulkAction) -> StoreFuture<'_, Result<BulkBegun, Unavailable>> {
        Box::pin(self.write(move |connection| begin(connection, &action)))
    }

    /// Nothing is written where no action is open.
    fn claim_items(
        &self,
        replica: ReplicaId,
        in_hand: Vec<ItemKey>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<ClaimedItem>, Unavailable>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let is_any_open = |connection: &Connection| {
                connection.prepare_cached(IS_ANY_OPEN)?.query_row([], |row| row.get(0))
            };
            if !self.read(is_any_open).await? {
                return Ok(Vec::new());
            }
            let bounds = (page_rows(limit), now);
            self.write(move |connection| claim(connection, &shared.replicas, replica, &in_hand, bounds)).await
        })
    }

    fn record_item(
        &self,
        action: BulkActionId,
        saga: SagaId,
        result: BulkItemResult,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.write(move |connection| record(connection, (action, saga), &result)))
    }

    fn take_back(&self, action: BulkActionId, now: Timestamp) -> StoreFuture<'_, Result<u64, Unavailable>> {
        Box::pin(self.write(move |connection| take_back(connection, action, now)))
    }

    fn bulk_action(
        &self,
        action: BulkActionId,
    ) -> StoreFuture<'_, Result<Option<KeptBulkAction>, Unavailable>> {
        const ACTION: &str = "SELECT action_id, idempotency_key, kind, caller, asked_by, reason, described, items, begun_us, ended_us \
             FROM bulk_action WHERE action_id = ?1";
        Box::pin(self.read(move |connection| {
            let mut statement = connection.prepare_cached(ACTION)?;
            Ok(statement.query_row([key(&action)], kept_action).optional()?.flatten())
        }))
    }

    fn bulk_counts(&self, action: BulkActionId) -> StoreFuture<'_, Result<BulkCounts, Unavailable>> {
        const COUNTS: &str = "SELECT state, count(*) FROM bulk_item WHERE action_id = ?1 GROUP BY state";
        Box::pin(self.read(move |connection| {
            let mut counts = BulkCounts::new();
            let mut statement = connection.prepare_cached(COUNTS)?;
            let mut rows = statement.query([key(&action)])?;
            while let Some(row) = rows.next()? {
                *counts.entry(BulkState::read(&string(row, 0)?)).or_default() +=
                    row.get::<_, i64>(1)?.unsigned_abs();
            }
            Ok(counts)
        }))
    }

    fn bulk_actions(
        &self,
        after: Option<BulkCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkAction>, Unavailable>> {
        Box::pin(self.read(move |connection| {
            let below = after.unwrap_or(BulkCursor::END);
            let params = params![below.begun.as_micros(), key(&below.id), page_rows(limit) as i64];
            let mut statement = connection.prepare_cached(ACTIONS)?;
            let kept = statement.query_map(params, kept_action)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(kept.into_iter().flatten().collect())
        }))
    }

    fn bulk_items(
        &self,
        action: BulkActionId,
        state: Option<BulkState>,
        after: Option<u64>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkItem>, Unavailable>> {
        Box::pin(self.read(move |connection| items(connection, action, state, after, page_rows(limit))))
    }

    fn forget_bulk(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let is_any_old =
                move |connection: &Connection| connection.prepare_cached(OLD)?.exists([before.as_micros()]);
            if !self.read(is_any_old).await? {
                return Ok(());
            }
            self.write(move |connection| forget(connection, before, page_rows(limit))).await
        })
    }
}
