//! PostgreSQL, for one process or many.
//!
//! ```text
//!   journal's writer task ── append ──▶ one connection of its own, one statement and one round trip a batch
//!   lease, clock ────────────────────▶ one connection of its own: no append and no long list holds up a renewal
//!   all other operations ────────────▶ Pool (a few connections)
//! ```
//!
//! Each entry names its owner and the last event that the owner knows; the row decides, so two processes cannot both
//! write to one saga. Nothing hangs on a connection: no session settings, no advisory locks, and where a prepared
//! statement is lost, it does without; so it works through a pooler, and the SQL is designed for PostgreSQL-compatible
//! distributed databases too (see the test in `sql`).
//!
//! Every operation has a deadline (`bounds`). After it, after every error that is not about the data, and after a warning at
//! a commit, the connection is thrown away and the answer is `Unavailable`; the next statement connects again, to the next
//! address if need be (`connect`). No connection is used before it is known that it does not lead to a former primary (`lineage`).

mod address;
mod append;
mod bounds;
mod bulk;
mod causes;
mod cells;
mod checks;
mod connect;
mod database;
mod deeds;
mod feed;
mod figures;
mod inbox;
mod lineage;
mod link;
mod lone;
mod ownership;
#[cfg(test)]
mod plans;
mod pool;
mod prepared;
mod retention;
mod schema;
mod sessions;
mod sql;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub use self::database::DatabaseAccepted;
pub use self::lineage::DatabaseIdentity;

use self::append::PostgresWriter;
use self::connect::DatabaseConnector;
use self::pool::ConnectionPool;
use crate::backlog::Group;
use crate::columns::{Cell, page_rows, text};
use crate::frame::{self, Frame, Head};
use crate::query::{Dialect, Param, Query, query};
use crate::under_way::ReadRow;
use crate::{
    AppendError, Backlog, CauseCursor, CauseMembers, CauseMinute, Causes, CommandStatus, Cursor, DeedCursor,
    DeedsOf, Entry, FedFrame, FeedPlace, Filter, Histories, Inbox, Joining, KeptCommand, KeptDeed,
    KeptDefinition, KeptRow, Lease, Library, LineageCounts, LoadedHistory, Membership, MinuteFigures,
    OpenError, Page, Posted, ReplicaId, ReplicaStanding, Resting, StoreFuture, UNDER_WAY_READ_MAX,
    Unavailable, UnderWay, WakeUp,
};
use saga_core::definition::DefinitionHash;
use saga_core::{CauseGroup, CommandId, Incarnation, SagaId, Seq, Timestamp};
use tokio::sync::Mutex;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// How lists are queried.
const DIALECT: Dialect = Dialect {
    mark: '$',
    is_under_way: "NOT saga.is_over",
    is_over: "saga.is_over",
    by_under_way: None,
    by_row: "",
};

/// Connections of a process, if nothing else is said: one appends, one renews the lease, and the others do everything else.
pub const DATABASE_CONNECTIONS_DEFAULT: usize = 6;
/// The fewest: one for each of these three.
pub const DATABASE_CONNECTIONS_MIN: usize = 3;
/// The most. More would not make anything faster: only reads would use them, and a server has a hundred for all its clients.
pub const DATABASE_CONNECTIONS_MAX: usize = 64;
/// Connections that are not for everything else.
const RESERVED_CONNECTIONS: usize = 2;

/// A journal in a PostgreSQL database.
pub struct Postgres {
    writer: Mutex<PostgresWriter>,
    /// Of one connection.
    lease: ConnectionPool,
    pool: ConnectionPool,
    connector: Arc<DatabaseConnector>,
    /// The incarnation that was found last, or 0.
    incarnation: AtomicU32,
}

/// The result of [`migrate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// How many steps were missing, and are there now.
    pub steps: usize,
    /// The schema's version.
    pub version: i64,
}

/// Connects, checks the database's settings, and brings the schema up to date where that is still to be done and the role
/// may: otherwise the error names what may. Any number of processes may do so at once.
///
/// `url` is `postgres://user:password@host:port,host:port/database?name=value` or `name=value ...`, with libpq's
/// parameters (`address` has what each means here).
pub async fn open(url: &str) -> Result<Postgres, OpenError> {
    open_with(url, DATABASE_CONNECTIONS_DEFAULT).await
}

