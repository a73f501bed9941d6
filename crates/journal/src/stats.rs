//! The writer's work, counted: for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use saga_core::Incarnation;

use crate::histogram::{ANY, Filling, Histogram};

/// Ranges for the time that a transaction takes, in microseconds: from a fast disk to a server that is given up.
const COMMIT_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000, ANY,
];
/// Ranges for the entries in one transaction: up to [`BATCH_ENTRIES_MAX`](crate::BATCH_ENTRIES_MAX).
const BATCH_ENTRIES: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, ANY];

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
    /// Microseconds that transactions took, failed transactions included.
    pub commit_us: Histogram<16>,
    /// Entries in each transaction that was made durable.
    pub batch_entries: Histogram<12>,
    /// Entries that wait now.
    pub queued: u64,
}

/// Which of several databases a store has used, and which incarnation of the journal it has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineageCounts {
    /// The journal's incarnation, once it is known.
    pub incarnation: Option<Incarnation>,
    /// The highest timeline that was seen, if there is a server and it tells.
    pub timeline: Option<i64>,
    /// Writable databases that were refused, each time that one was: a former primary, or another system.
    pub refused: u64,
}

/// Counts what [`Stats`] shows.
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) entries: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) commit_us: Filling<16>,
    pub(crate) batch_entries: Filling<12>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            commits: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            events: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            commit_us: Filling::over(&COMMIT_US),
            batch_entries: Filling::over(&BATCH_ENTRIES),
        }
    }

    /// The counts so far; `queued` entries wait now.
    pub(crate) fn read(&self, queued: u64) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: read(&self.commits),
            entries: read(&self.entries),
            events: read(&self.events),
            failures: read(&self.failures),
            commit_us: self.commit_us.read(),
            batch_entries: self.batch_entries.read(),
            queued,
        }
    }
}
