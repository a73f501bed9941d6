//! Group commit: one writer takes all that waits, makes it durable in one transaction, and wakes all.
//!
//! A batch forms by itself while the one before is being written, so no entry waits for a timer: a lone entry is
//! written at once, a thousand at once share one flush. The writer is the only place that waits for a disk.

use std::collections::HashSet;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use saga_core::{Json, SagaId};
use tokio::sync::{mpsc, oneshot};

use crate::ended::{self, Ended};
use crate::histogram::{ANY, Filling, Histogram};
use crate::{AppendError, Entry, Store, Unavailable};

/// Entries that wait for the writer. More than there are active sagas: each waits for one append at a time.
pub const QUEUE_ENTRIES_MAX: usize = 65_536;
/// Entries in one transaction.
pub const BATCH_ENTRIES_MAX: usize = 1_024;
/// Payload in one transaction; one entry that is larger goes alone.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// Ranges for the time that a transaction takes, in microseconds: from a fast disk to a server that is given up.
const COMMIT_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000, ANY,
];
/// Ranges for the entries in one transaction: up to [`BATCH_ENTRIES_MAX`].
const BATCH_ENTRIES: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, ANY];

/// The front of a [`Store`], which it is but for appending: entries go through the writer. Cheap to clone; the writer ends
/// when the last clone is gone.
#[derive(Clone)]
pub struct Journal {
    queue: mpsc::Sender<WaitingEntry>,
    store: Arc<dyn Store>,
    stats: Arc<Counters>,
    ended: Ended,
}

impl Deref for Journal {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

struct WaitingEntry {
    entry: Entry,
    done: oneshot::Sender<Result<(), NotAppended>>,
}

/// An entry that was not kept, or may not have been: it comes back, so that it can be appended again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct NotAppended {
    /// The error; its variant says how to go on.
    pub error: AppendError,
    /// The entry; `None` if the writer is gone.
    pub entry: Option<Box<Entry>>,
}

/// The writer's work since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Transactions that were made durable.
    pub commits: u64,
    /// Entries in them.
    pub entries: u64,
    /// Events in them.
    pub events: u64,
    /// Transactions that failed, or whose result is not known.
    pub failures: u64,
    /// Microseconds that transactions took, those that failed included.
    pub commit_us: Histogram<16>,
    /// Entries in each transaction that was made durable.
    pub batch_entries: Histogram<12>,
    /// Entries that wait now.
    pub queued: u64,
}

struct Counters {
    commits: AtomicU64,
    entries: AtomicU64,
    events: AtomicU64,
    failures: AtomicU64,
    commit_us: Filling<16>,
    batch_entries: Filling<12>,
}

impl Counters {
    fn new() -> Self {
        Self {
            commits: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            events: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            commit_us: Filling::over(&COMMIT_US),
            batch_entries: Filling::over(&BATCH_ENTRIES),
        }
    }
}

impl Journal {
    /// Starts the writer. Must be called within a tokio runtime.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let is_blocking = store.is_blocking();
        let (journal, writer) = Self::with_writer(store);
        if is_blocking {
            let runtime = tokio::runtime::Handle::current();
            std::thread::Builder::new()
                .name("journal-writer".into())
                .spawn(move || runtime.block_on(writer))
                .expect("a process that cannot start one thread cannot run at all");
        } else {
            #[expect(clippy::disallowed_methods, reason = "the writer is the journal's one task")]
            tokio::spawn(writer);
        }
        journal
    }

    /// The front, and its writer to be run by the caller: a simulator stops and kills it as it likes.
    pub fn with_writer(store: Arc<dyn Store>) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUE_ENTRIES_MAX);
        let stats = Arc::new(Counters::new());
        let (ending, ended) = ended::pair();
        let writer = ending.watch(write(store.clone(), waiting, stats.clone()));
        (Self { queue, store, stats, ended }, writer)
    }

    /// Resolves when the writer has ended other than by being closed, with the reason: it, or the store in it, has
    /// panicked. Nothing can be appended from then on, so the process should end. Does not keep the writer alive.
    pub fn ended(&self) -> impl Future<Output = Arc<str>> + Send + 'static + use<> {
        self.ended.clone().wait()
    }

    /// Appends an entry. It is handed to the writer at once; the future tells when it is durable.
    pub fn append(&self, entry: Entry) -> Appending {
        let (done, result) = oneshot::channel();
        match self.queue.try_send(WaitingEntry { entry, done }) {
            Ok(()) => Appending(result),
            Err(error) => {
                let (reason, waiting) = match error {
                    mpsc::error::TrySendError::Full(waiting) => {
                        (format!("QUEUE_ENTRIES_MAX ({QUEUE_ENTRIES_MAX}) entries wait already"), waiting)
                    }
                    mpsc::error::TrySendError::Closed(waiting) => (
                        self.ended.reason().map_or_else(|| STOPPED.to_owned(), |why| why.to_string()),
                        waiting,
                    ),
                };
                let error = Unavailable::because(reason).into();
                let _ = waiting.done.send(Err(NotAppended { error, entry: Some(Box::new(waiting.entry)) }));
                Appending(result)
            }
        }
    }

    /// The writer's work since it started.
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&self.stats.commits),
            entries: read(&self.stats.entries),
            events: read(&self.stats.events),
            failures: read(&self.stats.failures),
            commit_us: self.stats.commit_us.read(),
            batch_entries: self.stats.batch_entries.read(),
            queued: (self.queue.max_capacity() - self.queue.capacity()) as u64,
        }
    }
}

