//! The database that the journal keeps as its own, in one row of its own: what is compared when a process starts, and what an operator
//! changes after a restore.

use tokio_postgres::types::Type;

use super::bounds::OPERATION_DEADLINE;
use super::lineage::{DatabaseIdentity, LineageVerdict, judge};
use super::link::{Link, StatementError};
use super::sql;
use crate::OpenError;

/// The result of [`accept`](super::accept).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseAccepted {
    /// The database of before; `None`: none was noted.
    pub before: Option<DatabaseIdentity>,
    /// The one that is used from now on; `None`: its server does not tell.
    pub now: Option<DatabaseIdentity>,
}

/// Fails if the journal was kept in another database, or on a higher timeline; otherwise notes where it is kept.
pub(super) async fn check(link: &Link) -> Result<(), OpenError> {
    let Some(found) = link.leads_to() else { return Ok(()) };
    match kept(link).await? {
        Some(kept) if judge(Some(kept), found) == LineageVerdict::Refused => {
            Err(OpenError::OtherDatabase { kept: kept.to_string(), found: found.to_string() })
        }
        kept if kept != Some(found) => note(link).await.map_err(failed),
        _ => Ok(()),
    }
}

/// Keeps where the connection leads, if that is further than what was kept.
pub(super) async fn note(link: &Link) -> Result<(), StatementError> {
    write(link, sql::DATABASE_NOTE).await
}

/// Keeps where the connection leads, whatever was kept.
pub(super) async fn accept(link: &Link) -> Result<DatabaseAccepted, OpenError> {
    let before = kept(link).await?;
    write(link, sql::DATABASE_ACCEPT).await.map_err(failed)?;
    Ok(DatabaseAccepted { before, now: link.leads_to() })
}

async fn kept(link: &Link) -> Result<Option<DatabaseIdentity>, OpenError> {
    let rows = OPERATION_DEADLINE
        .hold(link.query(sql::DATABASE_KEPT, &[]), StatementError::Doubtful)
        .await
        .map_err(failed)?;
    let read = |row: &tokio_postgres::Row| -> Result<_, tokio_postgres::Error> {
        Ok(DatabaseIdentity::new(row.try_get(0)?, row.try_get(1)?))
    };
    rows.first().map(read).transpose().map_err(|error| OpenError::Database(error.to_string()))
}

async fn write(link: &Link, statement: &str) -> Result<(), StatementError> {
    let Some(found) = link.leads_to() else { return Ok(()) };
    let (system, timeline) = (found.system(), found.timeline());
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&system, Type::INT8), (&timeline, Type::INT8)];
    OPERATION_DEADLINE.hold(link.query(statement, &params), StatementError::Doubtful).await.map(drop)
}

fn failed(error: StatementError) -> OpenError {
    OpenError::Database(error.text().to_owned())
}
