//! What may lie between the processes and PostgreSQL.

use std::net::SocketAddr;

use saga_testkit::balancer::Balancer;
use saga_testkit::pooler::Pooler;

/// A program between the processes and PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// PgBouncer, in transaction mode, with a pool of two connections. A failover leads it to the standby.
    Pooler,
    /// HAProxy, which looks itself which server takes writes. Where two do, each gets its share of the connections.
    Balancer,
}

/// The same, running. Dropping it ends it.
pub(crate) enum Intermediary {
    Pooler(Pooler),
    Balancer(Balancer),
}

impl Intermediary {
    /// Starts it for the servers at these ports of this machine; a pooler has one. This blocks.
    pub(crate) fn start(between: Between, servers: &[u16]) -> Self {
        match between {
            Between::Pooler => Self::Pooler(Pooler::start(servers[0])),
            Between::Balancer => Self::Balancer(Balancer::start(servers)),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        let port = match self {
            Self::Pooler(pooler) => pooler.port(),
            Self::Balancer(balancer) => balancer.port(),
        };
        SocketAddr::from(([127, 0, 0, 1], port))
    }
}
