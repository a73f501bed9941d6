//! Brings a file's schema up to date.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use super::why;
use crate::OpenError;
use crate::migration::{self, AppliedStep, Demand, Migration};

/// Applies the missing steps: all of them, or on an error none.
pub(super) fn migrate(path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    migrate_to(migration::SQLITE, path, connection)
}

/// Fails if any step is missing.
pub(super) fn check(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let failed = |error| why(path, error);
    let applied = applied(connection).map_err(failed)?;
    let needs = needs(connection, migration::SQLITE, &applied).map_err(failed)?;
    let pending = migration::pending(migration::SQLITE, &applied, needs)?;
    if pending.is_empty() {
        return Ok(());
    }
    let missing: Vec<_> = pending.iter().map(|migration| migration.name).collect();
    Err(OpenError::Older { path: path.to_owned(), missing: missing.join(", ") })
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<AppliedStep>> {
    const APPLIED: &str = "SELECT version, checksum FROM saga_migration ORDER BY version";
    connection
        .prepare(APPLIED)?
        .query_map([], |row| Ok(AppliedStep { version: row.get(0)?, checksum: row.get(1)? }))?
        .collect()
}

/// What the steps that this program does not know ask of it.
fn needs(
    connection: &Connection,
    known: &[Migration],
    applied: &[AppliedStep],
) -> rusqlite::Result<Option<i64>> {
    const NEEDED: &str = "SELECT max(coalesce(needs, version)) FROM saga_migration WHERE version > ?1";
    const SAYS: &str = "SELECT count(*) FROM pragma_table_info('saga_migration') WHERE name = 'needs'";
    let says = connection.query_row(SAYS, [], |row| row.get::<_, i64>(0))? > 0;
    if says && migration::is_ahead(known, applied) {
        return connection.query_row(NEEDED, params![migration::newest(known)], |row| row.get(0));
    }
    Ok(None)
}

fn migrate_to(known: &[Migration], path: &Path, connection: &mut Connection) -> Result<(), OpenError> {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS saga_migration (
        version     INTEGER NOT NULL PRIMARY KEY,
        name        TEXT NOT NULL,
        checksum    TEXT NOT NULL,
        appliquee_le TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
    ) STRICT";
    // Rows and indices are sorted by what is in no order: with SQLite's usual cache, most of them would read a page and write one.
    const MUCH_CACHE: &str = "PRAGMA cache_size = -262144";
    const USUAL_CACHE: &str = "PRAGMA cache_size = -2000; PRAGMA shrink_memory";
    // The steps up to the one that makes the column do not fill it.
    const APPLY: &str = "INSERT INTO saga_migration (version, name, checksum) VALUES (?1, ?2, ?3)";
    const NEEDS: &str = "UPDATE saga_migration SET needs = ?2 WHERE version = ?1";

    let failed = |error| why(path, error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    transaction.execute_batch(TABLE).map_err(failed)?;
    let applied = applied(&transaction).map_err(failed)?;
    let needs = needs(&transaction, known, &applied).map_err(failed)?;
    let pending = migration::pending(known, &applied, needs)?;
    if !pending.is_empty() {
        transaction.execute_batch(MUCH_CACHE).map_err(failed)?;
    }
    for migration in pending {
        transaction.execute_batch(migration.sql).map_err(failed)?;
        transaction
            .execute(APPLY, params![migration.version, migration.name, migration.checksum()])
            .map_err(failed)?;
        if let Some(Demand { needs, .. }) = migration.demand() {
            transaction.execute(NEEDS, params![migration.version, needs]).map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)?;
    connection.execute_batch(USUAL_CACHE).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::restored;
    use super::*;

    /// All releases of before knew a schema without incarnations, and look at it as this one does.
    #[test]
    fn a_release_that_knows_no_incarnations_goes_on_with_the_first_one_and_refuses_the_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        drop(super::super::open(&path).unwrap());
        let before = &migration::SQLITE[..(migration::SQLITE_INCARNATION - 1) as usize];
        let release_before = || migrate_to(before, &path, &mut Connection::open(&path).unwrap());
        release_before().unwrap();
        let refused = || {
            let error = release_before().unwrap_err();
            assert!(matches!(error, OpenError::SchemaNewer { found: 19, needs: 19, known: 18 }), "{error}");
        };
        restored::accept(&path, true).unwrap();
        refused();
        // It was accepted by a release that did not raise this: the next start mends it, or a command that has nothing else to do.
        for mend in [
            |path: &Path| drop(super::super::open(path).unwrap()),
            |path: &Path| {
                drop(restored::accept(path, false).unwrap());
            },
        ] {
            let journal = Connection::open(&path).unwrap();
            journal.execute("UPDATE saga_migration SET needs = 18 WHERE version = 19", []).unwrap();
            drop(journal);
            release_before().unwrap();
            mend(&path);
            refused();
        }
    }
}
