//! The list of all that one name did.

use rusqlite::{Connection, params};
use saga_core::{Seq, Timestamp};

use super::{id, saga_id, string};
use crate::columns::{page_rows, text};
use crate::deeds::DeedBounds;
use crate::{DeedCursor, DeedsOf, KeptDeed};

/// Served by the key of `saga_deed`.
pub(super) const DEEDS: &str = "SELECT deed.at_us, deed.saga_id, deed.seq, deed.deed, saga.definition \
     FROM saga_deed AS deed LEFT JOIN saga ON saga.saga_id = deed.saga_id \
     WHERE deed.name = ?1 AND deed.at_us >= ?2 AND (deed.at_us, deed.saga_id, deed.seq) < (?3, ?4, ?5) \
     ORDER BY deed.at_us DESC, deed.saga_id DESC, deed.seq DESC LIMIT ?6";

/// See [`Histories::deeds`](crate::Histories::deeds).
pub(super) fn read(
    connection: &Connection,
    of: &DeedsOf,
    after: Option<DeedCursor>,
    limit: usize,
) -> rusqlite::Result<Vec<KeptDeed>> {
    let bounds = DeedBounds::of(of, after);
    let params = params![
        text(&of.name),
        bounds.since_us,
        bounds.below.at.as_micros(),
        id(&bounds.below.saga),
        bounds.below.seq.get() as i64,
        page_rows(limit) as i64
    ];
    let read = |row: &rusqlite::Row<'_>| {
        let definition =
            row.get_ref(4)?.as_bytes_or_null()?.map(|bytes| String::from_utf8_lossy(bytes).into());
        Ok(KeptDeed {
            at: Timestamp::from_micros(row.get(0)?),
            saga: saga_id(row, 1)?,
            seq: Seq::new(row.get::<_, i64>(2)? as u64),
            deed: string(row, 3)?.into(),
            definition,
        })
    };
    connection.prepare_cached(DEEDS)?.query_map(params, read)?.collect()
}
