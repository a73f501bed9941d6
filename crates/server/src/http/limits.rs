//! The limits of clients' connections, with their defaults.

use std::time::Duration;

/// The limits of connections. `docs/limits.md` has a row for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at the same time. Fewer where the process may open too few files; see `files.rs`.
    pub connections_max: usize,
    /// Connections beyond those, on which `/livez`, `/readyz` and `/metrics` are answered, and every other request
    /// gets `503`: a full process must not look dead to its supervisor.
    pub connections_extra: usize,
    /// The most connections of one caller, as a percentage of `connections_max`. The rest is left to others.
    pub caller_percent: usize,
    /// TLS must have been agreed on within this time, counted from a connection's beginning.
    pub handshake_timeout: Duration,
    /// A request's head must have arrived within this time, counted from its first byte, and on a new connection from
    /// its beginning, or the end of its handshake (slowloris).
    pub head_timeout: Duration,
    /// Bytes of a request's head; a larger one gets `431`. This is also hyper's read buffer, of at least 8 KiB.
    pub head_bytes_max: usize,
    /// A connection may wait this long for its next request. This is longer than load balancers keep theirs (60 s),
    /// so that they close first, and none sends a request into a closing connection.
    pub idle_timeout: Duration,
    /// A connection that has waited this long for a request may be closed for a new one. A newer connection may be
    /// about to send, and on a busy machine may already have sent.
    pub settled_after: Duration,
    /// A client that reads an answer must take some of it within this time.
    pub stall_timeout: Duration,
    /// A client must have taken a whole answer within this time.
    pub answer_timeout: Duration,
    /// How long answers under way may take once the process stops.
    pub last_answers_wait: Duration,
    /// How often connections are checked, which is the precision of the timeouts above.
    pub sweep: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_extra: 16,
            caller_percent: 80,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            head_bytes_max: 16_384,
            idle_timeout: Duration::from_secs(75),
            settled_after: Duration::from_millis(500),
            stall_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_secs(120),
            last_answers_wait: Duration::from_secs(5),
            sweep: Duration::from_millis(100),
        }
    }
}
