//! What one client can take of this process as a connection: every limit with its default.

use std::time::Duration;

/// The limits of connections. Each one's name is a row of `docs/limits.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time. Fewer where the process may open too few files; see `files.rs`.
    pub connections_max: usize,
    /// Connections beyond those, on which `/livez`, `/readyz` and `/metrics` are answered, and everything
    /// else gets `503`: a full process must not look dead to its supervisor.
    pub connections_extra: usize,
    /// How many of them one caller may have: a percentage of `connections_max`. The rest is left to others.
    pub caller_percent: usize,
    /// A request's head must have arrived within this, counted from its first byte, and on a new connection
    /// from its beginning (slowloris).
    pub head_timeout: Duration,
    /// Bytes of a request's head. More get `431`. Hyper's read buffer, and at least 8 KiB.
    pub head_bytes_max: usize,
    /// A connection may wait this long for its next request. Longer than load balancers keep theirs (60 s),
    /// so that they close first, and none sends a request into a closing connection.
    pub idle_timeout: Duration,
    /// A connection that has waited this long for a request may be closed for another one; before, it may be
    /// about to send, and on a busy machine have sent.
    pub settled_after: Duration,
    /// A client that reads an answer must take some of it within this.
    pub stall_timeout: Duration,
    /// A client must have taken a whole answer within this.
    pub answer_timeout: Duration,
    /// Answers under way may take this long once the process goes down.
    pub last_answers_wait: Duration,
    /// How often connections are looked at: what the timeouts above are exact to.
    pub sweep: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_extra: 16,
            caller_percent: 80,
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
