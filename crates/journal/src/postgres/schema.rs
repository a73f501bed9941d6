//! Brings a database's schema up to date, even if other processes do so at the same time.
//!
//! A step's row in `saga_migration` is inserted before its statements, in one transaction with them: of two
//! processes the second waits at the key for the first, fails, and reads again which steps are missing. So the
//! table itself is the lock.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::types::{ToSql, Type};

use super::bounds::{
    MIGRATION_DEADLINE, MIGRATION_LOCK_PAUSE, MIGRATION_LOCK_WAIT, MIGRATION_LOCKED_MAX, OPERATION_DEADLINE,
};
use super::connect::{ConnectError, DatabaseConnector};
use super::link::{Link, StatementError};
use super::{Migrated, checks, sql};
use crate::OpenError;
use crate::migration::{self, AppliedStep, Demand, Migration, SchemaChange};

/// How often a process reads again after it lost; far more than there are processes that start at once.
const ROUNDS_MAX: u32 = 50;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(50);

/// A database that is ready, and the connection that found it so.
pub(super) struct PreparedDatabase {
    pub(super) link: Link,
    pub(super) migrated: Migrated,
}

/// Checks the database and applies the missing steps. Where no step is missing, the role needs no right to create
/// tables.
pub(super) async fn prepare(connector: &DatabaseConnector) -> Result<PreparedDatabase, OpenError> {
    let unreachable = |error: ConnectError| error.at(connector.place());
    let mut link = connector.connect().await.map_err(unreachable)?;
    checks::settings(&link).await?;
    let (mut steps, mut lost) = (0, String::new());
    let (mut rounds, begun) = (0, Instant::now());
    while rounds < ROUNDS_MAX {
        match round(&link, migration::POSTGRES, &mut steps).await {
            Ok(SchemaRound::UpToDate { version }) => {
                return Ok(PreparedDatabase { link, migrated: Migrated { steps, version } });
            }
            Ok(SchemaRound::Lost(reason)) => {
                lost = reason;
                rounds += 1;
                // The failed transaction may have left the connection in any state.
                link = connector.connect().await.map_err(unreachable)?;
                tokio::time::sleep(PAUSE).await;
            }
            Ok(SchemaRound::Locked(reason)) if begun.elapsed() < MIGRATION_LOCKED_MAX => {
                tracing::warn!(
                    "a migration waits for other transactions, and is tried again in {MIGRATION_LOCK_PAUSE:?}: {reason}"
                );
                link = connector.connect().await.map_err(unreachable)?;
                tokio::time::sleep(MIGRATION_LOCK_PAUSE).await;
            }
            Ok(SchemaRound::Locked(reason)) => {
                return Err(OpenError::Database(format!(
                    "other transactions have held locks on its tables for {MIGRATION_LOCKED_MAX:?} ({reason}): find them in \
                     pg_stat_activity, those that are idle in a transaction above all, end them, and start again"
                )));
            }
            Err(error) => return Err(error),
        }
    }
    Err(OpenError::Database(format!("other processes keep changing its schema: {lost}")))
}

enum SchemaRound {
    /// Now it has this version, or had it already; a newer program may have made it.
    UpToDate { version: i64 },
    /// Another process was faster; or it cannot be told from that.
    Lost(String),
    /// Another transaction has a lock that a step needs.
    Locked(String),
}

