//! The sagas that need a person, by cause.

use saga_core::{SagaId, Timestamp};
use tokio_postgres::Row;

use super::ownership::cell;
use super::pool::ConnectionPool;
use super::{DIALECT, asked, cells};
use crate::cause_query::{self, figures};
use crate::causes::{self, CauseAnswer, CausesGathered};
use crate::columns::page_rows;
use crate::{CauseCursor, CauseMembers, CauseMinute, Causes, KeptRow, Unavailable};

/// See [`Histories::causes`](crate::Histories::causes). Each statement sees the sagas of its own moment.
pub(super) async fn read(
    pool: &ConnectionPool,
    recent: Timestamp,
    limit: usize,
) -> Result<Causes, Unavailable> {
    let mut gathered = CausesGathered::new(recent, limit);
    while let Some(question) = gathered.question() {
        let rows = asked(pool, &figures(&question, &DIALECT)).await?;
        gathered.take(rows.iter().map(answer).collect::<Result<_, _>>()?);
    }
    Ok(gathered.finish())
}

/// See [`Histories::cause_members`](crate::Histories::cause_members).
pub(super) async fn members(
    pool: &ConnectionPool,
    of: &CauseMembers,
    after: Option<CauseCursor>,
    limit: usize,
) -> Result<Vec<KeptRow>, Unavailable> {
    let rows = asked(pool, &cause_query::members(of, after, page_rows(limit), &DIALECT)).await?;
    rows.iter().map(cells::row).collect::<Result<_, _>>().map_err(Unavailable::because)
}

/// See [`Histories::cause_minutes`](crate::Histories::cause_minutes).
pub(super) async fn minutes(
    pool: &ConnectionPool,
    cause: &str,
    since: Timestamp,
) -> Result<Vec<CauseMinute>, Unavailable> {
    let rows = asked(pool, &cause_query::minutes(cause, since.as_micros(), &DIALECT)).await?;
    let counts = rows.iter().map(|row| Ok((cell(row, 0)?, cell(row, 1)?)));
    Ok(causes::minutes(counts.collect::<Result<Vec<_>, Unavailable>>()?))
}

fn answer(row: &Row) -> Result<CauseAnswer, Unavailable> {
    Ok(CauseAnswer {
        cause: cell(row, 0)?,
        count: cell(row, 1)?,
        at_stake: cell(row, 2)?,
        oldest_us: cell(row, 3)?,
        newest_us: cell(row, 4)?,
        recent: cell(row, 5)?,
        sample: SagaId::new(cell(row, 6)?),
    })
}
