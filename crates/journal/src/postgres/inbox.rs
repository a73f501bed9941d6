//! Commands on their way to the owners of sagas.

use saga_core::{CommandId, SagaId, Timestamp};
use tokio_postgres::types::{ToSql, Type};

use super::ownership::cell;
use super::pool::ConnectionPool;
use super::sql;
use crate::columns::{page_rows, text};
use crate::{COMMANDS_PER_SAGA_MAX, CommandStatus, KeptCommand, Posted, ReplicaId, Unavailable};

/// Values with their types.
type Bound<'p, const N: usize> = [(&'p (dyn ToSql + Sync), Type); N];

/// See [`Inbox::post`](crate::Inbox::post).
pub(super) async fn post(pool: &ConnectionPool, command: &KeptCommand) -> Result<Posted, Unavailable> {
    let (body, asked_us) = (text(&command.body), command.asked.as_micros());
    let commands_max = COMMANDS_PER_SAGA_MAX as i64;
    let params: Bound<'_, 5> = [
        (command.saga.as_uuid(), Type::UUID),
        (command.id.as_uuid(), Type::UUID),
        (&body, Type::TEXT),
        (&asked_us, Type::INT8),
        (&commands_max, Type::INT8),
    ];
    let rows = pool.query(sql::POST_COMMAND, &params).await?;
    let row = rows.first().ok_or_else(|| Unavailable::because("the database did not say what it did"))?;
    let (is_under_way, is_posted, has_room): (bool, bool, bool) =
        (cell(row, 0)?, cell(row, 1)?, cell(row, 2)?);
    Ok(match () {
        () if !is_under_way => Posted::Over,
        () if is_posted || has_room => Posted::Kept,
        () => Posted::Full,
    })
}

/// See [`Inbox::commands`](crate::Inbox::commands).
pub(super) async fn commands(
    pool: &ConnectionPool,
    replica: ReplicaId,
    limit: usize,
) -> Result<Vec<KeptCommand>, Unavailable> {
    let limit = page_rows(limit) as i64;
    let params: Bound<'_, 2> = [(replica.as_uuid(), Type::UUID), (&limit, Type::INT8)];
    let rows = pool.query(sql::COMMANDS, &params).await?;
    let read = |row| {
        Ok(KeptCommand {
            saga: SagaId::new(cell(row, 0)?),
            id: CommandId::new(cell(row, 1)?),
            body: cell::<&str>(row, 2)?.into(),
            asked: Timestamp::from_micros(cell(row, 3)?),
        })
    };
    rows.iter().map(read).collect()
}

/// See [`Inbox::status`](crate::Inbox::status).
pub(super) async fn status(
    pool: &ConnectionPool,
    saga: SagaId,
    command: CommandId,
) -> Result<CommandStatus, Unavailable> {
    let params: Bound<'_, 2> = [(saga.as_uuid(), Type::UUID), (command.as_uuid(), Type::UUID)];
    let rows = pool.query(sql::COMMAND_STATUS, &params).await?;
    let Some(row) = rows.first() else { return Ok(CommandStatus::Applied) };
    Ok(match cell::<Option<&str>>(row, 0)? {
        None => CommandStatus::Waiting,
        Some(why) => CommandStatus::Refused(why.into()),
    })
}

/// See [`Inbox::refuse`](crate::Inbox::refuse).
pub(super) async fn refuse(
    pool: &ConnectionPool,
    saga: SagaId,
    command: CommandId,
    why: &str,
) -> Result<(), Unavailable> {
    let why = text(why);
    let params: Bound<'_, 3> =
        [(saga.as_uuid(), Type::UUID), (command.as_uuid(), Type::UUID), (&why, Type::TEXT)];
    pool.query(sql::REFUSE_COMMAND, &params).await.map(drop)
}

/// See [`Inbox::remove`](crate::Inbox::remove).
pub(super) async fn remove(
    pool: &ConnectionPool,
    saga: SagaId,
    command: CommandId,
) -> Result<(), Unavailable> {
    let params: Bound<'_, 2> = [(saga.as_uuid(), Type::UUID), (command.as_uuid(), Type::UUID)];
    pool.query(sql::REMOVE_COMMAND, &params).await.map(drop)
}

/// See [`Inbox::forget_refused`](crate::Inbox::forget_refused).
pub(super) async fn forget_refused(pool: &ConnectionPool, before: Timestamp) -> Result<(), Unavailable> {
    pool.query(sql::FORGET_REFUSED, &[(&before.as_micros(), Type::INT8)]).await.map(drop)
}
