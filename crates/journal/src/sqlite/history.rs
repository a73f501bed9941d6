//! A saga's history as it lies in the file, put together elsewhere.

use rusqlite::{Connection, OptionalExtension};
use saga_core::SagaId;
use saga_core::definition::DefinitionHash;

use super::{id, string};
use crate::frame::{Frame, Head};

/// The parts of a saga that are read: the row, and the frames as bytes, which may be no text any more.
type Read = (Option<Head>, Vec<Frame<Vec<u8>>>);

/// A saga's row and its frames, both as of one moment.
pub(super) fn read(connection: &Connection, saga: SagaId) -> rusqlite::Result<Read> {
    const HEAD: &str = "SELECT seq, definition_hash FROM saga WHERE saga_id = ?1";
    const FRAMES: &str = "SELECT first_seq, events FROM saga_event \
         WHERE saga_number = (SELECT number FROM saga WHERE saga_id = ?1) ORDER BY first_seq";

    let moment = connection.unchecked_transaction()?;
    let head = connection
        .prepare_cached(HEAD)?
        .query_row([id(&saga)], |row| {
            Ok(Head { seq: row.get(0)?, definition_hash: DefinitionHash::new(&string(row, 1)?) })
        })
        .optional()?;
    let frames = connection
        .prepare_cached(FRAMES)?
        .query_map([id(&saga)], |row| {
            Ok(Frame { first_seq: row.get(0)?, events: row.get_ref(1)?.as_bytes()?.to_vec() })
        })?
        .collect::<rusqlite::Result<_>>()?;
    moment.finish()?;
    Ok((head, frames))
}

/// Those of these sagas that are kept.
pub(super) fn known(connection: &Connection, mut sagas: Vec<SagaId>) -> rusqlite::Result<Vec<SagaId>> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM saga WHERE saga_id = ?1")?;
    let mut failure = None;
    sagas
        .retain(|saga| statement.exists([id(saga)]).unwrap_or_else(|error| failure.replace(error).is_some()));
    failure.map_or(Ok(sagas), Err)
}
