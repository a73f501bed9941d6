//! The engine's limits. Each has a name, which its error contains, and a default for two cores.

use std::time::Duration;

/// How much the engine does at the same time, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sagas that go forward; a further start is refused before anything is written.
    pub active_sagas_max: usize,
    /// Sagas in memory up to which sagas that are asleep wake by their time. Starts stop at `active_sagas_max`, so a process that
    /// is full of new sagas has room for old ones. Sagas that a command waits for wake in any case.
    pub awake_sagas_max: usize,
    /// Bytes of the inputs and outputs of sagas in memory, with 8 KiB for each saga; beyond it starts are refused,
    /// and answers that would be kept wait.
    pub active_bytes_max: usize,
    /// The share of `active_sagas_max` that one caller gets while no other calls.
    pub caller_share_percent: usize,
    /// Messages that wait for one saga's task (callers that wait for its end, commands); a further one waits until
    /// there is room.
    pub inbox_commands_max: usize,
    /// How long events may wait for others before they are written, if no effect needs them to be durable.
    pub flush_after: Duration,
    /// The first and the longest wait before a failed entry is offered to the journal again.
    pub journal_retry: (Duration, Duration),
    /// Sagas of this process's that are taken up at a time: from when their histories are read until their first events here are on disk.
    /// New orders share the processor and the disk with so many, and not with all that a crash has left.
    pub take_ups_max: usize,
    /// Other replicas may take over this process's sagas after this time without a renewal, by the journal's clock.
    pub lease: Duration,
    /// How often it renews its lease, and looks for sagas without an owner and for commands that wait for it.
    pub beat: Duration,
    /// How often it compares the sagas that it owns with the sagas that it runs.
    pub sweep: Duration,
    /// Sagas that are claimed at a time.
    pub claim_rows_max: usize,
    /// How long a caller waits for another process to apply its command. Then it gets the answer that the command is
    /// stored.
    pub command_wait: Duration,
    /// How long a caller waits for its saga's start to be on disk before it gets the answer that the journal does not
    /// answer.
    pub start_wait: Duration,
    /// For this time after its start, or after it has taken over sagas, a process looks in the journal whether a key already belongs to an
    /// order, before it begins one.
    pub cautious_for: Duration,
    /// A saga whose next timer is further away leaves memory until then.
    pub sleep_after: Duration,
    /// A saga that should have continued longer ago makes the process unready.
    pub stall_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            active_sagas_max: 10_000,
            awake_sagas_max: 20_000,
            active_bytes_max: 256 << 20,
            caller_share_percent: 80,
            inbox_commands_max: 64,
            flush_after: Duration::from_millis(20),
            journal_retry: (Duration::from_millis(50), Duration::from_secs(1)),
            take_ups_max: 64,
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
