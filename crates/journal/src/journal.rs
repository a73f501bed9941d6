//! The journal as sagas use it: the store itself for reading, and a queue to the writer for appending.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use saga_core::SagaId;
use tokio::sync::{mpsc, oneshot};

use crate::delivery::{AppendEnd, AppendWaiter, NotAppended};
use crate::ended::{self, Ended};
use crate::lookups::Lookups;
use crate::stats::{Counters, Stats};
use crate::writer::{WaitingEntry, write};
use crate::{Entry, Store, Unavailable};

/// Entries that wait for the writer. More than there are active sagas: each waits for one append at a time.
pub const QUEUE_ENTRIES_MAX: usize = 65_536;

/// The front of a [`Store`], which it is but for appending: entries go through the writer. Cheap to clone; the writer ends
/// when the last clone is gone.
#[derive(Clone)]
pub struct Journal {
    queue: mpsc::Sender<WaitingEntry>,
    store: Arc<dyn Store>,
    lookups: Arc<Lookups>,
    stats: Arc<Counters>,
    ended: Ended,
}

impl Deref for Journal {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
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
        (Self { queue, store, lookups: Arc::default(), stats, ended }, writer)
    }

    /// Resolves when the writer has ended other than by being closed, with the reason: it, or the store in it, has
    /// panicked. Nothing can be appended from then on, so the process should end. Does not keep the writer alive.
    pub fn ended(&self) -> impl Future<Output = Arc<str>> + Send + 'static + use<> {
        self.ended.clone().wait()
    }

    /// Appends an entry. It is handed to the writer at once; the future tells when it is durable.
    pub fn append(&self, entry: Entry) -> Appending {
        let (waiter, end) = AppendWaiter::here();
        match self.queue.try_send(WaitingEntry { entry, waiter }) {
            Ok(()) => Appending(end),
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
                let WaitingEntry { entry, waiter } = waiting;
                waiter.tell(Err(NotAppended { error, entry: Some(Box::new(entry)) }));
                Appending(end)
            }
        }
    }

    /// Whether a saga is kept. Questions that are asked while one is being answered are answered together.
    pub async fn has(&self, saga: SagaId) -> Result<bool, Unavailable> {
        self.lookups.has(saga, |sagas| self.store.known(sagas)).await
    }

    /// The writer's work since it started.
    pub fn stats(&self) -> Stats {
        self.stats.read((self.queue.max_capacity() - self.queue.capacity()) as u64)
    }
}

/// Resolves when the entry is durable, or why it may not be.
pub struct Appending(oneshot::Receiver<AppendEnd>);

const STOPPED: &str = "the writer has stopped";

impl Future for Appending {
    type Output = AppendEnd;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|result| {
            let stopped = || NotAppended { error: Unavailable::because(STOPPED).into(), entry: None };
            result.unwrap_or_else(|_| Err(stopped()))
        })
    }
}