/// Resolves when the entry is durable, or why it may not be.
pub struct Appending(oneshot::Receiver<Result<(), NotAppended>>);

const STOPPED: &str = "the writer has stopped";

impl Future for Appending {
    type Output = Result<(), NotAppended>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|result| {
            let stopped = || NotAppended { error: Unavailable::because(STOPPED).into(), entry: None };
            result.unwrap_or_else(|_| Err(stopped()))
        })
    }
}

/// The writer: ends when the queue is closed and empty.
async fn write(store: Arc<dyn Store>, mut queue: mpsc::Receiver<WaitingEntry>, stats: Arc<Counters>) {
    let mut left_over: Option<WaitingEntry> = None;
    let mut batch: Vec<Entry> = Vec::new();
    let mut waiters = Vec::new();
    let mut sagas: HashSet<SagaId> = HashSet::new();
    loop {
        let first = match left_over.take() {
            Some(first) => first,
            None => match queue.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some(waiting) = next {
            let size = size_hint(&waiting.entry);
            let full =
                batch.len() == BATCH_ENTRIES_MAX || (!batch.is_empty() && bytes + size > BATCH_BYTES_MAX);
            // A saga waits for its append before it sends the next, unless it was dropped and loaded again.
            if full || !sagas.insert(waiting.entry.saga) {
                left_over = Some(waiting);
                break;
            }
            bytes += size;
            batch.push(waiting.entry);
            waiters.push(waiting.done);
            next = queue.try_recv().ok();
        }
        #[expect(clippy::disallowed_methods, reason = "how long a commit took is a metric, never an input")]
        let begun = std::time::Instant::now();
        let results = store.append(&batch).await;
        stats.commit_us.observe(begun.elapsed().as_micros() as u64);
        match results {
            Ok(results) => {
                stats.commits.fetch_add(1, Ordering::Relaxed);
                stats.batch_entries.observe(batch.len() as u64);
                for ((entry, result), done) in batch.drain(..).zip(results).zip(waiters.drain(..)) {
                    if result.is_ok() {
                        stats.entries.fetch_add(1, Ordering::Relaxed);
                        stats.events.fetch_add(entry.records.len() as u64, Ordering::Relaxed);
                    }
                    let _ = done
                        .send(result.map_err(|error| NotAppended { error, entry: Some(Box::new(entry)) }));
                }
            }
            Err(error) => {
                stats.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(entries = batch.len(), error = %error, "cannot commit a batch; its sagas will try again");
                for (entry, done) in batch.drain(..).zip(waiters.drain(..)) {
                    let error = error.clone().into();
                    let _ = done.send(Err(NotAppended { error, entry: Some(Box::new(entry)) }));
                }
            }
        }
        sagas.clear();
    }
}

/// Roughly the bytes that an entry adds: only its payloads can be large.
fn size_hint(entry: &Entry) -> usize {
    use saga_core::Event;
    let payload = |json: &Option<Json>| json.as_ref().map_or(0, |json| json.text().len());
    entry
        .records
        .iter()
        .map(|record| match &record.event {
            Event::Started { input, .. } => 200 + input.text().len(),
            Event::AttemptEnded { output, .. } => 100 + payload(output),
            _ => 100,
        })
        .sum()
}
