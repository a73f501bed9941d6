//! Brings a database's schema up to date, even if other processes do so at the same time.
//!
//! A step's row in `saga_migration` is inserted before its statements, in one transaction with them: of two
//! processes the second waits at the key for the first, fails, and reads again which steps are missing. So the
//! table itself is the lock.

use std::time::Duration;

use tokio_postgres::types::{ToSql, Type};

use super::bounds::{MIGRATION_DEADLINE, OPERATION_DEADLINE};
use super::connect::{ConnectError, DatabaseConnector};
use super::link::{Link, StatementError};
use super::{Migrated, checks, sql};
use crate::OpenError;
use crate::migration::{self, AppliedStep, Demand, Migration};

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
    for _ in 0..ROUNDS_MAX {
        match round(&link, migration::POSTGRES, &mut steps).await {
            Ok(SchemaRound::UpToDate { version }) => {
                return Ok(PreparedDatabase { link, migrated: Migrated { steps, version } });
            }
            Ok(SchemaRound::Lost(reason)) => {
                lost = reason;
                // The failed transaction may have left the connection in any state.
                link = connector.connect().await.map_err(unreachable)?;
                tokio::time::sleep(PAUSE).await;
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
    let last = pending.last().map(|migration| migration.version);
    let steps_of = |migration: &Migration| script(migration, Some(migration.version) == last);
    for script in table.into_iter().chain(pending.iter().map(steps_of)) {
        if let Err(error) = MIGRATION_DEADLINE.hold(link.script(&script), StatementError::Doubtful).await {
            return lost(error, pending);
        }
    }
    *steps += pending.len();
    let found = applied.last().map_or(0, |step| step.version);
    Ok(SchemaRound::UpToDate { version: found.max(migration::newest(known)) })
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
/// The role may not, or has no schema that it may use.
const NO_RIGHT: [&str; 2] = ["42501", "3F000"];

fn has_code(error: &StatementError, code: &str) -> bool {
    matches!(error, StatementError::Doubtful(text) if text.split([' ', ':']).any(|word| word == code))
}

/// A step with its row, as one transaction. Version, name and checksum are ours: nothing to escape. Tables and indices that the steps have made anew have no
/// statistics, or those of an empty table, so the last one has statistics made, too.
fn script(migration: &Migration, is_last: bool) -> String {
    let Migration { version, name, sql } = migration;
    let statistics = if is_last { sql::STATISTICS } else { "" };
    let checksum = migration.checksum();
    let row = match migration.demand() {
        None => format!("{} ({version}, '{name}', '{checksum}')", sql::MIGRATION_APPLY),
        Some(Demand { needs, .. }) => {
            format!("{} ({version}, '{name}', '{checksum}', {needs})", sql::MIGRATION_APPLY_DEMANDING)
        }
    };
    format!("BEGIN; {row};\n{sql}\n;{statistics};COMMIT")
}

/// Whether an error may come of another process that does the same.
fn lost(error: StatementError, pending: &[Migration]) -> Result<SchemaRound, OpenError> {
    if NO_RIGHT.iter().any(|code| has_code(&error, code)) {
        let names: Vec<&str> = pending.iter().map(|migration| migration.name).collect();
        return Err(OpenError::NotMigrated { missing: names.join(", "), reason: error.text().to_owned() });
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