/// The same with so many connections, or [`DATABASE_CONNECTIONS_MIN`] or [`DATABASE_CONNECTIONS_MAX`] if that is nearer.
pub async fn open_with(url: &str, connections: usize) -> Result<Postgres, OpenError> {
    let connections = connections.clamp(DATABASE_CONNECTIONS_MIN, DATABASE_CONNECTIONS_MAX);
    let connector = Arc::new(DatabaseConnector::new(url)?);
    let link = schema::prepare(&connector).await?.link;
    checks::rights(&link).await?;
    database::check(&link).await?;
    database::keep_older_releases_away(&link).await?;
    connector.lineage().is_noted();
    connector.note_failovers();
    let pool = |connections_max, bound| ConnectionPool::new(connector.clone(), connections_max, bound);
    Ok(Postgres {
        lease: pool(1, bounds::LEASE_DEADLINE),
        pool: pool(connections - RESERVED_CONNECTIONS, bounds::OPERATION_DEADLINE),
        writer: Mutex::new(PostgresWriter::new(connector.clone(), link)),
        connector,
        incarnation: AtomicU32::new(0),
    })
}

/// Brings the schema up to date, as a role that may make tables.
pub async fn migrate(url: &str) -> Result<Migrated, OpenError> {
    let prepared = schema::prepare(&DatabaseConnector::new(url)?).await?;
    database::keep_older_releases_away(&prepared.link).await?;
    Ok(prepared.migrated)
}

/// Takes the database that `url` leads to for the one in which the journal is kept, whatever was noted before: an operator has restored
/// or moved it on purpose, and a new incarnation of the journal begins. That begins as well where nothing but the operator tells that the
/// journal was `restored`. Processes that have seen the other database must be started again.
pub async fn accept(url: &str, restored: bool) -> Result<DatabaseAccepted, OpenError> {
    let link = schema::prepare(&DatabaseConnector::new(url)?).await?.link;
    checks::rights(&link).await?;
    database::accept(&link, restored).await
}

