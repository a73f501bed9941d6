//! The feed, in the order of the frames' row numbers.

use rusqlite::{Connection, params};

use super::{id, saga_id, string};
use crate::columns::page_rows;
use crate::feed::{FEED_BYTES_MAX, FedFrameText};
use crate::{FedFrame, FeedPlace};

/// Served by the row numbers.
pub(super) const FEED: &str = "SELECT saga_event.rowid, saga_event.saga_id, first_seq, events, \
     coalesce(definition, ''), coalesce(definition_hash, ''), coalesce(labels, '{}') \
     FROM saga_event LEFT JOIN saga ON saga.number = saga_event.saga_number \
     WHERE saga_event.rowid >= ?1 AND (saga_event.rowid > ?1 OR saga_event.saga_id >= ?2) \
     ORDER BY saga_event.rowid LIMIT ?3";
const FEED_END: &str = "SELECT coalesce(max(rowid), 0) FROM saga_event";

/// See [`Histories::feed`](crate::Histories::feed).
pub(super) fn read(
    connection: &Connection,
    from: FeedPlace,
    limit: usize,
) -> rusqlite::Result<Vec<FedFrame>> {
    let mut statement = connection.prepare_cached(FEED)?;
    let mut rows = statement.query(params![from.commit, id(&from.saga), page_rows(limit) as i64])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let events = row.get_ref(3)?.as_bytes()?;
        bytes += events.len();
        if bytes > FEED_BYTES_MAX && !found.is_empty() {
            break;
        }
        let (definition, definition_hash) = (string(row, 4)?, string(row, 5)?);
        let text = FedFrameText {
            commit: row.get(0)?,
            saga: saga_id(row, 1)?,
            first_seq: row.get(2)?,
            events,
            definition: &definition,
            definition_hash: &definition_hash,
            labels: row.get_ref(6)?.as_bytes()?,
        };
        found.push(text.read());
    }
    Ok(found)
}

/// See [`Histories::feed_end`](crate::Histories::feed_end).
pub(super) fn end(connection: &Connection) -> rusqlite::Result<FeedPlace> {
    let last: i64 = connection.query_row(FEED_END, [], |row| row.get(0))?;
    Ok(FeedPlace::before(last.saturating_add(1)))
}
