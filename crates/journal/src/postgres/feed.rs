//! The feed, in the order of the frames' transactions.

use saga_core::SagaId;
use tokio_postgres::types::{ToSql, Type};

use super::ownership::cell;
use super::pool::ConnectionPool;
use super::sql;
use crate::columns::page_rows;
use crate::feed::{FEED_BYTES_MAX, FedFrameText};
use crate::{FedFrame, FeedPlace, Unavailable};

/// See [`Histories::feed`](crate::Histories::feed).
pub(super) async fn read(
    pool: &ConnectionPool,
    from: FeedPlace,
    limit: usize,
) -> Result<Vec<FedFrame>, Unavailable> {
    // Before the frames are read, in a statement of its own: these see all that has ended by then.
    let horizon = horizon(pool).await?;
    let (limit, bytes_max) = (page_rows(limit) as i64, FEED_BYTES_MAX as i64);
    let params: [(&(dyn ToSql + Sync), Type); 5] = [
        (&from.commit, Type::INT8),
        (from.saga.as_uuid(), Type::UUID),
        (&horizon, Type::INT8),
        (&limit, Type::INT8),
        (&bytes_max, Type::INT8),
    ];
    let rows = pool.query(sql::FEED, &params).await?;
    let read = |row| {
        let text = FedFrameText {
            commit: cell(row, 0)?,
            saga: SagaId::new(cell(row, 1)?),
            first_seq: cell(row, 2)?,
            events: cell::<&str>(row, 3)?.as_bytes(),
            definition: cell(row, 4)?,
            definition_hash: cell(row, 5)?,
            labels: cell::<&str>(row, 6)?.as_bytes(),
        };
        Ok(text.read())
    };
    rows.iter().map(read).collect()
}

/// See [`Histories::feed_end`](crate::Histories::feed_end).
pub(super) async fn end(pool: &ConnectionPool) -> Result<FeedPlace, Unavailable> {
    horizon(pool).await.map(FeedPlace::before)
}

async fn horizon(pool: &ConnectionPool) -> Result<i64, Unavailable> {
    let rows = pool.query(sql::FEED_HORIZON, &[]).await?;
    let row =
        rows.first().ok_or_else(|| Unavailable::because("the database does not say where its feed ends"))?;
    cell(row, 0)
}
