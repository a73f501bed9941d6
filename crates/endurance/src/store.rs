//! The stores of the orders.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]

use std::path::{Path, PathBuf};

use saga_testkit::postgres;

/// One of the two engines.
#[derive(Debug, Clone, Copy)]
pub enum StoreEngine {
    /// One file, one process.
    Sqlite,
    /// One database for any number of processes.
    Postgres,
}

impl StoreEngine {
    /// An empty store, in `folder` or in its own database.
    pub fn empty(self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", file(folder).display()),
            Self::Postgres => postgres::shared().create_database(),
        }
    }
}

/// The SQLite file of [`StoreEngine::empty`].
pub fn file(folder: &Path) -> PathBuf {
    folder.join("orchestrateur.db")
}

/// Locks an SQLite file against all other writers, until it is dropped.
pub struct WriteLock(#[expect(dead_code, reason = "held, not used")] rusqlite::Connection);

impl WriteLock {
    /// Waits until the current writer has finished.
    pub fn take(folder: &Path) -> Self {
        let connection = rusqlite::Connection::open(file(folder)).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }
}
