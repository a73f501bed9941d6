//! How long anything may take here. A lease lasts 3 s and is renewed every 0.5 s: a statement that hangs for longer
//! than these is given up, and the next statement makes a new connection.

use std::fmt::Display;
use std::time::Duration;

/// A limit of time with the name that stands in the error that it causes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) name: &'static str,
    pub(super) limit: Duration,
}

/// Of looking whether a further host of the database's URL takes writes, too ...
pub(super) const LOOK_AROUND_LIMIT: Duration = Duration::from_millis(500);
/// ... which a process does no more often than this, when it makes connections.
pub(super) const LOOK_AROUND_EVERY: Duration = Duration::from_secs(1);
/// From the first packet to the end of the log-in, for each address; `connect_timeout` in the database's URL sets another.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest `connect_timeout`.
pub(super) const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Of appending a batch, with its connection and its way there and back.
pub(super) const APPEND_DEADLINE: Bound = bound("APPEND_DEADLINE", 3_000);
/// Of renewing the lease, or asking for the time, which have a connection of their own. Half a lease: a connection that
/// has died unseen costs one renewal, and not the lease.
pub(super) const LEASE_DEADLINE: Bound = bound("LEASE_DEADLINE", 1_500);
/// Of every other operation that a caller waits for, with its wait for a connection.
pub(super) const OPERATION_DEADLINE: Bound = bound("OPERATION_DEADLINE", 3_000);
/// Of one step of the schema, which may rewrite a table.
pub(super) const MIGRATION_DEADLINE: Bound = bound("MIGRATION_DEADLINE", 300_000);
/// Of a migration's wait for one lock. The statements of all other processes wait behind it meanwhile, for less than [`LEASE_DEADLINE`] ...
pub(super) const MIGRATION_LOCK_WAIT: Duration = Duration::from_millis(1_200);
/// ... and after so long, in which they catch up, it is tried again ...
pub(super) const MIGRATION_LOCK_PAUSE: Duration = Duration::from_secs(2);
/// ... until this.
pub(super) const MIGRATION_LOCKED_MAX: Duration = Duration::from_secs(300);
/// Of telling the server that a statement is not waited for any more.
pub(super) const CANCEL_DEADLINE: Duration = Duration::from_secs(1);
/// How long sent bytes may stay unacknowledged.
pub(super) const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that is silent for this long is probed ...
pub(super) const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
/// ... this often ...
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// ... so many times.
pub(super) const KEEPALIVE_COUNT: u32 = 3;

const fn bound(name: &'static str, limit_ms: u64) -> Bound {
    Bound { name, limit: Duration::from_millis(limit_ms) }
}

impl Bound {
    /// Waits for `task`, but no longer; a task that is given up is dropped.
    pub(super) async fn hold<T, E>(
        self,
        task: impl Future<Output = Result<T, E>>,
        late: impl FnOnce(String) -> E,
    ) -> Result<T, E> {
        tokio::time::timeout(self.limit, task).await.unwrap_or_else(|_| Err(late(self.to_string())))
    }
}

impl Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no answer from PostgreSQL within {} ({} s)", self.name, self.limit.as_secs_f64())
    }
}
