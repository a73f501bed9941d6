//! The list of all that one name did.

use saga_core::{SagaId, Seq, Timestamp};
use tokio_postgres::types::{ToSql, Type};

use super::ownership::cell;
use super::pool::ConnectionPool;
use super::sql;
use crate::columns::{page_rows, text};
use crate::deeds::DeedBounds;
use crate::{DeedCursor, DeedsOf, KeptDeed, Unavailable};

/// See [`Histories::deeds`](crate::Histories::deeds).
pub(super) async fn read(
    pool: &ConnectionPool,
    of: &DeedsOf,
    after: Option<DeedCursor>,
    limit: usize,
) -> Result<Vec<KeptDeed>, Unavailable> {
    let (name, limit, bounds) = (text(&of.name), page_rows(limit) as i64, DeedBounds::of(of, after));
    let (below_us, below_seq) = (bounds.below.at.as_micros(), bounds.below.seq.get() as i64);
    let params: [(&(dyn ToSql + Sync), Type); 6] = [
        (&name, Type::TEXT),
        (&bounds.since_us, Type::INT8),
        (&below_us, Type::INT8),
        (bounds.below.saga.as_uuid(), Type::UUID),
        (&below_seq, Type::INT8),
        (&limit, Type::INT8),
    ];
    let rows = pool.query(sql::DEEDS, &params).await?;
    let read = |row| {
        Ok(KeptDeed {
            at: Timestamp::from_micros(cell(row, 0)?),
            saga: SagaId::new(cell(row, 1)?),
            seq: Seq::new(cell::<i64>(row, 2)? as u64),
            deed: cell::<&str>(row, 3)?.into(),
            definition: cell::<Option<&str>>(row, 4)?.map(Into::into),
        })
    };
    rows.iter().map(read).collect()
}
