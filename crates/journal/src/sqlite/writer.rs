//! The one connection that writes: a batch is one transaction, and every failure leaves it fit for the next.

use std::sync::{Arc, LazyLock};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params, params_from_iter};
use saga_core::Seq;

use super::id;
use super::place::{Identity, OpenedFile};
use super::recent::RecentLabels;
use super::replicas::Replicas;
use crate::columns::{self, COLUMNS, Cell};
use crate::figure_rows::FigureRows;
use crate::{AppendError, Entry, Forgotten, Unavailable, deed_rows, frame};

/// Statements that stay prepared: every statement of this connection.
const STATEMENTS_CACHED_MAX: usize = 48;

pub(super) struct SqliteWriter {
    place: OpenedFile,
    /// The `-wal` of `connection`; `None` until it has committed.
    wal: Option<Identity>,
    /// Whether a file was not where it had been opened: looked at before anything is written, too, from then on.
    is_astray: bool,
    /// `None` after a failure that it may not have survived: the next transaction opens another.
    connection: Option<Connection>,
    recent: Arc<RecentLabels>,
    /// Whether it is not known of which starts `recent` should know: an append has failed, and may be kept.
    is_recent_doubtful: bool,
}

impl SqliteWriter {
    /// `connection` has written, so its `-wal` is there. `recent` has been read.
    pub(super) fn new(place: OpenedFile, connection: Connection, recent: Arc<RecentLabels>) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
        let (wal, connection) = (place.wal(), Some(connection));
        Self { wal, place, is_astray: false, connection, recent, is_recent_doubtful: false }
    }

    /// See [`Histories::append`](crate::Histories::append).
    ///
    /// A replica may leave while a start of its is being written: then any replica can claim the saga.
    pub(super) fn append(
        &mut self,
        batch: &[Entry],
        replicas: &Replicas,
    ) -> Result<Vec<Result<(), AppendError>>, Unavailable> {
        if self.is_recent_doubtful {
            self.read_recent()?;
        }
        let labels = self.recent.next(batch);
        let mut started = Vec::new();
        let appended = self.transaction(|connection| {
            let mut figures = FigureRows::default();
            let mut results = Vec::with_capacity(batch.len());
            for entry in batch {
                let appended = append(connection, entry, replicas)?;
                if matches!(appended, Ok(Kept::Now | Kept::Started(_))) {
                    figures.add(entry);
                }
                if let Ok(Kept::Started(number)) = appended {
                    started.push((number, entry));
                }
                results.push(appended.map(drop));
            }
            super::figures::put(connection, &figures)?;
            if let Some(labels) = &labels {
                labels.write(connection)?;
            }
            Ok(results)
        });
        match &appended {
            Ok(_) => self.recent.committed(labels.as_ref(), started),
            Err(_) => self.is_recent_doubtful = true,
        }
        appended
    }

    /// See [`Retention::forget`](crate::Retention::forget). Labels of theirs that are not written yet are not written any more.
    pub(super) fn forget(&mut self, sagas: &[Forgotten]) -> Result<usize, Unavailable> {
        if self.is_recent_doubtful {
            self.read_recent()?;
        }
        let gone = self.transaction(|connection| super::retention::forget(connection, sagas));
        match &gone {
            Ok(gone) => self.recent.forget(&gone.iter().copied().collect()),
            Err(_) => self.is_recent_doubtful = true,
        }
        gone.map(|gone| gone.len())
    }

    fn read_recent(&mut self) -> Result<(), Unavailable> {
        let connection = self.take_connection()?;
        let read = self.recent.read(&connection);
        self.connection = Some(connection);
        self.is_recent_doubtful = read.is_err();
        read.map_err(|error| self.place.failed(&error))
    }

    /// Runs `body` in a transaction, and flushes it. After an error nothing of it is kept, unless the error is that the
    /// files are not where they were opened: then it may be kept in files that are not read.
    pub(super) fn transaction<T>(
        &mut self,
        body: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unavailable> {
        if self.is_astray {
            self.check_files()?;
            self.is_astray = false;
        }
        // Taken out meanwhile: a panic closes it, and so rolls back.
        let connection = self.take_connection()?;
        let run = |sql| connection.prepare_cached(sql)?.execute([]).map(drop);
        let result = run("BEGIN IMMEDIATE").and_then(|()| {
            let value = body(&connection)?;
            run("COMMIT").map(|()| value)
        });
        // SQLite has rolled back by itself after some errors, and not after others.
        let clean = connection.is_autocommit() || run("ROLLBACK").is_ok();
        let doubtful =
            matches!(&result, Err(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure));
        if clean && !doubtful {
            self.connection = Some(connection);
        }
        let value = result.map_err(|error| self.place.failed(&error))?;
        self.check_files().inspect_err(|error| {
            self.is_astray = true;
            tracing::error!(error = %error, "the journal's files have been moved");
        })?;
        Ok(value)
    }

    fn check_files(&mut self) -> Result<(), Unavailable> {
        self.place.check_database()?;
        match (self.wal, &self.connection) {
            (Some(wal), Some(connection)) => self.place.check_wal(wal, connection),
            _ => {
                self.wal = self.place.wal();
                Ok(())
            }
        }
    }

    fn take_connection(&mut self) -> Result<Connection, Unavailable> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        // Not made anew if it has been removed: an empty journal would be worse than none.
        self.place.check_database()?;
        let connection = super::connect(self.place.path(), OpenFlags::SQLITE_OPEN_READ_WRITE);
        let connection = connection.map_err(|error| self.place.failed(&error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
        // Closing the last connection has removed the old one.
        self.wal = None;
        Ok(connection)
    }
}

/// When an entry was kept.
enum Kept {
    /// By this append.
    Now,
    /// The same, and its saga has this number from now on.
    Started(i64),
    /// By an earlier one, whose answer was lost.
    Before,
}

/// Appends one entry, or leaves everything as it is. Data that SQLite does not take concerns its own saga only.
fn append(
    connection: &Connection,
    entry: &Entry,
    replicas: &Replicas,
) -> rusqlite::Result<Result<Kept, AppendError>> {
    match try_append(connection, entry, replicas) {
        Err(error) if is_refused(&error) => Ok(Err(AppendError::Refused(error.to_string().into()))),
        result => result,
    }
}

/// Whether an error is about the data, from every process and at every attempt: its statement has done nothing, and the
/// transaction goes on.
fn is_refused(error: &rusqlite::Error) -> bool {
    use ErrorCode as Code;
    let refused = [Code::ConstraintViolation, Code::TooBig, Code::TypeMismatch, Code::ParameterOutOfRange];
    error.sqlite_error_code().is_some_and(|code| refused.contains(&code))
        || matches!(error, rusqlite::Error::ToSqlConversionFailure(_))
}

fn try_append(
    connection: &Connection,
    entry: &Entry,
    replicas: &Replicas,
) -> rusqlite::Result<Result<Kept, AppendError>> {
    let events = frame::encode(entry);
    let kept = if entry.expected != Seq::NONE {
        go_on(connection, entry, &events)?.then_some(Kept::Now)
    } else if replicas.is_live(entry.owner) {
        start(connection, entry, &events)?.map(Kept::Started)
    } else {
        None
    };
    match kept {
        Some(kept) => put_deeds(connection, entry).map(|()| Ok(kept)),
        None => already_there(connection, entry, &events),
    }
}

/// Makes the row of a saga that is not there, with its frame, and gives its number; `None`: it is there, and nothing was done. Its labels
/// are written later: see `recent.rs`.
fn start(connection: &Connection, entry: &Entry, events: &str) -> rusqlite::Result<Option<i64>> {
    static START: LazyLock<String> = LazyLock::new(|| {
        let (names, marks) = (columns::names(COLUMNS.iter()), vec!["?"; COLUMNS.len()].join(", "));
        format!("INSERT INTO saga ({names}) VALUES ({marks}) ON CONFLICT (saga_id) DO NOTHING")
    });
    const FRAME: &str =
        "INSERT INTO saga_event (saga_number, first_seq, events, saga_id) VALUES (?1, ?2, ?3, ?4)";
    const ROW_BACK: &str = "DELETE FROM saga WHERE number = ?1";

    let cells = COLUMNS.iter().map(|column| (column.write)(entry));
    if connection.prepare_cached(&START)?.execute(params_from_iter(cells))? == 0 {
        return Ok(None);
    }
    let number = connection.last_insert_rowid();
    let frame = params![number, frame::first_seq(entry), events, id(&entry.saga)];
    if let Err(error) = connection.prepare_cached(FRAME)?.execute(frame) {
        connection.prepare_cached(ROW_BACK)?.execute([number])?;
        return Err(error);
    }
    Ok(Some(number))
}

/// Adds a frame to a saga, and moves its row, if that is where the entry expects it and has that owner; `false`: nothing was done.
///
/// The frame goes first: where its place is taken, the frame that holds it decides the meaning, and the row is not
/// touched; so a row that does not agree with its frames fails alone, and not the batch that it is in.
fn go_on(connection: &Connection, entry: &Entry, events: &str) -> rusqlite::Result<bool> {
    const FRAME: &str = "INSERT INTO saga_event (saga_number, first_seq, events, saga_id) \
         SELECT number, ?2, ?3, saga_id FROM saga WHERE saga_id = ?1 ON CONFLICT (saga_number, first_seq) DO NOTHING";
    const FRAME_BACK: &str = "DELETE FROM saga_event WHERE rowid = ?1";
    static MOVE: LazyLock<String> = LazyLock::new(|| {
        let set: Vec<String> = columns::moved().map(|column| format!("{} = ?", column.name)).collect();
        format!("UPDATE saga SET {} WHERE saga_id = ? AND seq = ? AND owner = ?", set.join(", "))
    });

    let frame = params![id(&entry.saga), frame::first_seq(entry), events];
    if connection.prepare_cached(FRAME)?.execute(frame)? == 0 {
        return Ok(false);
    }
    let place = connection.last_insert_rowid();
    let cells = columns::moved().map(|column| (column.write)(entry));
    let owner = Cell::Uuid(*entry.owner.as_uuid());
    let condition = [Cell::Uuid(*entry.saga.as_uuid()), Cell::BigInt(frame::expected_seq(entry)), owner];
    let moved = connection.prepare_cached(&MOVE)?.execute(params_from_iter(cells.chain(condition)));
    if !matches!(moved, Ok(1)) {
        connection.prepare_cached(FRAME_BACK)?.execute([place])?;
    }
    moved.map(|rows| rows == 1)
}

/// Keeps what callers with names did, where the entry has such events.
fn put_deeds(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    const DEED: &str = "INSERT INTO saga_deed (name, at_us, saga_id, seq, deed) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT DO NOTHING";
    for new in deed_rows::new(entry) {
        let params = params![new.name, new.at_us, id(&entry.saga), new.seq, new.deed];
        connection.prepare_cached(DEED)?.execute(params)?;
    }
    Ok(())
}

/// The entry's place is not free: it is taken by the entry itself, whose first answer was lost, or by another's. If the saga has
/// another owner since, it makes no difference.
fn already_there(
    connection: &Connection,
    entry: &Entry,
    events: &str,
) -> rusqlite::Result<Result<Kept, AppendError>> {
    const SAME: &str = "SELECT 1 FROM saga JOIN saga_event ON saga_event.saga_number = saga.number \
         WHERE saga.saga_id = ?1 AND first_seq = ?2 AND events = ?3 AND seq >= ?4 AND owner = ?5";
    let (first_seq, last_seq) = (frame::first_seq(entry), frame::last_seq(entry));
    let params = params![id(&entry.saga), first_seq, events, last_seq, entry.owner.as_uuid().as_bytes()];
    let same = connection.prepare_cached(SAME)?.query_row(params, |_| Ok(())).optional()?;
    Ok(same.map(|()| Kept::Before).ok_or(AppendError::Conflict))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer with one table of its own.
    fn writer() -> (tempfile::TempDir, SqliteWriter) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = super::super::connect(&path, flags).unwrap();
        connection.execute_batch("CREATE TABLE line (text TEXT)").unwrap();
        let place = OpenedFile::opened(path).unwrap();
        (directory, SqliteWriter::new(place, connection, Arc::new(RecentLabels::new())))
    }

    fn insert(text: &str) -> impl Fn(&Connection) -> rusqlite::Result<usize> {
        move |connection| connection.execute("INSERT INTO line VALUES (?1)", [text])
    }

    fn lines(writer: &mut SqliteWriter) -> Vec<String> {
        let all = |connection: &Connection| {
            connection.prepare("SELECT text FROM line")?.query_map([], |row| row.get(0))?.collect()
        };
        writer.transaction(all).unwrap()
    }

    #[test]
    fn a_full_disk_is_unavailable_and_the_next_append_works() {
        let (_directory, mut writer) = writer();
        let large = "x".repeat(1 << 20);
        writer.connection.as_ref().unwrap().execute_batch("PRAGMA max_page_count = 16").unwrap();
        let error = writer
            .transaction(|connection| {
                insert("small")(connection)?;
                insert(&large)(connection)
            })
            .unwrap_err();
        assert!(error.0.contains("full"), "{error}");
        assert_eq!(lines(&mut writer), [""; 0], "nothing of it is kept");
        writer.connection.as_ref().unwrap().execute_batch("PRAGMA max_page_count = 100000").unwrap();
        writer.transaction(insert("after")).unwrap();
        assert_eq!(lines(&mut writer), ["after"]);
    }

    #[test]
    fn a_file_that_another_writes_to_is_unavailable_and_then_works() {
        let (_directory, mut writer) = writer();
        writer.connection.as_ref().unwrap().busy_timeout(std::time::Duration::ZERO).unwrap();
        let person = Connection::open(writer.place.path()).unwrap();
        person.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert!(writer.transaction(insert("during")).unwrap_err().0.contains("locked"));
        person.execute_batch("ROLLBACK").unwrap();
        writer.transaction(insert("after")).unwrap();
        assert_eq!(lines(&mut writer), ["after"]);
    }

    #[test]
    fn a_transaction_that_fails_half_way_leaves_nothing_behind() {
        let (_directory, mut writer) = writer();
        // Unlike a full disk, this does not make SQLite roll back by itself.
        let error = writer
            .transaction(|connection| {
                insert("lost")(connection)?;
                connection.execute("INSERT INTO nowhere VALUES (1)", [])
            })
            .unwrap_err();
        assert!(error.0.contains("nowhere"), "{error}");
        writer.transaction(insert("after")).unwrap();
        assert_eq!(lines(&mut writer), ["after"]);
    }

    #[test]
    fn a_transaction_that_panics_leaves_nothing_behind() {
        let (_directory, mut writer) = writer();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = writer.transaction::<()>(|connection| {
                insert("lost")(connection)?;
                panic!("on purpose");
            });
        }));
        assert!(panicked.is_err());
        writer.transaction(insert("after")).unwrap();
        assert_eq!(lines(&mut writer), ["after"]);
    }
}
