//! A service's SQLite file, its one writer thread and its one reader thread.
//!
//! The writer takes all waiting requests from its queue, carries them out in one transaction, waits for the disk
//! once, and only then answers all of them. A batch forms while the previous one is being written, so a single
//! request never waits for others. An answer that was sent is on disk.
//!
//! ```text
//!   write() ─┐                    ┌ savepoint: request 1 ┐
//!   write() ─┼─► bounded queue ─► │ savepoint: request 2 │─► COMMIT (fsync) ─► all answers
//!   write() ─┘                    └ savepoint: request 3 ┘
//! ```
//!
//! A queued request is carried out even if its caller disconnects.

use std::{
    fmt,
    path::Path,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::oneshot;

use crate::{
    Error, Facon, Seed, Service, barrier,
    call::{CallRequest, JsonAnswer},
    client, ledger,
    operation::{Operation, OperationOutcome, Read},
    panier, stock, ventes,
};

/// Requests that may wait for each thread; a further one is answered with 503 and has no effect.
const QUEUE_REQUESTS_MAX: usize = 8_192;
/// Requests in one transaction: enough to make the disk's share small, few enough to keep it under 100 ms.
const BATCH_REQUESTS_MAX: usize = 1_024;
/// How long a write waits for another process on the same file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Every statement of a service stays prepared.
const STATEMENTS_CACHED_MAX: usize = 64;
/// SQLite from 3.7.0 to 3.51.2 can lose committed writes when the WAL is reset.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// `user_version` of a complete file. A file with another number belongs to another program.
const FILE_VERSION: i64 = 1;

/// The two threads of one file.
pub(crate) struct FileStore {
    writes: SyncSender<StoreMessage<Write>>,
    reads: SyncSender<StoreMessage<StoreQuery>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

enum StoreMessage<T> {
    Job(T),
    /// Finish the requests that are queued before this one, then end.
    Stop,
}

struct Write {
    request: CallRequest,
    operation: Box<dyn Operation>,
    answer: oneshot::Sender<JsonAnswer>,
}

struct StoreQuery {
    read: Read,
    answer: oneshot::Sender<JsonAnswer>,
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl FileStore {
    /// Opens the file, fills it if it is new, starts the threads.
    pub(crate) fn open(service: Service, facon: Facon, path: &Path, seed: &Seed) -> Result<Self, Error> {
        let database = |source| Error::Database { service, path: path.to_owned(), source };
        let mut writer = Connection::open(path).map_err(database)?;
        prepare(&writer).map_err(database)?;
        create(&mut writer, service, seed).map_err(database)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(path, flags).map_err(database)?;
        reader.busy_timeout(BUSY_TIMEOUT).map_err(database)?;
        reader.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);

        let (writes, write_queue) = sync_channel(QUEUE_REQUESTS_MAX);
        let (reads, read_queue) = sync_channel(QUEUE_REQUESTS_MAX);
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(format!("{service}-{name}"))
                .spawn(body)
                .map_err(|source| Error::Thread { service, source })
        };
        let threads = Mutex::new(vec![
            spawn("writer", Box::new(move || write_batches(service, facon, &mut writer, &write_queue)))?,
            spawn("reader", Box::new(move || answer_reads(service, &reader, &read_queue)))?,
        ]);
        Ok(Self { writes, reads, threads })
    }

    /// Carries out a change; answers when the change is on disk.
    pub(crate) async fn write(&self, request: CallRequest, operation: Box<dyn Operation>) -> JsonAnswer {
        let (answer, answered) = oneshot::channel();
        enqueue(&self.writes, Write { request, operation, answer }, answered).await
    }

    /// Runs a query on committed data.
    pub(crate) async fn read(&self, read: Read) -> JsonAnswer {
        let (answer, answered) = oneshot::channel();
        enqueue(&self.reads, StoreQuery { read, answer }, answered).await
    }

    /// Finishes the queued requests and closes the file. Later requests are answered with 503.
    pub(crate) async fn close(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let (writes, reads) = (self.writes.clone(), self.reads.clone());
        let joined = tokio::task::spawn_blocking(move || {
            // A thread that has already ended has no queue to stop.
            drop((writes.send(StoreMessage::Stop), reads.send(StoreMessage::Stop)));
            threads.into_iter().all(|thread| thread.join().is_ok())
        });
        if !matches!(joined.await, Ok(true)) {
            tracing::error!("close store: a thread had panicked");
        }
    }
}

async fn enqueue<T>(
    queue: &SyncSender<StoreMessage<T>>,
    job: T,
    answered: oneshot::Receiver<JsonAnswer>,
) -> JsonAnswer {
    let busy = |detail: &str| JsonAnswer::detail(503, detail).with_header("retry-after", "1");
    match queue.try_send(StoreMessage::Job(job)) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => {
            return busy(&format!("Trop de requêtes en attente (limite : {QUEUE_REQUESTS_MAX})"));
        }
        Err(TrySendError::Disconnected(_)) => return busy("Service en cours d'arrêt"),
    }
    // The thread drops a request unanswered only if it stops before it reaches the request: then nothing was done.
    answered.await.unwrap_or_else(|_| busy("Service en cours d'arrêt"))
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    assert!(
        rusqlite::version_number() >= SQLITE_VERSION_MIN,
        "the bundled SQLite must be 3.51.3 or later, it is {}",
        rusqlite::version()
    );
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let synchronous: i64 = db.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if mode != "wal" || synchronous != 2 {
        return Err(unusable(format!("WAL with synchronous=FULL is needed, got {mode} with {synchronous}")));
    }
    Ok(())
}

