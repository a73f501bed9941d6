//! One SQLite file, for one process. Operators may read it with SQL while it runs.
//!
//! ```text
//!   journal's writer thread ── append ──▶ Writer (one connection, one transaction a batch, one fsync)
//!   other operations ─ spawn_blocking ─▶ Readers (a few connections that cannot write)
//! ```
//!
//! WAL with `synchronous=FULL`: an append that was answered has been flushed. A lock on the file `<path>.lock`
//! keeps a second process out; the system takes it back from a dead one. So there are no leases here that could run
//! out: a replica that has not joined since the file was opened is gone (`replicas.rs`).

mod backup;
mod bulk;
mod causes;
mod cells;
mod check;
mod deeds;
mod feed;
mod figures;
mod history;
mod inbox;
mod lists;
mod lock;
mod ownership;
mod place;
#[cfg(test)]
mod plans;
mod readers;
mod recent;
mod replicas;
mod restored;
mod retention;
mod schema;
mod sessions;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use saga_core::definition::DefinitionHash;
use saga_core::{CauseGroup, Incarnation, SagaId, Seq, Timestamp};
use tokio::task::spawn_blocking;
use uuid::Uuid;

pub use self::backup::{BackupContent, BackupError, back_up};
pub use self::check::{CheckDepth, FileChecked, check};
use self::place::OpenedFile;
use self::readers::Readers;
use self::recent::RecentLabels;
use self::replicas::Replicas;
pub use self::restored::{FileAccepted, accept};
use self::writer::SqliteWriter;
use crate::backlog::Group;
use crate::columns::{self, page_rows, text};
use crate::frame;
use crate::{
    AppendError, Backlog, CauseCursor, CauseMembers, CauseMinute, Causes, Cursor, DeedCursor, DeedsOf, Entry,
    FedFrame, FeedPlace, Filter, Histories, Joining, KeptDeed, KeptDefinition, KeptRow, Lease, Library,
    LineageCounts, LoadedHistory, Membership, MinuteFigures, OpenError, Page, ReplicaId, ReplicaStanding,
    Resting, StoreFuture, Unavailable, UnderWay, WakeUp,
};

/// SQLite from 3.7.0 to 3.51.2 can lose committed writes when the WAL is reset.
const VERSION_MIN: i32 = 3_051_003;

/// How long a statement waits for an operator who writes with other tools.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Of one read or write that a caller waits for, with its wait for a connection. An operation that is given up may
/// still be carried out.
const OPERATION_DEADLINE: Duration = Duration::from_secs(3);

/// A journal in an SQLite file.
pub struct Sqlite {
    shared: Arc<SharedParts>,
}

struct SharedParts {
    writer: Mutex<SqliteWriter>,
    readers: Readers,
    recent: Arc<RecentLabels>,
    replicas: Replicas,
    /// It changes only while no process has the file open.
    incarnation: Incarnation,
    // Last, so that it is given back when the connections are closed. `None`: the file is only read.
    _lock: Option<lock::Lock>,
}

/// Opens the file, or makes it. Brings its schema up to date. Its folder must be there: a missing one is a mistake in
/// the path, and an empty journal somewhere else would hide it.
///
/// Blocks for as long as the disk takes. The file's name with `.lock` behind it is locked until the store is
/// dropped.
pub fn open(path: impl AsRef<Path>) -> Result<Sqlite, OpenError> {
    open_with(path, RecentLabels::new())
}

fn open_with(path: impl AsRef<Path>, recent: RecentLabels) -> Result<Sqlite, OpenError> {
    if rusqlite::version_number() < VERSION_MIN {
        return Err(OpenError::SqliteTooOld { found: rusqlite::version() });
    }
    let path = lock::real_path(path.as_ref())?;
    let lock = lock::take(&path)?;
    lock::for_its_owner_alone(&path)?;
    let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
        .map_err(|error| why(&path, error))?;
    restored::check(&path, &connection)?;
    schema::migrate(&path, &mut connection)?;
    let incarnation = restored::incarnation(&connection).map_err(|error| why(&path, error))?;
    restored::keep_older_releases_away(&connection, incarnation).map_err(|error| why(&path, error))?;
    recent.read(&connection).map_err(|error| why(&path, error))?;
    let (place, recent) = (OpenedFile::opened(path)?, Arc::new(recent));
    let writer = Mutex::new(SqliteWriter::new(place.clone(), connection, recent.clone()));
    let (readers, replicas) = (Readers::new(place), Replicas::default());
    let shared = SharedParts { writer, readers, recent, replicas, incarnation, _lock: Some(lock) };
    Ok(Sqlite { shared: Arc::new(shared) })
}

