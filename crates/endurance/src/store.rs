//! Where orders are kept.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]

use std::path::{Path, PathBuf};

use saga_testkit::postgres;

/// One of the two engines.
#[derive(Debug, Clone, Copy)]
pub enum Engine {
    /// One file, one process.
    Sqlite,
    /// One database, as many processes as one likes.
    Postgres,
}

impl Engine {
    /// An empty store, in `folder` or in a database of its own.
    pub fn empty(self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", file(folder).display()),
            Self::Postgres => postgres::shared().create_database(),
        }
    }
}

/// The SQLite file of [`Engine::empty`].
pub fn file(folder: &Path) -> PathBuf {
    folder.join("orchestrateur.db")
}

/// Keeps everybody else from writing to a SQLite file, until it is dropped.
pub struct WriteLock(#[expect(dead_code, reason = "held, not used")] rusqlite::Connection);

impl WriteLock {
    /// Waits for whoever is writing now.
    pub fn take(folder: &Path) -> Self {
        let connection = rusqlite::Connection::open(file(folder)).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }
}
