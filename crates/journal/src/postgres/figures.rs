//! The figures of each minute.

use saga_core::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use super::ownership::cell;
use super::pool::ConnectionPool;
use super::sql;
use crate::columns::page_rows;
use crate::figure_rows::in_order;
use crate::figures::SagaDurations;
use crate::{FIGURES_ROWS_MAX, MinuteFigures, Unavailable, figure_rows};

/// See [`Histories::figures`](crate::Histories::figures).
pub(super) async fn read(
    pool: &ConnectionPool,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<MinuteFigures>, Unavailable> {
    let (since_us, until_us, limit) = (since.as_micros(), until.as_micros(), FIGURES_ROWS_MAX as i64);
    let params: [(&(dyn ToSql + Sync), Type); 3] =
        [(&since_us, Type::INT8), (&until_us, Type::INT8), (&limit, Type::INT8)];
    let mut figures = Vec::new();
    for row in &pool.query(&sql::FIGURES, &params).await? {
        let words = (cell(row, 1)?, cell(row, 2)?, cell(row, 3)?);
        let durations = SagaDurations::read(|range| cell(row, 5 + range))?;
        figures.extend(figure_rows::read(cell(row, 0)?, words, cell(row, 4)?, durations));
    }
    Ok(in_order(figures))
}

/// See [`Histories::forget_figures`](crate::Histories::forget_figures).
pub(super) async fn forget(
    pool: &ConnectionPool,
    before: Timestamp,
    limit: usize,
) -> Result<(), Unavailable> {
    let (before_us, limit) = (before.as_micros(), page_rows(limit) as i64);
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&before_us, Type::INT8), (&limit, Type::INT8)];
    pool.query(sql::FORGET_FIGURES, &params).await.map(drop)
}
