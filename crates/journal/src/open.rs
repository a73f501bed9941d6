//! The reasons for which a journal could not be opened, in sentences for the operator who starts the program.

use std::io;
use std::path::PathBuf;

use saga_core::{Incarnation, Timestamp};

/// Why a journal could not be opened.
///
/// [`Unreachable`](Self::Unreachable) may pass by itself; everything else needs an operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file's directory is missing.
    #[error(
        "the folder {} of the journal's file cannot be used ({source}): make it, or correct the path in \
         sqlite://PATH (three slashes are a path from the root)",
        path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The directory is there, but files cannot be written in it.
    #[error("cannot write the journal's file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system or of SQLite.
        reason: String,
    },
    /// Only one process may write to an SQLite file.
    #[error(
        "another process has this journal open: it holds the lock on {}; stop it first, or give this one another file",
        path.display()
    )]
    Locked {
        /// The lock file, which lies beside the journal's.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("{} is not an SQLite database; it was left as it is", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A newer program has written here.
    #[error(
        "the journal has schema version {found}, which needs a program that knows version {needs}, but this program knows only versions \
         up to {known}: start the newer program (docs/upgrades.md)"
    )]
    SchemaNewer {
        /// The newest version found.
        found: i64,
        /// The lowest version that a program has to know to use it.
        needs: i64,
        /// The newest version known.
        known: i64,
    },
    /// The schema was made by other SQL than this program has under that version.
    #[error(
        "migration {version} of the journal was not made by this program's SQL (its checksum differs): start the program that made it, or restore a backup"
    )]
    SchemaChanged {
        /// Which migration.
        version: i64,
    },
    /// A step would take away what processes rely on that run now.
    #[error(
        "the migration {migration} of the journal takes away what releases use that do not know schema version {needs}, and such \
         processes run: {processes}; replace them by the release before this one first, or stop them (docs/upgrades.md)"
    )]
    OlderProcesses {
        /// The step's name.
        migration: &'static str,
        /// The schema version that it needs.
        needs: i64,
        /// The names and the releases of some of these processes.
        processes: String,
    },
    /// The SQLite that was linked can lose committed writes.
    #[error("SQLite {found} can lose committed writes: 3.51.3 or newer is needed")]
    SqliteTooOld {
        /// Its version.
        found: &'static str,
    },
    /// A setting that durability hangs on is not as it must be.
    #[error("{0}")]
    Setting(String),
    /// The schema is not up to date, and this role cannot change that.
    #[error(
        "the journal's tables lack the migrations {missing}, and this role may not make them ({reason}): run \
         `orchestrateur migrate` with the URL of the role that owns the database, then start again"
    )]
    NotMigrated {
        /// Their names.
        missing: String,
        /// The server's words.
        reason: String,
    },
    /// This role may not do what serving needs.
    #[error(
        "this role may not use the journal's tables: as their owner, run {grants} (docs/operations.md has them all)"
    )]
    Rights {
        /// The statements that grant the missing rights, as SQL.
        grants: String,
    },
    /// The journal was kept in another database, or this one is a former primary.
    #[error(
        "this journal was last used on {kept}, and DATABASE_URL leads to {found}: if that is a former primary, do not start it again as \
         one, and let DATABASE_URL lead to its successor; if the database was restored or moved on purpose, run `orchestrateur database \
         accept` (docs/high-availability.md)"
    )]
    OtherDatabase {
        /// The database that the journal names as its own.
        kept: String,
        /// The one that was reached.
        found: String,
    },
    /// The file is a backup, and no one has said that it is to be the journal from now on.
    #[error(
        "{} is a backup that was made at {made}: what was recorded since is not in it, but the services have its effects. If it is to \
         be the journal from now on, run `orchestrateur database accept`, then `orchestrateur reconcile`, which finds these effects \
         (\"Backups\" in docs/operations.md)",
        path.display()
    )]
    Copy {
        /// The file.
        path: PathBuf,
        /// All that was acknowledged before is in it.
        made: Timestamp,
    },
    /// The file was written by an older release, and is only to be read.
    #[error(
        "{} was written by an older release and lacks the migrations {missing}: run `orchestrateur migrate`, or start `serve`, first",
        path.display()
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Their names.
        missing: String,
    },
    /// Processes use the journal that is to be accepted.
    #[error(
        "processes hold leases in this database ({names}), the last one for {left_s} s more: stop them, wait that long where they \
         were killed or are those of the former database, and run this again"
    )]
    InUse {
        /// Their names.
        names: String,
        /// When the last lease ends.
        left_s: u64,
    },
    /// This role may not have older releases refuse the journal, which it has to when an incarnation begins.
    #[error(
        "a new incarnation keeps releases away that know of none, and this role may not do that: run this again with the URL of the role \
         that owns the database, or, as that role, run {grants} first"
    )]
    AcceptRights {
        /// The statement that grants the missing right, as SQL.
        grants: &'static str,
    },
    /// No later incarnation can be told from its epochs.
    #[error("this journal was restored {} times, and there are no more incarnations", Incarnation::LAST)]
    NoIncarnationLeft,
    /// The address cannot be understood, or asks for something that is not there.
    #[error("cannot read the PostgreSQL address: {0}")]
    Address(String),
    /// The server does not answer, or not in time; may pass by itself.
    #[error("cannot reach PostgreSQL at {place}: {reason}")]
    Unreachable {
        /// Host, port and database, without secrets.
        place: String,
        /// The reason.
        reason: String,
    },
    /// The server is there, but does not let us in.
    #[error("PostgreSQL at {place} does not let this program in: {reason}")]
    Denied {
        /// Host, port and database, without secrets.
        place: String,
        /// The server's words.
        reason: String,
    },
    /// The database refused something else.
    #[error("cannot prepare the journal: {0}")]
    Database(String),
}
