//! Sagas that are taken away.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use saga_core::{SagaId, Timestamp};

use tokio::task::spawn_blocking;

use super::{Sqlite, finished, id, saga_id, string};
use crate::columns::page_rows;
use crate::{AgedSaga, Cursor, Forgotten, ReplicaId, Retention, StoreFuture, Unavailable, retention_rows};

/// Served by `saga_by_definition`.
pub(super) const AGED: &str = "SELECT saga_id, created_us, updated_us, is_over AND parked IS NULL, failed_step IS NOT NULL, labels \
     FROM saga WHERE definition = ?1 AND created_us < ?2 AND (created_us, saga_id) > (?3, ?4) \
     ORDER BY created_us, saga_id LIMIT ?5";

/// See [`Retention::aged`].
pub(super) fn aged(
    connection: &Connection,
    definition: &str,
    until: Timestamp,
    after: Option<Cursor>,
    limit: usize,
) -> rusqlite::Result<Vec<AgedSaga>> {
    let after = after.unwrap_or(Cursor::BEFORE_ALL);
    let params = params![
        definition,
        until.as_micros(),
        after.created.as_micros(),
        id(&after.saga),
        page_rows(limit) as i64
    ];
    let read = |row: &Row<'_>| {
        Ok(AgedSaga {
            saga: saga_id(row, 0)?,
            created: Timestamp::from_micros(row.get(1)?),
            updated: Timestamp::from_micros(row.get(2)?),
            is_settled: row.get(3)?,
            has_failed: row.get(4)?,
            // A saga whose labels are damaged is found by none.
            labels: serde_json::from_slice(row.get_ref(5)?.as_bytes()?).unwrap_or_default(),
        })
    };
    connection.prepare_cached(AGED)?.query_map(params, read)?.collect()
}

/// The names of all definitions.
pub(super) fn definition_names(connection: &Connection) -> rusqlite::Result<Vec<Arc<str>>> {
    const NAMES: &str = "SELECT DISTINCT name FROM saga_definition ORDER BY name";
    connection.prepare_cached(NAMES)?.query_map([], |row| string(row, 0).map(Into::into))?.collect()
}

/// Takes sagas away, and tells which. The newest one stays, and so does the one that has the last frame: numbers and places
/// of the feed that were given away are not given again.
pub(super) fn forget(connection: &Connection, sagas: &[Forgotten]) -> rusqlite::Result<Vec<SagaId>> {
    const NUMBER: &str = "SELECT number FROM saga WHERE saga_id = ?1 AND is_over = 1 AND parked IS NULL \
         AND number < (SELECT max(number) FROM saga) \
         AND number <> (SELECT saga_number FROM saga_event ORDER BY rowid DESC LIMIT 1)";
    const LABEL: &str =
        "DELETE FROM saga_label WHERE name = ?1 AND value = ?2 AND created_us = ?3 AND saga_id = ?4";
    const DEED: &str = "DELETE FROM saga_deed WHERE name = ?1 AND at_us = ?2 AND saga_id = ?3 AND seq = ?4";
    const COMMANDS: &str = "DELETE FROM saga_command WHERE saga_id = ?1";
    const EVENTS: &str = "DELETE FROM saga_event WHERE saga_number = ?1";
    const ROW: &str = "DELETE FROM saga WHERE number = ?1";

    let mut gone = Vec::new();
    for saga in sagas {
        let number = connection.prepare_cached(NUMBER)?.query_row([id(&saga.saga)], |row| row.get(0));
        let Some(number) = number.optional()? else { continue };
        let number: i64 = number;
        for label in retention_rows::labels(saga) {
            let params = params![label.name, label.value, label.created_us, id(label.saga)];
            connection.prepare_cached(LABEL)?.execute(params)?;
        }
        for deed in retention_rows::deeds(saga) {
            let params = params![deed.name, deed.at_us, id(deed.saga), deed.seq];
            connection.prepare_cached(DEED)?.execute(params)?;
        }
        connection.prepare_cached(COMMANDS)?.execute([id(&saga.saga)])?;
        connection.prepare_cached(EVENTS)?.execute([number])?;
        connection.prepare_cached(ROW)?.execute([number])?;
        gone.push(saga.saga);
    }
    Ok(gone)
}

impl Retention for Sqlite {
    fn definition_names(&self) -> StoreFuture<'_, Result<Vec<Arc<str>>, Unavailable>> {
        Box::pin(self.read(definition_names))
    }

    /// There is one process.
    fn hold_retention(&self, replica: ReplicaId) -> StoreFuture<'_, Result<bool, Unavailable>> {
        Box::pin(std::future::ready(Ok(self.shared.replicas.is_live(replica))))
    }

    fn aged(
        &self,
        definition: Arc<str>,
        until: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AgedSaga>, Unavailable>> {
        Box::pin(self.read(move |connection| aged(connection, &definition, until, after, limit)))
    }

    fn forget(&self, sagas: Vec<Forgotten>) -> StoreFuture<'_, Result<usize, Unavailable>> {
        let shared = self.shared.clone();
        Box::pin(finished(spawn_blocking(move || shared.writer().forget(&sagas))))
    }
}
