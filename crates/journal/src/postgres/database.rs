//! The database that the journal keeps as its own, in one row of its own: what is compared when a process starts, and what an operator
//! changes after a restore. The row has the journal's incarnation, too.

use std::time::Duration;

use saga_core::Incarnation;
use tokio_postgres::types::Type;

use super::bounds::{MIGRATION_DEADLINE, OPERATION_DEADLINE};
use super::lineage::{DatabaseIdentity, LineageVerdict, judge};
use super::link::{Link, StatementError};
use super::sql;
use crate::migration::POSTGRES_INCARNATION;
use crate::{OpenError, REPLICAS_TOLD_MAX};

/// The right that [`accept`] needs beside those that serving needs.
const KEEP_AWAY_GRANT: &str = "GRANT UPDATE (needs) ON saga_migration TO the role;";
/// The system identifier of a database that does not tell; `initdb` makes no such one.
const UNTOLD: i64 = 0;

/// The result of [`accept`](super::accept).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseAccepted {
    /// The database of before; `None`: none was noted.
    pub before: Option<DatabaseIdentity>,
    /// The one that is used from now on; `None`: its server does not tell.
    pub now: Option<DatabaseIdentity>,
    /// The journal's incarnation of before.
    pub incarnation_before: Incarnation,
    /// The one that is used from now on.
    pub incarnation: Incarnation,
}

/// The row.
struct KeptDatabase {
    identity: Option<DatabaseIdentity>,
    incarnation: Incarnation,
}

/// Fails if the journal was kept in another database, or on a higher timeline; otherwise notes where it is kept.
pub(super) async fn check(link: &Link) -> Result<(), OpenError> {
    let Some(found) = link.leads_to() else { return note_untold(link).await };
    match kept(link).await?.identity {
        Some(kept) if judge(Some(kept), found) == LineageVerdict::Refused => {
            Err(OpenError::OtherDatabase { kept: kept.to_string(), found: found.to_string() })
        }
        kept if kept != Some(found) => note(link).await.map_err(failed),
        _ => Ok(()),
    }
}

/// Keeps where the connection leads, if that is further than what was kept.
pub(super) async fn note(link: &Link) -> Result<(), StatementError> {
    let Some(found) = link.leads_to() else { return Ok(()) };
    let (system, timeline) = (found.system(), found.timeline());
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&system, Type::INT8), (&timeline, Type::INT8)];
    OPERATION_DEADLINE.hold(link.query(sql::DATABASE_NOTE, &params), StatementError::Doubtful).await.map(drop)
}

/// Makes the row, if there is none: the incarnation is read from it.
async fn note_untold(link: &Link) -> Result<(), OpenError> {
    let noted = link.query(sql::DATABASE_UNTOLD, &[]);
    OPERATION_DEADLINE.hold(noted, StatementError::Doubtful).await.map(drop).map_err(failed)
}

/// Keeps where the connection leads, whatever was kept. A new incarnation begins if the journal is not where it was, or if the
/// operator says that it was `restored`.
pub(super) async fn accept(link: &Link, restored: bool) -> Result<DatabaseAccepted, OpenError> {
    let (before, now) = (kept(link).await?, link.leads_to());
    let is_elsewhere = before.identity.is_some()
        && now.is_some_and(|now| judge(before.identity, now) == LineageVerdict::Refused);
    let begins = restored || is_elsewhere;
    if begins {
        before.incarnation.next().ok_or(OpenError::NoIncarnationLeft)?;
        may_keep_older_releases_away(link).await?;
        no_process_uses_it(link).await?;
        let (system, timeline) = now.map_or((UNTOLD, 0), |now| (now.system(), now.timeline()));
        let accepted = sql::database_accept(system, timeline, 1, POSTGRES_INCARNATION);
        // Every saga that is under way is written.
        MIGRATION_DEADLINE.hold(link.script(&accepted), StatementError::Doubtful).await.map_err(failed)?;
    } else {
        if now != before.identity {
            note(link).await.map_err(failed)?;
        }
        keep_older_releases_away(link).await?;
    }
    Ok(DatabaseAccepted {
        before: before.identity,
        now,
        incarnation_before: before.incarnation,
        incarnation: kept(link).await?.incarnation,
    })
}

