//! Brings a database's schema up to date, whoever else does so at the same time.
//!
//! A step's row in `saga_migration` is inserted before its statements, in one transaction with them: of two
//! processes the second waits at the key for the first, fails, and reads again what is still missing. So the
//! table itself is the lock.

use std::fmt::Write;
use std::time::Duration;

use super::link::{ConnectError, Connector, Link, StatementError};
use super::sql;
use crate::OpenError;
use crate::migration::{self, Applied, Migration};

/// How often a process reads again after it lost; far more than there are processes that start at once.
const ROUNDS_MAX: u32 = 50;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(50);

/// Applies what is missing, and gives the connection back for other use.
pub(super) async fn migrate(connector: &Connector) -> Result<Link, OpenError> {
    let unreachable = |error: ConnectError| error.at(connector.place());
    let mut link = connector.connect().await.map_err(unreachable)?;
    check_durability(&link).await?;
    let mut lost = String::new();
    for _ in 0..ROUNDS_MAX {
        match round(&link, migration::POSTGRES).await {
            Ok(Round::UpToDate) => return Ok(link),
            Ok(Round::Lost(reason)) => {
                lost = reason;
                // In whatever state the failed transaction has left it.
                link = connector.connect().await.map_err(unreachable)?;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    Err(OpenError::Database(format!("other processes keep changing its schema: {lost}")))
}

enum Round {
    UpToDate,
    /// Another process was faster; or it cannot be told from that.
    Lost(String),
}

async fn round(link: &Link, known: &[Migration]) -> Result<Round, OpenError> {
    // Even with IF NOT EXISTS two processes can collide here.
    if let Err(error) = link.script(sql::MIGRATION_TABLE).await {
        return lost(error);
    }
    let rows = match link.query(sql::MIGRATIONS_APPLIED, &[]).await {
        Ok(rows) => rows,
        Err(error) => return lost(error),
    };
    let applied = rows
        .iter()
        .map(|row| Ok(Applied { version: row.try_get(0)?, checksum: row.try_get(1)? }))
        .collect::<Result<Vec<_>, tokio_postgres::Error>>()
        .map_err(|error| OpenError::Database(error.to_string()))?;
    for migration in migration::pending(known, &applied)? {
        if let Err(error) = link.script(&script(migration)).await {
            return lost(error);
        }
    }
    Ok(Round::UpToDate)
}

/// A step with its row, as one transaction. Version, name and checksum are ours: nothing to escape.
fn script(migration: &Migration) -> String {
    let Migration { version, name, sql } = migration;
    let mut script = String::new();
    let checksum = migration.checksum();
    write!(script, "BEGIN; {} ({version}, '{name}', '{checksum}');\n{sql}\n;COMMIT", sql::MIGRATION_APPLY)
        .expect("writing to memory cannot fail");
    script
}

/// Whether an error may come of another process that does the same.
fn lost(error: StatementError) -> Result<Round, OpenError> {
    match error {
        StatementError::Again(reason) | StatementError::Refused(reason) => Ok(Round::Lost(reason)),
        // Already there, or "tuple concurrently updated".
        StatementError::Doubtful(reason)
            if ["42P07", "42710", "XX000"].iter().any(|code| reason.contains(code)) =>
        {
            Ok(Round::Lost(reason))
        }
        StatementError::Doubtful(reason)
        | StatementError::Broken(reason)
        | StatementError::NotPrepared(reason) => Err(OpenError::Database(reason)),
    }
}

/// An answered append must be on disk.
async fn check_durability(link: &Link) -> Result<(), OpenError> {
    let rows =
        link.query(sql::DURABILITY, &[]).await.map_err(|e| OpenError::Database(e.text().to_owned()))?;
    let setting = |index| rows.first().and_then(|row| row.try_get::<_, Option<&str>>(index).ok().flatten());
    if setting(0) == Some("off") {
        return Err(OpenError::Setting(
            "this database answers commits before they are on disk, so a crash could lose orders: run \
             ALTER DATABASE ... SET synchronous_commit = on, or the same for the role"
                .to_owned(),
        ));
    }
    if setting(1) == Some("off") {
        tracing::warn!("PostgreSQL runs with fsync=off: a power cut can lose or damage every order");
    }
    Ok(())
}
