//! Idle connections to one participant, the most recently used on top.
//!
//! A connection is kept until it has been idle for [`IDLE_MAX`] or has lived for [`CONNECTION_AGE_MAX`], by the
//! monotonic clock: under steady traffic, calls reach a name's new address within that time. A task removes
//! connections that are too old while there are no calls; it runs only while connections are kept.
//!
//! A connection belongs to the runtime that it was opened in, which alone waits for its socket: calls of another runtime do not use it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::time::{Instant, sleep};

use super::exchange::Connection;

/// An idle connection is not used again after this time. Common servers close theirs after 5 s (uvicorn, Node), and
/// the outcome of a request that meets the close is unknown.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Idle connections kept for one participant.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// The longest life of a connection: a new connection resolves the name again, and may use another address.
pub(super) const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60);
/// Lives are shortened by a share of at most this one, so that connections that were opened together are not renewed
/// together.
const AGE_JITTER_SHARE: u32 = 10;

/// The idle connections of one participant.
pub(super) struct Pool {
    age_max: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// By the runtimes that they belong to: as many as the machine has cores, and one more.
    stacks: Vec<(runtime::Id, Stack)>,
    is_swept: bool,
    /// Counts kept connections, to spread the ends of their lives.
    kept: u32,
}

/// Connections, and since when they are idle. The one that has been idle for longest is at the bottom.
type Stack = Vec<(Connection, Instant)>;

impl Idle {
    fn connections(&self) -> usize {
        self.stacks.iter().map(|(_, connections)| connections.len()).sum()
    }

    /// The connections of this runtime.
    fn here(&mut self) -> &mut Stack {
        let here = Handle::current().id();
        let known = self.stacks.iter().position(|(of, _)| *of == here);
        let index = known.unwrap_or_else(|| {
            self.stacks.push((here, Stack::new()));
            self.stacks.len() - 1
        });
        &mut self.stacks[index].1
    }
}

impl Pool {
    pub(super) fn new(age_max: Duration) -> Arc<Self> {
        Arc::new(Self { age_max, idle: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that can be used at once.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.lock();
        let connections = idle.here();
        while let Some((mut connection, since)) = connections.pop() {
            let now = Instant::now();
            if now.duration_since(since) > IDLE_MAX {
                // The connections below it have been idle for longer.
                connections.clear();
                return None;
            }
            if connection.is_ready() && now.duration_since(connection.born) < self.age_max {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose answer has been read to its end.
    pub(super) fn keep(self: &Arc<Self>, connection: Connection) {
        if connection.is_spent() {
            return;
        }
        let now = Instant::now();
        let mut idle = self.lock();
        idle.kept = idle.kept.wrapping_add(1);
        // 0 to 255, evenly distributed.
        let spread = idle.kept.wrapping_mul(0x9e37_79b9) >> 24;
        let life = self.age_max - self.age_max / AGE_JITTER_SHARE * spread / 256;
        if now.duration_since(connection.born) >= life || idle.connections() >= IDLE_CONNECTIONS_MAX {
            return;
        }
        idle.here().push((connection, now));
        if !idle.is_swept {
            idle.is_swept = true;
            let pool = Arc::downgrade(self);
            #[expect(clippy::disallowed_methods, reason = "one task for each pool that holds something")]
            tokio::spawn(sweep(pool));
        }
    }

    /// Drops the idle connections to one address.
    pub(super) fn leave(&self, address: SocketAddr) {
        for (_, connections) in &mut self.lock().stacks {
            connections.retain(|(connection, _)| connection.address != address);
        }
    }

    /// Drops connections that have been idle, or have lived, for too long. Returns whether none is left: then the
    /// task ends.
    fn drop_old(&self) -> bool {
        let now = Instant::now();
        let mut idle = self.lock();
        idle.stacks.retain_mut(|(_, connections)| {
            connections.retain_mut(|(connection, since)| {
                now.duration_since(*since) <= IDLE_MAX
                    && now.duration_since(connection.born) < self.age_max
                    && connection.is_ready()
            });
            !connections.is_empty()
        });
        idle.is_swept = !idle.stacks.is_empty();
        !idle.is_swept
    }
}

async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(IDLE_MAX).await;
        match pool.upgrade() {
            Some(pool) if !pool.drop_old() => {}
            Some(_) | None => return,
        }
    }
}