impl Histories for Postgres {
    fn append<'a>(
        &'a self,
        batch: &'a [Entry],
    ) -> StoreFuture<'a, Result<Vec<Result<(), AppendError>>, Unavailable>> {
        Box::pin(async move { self.writer.lock().await.append(batch).await })
    }

    fn histories(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<LoadedHistory>, Unavailable>> {
        Box::pin(async move {
            let ids: Vec<Uuid> = sagas.iter().map(|saga| *saga.as_uuid()).collect();
            let rows = self.pool.query(sql::LOAD, &[(&ids, Type::UUID_ARRAY)]).await?;
            let mut found: Vec<(Option<Head>, Vec<Frame<&str>>)> =
                ids.iter().map(|_| (None, Vec::new())).collect();
            for row in &rows {
                let (place, head, frame) = cells::loaded(row).map_err(Unavailable::because)?;
                // A place that was not asked for cannot come.
                if let Some((kept_head, frames)) = found.get_mut(place) {
                    *kept_head = head.or(kept_head.take());
                    frames.extend(frame);
                }
            }
            Ok(found.into_iter().map(|(head, frames)| frame::assemble(head, frames)).collect())
        })
    }

    fn row(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<KeptRow>, Unavailable>> {
        Box::pin(async move {
            let rows = self.pool.query(&sql::ROW, &[(saga.as_uuid(), Type::UUID)]).await?;
            rows.first().map(cells::row).transpose().map_err(Unavailable::because)
        })
    }

    fn known(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(async move {
            let rows = match sagas.as_slice() {
                [saga] => self.pool.query_kept(&sql::LONE_KNOWN, &[(saga.as_uuid(), Type::UUID)]).await?,
                _ => {
                    let ids: Vec<Uuid> = sagas.iter().map(|saga| *saga.as_uuid()).collect();
                    self.pool.query(sql::KNOWN, &[(&ids, Type::UUID_ARRAY)]).await?
                }
            };
            rows.iter().map(|row| ownership::cell(row, 0).map(SagaId::new)).collect()
        })
    }

    fn backlog(&self) -> StoreFuture<'_, Result<Backlog, Unavailable>> {
        Box::pin(async move {
            let rows = self.pool.query(sql::BACKLOG, &[]).await?;
            let read = || -> Result<_, tokio_postgres::Error> {
                let mut backlog = Backlog::default();
                for row in &rows {
                    let (definition, rollback) = (row.try_get(0)?, row.try_get(1)?);
                    let (sagas, asleep) = (row.try_get(2)?, row.try_get(3)?);
                    let (due_us, since_us) = (row.try_get(4)?, row.try_get(5)?);
                    Group { definition, rollback, sagas, asleep, due_us, since_us }.add_to(&mut backlog);
                }
                Ok(backlog)
            };
            read().map_err(Unavailable::because)
        })
    }

    fn under_way(&self) -> StoreFuture<'_, Result<UnderWay, Unavailable>> {
        Box::pin(async move {
            let limit = UNDER_WAY_READ_MAX as i64 + 1;
            let rows = self.pool.query(sql::UNDER_WAY, &[(&limit, Type::INT8)]).await?;
            let mut found = UnderWay::default();
            for row in &rows {
                found.add(&ReadRow {
                    definition: ownership::cell(row, 0)?,
                    hash: ownership::cell(row, 1)?,
                    created_us: ownership::cell(row, 2)?,
                    summary: ownership::cell(row, 3)?,
                });
            }
            Ok(found)
        })
    }

    fn list(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Page, Unavailable>> {
        let limit = page_rows(limit);
        // One more than asked for tells whether there are more.
        let query = query(&filter, after, limit + 1, &DIALECT);
        Box::pin(async move {
            let rows = asked(&self.pool, &query).await?;
            let rows = rows.iter().map(cells::row).collect::<Result<_, _>>();
            Ok(Page::cut(rows.map_err(Unavailable::because)?, limit))
        })
    }

    fn causes(&self, recent: Timestamp, limit: usize) -> StoreFuture<'_, Result<Causes, Unavailable>> {
        Box::pin(causes::read(&self.pool, recent, limit))
    }

    fn cause_members(
        &self,
        of: CauseMembers,
        after: Option<CauseCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptRow>, Unavailable>> {
        Box::pin(async move { causes::members(&self.pool, &of, after, limit).await })
    }

    fn cause_minutes(
        &self,
        cause: Arc<str>,
        since: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<CauseMinute>, Unavailable>> {
        Box::pin(async move { causes::minutes(&self.pool, &cause, since).await })
    }

    fn deeds(
        &self,
        of: DeedsOf,
        after: Option<DeedCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptDeed>, Unavailable>> {
        Box::pin(async move { deeds::read(&self.pool, &of, after, limit).await })
    }

    fn figures(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<MinuteFigures>, Unavailable>> {
        Box::pin(figures::read(&self.pool, since, until))
    }

    fn forget_figures(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(figures::forget(&self.pool, before, limit))
    }

    fn feed(&self, from: FeedPlace, limit: usize) -> StoreFuture<'_, Result<Vec<FedFrame>, Unavailable>> {
        Box::pin(async move { feed::read(&self.pool, from, limit).await })
    }

    fn feed_end(&self) -> StoreFuture<'_, Result<FeedPlace, Unavailable>> {
        Box::pin(async move { feed::end(&self.pool).await })
    }

    fn park(
        &self,
        saga: SagaId,
        owner: ReplicaId,
        reason: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let cause = CauseGroup::unreadable(&reason);
            // Labels never change, so what was read before holds.
            let at_stake = self.row(saga).await?.and_then(|kept| kept.row.labels.at_stake());
            let params: [(&(dyn ToSql + Sync), Type); 5] = [
                (saga.as_uuid(), Type::UUID),
                (owner.as_uuid(), Type::UUID),
                (&text(&reason), Type::TEXT),
                (&text(cause.key()), Type::TEXT),
                (&at_stake, Type::INT8),
            ];
            self.pool.query(sql::PARK, &params).await.map(drop)
        })
    }

    fn probe(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { self.pool.query(sql::PROBE, &[]).await.map(drop) })
    }

    fn lineage(&self) -> LineageCounts {
        let lineage = self.connector.lineage();
        let incarnation = Incarnation::new(self.incarnation.load(Ordering::Relaxed).into());
        LineageCounts { incarnation, timeline: lineage.timeline(), refused: lineage.refused() }
    }
}

/// The rows that a query gives.
async fn asked(pool: &ConnectionPool, query: &Query) -> Result<Vec<tokio_postgres::Row>, Unavailable> {
    let cells: Vec<Cell<'_>> = query.params.iter().map(Param::cell).collect();
    let params: Vec<(&(dyn ToSql + Sync), Type)> = cells.iter().map(cells::bind).collect();
    pool.query(&query.sql, &params).await
}

