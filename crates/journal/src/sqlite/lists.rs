//! Lists of sagas.

use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, params_from_iter};
use saga_core::SagaId;

use super::{cells, id};
use crate::columns;
use crate::query::{Dialect, Param, Query, query};
use crate::{Cursor, Filter, KeptRow};

/// How lists are queried. A partial index is used where a query repeats its condition to the letter.
pub(super) const DIALECT: Dialect = Dialect {
    mark: '?',
    is_under_way: "saga.is_over = 0",
    is_over: "saga.is_over = 1",
    by_under_way: Some("saga INDEXED BY saga_under_way"),
    by_row: "+",
};

/// See [`Histories::list`](crate::Histories::list). `recent` has the sagas with the filter's labels that may not be found by them yet, newest
/// first.
pub(super) fn read(
    connection: &Connection,
    filter: &Filter,
    recent: &[SagaId],
    after: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Vec<KeptRow>> {
    let mut found = all(connection, &query(filter, after, limit, &DIALECT), cells::row)?;
    if recent.is_empty() {
        return Ok(found);
    }
    let mut passed = 0;
    for saga in recent {
        if passed == limit {
            break;
        }
        if let Some(kept) = row(connection, *saga)?.filter(|kept| filter.matches(kept)) {
            passed += 1;
            // It may have been found by its label, too.
            if found.iter().all(|known| known.saga != kept.saga) {
                found.push(kept);
            }
        }
    }
    found.sort_by_key(|kept| std::cmp::Reverse((kept.row.created, kept.saga)));
    found.truncate(limit);
    Ok(found)
}

/// All rows of a query.
pub(super) fn all<T>(
    connection: &Connection,
    query: &Query,
    read: fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare_cached(&query.sql)?;
    statement.query_map(params_from_iter(query.params.iter().map(Param::cell)), read)?.collect()
}

/// A saga's row.
pub(super) fn row(connection: &Connection, saga: SagaId) -> rusqlite::Result<Option<KeptRow>> {
    static ROW: LazyLock<String> =
        LazyLock::new(|| format!("SELECT {} FROM saga WHERE saga_id = ?1", columns::read_columns()));
    connection.prepare_cached(&ROW)?.query_row([id(&saga)], cells::row).optional()
}
