//! The engine's limits. Each has a name, which its error gives, and a default that suits two cores.

use std::time::Duration;

/// What the engine takes on at the same time, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sagas under way; a further start is refused before anything is written.
    pub active_sagas_max: usize,
    /// Commands that wait for one saga (who asks for its end, who cancels it).
    pub inbox_commands_max: usize,
    /// Events may wait this long for company before they are written, when nothing needs them to be durable.
    pub flush_after: Duration,
    /// The first and the longest wait before an entry that the journal could not take is offered again.
    pub journal_retry: (Duration, Duration),
    /// Histories that are read at the same time when unfinished sagas are taken over.
    pub take_over_loads_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active_sagas_max: 10_000,
            inbox_commands_max: 64,
            flush_after: Duration::from_millis(20),
            journal_retry: (Duration::from_millis(50), Duration::from_secs(1)),
            take_over_loads_max: 32,
        }
    }
}