/// Opens the file to read it, also while a process uses it, or if it is a backup: nothing can be appended. Its schema has to be that of this
/// program.
pub fn open_to_read(path: impl AsRef<Path>) -> Result<Sqlite, OpenError> {
    let path = lock::real_path(path.as_ref())?;
    if !path.is_file() {
        return Err(OpenError::File { path, reason: "there is no such file".to_owned() });
    }
    let failed = |error| why(&path, error);
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    schema::check(&path, &connection)?;
    let incarnation = restored::incarnation(&connection).map_err(failed)?;
    let (place, recent) = (OpenedFile::opened(path.clone())?, Arc::new(RecentLabels::new()));
    let writer = Mutex::new(SqliteWriter::new(place.clone(), connection, recent.clone()));
    let (readers, replicas) = (Readers::new(place), Replicas::default());
    let shared = SharedParts { writer, readers, recent, replicas, incarnation, _lock: None };
    Ok(Sqlite { shared: Arc::new(shared) })
}

/// A connection that flushes each commit.
fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if mode != "wal" || synchronous != 2 {
        let message = format!(
            "SQLite did not accept journal_mode=WAL and synchronous=FULL: they are {mode} and {synchronous}; \
             use a file on a local disk"
        );
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISUSE);
        return Err(rusqlite::Error::SqliteFailure(code, Some(message)));
    }
    Ok(connection)
}

/// Why a file cannot be opened.
fn why(path: &Path, error: rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode as Code;
    match (error.sqlite_error_code(), error) {
        (Some(Code::NotADatabase), _) => OpenError::NotADatabase { path: path.to_owned() },
        (Some(Code::ApiMisuse), rusqlite::Error::SqliteFailure(_, Some(message))) => {
            OpenError::Setting(message)
        }
        (
            Some(
                Code::CannotOpen
                | Code::ReadOnly
                | Code::PermissionDenied
                | Code::DiskFull
                | Code::SystemIoFailure,
            ),
            error,
        ) => OpenError::File { path: path.to_owned(), reason: error.to_string() },
        (_, error) => OpenError::Database(error.to_string()),
    }
}

impl Sqlite {
    /// Where it is, with all links followed.
    pub fn path(&self) -> PathBuf {
        self.shared.readers.place().path().to_owned()
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let shared = self.shared.clone();
        finished(spawn_blocking(move || shared.readers.read(query))).await
    }

    async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let shared = self.shared.clone();
        finished(spawn_blocking(move || shared.writer().transaction(change))).await
    }
}

impl SharedParts {
    fn writer(&self) -> std::sync::MutexGuard<'_, SqliteWriter> {
        // A panic within a transaction has closed its connection.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn finished<T>(task: tokio::task::JoinHandle<Result<T, Unavailable>>) -> Result<T, Unavailable> {
    match tokio::time::timeout(OPERATION_DEADLINE, task).await {
        Ok(result) => result.unwrap_or_else(|error| Err(Unavailable::because(error))),
        Err(_) => Err(Unavailable::because(format_args!(
            "no answer within OPERATION_DEADLINE ({} s): another program has the file locked, or the disk hangs",
            OPERATION_DEADLINE.as_secs()
        ))),
    }
}