impl Membership for Postgres {
    fn incarnation(&self) -> StoreFuture<'_, Result<Incarnation, Unavailable>> {
        Box::pin(async move {
            let found = ownership::incarnation(&self.lease).await?;
            self.incarnation.store(found.get(), Ordering::Relaxed);
            Ok(found)
        })
    }

    fn join(
        &self,
        replica: ReplicaId,
        name: Arc<str>,
        joining: Joining,
        lease: Duration,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { ownership::join(&self.lease, replica, &name, joining, lease).await })
    }

    fn clock(&self) -> StoreFuture<'_, Result<Option<Timestamp>, Unavailable>> {
        Box::pin(async move { ownership::clock(&self.lease).await.map(Some) })
    }

    fn renew(&self, replica: ReplicaId, lease: Duration) -> StoreFuture<'_, Result<Lease, Unavailable>> {
        Box::pin(async move { ownership::renew(&self.lease, replica, lease).await })
    }

    fn leave(&self, replica: ReplicaId) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { ownership::leave(&self.lease, replica).await })
    }

    fn expire(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(ownership::expire(&self.pool))
    }

    fn rest(&self, replica: ReplicaId, sagas: Vec<Resting>) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { ownership::rest(&self.pool, replica, &sagas).await })
    }

    fn wake(
        &self,
        replica: ReplicaId,
        due: WakeUp,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<(SagaId, Seq)>, Unavailable>> {
        Box::pin(ownership::wake(&self.pool, replica, due, limit))
    }

    fn claim(&self, replica: ReplicaId, limit: usize) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(async move { ownership::claim(&self.pool, replica, limit).await })
    }

    fn owned(
        &self,
        replica: ReplicaId,
        after: Option<SagaId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(async move { ownership::owned(&self.pool, replica, after, limit).await })
    }

    fn replicas(&self) -> StoreFuture<'_, Result<Vec<ReplicaStanding>, Unavailable>> {
        Box::pin(ownership::replicas(&self.pool))
    }
}

impl Inbox for Postgres {
    fn post(&self, command: KeptCommand) -> StoreFuture<'_, Result<Posted, Unavailable>> {
        Box::pin(async move { inbox::post(&self.pool, &command).await })
    }

    fn commands(
        &self,
        replica: ReplicaId,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptCommand>, Unavailable>> {
        Box::pin(inbox::commands(&self.pool, replica, limit))
    }

    fn status(
        &self,
        saga: SagaId,
        command: CommandId,
    ) -> StoreFuture<'_, Result<CommandStatus, Unavailable>> {
        Box::pin(inbox::status(&self.pool, saga, command))
    }

    fn refuse(
        &self,
        saga: SagaId,
        command: CommandId,
        why: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { inbox::refuse(&self.pool, saga, command, &why).await })
    }

    fn remove(&self, saga: SagaId, command: CommandId) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(inbox::remove(&self.pool, saga, command))
    }

    fn forget_refused(&self, before: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(inbox::forget_refused(&self.pool, before))
    }
}

impl Library for Postgres {
    fn define(&self, hash: DefinitionHash, kept: KeptDefinition) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let (hash, name, source) = (hash.as_str(), text(&kept.name), text(&kept.source));
            let params: [(&(dyn ToSql + Sync), Type); 5] = [
                (&hash, Type::TEXT),
                (&name, Type::TEXT),
                (&source, Type::TEXT),
                (&kept.format, Type::INT8),
                (&kept.orders, Type::BOOL),
            ];
            self.pool.query(sql::DEFINE, &params).await.map(drop)
        })
    }

    fn definition(
        &self,
        hash: DefinitionHash,
    ) -> StoreFuture<'_, Result<Option<KeptDefinition>, Unavailable>> {
        Box::pin(async move {
            let rows = self.pool.query(sql::DEFINITION, &[(&hash.as_str(), Type::TEXT)]).await?;
            let read = |row: &tokio_postgres::Row| -> Result<_, tokio_postgres::Error> {
                let (name, source) = (row.try_get::<_, &str>(0)?, row.try_get::<_, &str>(1)?);
                let (format, orders) = (row.try_get(2)?, row.try_get(3)?);
                Ok(KeptDefinition { name: name.into(), source: source.into(), format, orders })
            };
            rows.first().map(read).transpose().map_err(Unavailable::because)
        })
    }
}
