//! Commands on their way to the owners of sagas.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use saga_core::{CommandId, SagaId, Timestamp};
use uuid::Uuid;

use super::{Sqlite, id, saga_id, string};
use crate::columns::{page_rows, text};
use crate::{
    COMMANDS_PER_SAGA_MAX, CommandStatus, Inbox, KeptCommand, Posted, ReplicaId, StoreFuture, Unavailable,
};

/// See [`Inbox::post`].
fn post(connection: &Connection, command: &KeptCommand) -> rusqlite::Result<Posted> {
    const IS_UNDER_WAY: &str = "SELECT 1 FROM saga WHERE saga_id = ?1 AND is_over = 0";
    const WAITING: &str =
        "SELECT count(*), coalesce(max(command_id = ?2), 0) FROM saga_command WHERE saga_id = ?1";
    const POST: &str =
        "INSERT INTO saga_command (saga_id, command_id, body, asked_us) VALUES (?1, ?2, ?3, ?4)";

    let (saga, command_id) = (id(&command.saga), command.id.as_uuid().as_bytes());
    let is_under_way = connection.prepare_cached(IS_UNDER_WAY)?.query_row([saga], |_| Ok(())).optional()?;
    if is_under_way.is_none() {
        return Ok(Posted::Over);
    }
    let (waiting, is_posted) = connection
        .prepare_cached(WAITING)?
        .query_row(params![saga, command_id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?)))?;
    if is_posted {
        return Ok(Posted::Kept);
    }
    if waiting >= COMMANDS_PER_SAGA_MAX as i64 {
        return Ok(Posted::Full);
    }
    let params = params![saga, command_id, text(&command.body), command.asked.as_micros()];
    connection.prepare_cached(POST)?.execute(params).map(|_| Posted::Kept)
}

/// See [`Inbox::commands`].
fn commands(connection: &Connection, replica: ReplicaId, rows: usize) -> rusqlite::Result<Vec<KeptCommand>> {
    const COMMANDS: &str = "SELECT saga_id, command_id, body, asked_us FROM saga_command JOIN saga USING (saga_id) \
         WHERE refused IS NULL AND (owner = ?1 OR is_over = 1) ORDER BY asked_us, command_id LIMIT ?2";
    let mut statement = connection.prepare_cached(COMMANDS)?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(KeptCommand {
            saga: saga_id(row, 0)?,
            id: CommandId::new(Uuid::from_bytes(row.get(1)?)),
            body: string(row, 2)?.into(),
            asked: Timestamp::from_micros(row.get(3)?),
        })
    };
    statement.query_map(params![replica.as_uuid().as_bytes(), rows as i64], read)?.collect()
}

/// See [`Inbox::status`].
fn status(connection: &Connection, saga: SagaId, command: CommandId) -> rusqlite::Result<CommandStatus> {
    const STATUS: &str =
        "SELECT coalesce(refused, '') FROM saga_command WHERE saga_id = ?1 AND command_id = ?2";
    let params = params![id(&saga), command.as_uuid().as_bytes()];
    let refused = connection.prepare_cached(STATUS)?.query_row(params, |row| string(row, 0)).optional()?;
    Ok(match refused {
        None => CommandStatus::Applied,
        Some(refused) if refused.is_empty() => CommandStatus::Waiting,
        Some(refused) => CommandStatus::Refused(refused.into()),
    })
}

/// See [`Inbox::refuse`].
fn refuse(connection: &Connection, saga: SagaId, command: CommandId, why: &str) -> rusqlite::Result<()> {
    const REFUSE: &str = "UPDATE saga_command SET refused = ?3 WHERE saga_id = ?1 AND command_id = ?2";
    let params = params![id(&saga), command.as_uuid().as_bytes(), text(why)];
    connection.prepare_cached(REFUSE)?.execute(params).map(drop)
}

/// See [`Inbox::remove`].
fn remove(connection: &Connection, saga: SagaId, command: CommandId) -> rusqlite::Result<()> {
    const REMOVE: &str = "DELETE FROM saga_command WHERE saga_id = ?1 AND command_id = ?2";
    let params = params![id(&saga), command.as_uuid().as_bytes()];
    connection.prepare_cached(REMOVE)?.execute(params).map(drop)
}

/// See [`Inbox::forget_refused`].
fn forget_refused(connection: &Connection, before: Timestamp) -> rusqlite::Result<()> {
    const FORGET: &str = "DELETE FROM saga_command WHERE refused IS NOT NULL AND asked_us < ?1";
    connection.prepare_cached(FORGET)?.execute([before.as_micros()]).map(drop)
}

impl Inbox for Sqlite {
    fn post(&self, command: KeptCommand) -> StoreFuture<'_, Result<Posted, Unavailable>> {
        Box::pin(self.write(move |connection| post(connection, &command)))
    }

    fn commands(
        &self,
        replica: ReplicaId,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptCommand>, Unavailable>> {
        Box::pin(self.read(move |connection| commands(connection, replica, page_rows(limit))))
    }

    fn status(
        &self,
        saga: SagaId,
        command: CommandId,
    ) -> StoreFuture<'_, Result<CommandStatus, Unavailable>> {
        Box::pin(self.read(move |connection| status(connection, saga, command)))
    }

    fn refuse(
        &self,
        saga: SagaId,
        command: CommandId,
        why: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.write(move |connection| refuse(connection, saga, command, &why)))
    }

    fn remove(&self, saga: SagaId, command: CommandId) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.write(move |connection| remove(connection, saga, command)))
    }

    fn forget_refused(&self, before: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.write(move |connection| forget_refused(connection, before)))
    }
}