impl Histories for Sqlite {
    /// Blocks its thread: see [`Histories::is_blocking`].
    fn append<'a>(
        &'a self,
        batch: &'a [Entry],
    ) -> StoreFuture<'a, Result<Vec<Result<(), AppendError>>, Unavailable>> {
        Box::pin(async move { self.shared.writer().append(batch, &self.shared.replicas) })
    }

    /// The same number again, at the head of the file: that page is written and flushed like any other. A damaged file may take that,
    /// and fails at its next damaged page.
    fn probe(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async {
            self.shared.readers.place().check_undamaged()?;
            self.write(|connection| {
                let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
                connection.pragma_update(None, "user_version", version)
            })
            .await
        })
    }

    fn lineage(&self) -> LineageCounts {
        LineageCounts { incarnation: Some(self.shared.incarnation), ..LineageCounts::default() }
    }

    fn is_blocking(&self) -> bool {
        true
    }

    fn histories(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<LoadedHistory>, Unavailable>> {
        Box::pin(async move {
            let found = self.read(move |connection| history::read(connection, &sagas)).await?;
            Ok(found.into_iter().map(|(head, frames)| frame::assemble(head, frames)).collect())
        })
    }

    fn row(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<KeptRow>, Unavailable>> {
        Box::pin(self.read(move |connection| lists::row(connection, saga)))
    }

    fn known(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(self.read(|connection| history::known(connection, sagas)))
    }

    fn backlog(&self) -> StoreFuture<'_, Result<Backlog, Unavailable>> {
        // Reads the rows of `saga_under_way`, and not of all sagas by their definitions. A saga without a due time counts from its last event.
        const BACKLOG: &str = "SELECT definition, CASE WHEN parked IS NULL THEN rollback ELSE 'blocked' END AS shown, \
             count(*), count(wake_us), min(coalesce(due_us, updated_us)), min(coalesce(blocked_us, updated_us)) \
             FROM saga WHERE is_over = 0 GROUP BY +definition, shown";
        Box::pin(self.read(|connection| {
            let mut backlog = Backlog::default();
            let mut statement = connection.prepare_cached(BACKLOG)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (definition, rollback) = (&*string(row, 0)?, &*string(row, 1)?);
                let (sagas, asleep, due_us, since_us) = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
                Group { definition, rollback, sagas, asleep, due_us, since_us }.add_to(&mut backlog);
            }
            Ok(backlog)
        }))
    }

    fn under_way(&self) -> StoreFuture<'_, Result<UnderWay, Unavailable>> {
        Box::pin(self.read(ownership::under_way))
    }

    fn list(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Page, Unavailable>> {
        let limit = columns::page_rows(limit);
        Box::pin(async move {
            // Looked up before the file is read: a saga whose labels are written meanwhile is found there as well.
            let recent = match filter.labels.is_empty() {
                true => Vec::new(),
                false => self.shared.recent.find(&filter, after),
            };
            // One more than asked for tells whether there are more.
            let rows =
                self.read(move |connection| lists::read(connection, &filter, &recent, after, limit + 1));
            Ok(Page::cut(rows.await?, limit))
        })
    }

    fn figures(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<MinuteFigures>, Unavailable>> {
        Box::pin(self.read(move |connection| figures::read(connection, since, until)))
    }

    fn forget_figures(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.write(move |connection| figures::forget(connection, before, limit)))
    }

    fn causes(&self, recent: Timestamp, limit: usize) -> StoreFuture<'_, Result<Causes, Unavailable>> {
        Box::pin(self.read(move |connection| causes::read(connection, recent, limit)))
    }

    fn cause_members(
        &self,
        of: CauseMembers,
        after: Option<CauseCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptRow>, Unavailable>> {
        Box::pin(self.read(move |connection| causes::members(connection, &of, after, limit)))
    }

    fn cause_minutes(
        &self,
        cause: Arc<str>,
        since: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<CauseMinute>, Unavailable>> {
        Box::pin(self.read(move |connection| causes::minutes(connection, &cause, since)))
    }

    fn feed(&self, from: FeedPlace, limit: usize) -> StoreFuture<'_, Result<Vec<FedFrame>, Unavailable>> {
        Box::pin(self.read(move |connection| feed::read(connection, from, limit)))
    }

    fn feed_end(&self) -> StoreFuture<'_, Result<FeedPlace, Unavailable>> {
        Box::pin(self.read(feed::end))
    }

    fn deeds(
        &self,
        of: DeedsOf,
        after: Option<DeedCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptDeed>, Unavailable>> {
        Box::pin(self.read(move |connection| deeds::read(connection, &of, after, limit)))
    }

    fn park(
        &self,
        saga: SagaId,
        owner: ReplicaId,
        reason: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        const PARK: &str = "UPDATE saga SET parked = ?3, cause = ?4, at_stake = ?5, \
             blocked_us = coalesce(blocked_us, updated_us) WHERE saga_id = ?1 AND owner = ?2";
        Box::pin(self.write(move |connection| {
            let cause = CauseGroup::unreadable(&reason);
            let at_stake = lists::row(connection, saga)?.and_then(|kept| kept.row.labels.at_stake());
            let of_owner =
                params![id(&saga), owner.as_uuid().as_bytes(), text(&reason), text(cause.key()), at_stake];
            connection.prepare_cached(PARK)?.execute(of_owner).map(drop)
        }))
    }
}

