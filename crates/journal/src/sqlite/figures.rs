//! The figures of each minute.

use std::sync::LazyLock;

use rusqlite::{Connection, ToSql, params, params_from_iter};
use saga_core::Timestamp;

use super::string;
use crate::columns::page_rows;
use crate::figure_rows::{FigureRows, in_order};
use crate::figures::{SagaDurations, range_columns};
use crate::{FIGURES_ROWS_MAX, MinuteFigures, figure_rows};

/// Served by the key of `saga_minute`.
pub(super) static FIGURES: LazyLock<String> = LazyLock::new(|| {
    let sums = range_columns(|_, name| format!("sum({name})"));
    format!(
        "SELECT minute_us, definition, outcome, step, sum(sagas), {sums} FROM saga_minute \
         WHERE minute_us >= ?1 AND minute_us < ?2 \
         GROUP BY minute_us, definition, outcome, step ORDER BY minute_us, definition, outcome, step LIMIT ?3"
    )
});

/// Adds what a batch has counted, in its transaction.
pub(super) fn put(connection: &Connection, figures: &FigureRows) -> rusqlite::Result<()> {
    static ADD: LazyLock<String> = LazyLock::new(|| {
        let columns = range_columns(|_, name| name.to_owned());
        let marks = range_columns(|_, _| "?".to_owned());
        let sums = range_columns(|_, name| format!("{name} = {name} + excluded.{name}"));
        format!(
            "INSERT INTO saga_minute (minute_us, definition, outcome, step, owner, sagas, {columns}) \
             VALUES (?, ?, ?, ?, ?, ?, {marks}) \
             ON CONFLICT (minute_us, definition, outcome, step, owner) \
             DO UPDATE SET sagas = sagas + excluded.sagas, {sums}"
        )
    });

    for (key, counts) in figures.iter() {
        let (outcome, sagas): (&str, _) =
            (key.outcome.into(), i64::try_from(counts.sagas).unwrap_or(i64::MAX));
        let owner = key.owner.as_uuid().as_bytes();
        let key: [&dyn ToSql; 6] = [&key.minute_us, &key.definition, &outcome, &key.step, owner, &sagas];
        let ranges: Vec<i64> = counts.durations.cells().collect();
        let params = key.into_iter().chain(ranges.iter().map(|count| -> &dyn ToSql { count }));
        connection.prepare_cached(&ADD)?.execute(params_from_iter(params))?;
    }
    Ok(())
}

/// See [`Histories::figures`](crate::Histories::figures).
pub(super) fn read(
    connection: &Connection,
    since: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<Vec<MinuteFigures>> {
    let mut statement = connection.prepare_cached(&FIGURES)?;
    let mut rows = statement.query(params![since.as_micros(), until.as_micros(), FIGURES_ROWS_MAX as i64])?;
    let mut figures = Vec::new();
    while let Some(row) = rows.next()? {
        let (definition, outcome, step) = (string(row, 1)?, string(row, 2)?, string(row, 3)?);
        let durations = SagaDurations::read(|range| row.get(5 + range))?;
        figures.extend(figure_rows::read(
            row.get(0)?,
            (&definition, &outcome, &step),
            row.get(4)?,
            durations,
        ));
    }
    Ok(in_order(figures))
}

/// See [`Histories::forget_figures`](crate::Histories::forget_figures).
pub(super) fn forget(connection: &Connection, before: Timestamp, limit: usize) -> rusqlite::Result<()> {
    const FORGET: &str = "DELETE FROM saga_minute WHERE (minute_us, definition, outcome, step, owner) IN ( \
         SELECT minute_us, definition, outcome, step, owner FROM saga_minute WHERE minute_us < ?1 \
         ORDER BY minute_us, definition, outcome, step, owner LIMIT ?2)";
    let params = params![before.as_micros(), page_rows(limit) as i64];
    connection.prepare_cached(FORGET)?.execute(params).map(drop)
}