async fn round(link: &Link, known: &[Migration], steps: &mut usize) -> Result<SchemaRound, OpenError> {
    let read = link.query(sql::MIGRATIONS_APPLIED, &[]);
    let applied = match OPERATION_DEADLINE.hold(read, StatementError::Doubtful).await {
        Ok(rows) => Some(rows),
        Err(error) if has_code(&error, UNDEFINED_TABLE) => None,
        // The table is there.
        Err(error) if NO_RIGHT.iter().any(|code| has_code(&error, code)) => {
            return Err(OpenError::Rights {
                grants: "GRANT SELECT ON saga_migration TO the role;".to_owned(),
            });
        }
        Err(error) => return lost(error, known),
    };
    let is_new = applied.is_none();
    let applied = applied
        .iter()
        .flatten()
        .map(|row| Ok(AppliedStep { version: row.try_get(0)?, checksum: row.try_get(1)? }))
        .collect::<Result<Vec<_>, tokio_postgres::Error>>()
        .map_err(|error| OpenError::Database(error.to_string()))?;
    let needs = if migration::is_ahead(known, &applied) {
        match needed(link, migration::newest(known)).await {
            Ok(needs) => needs,
            Err(error) => return lost(error, known),
        }
    } else {
        None
    };
    let pending = migration::pending(known, &applied, needs)?;
    // Even with IF NOT EXISTS two processes can collide here.
    let table = is_new.then(|| sql::MIGRATION_TABLE.to_owned());
    if let Some(table) = table
        && let Err(error) = MIGRATION_DEADLINE.hold(link.script(&table), StatementError::Doubtful).await
    {
        return lost(error, pending);
    }
    for migration in pending {
        if let Some(Demand { change: SchemaChange::Contracts, needs }) = migration.demand() {
            match behind(link, needs).await {
                Ok(processes) if processes.is_empty() => {}
                Ok(processes) => {
                    return Err(OpenError::OlderProcesses { migration: migration.name, needs, processes });
                }
                Err(error) => return lost(error, pending),
            }
        }
        let script = script(migration);
        if let Err(error) = MIGRATION_DEADLINE.hold(link.script(&script), StatementError::Doubtful).await {
            return lost(error, pending);
        }
        *steps += 1;
    }
    if !pending.is_empty() {
        make_statistics(link).await;
    }
    let found = applied.last().map_or(0, |step| step.version);
    Ok(SchemaRound::UpToDate { version: found.max(migration::newest(known)) })
}

/// Tables and indices that the steps have made anew have no statistics, or those of an empty table. They are made when the steps are over,
/// so that no step's locks are held for as long.
async fn make_statistics(link: &Link) {
    let script = format!("BEGIN; {};COMMIT", sql::STATISTICS);
    if let Err(error) = MIGRATION_DEADLINE.hold(link.script(&script), StatementError::Doubtful).await {
        tracing::warn!(
            "autovacuum will make the journal's statistics, and statements are slower until then: {}",
            error.text()
        );
    }
}

/// The names and releases of processes that run and do not know this schema version; empty: there is none.
async fn behind(link: &Link, needs: i64) -> Result<String, StatementError> {
    let params: [(&(dyn ToSql + Sync), Type); 1] = [(&needs, Type::INT8)];
    let rows =
        OPERATION_DEADLINE.hold(link.query(sql::REPLICAS_BEHIND, &params), StatementError::Doubtful).await?;
    let said = |row: &tokio_postgres::Row| {
        format!(
            "{} (release {})",
            row.try_get::<_, &str>(0).unwrap_or("?"),
            row.try_get::<_, &str>(1).unwrap_or("?")
        )
    };
    Ok(rows.iter().map(said).collect::<Vec<_>>().join(", "))
}

/// What the steps behind `newest` need; `None`: they do not say.
async fn needed(link: &Link, newest: i64) -> Result<Option<i64>, StatementError> {
    let params: [(&(dyn ToSql + Sync), Type); 1] = [(&newest, Type::INT8)];
    let read = link.query(sql::MIGRATIONS_NEED, &params);
    match OPERATION_DEADLINE.hold(read, StatementError::Doubtful).await {
        Ok(rows) => Ok(rows.first().and_then(|row| row.try_get(0).ok())),
        Err(error) if has_code(&error, UNDEFINED_COLUMN) => Ok(None),
        Err(error) => Err(error),
    }
}

const UNDEFINED_TABLE: &str = "42P01";
const UNDEFINED_COLUMN: &str = "42703";
const LOCK_NOT_AVAILABLE: &str = "55P03";
/// The role may not, or has no schema that it may use.
const NO_RIGHT: [&str; 2] = ["42501", "3F000"];

fn has_code(error: &StatementError, code: &str) -> bool {
    matches!(error, StatementError::Doubtful(text) if text.split([' ', ':']).any(|word| word == code))
}

/// A step with its row, as one transaction. Version, name and checksum are ours: nothing to escape. The wait for another process at the
/// row's key holds up nobody, so it may be long; a wait for a lock on a table may not.
fn script(migration: &Migration) -> String {
    let Migration { version, name, sql } = migration;
    let checksum = migration.checksum();
    let row = match migration.demand() {
        None => format!("{} ({version}, '{name}', '{checksum}')", sql::MIGRATION_APPLY),
        Some(Demand { needs, .. }) => {
            format!("{} ({version}, '{name}', '{checksum}', {needs})", sql::MIGRATION_APPLY_DEMANDING)
        }
    };
    let lock_timeout = format!("{} '{}ms'", sql::MIGRATION_LOCK_TIMEOUT, MIGRATION_LOCK_WAIT.as_millis());
    format!("BEGIN; {row}; {lock_timeout};\n{sql}\n;COMMIT")
}

