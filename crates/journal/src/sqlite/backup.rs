//! A copy of a journal's file, which may be in use: all of it as of one moment.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use saga_core::Timestamp;
use tempfile::NamedTempFile;

use super::{BUSY_TIMEOUT, lock, restored, why};
use crate::OpenError;

/// How often a copy is begun that has to wait for another program's lock.
const COPIES_BEGUN_MAX: u32 = 20;
/// Between two of them.
const COPY_PAUSE: Duration = Duration::from_millis(100);
/// Read at a time: all, so that the copy is of one moment. Parts of a file that another process writes would begin anew after
/// each of its commits.
const ALL_PAGES: i32 = -1;

/// The content of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupContent {
    /// Sagas.
    pub sagas: u64,
    /// Those of them that are not over.
    pub unfinished: u64,
    /// The size of the file.
    pub bytes: u64,
}

/// Why there is no copy. Nothing has been left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file, or the copy's folder, cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The original is not there, or is something else.
    #[error("{} is no journal ({reason}): name the file of a running or stopped `orchestrateur serve`", path.display())]
    NoJournal {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Another file has the copy's name.
    #[error("{} is there already, and a backup replaces no file: give the copy another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The original could not be read to its end, or the copy not be written.
    #[error("the copy could not be made: {0}")]
    NotCopied(String),
    /// The copy, and so the original, is not a whole database.
    #[error(
        "the journal is damaged, and its copy was thrown away: {0}; see \"A damaged file\" in docs/operations.md"
    )]
    Damaged(String),
}

/// Copies the journal at `from`, which may be in use, to the new file `to`. The copy is complete, checked and on disk when this returns;
/// until then it has another name. Orders that are recorded meanwhile are in the original alone. The copy says that it is one, so that it is
/// not used by mistake: [`accept`](super::accept).
///
/// Blocks for as long as the disk takes. The original's `-wal` grows meanwhile.
pub fn back_up(from: &Path, to: &Path) -> Result<BackupContent, BackupError> {
    let source = open_source(from)?;
    let to = lock::real_path(to)?;
    let exists = || BackupError::Exists { path: to.clone() };
    if to.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let folder = to.parent().unwrap_or_else(|| Path::new("/"));
    let not_written = |error: io::Error| OpenError::File { path: to.clone(), reason: error.to_string() };
    // For its owner alone, as the original.
    let copy = tempfile::Builder::new()
        .prefix(".orchestrateur-backup-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(not_written)?;
    let made = now(&source)?;
    copy_all(&source, copy.path())?;
    let content = mark_and_check(&copy, made)?;
    copy.as_file().sync_all().map_err(not_written)?;
    copy.persist_noclobber(&to).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => exists(),
        _ => not_written(error.error).into(),
    })?;
    // The name is on disk, too.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(not_written)?;
    Ok(content)
}

fn open_source(from: &Path) -> Result<Connection, BackupError> {
    let no_journal = |reason: String| BackupError::NoJournal { path: from.to_owned(), reason };
    if !from.is_file() {
        return Err(no_journal("there is no such file".to_owned()));
    }
    // Not read-only: what a process that was killed has left in the `-wal` is read through an index that is made anew.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(|error| why(from, error))?;
    source.busy_timeout(BUSY_TIMEOUT).map_err(|error| why(from, error))?;
    match source.query_row("SELECT max(version) FROM saga_migration", [], |row| row.get::<_, Option<i64>>(0))
    {
        Ok(Some(_)) => Ok(source),
        Ok(None) => Err(no_journal("its tables are not there yet".to_owned())),
        Err(error) if error.to_string().contains("no such table") => {
            Err(no_journal("it has no tables of a journal".to_owned()))
        }
        Err(error) => Err(why(from, error).into()),
    }
}

fn copy_all(source: &Connection, to: &Path) -> Result<(), BackupError> {
    let failed = |error: rusqlite::Error| BackupError::NotCopied(error.to_string());
    let mut copy = Connection::open(to).map_err(failed)?;
    let backup = Backup::new(source, &mut copy).map_err(failed)?;
    for _ in 0..COPIES_BEGUN_MAX {
        match backup.step(ALL_PAGES).map_err(failed)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked => std::thread::sleep(COPY_PAUSE),
            // `StepResult` may grow; with all pages at once, there are never more.
            _ => {}
        }
    }
    Err(BackupError::NotCopied("another program has the file locked".to_owned()))
}

/// SQLite's time, so that no other clock is asked.
fn now(source: &Connection) -> Result<Timestamp, BackupError> {
    const NOW: &str = "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
    let now = source.query_row(NOW, [], |row| row.get(0));
    now.map(Timestamp::from_micros).map_err(|error| BackupError::NotCopied(error.to_string()))
}

fn mark_and_check(copy: &NamedTempFile, made: Timestamp) -> Result<BackupContent, BackupError> {
    let damaged = |error: rusqlite::Error| BackupError::Damaged(error.to_string());
    let opened = Connection::open(copy.path()).map_err(damaged)?;
    restored::mark(&opened, made).map_err(damaged)?;
    let finding: String =
        opened.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if finding != "ok" {
        return Err(BackupError::Damaged(finding));
    }
    const COUNT: &str = "SELECT count(*), count(*) FILTER (WHERE is_over = 0) FROM saga";
    let count = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (sagas, unfinished) = opened.query_row(COUNT, [], count).map_err(damaged)?;
    // The mark is in the `-wal` until then, which is not a part of the copy.
    let is_whole = |row: &rusqlite::Row<'_>| Ok(row.get::<_, i64>(0)? == 0);
    if !opened.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], is_whole).map_err(damaged)? {
        return Err(BackupError::NotCopied("another program has the copy open".to_owned()));
    }
    opened.close().map_err(|(_, error)| damaged(error))?;
    let bytes = copy.as_file().metadata().map_err(|error| BackupError::NotCopied(error.to_string()))?.len();
    Ok(BackupContent { sagas: sagas.unsigned_abs(), unfinished: unfinished.unsigned_abs(), bytes })
}
