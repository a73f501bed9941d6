//! Whether a file is a backup that is not to be used yet, and how often the journal was restored.
//!
//! A backup has a table of its own, which no other journal has, so that one of any release can be marked. The mark comes with the file,
//! wherever it is copied: `open` refuses it until an operator has accepted it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use saga_core::{Incarnation, Timestamp};

use super::{connect, lock, schema, why};
use crate::OpenError;
use crate::migration::SQLITE_INCARNATION;

/// The result of [`accept`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAccepted {
    /// Where it is, with all links followed.
    pub path: PathBuf,
    /// When the file was made, if it was a backup.
    pub made: Option<Timestamp>,
    /// The incarnation of before.
    pub before: Incarnation,
    /// The one that is used from now on.
    pub now: Incarnation,
}

/// Takes the file at `path` for the journal from now on, in the next incarnation: if it is a backup, or if the operator says that it was
/// `restored`. No process may have it open.
pub fn accept(path: &Path, restored: bool) -> Result<FileAccepted, OpenError> {
    let path = lock::real_path(path)?;
    let unfit = |reason: &str| OpenError::File { path: path.clone(), reason: reason.to_owned() };
    if !path.is_file() {
        return Err(unfit("there is no such file"));
    }
    let _lock = lock::take(&path)?;
    let failed = |error| why(&path, error);
    let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    if !has_table(&connection, "saga_migration").map_err(failed)? {
        return Err(unfit("it has no tables of a journal"));
    }
    let made = made(&connection).map_err(failed)?;
    schema::migrate(&path, &mut connection)?;
    let before = incarnation(&connection).map_err(failed)?;
    if made.is_none() && !restored {
        keep_older_releases_away(&connection, before).map_err(failed)?;
        return Ok(FileAccepted { path, made, before, now: before });
    }
    let now = before.next().ok_or(OpenError::NoIncarnationLeft)?;
    begin(&mut connection, now).map_err(failed)?;
    Ok(FileAccepted { path, made, before, now })
}

fn begin(connection: &mut Connection, incarnation: Incarnation) -> rusqlite::Result<()> {
    const RAISE: &str = "UPDATE saga_incarnation SET incarnation = ?1 WHERE number = 1";
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(RAISE, [incarnation.get()])?;
    keep_older_releases_away(&transaction, incarnation)?;
    transaction.execute_batch("DROP TABLE IF EXISTS saga_copy")?;
    transaction.commit()
}

/// Has releases that know no incarnations refuse the file once there is a second one. It is looked at whenever the file is opened, too: not
/// every release that begins incarnations has raised this.
pub(super) fn keep_older_releases_away(
    connection: &Connection,
    incarnation: Incarnation,
) -> rusqlite::Result<()> {
    const NEED: &str = "UPDATE saga_migration SET needs = version WHERE version = ?1 AND needs < version";
    if incarnation == Incarnation::FIRST {
        return Ok(());
    }
    connection.execute(NEED, [SQLITE_INCARNATION]).map(drop)
}

/// Refuses a backup that was not accepted.
pub(super) fn check(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    match made(connection).map_err(|error| why(path, error))? {
        Some(made) => Err(OpenError::Copy { path: path.to_owned(), made }),
        None => Ok(()),
    }
}

/// Marks a file as a backup that has all that was acknowledged before `made`.
pub(super) fn mark(copy: &Connection, made: Timestamp) -> rusqlite::Result<()> {
    // A copy of a copy is of when the first one was made, and no later.
    const MARK: &str = "CREATE TABLE IF NOT EXISTS saga_copy (
        number  INTEGER NOT NULL PRIMARY KEY CHECK (number = 1),
        made_us INTEGER NOT NULL
    ) STRICT";
    copy.execute_batch(MARK)?;
    copy.execute(
        "INSERT INTO saga_copy (number, made_us) VALUES (1, ?1) ON CONFLICT DO NOTHING",
        [made.as_micros()],
    )
    .map(drop)
}

/// Which incarnation of the journal the file is.
pub(super) fn incarnation(connection: &Connection) -> rusqlite::Result<Incarnation> {
    const READ: &str = "SELECT incarnation FROM saga_incarnation WHERE number = 1";
    let number: i64 = connection.query_row(READ, [], |row| row.get(0))?;
    Incarnation::new(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, number))
}

/// When the file was made, if it is a backup.
fn made(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    if !has_table(connection, "saga_copy")? {
        return Ok(None);
    }
    let read = |row: &rusqlite::Row<'_>| row.get(0).map(Timestamp::from_micros);
    let made = connection.query_row("SELECT made_us FROM saga_copy", [], read).optional()?;
    // The table is the mark, also if its row is gone.
    Ok(made.or(Some(Timestamp::from_micros(0))))
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    const THERE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
    connection.query_row(THERE, [name], |row| row.get(0))
}