impl Membership for Sqlite {
    fn incarnation(&self) -> StoreFuture<'_, Result<Incarnation, Unavailable>> {
        Box::pin(async { Ok(self.shared.incarnation) })
    }

    fn join(
        &self,
        replica: ReplicaId,
        name: Arc<str>,
        joining: Joining,
        _: Duration,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.shared.replicas.join(replica, name, joining);
            Ok(())
        })
    }

    fn renew(&self, replica: ReplicaId, _: Duration) -> StoreFuture<'_, Result<Lease, Unavailable>> {
        Box::pin(async move { Ok(self.shared.replicas.lease(replica)) })
    }

    fn leave(&self, replica: ReplicaId) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.shared.replicas.leave(replica);
            Ok(())
        })
    }

    /// No lease runs out here.
    fn expire(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn rest(&self, replica: ReplicaId, sagas: Vec<Resting>) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.write(move |connection| ownership::rest(connection, replica, &sagas)))
    }

    /// Nothing is written where there is nothing to wake.
    fn wake(
        &self,
        replica: ReplicaId,
        due: WakeUp,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<(SagaId, Seq)>, Unavailable>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            if !self.read(move |connection| ownership::are_to_wake(connection, due)).await? {
                return Ok(Vec::new());
            }
            let wake = move |connection: &Connection| {
                ownership::wake(connection, &shared.replicas, replica, (due, page_rows(limit)))
            };
            self.write(wake).await
        })
    }

    fn claim(&self, replica: ReplicaId, limit: usize) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        let shared = self.shared.clone();
        Box::pin(self.write(move |connection| {
            ownership::claim(connection, &shared.replicas, replica, page_rows(limit))
        }))
    }

    fn owned(
        &self,
        replica: ReplicaId,
        after: Option<SagaId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(self.read(move |connection| ownership::owned(connection, replica, after, page_rows(limit))))
    }

    fn replicas(&self) -> StoreFuture<'_, Result<Vec<ReplicaStanding>, Unavailable>> {
        let shared = self.shared.clone();
        Box::pin(self.read(move |connection| ownership::replicas(connection, &shared.replicas)))
    }
}

impl Library for Sqlite {
    fn define(&self, hash: DefinitionHash, kept: KeptDefinition) -> StoreFuture<'_, Result<(), Unavailable>> {
        const DEFINE: &str = "INSERT INTO saga_definition (hash, name, source, format, orders) \
             VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (hash) DO UPDATE SET orders = 1 WHERE excluded.orders AND NOT saga_definition.orders";
        Box::pin(self.write(move |connection| {
            let KeptDefinition { name, source, format, orders } = &kept;
            connection
                .prepare_cached(DEFINE)?
                .execute(params![hash.as_str(), &**name, &**source, format, orders])
                .map(drop)
        }))
    }

    fn definition(
        &self,
        hash: DefinitionHash,
    ) -> StoreFuture<'_, Result<Option<KeptDefinition>, Unavailable>> {
        const DEFINITION: &str = "SELECT name, source, format, orders FROM saga_definition WHERE hash = ?1";
        Box::pin(self.read(move |connection| {
            let mut statement = connection.prepare_cached(DEFINITION)?;
            let read = |row: &rusqlite::Row<'_>| {
                let (name, source) = (string(row, 0)?.into(), string(row, 1)?.into());
                Ok(KeptDefinition { name, source, format: row.get(2)?, orders: row.get(3)? })
            };
            statement.query_row([hash.as_str()], read).optional()
        }))
    }
}

fn id(saga: &SagaId) -> &[u8; 16] {
    saga.as_uuid().as_bytes()
}

fn saga_id(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<SagaId> {
    row.get(index).map(|bytes| SagaId::new(Uuid::from_bytes(bytes)))
}

/// A text, even if another program wrote bytes there that are none: one bad row must not fail a whole page.
fn string(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<String> {
    row.get_ref(index)?
        .as_bytes()
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .map_err(Into::into)
}
