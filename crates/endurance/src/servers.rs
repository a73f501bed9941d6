//! PostgreSQL: one server, or a primary with a standby, and the failover from one to the other.

use std::sync::{Arc, Mutex, PoisonError};

use saga_testkit::postgres::Cluster;

/// Whether a commit waits for the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandbyKind {
    /// Yes: a failover loses nothing.
    Synchronous,
    /// No: a failover loses what the standby did not have yet, although callers were told of it. An ordeal with such a standby
    /// shows that the judge notices.
    Asynchronous,
}

/// The servers of one database. All of this blocks.
pub(crate) struct DatabaseServers {
    kind: Option<StandbyKind>,
    roles: Mutex<ServerRoles>,
}

#[derive(Clone)]
struct ServerRoles {
    primary: Arc<Cluster>,
    standby: Option<Arc<Cluster>>,
}

impl DatabaseServers {
    pub(crate) fn start(kind: Option<StandbyKind>) -> Self {
        let primary = Arc::new(Cluster::start());
        let standby = kind.map(|_| Arc::new(primary.standby()));
        let servers = Self { kind, roles: Mutex::new(ServerRoles { primary, standby }) };
        servers.settle();
        servers
    }

    /// Whether there is a standby.
    pub(crate) fn has_standby(&self) -> bool {
        self.kind.is_some()
    }

    /// The server that takes writes.
    pub(crate) fn primary(&self) -> Arc<Cluster> {
        self.roles().primary
    }

    /// The ports of all servers, which stay theirs.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let ServerRoles { primary, standby } = self.roles();
        [Some(primary), standby].iter().flatten().map(|server| server.port()).collect()
    }

    /// Kills the primary and promotes the standby; the former primary stays as it is.
    pub(crate) fn fail_over(&self) {
        let ServerRoles { primary: former, standby } = self.roles();
        let promoted = standby.expect("there is a standby");
        former.kill9();
        promoted.promote();
        *self.lock() = ServerRoles { primary: promoted, standby: Some(former) };
    }

    /// Starts the former primary as if nothing had been, without its wait for a standby: it takes writes again.
    pub(crate) fn bring_former_back(&self) -> Arc<Cluster> {
        let former = self.roles().standby.expect("there is a former primary");
        former.forget_standbys();
        former.start_again();
        former
    }

    /// Makes the former primary a standby of the present one, and waits until it is of use as one.
    pub(crate) fn rebuild(&self) {
        let ServerRoles { primary, standby } = self.roles();
        let former = standby.expect("there is a former primary");
        former.make_sure_it_is_stopped();
        former.become_standby_of(&primary);
        self.settle();
    }

    fn settle(&self) {
        let primary = self.roles().primary;
        match self.kind {
            None => {}
            Some(StandbyKind::Synchronous) => primary.wait_for_standby(true),
            Some(StandbyKind::Asynchronous) => primary.wait_until_copied(),
        }
    }

    fn roles(&self) -> ServerRoles {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ServerRoles> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
