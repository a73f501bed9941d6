//! The sagas that need a person, by cause.

use rusqlite::Connection;
use saga_core::Timestamp;

use super::lists::{DIALECT, all};
use super::{cells, saga_id};
use crate::cause_query::{self, figures};
use crate::causes::{self, CauseAnswer, CausesGathered};
use crate::columns::page_rows;
use crate::{CauseCursor, CauseMembers, CauseMinute, Causes, KeptRow};

/// See [`Histories::causes`](crate::Histories::causes).
pub(super) fn read(connection: &Connection, recent: Timestamp, limit: usize) -> rusqlite::Result<Causes> {
    let mut gathered = CausesGathered::new(recent, limit);
    while let Some(question) = gathered.question() {
        gathered.take(all(connection, &figures(&question, &DIALECT), answer)?);
    }
    Ok(gathered.finish())
}

/// See [`Histories::cause_members`](crate::Histories::cause_members).
pub(super) fn members(
    connection: &Connection,
    of: &CauseMembers,
    after: Option<CauseCursor>,
    limit: usize,
) -> rusqlite::Result<Vec<KeptRow>> {
    all(connection, &cause_query::members(of, after, page_rows(limit), &DIALECT), cells::row)
}

/// See [`Histories::cause_minutes`](crate::Histories::cause_minutes).
pub(super) fn minutes(
    connection: &Connection,
    cause: &str,
    since: Timestamp,
) -> rusqlite::Result<Vec<CauseMinute>> {
    let query = cause_query::minutes(cause, since.as_micros(), &DIALECT);
    let counts: Vec<(i64, i64)> = all(connection, &query, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(causes::minutes(counts))
}

fn answer(row: &rusqlite::Row<'_>) -> rusqlite::Result<CauseAnswer> {
    Ok(CauseAnswer {
        cause: row.get(0)?,
        count: row.get(1)?,
        at_stake: row.get(2)?,
        oldest_us: row.get(3)?,
        newest_us: row.get(4)?,
        recent: row.get(5)?,
        sample: saga_id(row, 6)?,
    })
}
