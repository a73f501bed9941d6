//! Figures of one order, by measure and layer.

use std::collections::BTreeMap;

use strum::{Display, EnumString};

/// A thing that is counted, as the table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumString)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Measure {
    /// Blocks that were allocated or made larger.
    Allocations,
    /// Their sizes.
    #[strum(serialize = "bytes allocated")]
    BytesAllocated,
    /// System calls.
    #[strum(serialize = "system calls")]
    SystemCalls,
    /// Bytes given to writes of files and to sockets.
    #[strum(serialize = "bytes written")]
    BytesWritten,
    /// Waits until a file is on disk.
    Flushes,
    /// Transactions for one of many orders at the same time.
    #[strum(serialize = "flushes, 64 callers")]
    SharedFlushes,
    /// Entries of the journal.
    Entries,
    /// Events in them.
    Events,
    /// Statements that PostgreSQL has executed.
    Statements,
    /// Bytes of PostgreSQL's write-ahead log.
    #[strum(serialize = "bytes of WAL")]
    BytesOfWal,
    /// Bytes of the rows that are left.
    #[strum(serialize = "bytes kept")]
    BytesKept,
    /// Instructions in user mode. `bench/budget` counts them, with a release build.
    Instructions,
}

/// A part of the process, as the table names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumString)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Layer {
    /// HTTP in: `crates/server`.
    Server,
    /// The rules and the driver: `crates/core`, and `crates/engine` without its participants.
    Engine,
    /// HTTP out: `crates/engine/src/participants`.
    Calls,
    /// The journal and its store.
    Journal,
    /// Tasks and threads: waking and waiting.
    Runtime,
    /// Everything.
    All,
}

/// One figure's place.
pub(crate) type Key = (Measure, Layer);

/// Figures of one order.
pub(crate) type Figures = BTreeMap<Key, f64>;

/// Counts by layer, and where exactly, for [`crate`]'s details.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// The figures.
    pub(crate) figures: Figures,
    /// One line for each place, in an order of its own.
    pub(crate) details: Vec<String>,
}

impl Counts {
    /// Adds to a layer's figure.
    pub(crate) fn add(&mut self, measure: Measure, layer: Layer, count: f64) {
        *self.figures.entry((measure, layer)).or_default() += count;
    }
}