/// Creates the tables and their first rows in one transaction: a file is either empty or complete.
fn create(db: &mut Connection, service: Service, seed: &Seed) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        FILE_VERSION => return Ok(()),
        0 => {}
        other => {
            return Err(unusable(format!(
                "the file has version {other}, this program writes {FILE_VERSION}"
            )));
        }
    }
    transaction.execute_batch(barrier::SCHEMA)?;
    transaction.execute_batch(ledger::SCHEMA)?;
    match service {
        Service::Panier => panier::create(&transaction, seed)?,
        Service::Stock => stock::create(&transaction, seed)?,
        Service::Client => client::create(&transaction, seed)?,
        Service::Ventes => ventes::create(&transaction)?,
    }
    transaction.pragma_update(None, "user_version", FILE_VERSION)?;
    transaction.commit()
}

fn write_batches(service: Service, facon: Facon, db: &mut Connection, queue: &Receiver<StoreMessage<Write>>) {
    let mut batch = Vec::new();
    let mut open = true;
    while open {
        // Blocks for the first request, then takes all others that wait.
        let mut next = queue.recv().ok();
        loop {
            match next {
                Some(StoreMessage::Job(write)) => batch.push(write),
                Some(StoreMessage::Stop) => open = false,
                None if batch.is_empty() => open = false,
                None => {}
            }
            if !open || batch.len() == BATCH_REQUESTS_MAX {
                break;
            }
            match queue.try_recv() {
                Ok(message) => next = Some(message),
                Err(_) => break,
            }
        }
        write_batch(service, facon, db, &mut batch);
    }
}

fn write_batch(service: Service, facon: Facon, db: &mut Connection, batch: &mut Vec<Write>) {
    if batch.is_empty() {
        return;
    }
    let committed = (|| {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answers: Vec<JsonAnswer> = batch
            .iter()
            .map(|write| in_savepoint(service, facon, &transaction, write))
            .collect::<Result<_, _>>()?;
        transaction.commit()?;
        Ok::<_, rusqlite::Error>(answers)
    })();
    match committed {
        Ok(answers) => {
            for (write, answer) in batch.drain(..).zip(answers) {
                // The caller may be gone; the change remains.
                drop(write.answer.send(answer));
            }
        }
        Err(error) => {
            tracing::error!(%service, %error, batch.requests = batch.len(), "commit batch");
            for write in batch.drain(..) {
                drop(write.answer.send(internal_error()));
            }
        }
    }
}

/// Carries out one request of the batch completely or not at all. An error here affects the whole batch.
fn in_savepoint(
    service: Service,
    facon: Facon,
    db: &Connection,
    write: &Write,
) -> rusqlite::Result<JsonAnswer> {
    db.prepare_cached("SAVEPOINT requete")?.execute([])?;
    let done = match facon {
        Facon::Moderne => barrier::pass(db, &write.request, write.operation.as_ref()),
        Facon::Ancienne => without_barrier(db, &write.request, write.operation.as_ref()),
    };
    let answer = done.or_else(|error| {
        tracing::error!(%service, %error, operation = write.operation.name(), "carry out request");
        db.prepare_cached("ROLLBACK TO requete")?.execute([])?;
        Ok::<_, rusqlite::Error>(internal_error())
    })?;
    db.prepare_cached("RELEASE requete")?.execute([])?;
    Ok(answer)
}

/// The old façon: every call is carried out, whatever its headers are.
fn without_barrier(
    db: &Connection,
    request: &CallRequest,
    operation: &dyn Operation,
) -> rusqlite::Result<JsonAnswer> {
    let note = |record, details| ledger::note(db, operation, &request.caller, None, record, details);
    match operation.run(db, &request.caller)? {
        OperationOutcome::Done(answer, lines) => {
            for line in &lines {
                note(ledger::CallRecord::Effect, line)?;
            }
            Ok(answer)
        }
        OperationOutcome::Refused(answer)
        | OperationOutcome::Nothing(answer)
        | OperationOutcome::Hanging(answer) => {
            db.prepare_cached("ROLLBACK TO requete")?.execute([])?;
            note(ledger::CallRecord::Refused, &operation.details())?;
            Ok(answer)
        }
    }
}

fn answer_reads(service: Service, db: &Connection, queue: &Receiver<StoreMessage<StoreQuery>>) {
    while let Ok(StoreMessage::Job(StoreQuery { read, answer })) = queue.recv() {
        let result = read(db).unwrap_or_else(|error| {
            tracing::error!(%service, %error, "answer query");
            internal_error()
        });
        drop(answer.send(result));
    }
}

fn internal_error() -> JsonAnswer {
    JsonAnswer::detail(500, "Erreur interne du service")
}

fn unusable(why: String) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(why.into())
}
