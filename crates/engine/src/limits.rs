//! The engine's limits. Each has a name, which its error gives, and a default that suits two cores.

use std::time::Duration;

/// What the engine takes on at the same time, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sagas going forward; a further start is refused before anything is written.
    pub active_sagas_max: usize,
    /// Bytes of inputs and outputs of sagas in memory, 8 KiB for each saga included; beyond it starts are refused, and
    /// answers that would be kept wait.
    pub active_bytes_max: usize,
    /// The part of `active_sagas_max` that one caller gets while there is no other.
    pub caller_share_percent: usize,
    /// Commands that wait for one saga (who asks for its end, who cancels it).
    pub inbox_commands_max: usize,
    /// Events may wait this long for company before they are written, when nothing needs them to be durable.
    pub flush_after: Duration,
    /// The first and the longest wait before an entry that the journal could not take is offered again.
    pub journal_retry: (Duration, Duration),
    /// Histories that are read at the same time when unfinished sagas are taken over.
    pub take_over_loads_max: usize,
    /// Others may take over this process's sagas when they have not heard of it for this long, by the journal's
    /// clock.
    pub lease: Duration,
    /// How often it renews its lease, and looks for sagas without an owner and for commands that wait for it.
    pub beat: Duration,
    /// How often it looks whether it runs all the sagas that it owns.
    pub sweep: Duration,
    /// Sagas claimed at once.
    pub claim_rows_max: usize,
    /// How long a command for a saga that another process runs waits to be applied before its caller is told that it will be.
    pub command_wait: Duration,
    /// How long a caller waits for its saga's start to be on disk before it is told that the journal does not answer.
    pub start_wait: Duration,
    /// For so long after its start a process looks in the journal whether a key belongs to an order already, before it
    /// begins one.
    pub cautious_for: Duration,
    /// A saga that has nothing to do for this long leaves memory until then.
    pub sleep_after: Duration,
    /// A saga that should have gone on by itself this long ago makes the process unready.
    pub stall_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active_sagas_max: 10_000,
            active_bytes_max: 256 << 20,
            caller_share_percent: 80,
            inbox_commands_max: 64,
            flush_after: Duration::from_millis(20),
            journal_retry: (Duration::from_millis(50), Duration::from_secs(1)),
            take_over_loads_max: 32,
            lease: Duration::from_secs(3),
            beat: Duration::from_millis(500),
            sweep: Duration::from_secs(10),
            claim_rows_max: 500,
            command_wait: Duration::from_secs(10),
            start_wait: Duration::from_secs(5),
            cautious_for: Duration::from_secs(60),
            sleep_after: Duration::from_secs(5),
            stall_max: Duration::from_secs(30),
        }
    }
}