/// Whether an error may come of another process that does the same.
fn lost(error: StatementError, pending: &[Migration]) -> Result<SchemaRound, OpenError> {
    if NO_RIGHT.iter().any(|code| has_code(&error, code)) {
        let names: Vec<&str> = pending.iter().map(|migration| migration.name).collect();
        return Err(OpenError::NotMigrated { missing: names.join(", "), reason: error.text().to_owned() });
    }
    if has_code(&error, LOCK_NOT_AVAILABLE) {
        return Ok(SchemaRound::Locked(error.text().to_owned()));
    }
    match error {
        StatementError::Again(reason) | StatementError::Taken(reason) | StatementError::Refused(reason) => {
            Ok(SchemaRound::Lost(reason))
        }
        // Already there, or "tuple concurrently updated".
        StatementError::Doubtful(_)
            if ["42P07", "42710", "XX000"].iter().any(|code| has_code(&error, code)) =>
        {
            Ok(SchemaRound::Lost(error.text().to_owned()))
        }
        StatementError::Doubtful(reason)
        | StatementError::Broken(reason)
        | StatementError::NotPrepared(reason) => Err(OpenError::Database(reason)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::join;

    use super::*;
    use crate::postgres;

    async fn made() -> (DatabaseConnector, Link) {
        let connector = DatabaseConnector::new(&saga_testkit::postgres::shared().create_database()).unwrap();
        let link = prepare(&connector).await.unwrap().link;
        (connector, link)
    }

    /// This release's steps, and those of releases to come.
    fn with(later: &[(&'static str, &'static str)]) -> Vec<Migration> {
        let later = (migration::newest(migration::POSTGRES) + 1..).zip(later);
        let later = later.map(|(version, (name, sql))| Migration { version, name, sql });
        migration::POSTGRES.iter().copied().chain(later).collect()
    }

    const EXPAND: &str = "-- expands; needs 22\nALTER TABLE saga ADD COLUMN later TEXT";
    const CONTRACT: &str = "-- contracts; needs 23\nALTER TABLE replica DROP COLUMN release";

    #[tokio::test]
    async fn a_step_says_in_its_row_what_it_needs() {
        let (_, link) = made().await;
        let mut steps = 0;
        let made =
            round(&link, &with(&[("expand", EXPAND), ("contract", CONTRACT)]), &mut steps).await.unwrap();
        let newest = migration::newest(migration::POSTGRES);
        assert!(matches!(made, SchemaRound::UpToDate { version } if version == newest + 2));
        let rows =
            link.query("SELECT needs FROM saga_migration WHERE version > 21 ORDER BY version", &[]).await;
        let needs: Vec<Option<i64>> = rows.unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(needs, [None, Some(22), Some(22), Some(22), Some(23)]);
        // This release goes on with the first of them, and not with both.
        let error = round(&link, migration::POSTGRES, &mut steps).await.err();
        assert!(error.is_none(), "{error:?}");
        let error = round(&link, &migration::POSTGRES[..22], &mut steps).await.err().unwrap();
        assert!(matches!(error, OpenError::SchemaNewer { needs: 23, known: 22, .. }), "{error}");
    }

    /// All releases of before knew a schema without incarnations, and look at it as this one does.
    #[tokio::test]
    async fn a_release_that_knows_no_incarnations_goes_on_with_the_first_one_and_refuses_the_second() {
        let url = saga_testkit::postgres::shared().create_database();
        let link = prepare(&DatabaseConnector::new(&url).unwrap()).await.unwrap().link;
        let before = &migration::POSTGRES[..(migration::POSTGRES_INCARNATION - 1) as usize];
        let mut steps = 0;
        // This release opens, migrates and accepts the first incarnation, and leaves it to the releases of before.
        postgres::open(&url).await.unwrap();
        postgres::migrate(&url).await.unwrap();
        postgres::accept(&url, false).await.unwrap();
        assert!(matches!(round(&link, before, &mut steps).await, Ok(SchemaRound::UpToDate { .. })));
        postgres::accept(&url, true).await.unwrap();
        let error = round(&link, before, &mut steps).await.err().unwrap();
        assert!(matches!(error, OpenError::SchemaNewer { needs: 24, known: 23, .. }), "{error}");
        // This one goes on, also once a later one has added something.
        let later = with(&[("expand", EXPAND)]);
        for known in [migration::POSTGRES, &later[..], migration::POSTGRES] {
            let known = round(&link, known, &mut steps).await;
            assert!(matches!(known, Ok(SchemaRound::UpToDate { .. })));
        }
        // It was accepted by a release that did not raise this: each of these mends it.
        for mend in ["serve", "migrate", "accept"] {
            link.script("UPDATE saga_migration SET needs = 22 WHERE version = 24").await.unwrap();
            assert!(round(&link, before, &mut steps).await.is_ok());
            match mend {
                "serve" => drop(postgres::open(&url).await.unwrap()),
                "migrate" => drop(postgres::migrate(&url).await.unwrap()),
                _ => drop(postgres::accept(&url, false).await.unwrap()),
            }
            let error = round(&link, before, &mut steps).await.err().unwrap();
            assert!(matches!(error, OpenError::SchemaNewer { needs: 24, known: 23, .. }), "{mend}: {error}");
        }
    }

    #[tokio::test]
    async fn nothing_is_taken_away_from_processes_that_run() {
        let (_, link) = made().await;
        let row = "INSERT INTO replica (replica_id, name, joined_at, expires_at, gone, knows, release) VALUES \
            ('00000000-0000-0000-0000-00000000000$n', 'replica-$n', now(), now() + INTERVAL '$left', $gone, $knows)";
        let join = async |n: &str, left: &str, gone: &str, knows: &str| {
            let row =
                row.replace("$n", n).replace("$left", left).replace("$gone", gone).replace("$knows", knows);
            link.script(&row).await.unwrap();
        };
        join("1", "1 hour", "FALSE", "23, '9.1.0'").await;
        join("2", "-1 second", "FALSE", "22, '9.0.0'").await;
        join("3", "1 hour", "TRUE", "22, '9.0.0'").await;
        let (later, mut steps) = (with(&[("expand", EXPAND), ("contract", CONTRACT)]), 0);
        for (n, knows, said) in [
            ("4", "22, '9.0.0'", "replica-4 (release 9.0.0)"),
            ("5", "NULL, NULL", "replica-5 (release unknown)"),
        ] {
            join(n, "1 hour", "FALSE", knows).await;
            let error = round(&link, &later, &mut steps).await.err().unwrap().to_string();
            assert!(error.contains(said) && error.contains("contract"), "{error}");
            link.script(&format!("UPDATE replica SET gone = TRUE WHERE name = 'replica-{n}'")).await.unwrap();
        }
        // Meanwhile, what adds was made.
        assert_eq!(steps, 1);
        assert!(matches!(round(&link, &later, &mut steps).await, Ok(SchemaRound::UpToDate { .. })));
        assert_eq!(steps, 2);
    }

    /// All appends would wait behind a migration that waits behind a query that somebody has forgotten.
    #[tokio::test]
    async fn a_step_that_would_wait_for_long_lets_the_others_pass_and_comes_again() {
        let (connector, link) = made().await;
        let connector = Arc::new(connector);
        let (forgotten, append) = (connector.connect().await.unwrap(), connector.connect().await.unwrap());
        forgotten.script("BEGIN; SELECT count(*) FROM saga").await.unwrap();
        let (later, mut steps) = (with(&[("expand", EXPAND)]), 0);
        let (waited, passed) = join!(round(&link, &later, &mut steps), async {
            // Wherever the migration is, this ends.
            append.script("UPDATE saga SET seq = seq").await
        });
        assert!(matches!(&waited, Ok(SchemaRound::Locked(reason)) if reason.contains(LOCK_NOT_AVAILABLE)));
        passed.unwrap();
        append.script("UPDATE saga SET seq = seq").await.unwrap();
        forgotten.script("COMMIT").await.unwrap();
        let link = connector.connect().await.unwrap();
        assert!(matches!(round(&link, &later, &mut steps).await, Ok(SchemaRound::UpToDate { .. })));
        assert_eq!(steps, 1);
    }
}