/// Fails if this role may not have older releases refuse the journal.
async fn may_keep_older_releases_away(link: &Link) -> Result<(), OpenError> {
    let asked = link.query(sql::MAY_KEEP_AWAY, &[]);
    let rows = OPERATION_DEADLINE.hold(asked, StatementError::Doubtful).await.map_err(failed)?;
    if rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        return Ok(());
    }
    Err(OpenError::AcceptRights { grants: KEEP_AWAY_GRANT })
}

/// Has releases that know no incarnations refuse a journal that is in a second one: not every release that begins incarnations has done so.
/// A role that may not is told in the log who may.
pub(super) async fn keep_older_releases_away(link: &Link) -> Result<(), OpenError> {
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] =
        [(&POSTGRES_INCARNATION, Type::INT8)];
    let asked = link.query(sql::OLDER_RELEASES_LET_IN, &params);
    let rows = OPERATION_DEADLINE.hold(asked, StatementError::Doubtful).await.map_err(failed)?;
    let Some(row) = rows.first() else { return Ok(()) };
    if row.try_get(0).unwrap_or(false) {
        let raised = sql::older_releases_away(POSTGRES_INCARNATION);
        return OPERATION_DEADLINE.hold(link.script(&raised), StatementError::Doubtful).await.map_err(failed);
    }
    tracing::warn!(
        "a release that knows no incarnations could be started on this journal, which is in a later one than the first: run `orchestrateur \
         migrate` with the URL of the role that owns the database, which keeps such releases away"
    );
    Ok(())
}

/// Fails if a lease holds, for the operator's sake: leases are ended in any case.
async fn no_process_uses_it(link: &Link) -> Result<(), OpenError> {
    let told = REPLICAS_TOLD_MAX as i64;
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] = [(&told, Type::INT8)];
    let held = OPERATION_DEADLINE.hold(link.query(sql::LEASES_HELD, &params), StatementError::Doubtful);
    let rows = held.await.map_err(failed)?;
    let read = || -> Result<_, tokio_postgres::Error> {
        let names = rows.iter().map(|row| row.try_get::<_, String>(0)).collect::<Result<Vec<_>, _>>()?;
        let left_us: i64 = rows.first().map_or(Ok(0), |row| row.try_get(1))?;
        Ok((names, Duration::from_micros(left_us.unsigned_abs())))
    };
    let (names, left) = read().map_err(|error| OpenError::Database(error.to_string()))?;
    if names.is_empty() {
        return Ok(());
    }
    Err(OpenError::InUse { names: names.join(", "), left_s: left.as_secs() + 1 })
}

async fn kept(link: &Link) -> Result<KeptDatabase, OpenError> {
    let rows = OPERATION_DEADLINE
        .hold(link.query(sql::DATABASE_KEPT, &[]), StatementError::Doubtful)
        .await
        .map_err(failed)?;
    let Some(row) = rows.first() else {
        return Ok(KeptDatabase { identity: None, incarnation: Incarnation::FIRST });
    };
    let read = || -> Result<(i64, i64, i64), tokio_postgres::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    };
    let (system, timeline, number) = read().map_err(|error| OpenError::Database(error.to_string()))?;
    let identity = (system != UNTOLD).then(|| DatabaseIdentity::new(system, timeline));
    let incarnation = Incarnation::new(number).ok_or_else(|| {
        OpenError::Database(format!("the journal's incarnation in saga_database is {number}"))
    })?;
    Ok(KeptDatabase { identity, incarnation })
}

fn failed(error: StatementError) -> OpenError {
    OpenError::Database(error.text().to_owned())
}
