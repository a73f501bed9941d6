//! Group commit: one writer takes all waiting entries, makes them durable in one transaction, and wakes their sagas'
//! tasks.
//!
//! A batch forms by itself while the one before is being written, so no entry waits for a timer: a lone entry is
//! written at once, a thousand at once share one flush. The writer is the only place that waits for a disk.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::{Json, SagaId};
use tokio::sync::mpsc;

use crate::delivery::{AppendWaiter, Deliveries, NotAppended};
use crate::stats::Counters;
use crate::{Entry, Store};

/// Entries in one transaction.
pub const BATCH_ENTRIES_MAX: usize = 1_024;
/// Payload in one transaction; one entry that is larger goes alone.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

/// After a batch of several entries, a blocking writer waits for so long: the sagas that it has woken mean to go on, and their next
/// entries share a flush then. A lone saga never waits. In microseconds.
const GATHERING_US: u64 = 50;

/// An entry in the queue, and its saga's task, which waits for its end.
pub(crate) struct WaitingEntry {
    pub(crate) entry: Entry,
    pub(crate) waiter: AppendWaiter,
}

/// The writer: ends when the queue is closed and empty.
pub(crate) async fn write(
    store: Arc<dyn Store>,
    mut queue: mpsc::Receiver<WaitingEntry>,
    stats: Arc<Counters>,
) {
    let mut left_over: Option<WaitingEntry> = None;
    let mut batch: Vec<Entry> = Vec::new();
    let mut waiters = Vec::new();
    let mut deliveries = Deliveries::default();
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
            waiters.push(waiting.waiter);
            next = queue.try_recv().ok();
        }
        #[expect(clippy::disallowed_methods, reason = "how long a commit took is a metric, never an input")]
        let begun = std::time::Instant::now();
        let are_several = batch.len() > 1;
        let results = store.append(&batch).await;
        stats.commit_us.observe(begun.elapsed().as_micros() as u64);
        match results {
            Ok(results) => {
                stats.commits.fetch_add(1, Ordering::Relaxed);
                stats.batch_entries.observe(batch.len() as u64);
                for ((entry, result), waiter) in batch.drain(..).zip(results).zip(waiters.drain(..)) {
                    if result.is_ok() {
                        stats.entries.fetch_add(1, Ordering::Relaxed);
                        stats.events.fetch_add(entry.records.len() as u64, Ordering::Relaxed);
                    }
                    let end = result.map_err(|error| NotAppended { error, entry: Some(Box::new(entry)) });
                    deliveries.add(waiter, end);
                }
            }
            Err(error) => {
                stats.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(entries = batch.len(), error = %error, "cannot commit a batch; its sagas will try again");
                for (entry, waiter) in batch.drain(..).zip(waiters.drain(..)) {
                    let error = error.clone().into();
                    deliveries.add(waiter, Err(NotAppended { error, entry: Some(Box::new(entry)) }));
                }
            }
        }
        deliveries.send();
        sagas.clear();
        if are_several && store.is_blocking() {
            std::thread::sleep(Duration::from_micros(GATHERING_US));
        }
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
            Event::Started { input, trace, .. } => {
                200 + input.text().len() + trace.as_ref().map_or(0, |trace| trace.bytes())
            }
            Event::AttemptEnded { output, .. } => 100 + payload(output),
            _ => 100,
        })
        .sum()
}
