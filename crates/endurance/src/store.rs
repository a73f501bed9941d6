//! Where a test's orders are kept.

use std::path::{Path, PathBuf};

use saga_testkit::postgres;

/// One of the two engines.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// An empty store, in `folder` or in a database of its own.
    pub(crate) fn empty(self, folder: &Path) -> String {
        match self {
            Self::Sqlite => format!("sqlite://{}", file(folder).display()),
            Self::Postgres => postgres::shared().create_database(),
        }
    }
}

/// The SQLite file of [`Engine::empty`].
pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("orchestrateur.db")
}

/// Keeps everybody else from writing to a SQLite file, until it is dropped.
pub(crate) struct WriteLock(#[expect(dead_code, reason = "held, not used")] rusqlite::Connection);

impl WriteLock {
    pub(crate) fn take(folder: &Path) -> Self {
        let connection = rusqlite::Connection::open(file(folder)).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        Self(connection)
    }
}
