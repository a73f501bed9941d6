//! Whether the journal's files are still where they were opened.
//!
//! A process whose file is moved, replaced or deleted can go on writing into the file that it has open: what
//! is acknowledged from then on is in no journal. So no commit is answered before the paths have been compared with the
//! files that were opened: two looks into the directory, which cost about a thousandth of the flush before them.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rusqlite::{Connection, ErrorCode};

use crate::{OpenError, Unavailable};

/// The file's identity, which does not depend on its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of the file at `path` now; `None`: there is none that can be looked at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// The database's file as it was opened.
#[derive(Debug, Clone)]
pub(super) struct OpenedFile {
    path: PathBuf,
    wal: PathBuf,
    database: Identity,
    /// Why it is damaged, once SQLite has found that.
    damage: Arc<OnceLock<Arc<str>>>,
}

impl OpenedFile {
    /// The file at `path`, which has been opened just now.
    pub(super) fn opened(path: PathBuf) -> Result<Self, OpenError> {
        let gone =
            || OpenError::File { path: path.clone(), reason: "it was removed as it was opened".to_owned() };
        let database = Identity::of(&path).ok_or_else(gone)?;
        let mut wal = OsString::from(&path);
        wal.push("-wal");
        Ok(Self { wal: wal.into(), path, database, damage: Arc::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error of SQLite. That the file is damaged is kept and logged: it does not pass by itself.
    pub(super) fn failed(&self, error: &rusqlite::Error) -> Unavailable {
        if !matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
            return Unavailable::because(error);
        }
        let reason = self.damage.get_or_init(|| {
            let path = self.path.display();
            let reason = format!(
                "the journal's file {path} is damaged ({error}): copy it and its -wal while this process runs, stop the process, run \
                 `orchestrateur database check`, and restore the newest backup (\"A damaged file\" in docs/operations.md)"
            );
            tracing::error!("{reason}");
            reason.into()
        });
        Unavailable(reason.clone())
    }

    /// Fails if SQLite has found the file to be damaged.
    pub(super) fn check_undamaged(&self) -> Result<(), Unavailable> {
        self.damage.get().map_or(Ok(()), |reason| Err(Unavailable(reason.clone())))
    }

    /// The file beside the database's, which holds the last commits.
    pub(super) fn wal(&self) -> Option<Identity> {
        Identity::of(&self.wal)
    }

    /// Fails if the path names another file by now, or none.
    pub(super) fn check_database(&self) -> Result<(), Unavailable> {
        if Identity::of(&self.path) == Some(self.database) {
            return Ok(());
        }
        let (path, process) = (self.path.display(), std::process::id());
        Err(Unavailable::because(format_args!(
            "the journal's file {path} was moved, replaced or deleted while this process had it open, so nothing more \
             is written: put the file and its -wal back, then start this process again; until it ends, both can still \
             be copied from /proc/{process}/fd"
        )))
    }

    /// Fails if the file beside it is not `wal` any more. `connection` still has the old file open, and saves the
    /// commits in it.
    pub(super) fn check_wal(&self, wal: Identity, connection: &Connection) -> Result<(), Unavailable> {
        if self.wal() == Some(wal) {
            return Ok(());
        }
        let saved = connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |row| {
            Ok(row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
        });
        let outcome = match saved {
            Ok(true) => "what it held was saved into the database's file",
            Ok(false) | Err(_) => {
                "what it held could not be saved: copy it from /proc before this process ends"
            }
        };
        Err(Unavailable::because(format_args!(
            "the journal's file {} was moved, replaced or deleted while this process had it open, so nothing more is \
             written; {outcome}. Stop this process (number {}), see that no other -wal lies there, and start it again",
            self.wal.display(),
            std::process::id()
        )))
    }
}
