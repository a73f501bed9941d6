//! Sagas' histories as they lie in the file, put together elsewhere.

use rusqlite::{Connection, OptionalExtension, Row};
use saga_core::SagaId;
use saga_core::definition::DefinitionHash;

use super::{id, string};
use crate::frame::{Frame, Head};

/// The parts of a saga that are read: the row, and the frames as bytes, which may be no text any more.
type Read = (Option<Head>, Vec<Frame<Vec<u8>>>);

/// The rows and the frames of these sagas, in order, all as of one moment.
pub(super) fn read(connection: &Connection, sagas: &[SagaId]) -> rusqlite::Result<Vec<Read>> {
    const HEAD: &str = "SELECT number, seq, definition_hash FROM saga WHERE saga_id = ?1";
    const FRAMES: &str = "SELECT first_seq, events FROM saga_event WHERE saga_number = ?1 ORDER BY first_seq";

    let moment = connection.unchecked_transaction()?;
    let mut heads = connection.prepare_cached(HEAD)?;
    let mut frames = connection.prepare_cached(FRAMES)?;
    let mut read = |saga| -> rusqlite::Result<Read> {
        let head = heads.query_row([id(saga)], |row| {
            let number: i64 = row.get(0)?;
            Ok((number, Head { seq: row.get(1)?, definition_hash: DefinitionHash::new(&string(row, 2)?) }))
        });
        let Some((number, head)) = head.optional()? else { return Ok((None, Vec::new())) };
        let frame = |row: &Row<'_>| {
            Ok(Frame { first_seq: row.get(0)?, events: row.get_ref(1)?.as_bytes()?.to_vec() })
        };
        Ok((Some(head), frames.query_map([number], frame)?.collect::<rusqlite::Result<_>>()?))
    };
    let found = sagas.iter().map(&mut read).collect::<rusqlite::Result<_>>()?;
    drop((heads, frames));
    moment.finish()?;
    Ok(found)
}

/// Those of these sagas that are kept.
pub(super) fn known(connection: &Connection, mut sagas: Vec<SagaId>) -> rusqlite::Result<Vec<SagaId>> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM saga WHERE saga_id = ?1")?;
    let mut failure = None;
    sagas
        .retain(|saga| statement.exists([id(saga)]).unwrap_or_else(|error| failure.replace(error).is_some()));
    failure.map_or(Ok(sagas), Err)
}
