//! The four participants of the demo shop (`panier`, `stock`, `client`, `ventes`), for the demo, the tests and as an
//! example.
//!
//! This crate contains four small HTTP services, each with its own SQLite file. An effect that a service acknowledged
//! survives `kill -9`. The crate deliberately knows nothing about its callers: an orchestrator is a caller like any
//! other, identified by its headers only.
//!
//! ```text
//!   accept loop ─► connection task ─► route ─► faults ─► writer thread (group commit) ─► SQLite
//!    (server.rs)                    (panier.rs, …)            (store.rs, barrier.rs)
//!                                              └───────► reader thread (GET)
//! ```
//!
//! `barrier.rs` shows how a participant becomes safe to call twice, `seed.rs` has the shop's products and clients,
//! and `fault.rs` the faults on purpose.

mod barrier;
mod call;
mod client;
mod columns;
mod fault;
mod ledger;
mod montant;
mod operation;
mod panier;
mod seed;
mod server;
mod stock;
mod store;
mod ventes;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use strum::{Display, IntoStaticStr, VariantArray};

pub use fault::{FaultRule, FaultRuleError, ServiceFault};
pub use montant::{Centimes, CentimesError};
pub use seed::{Article, LignePanier, Seed};

use fault::FaultBook;
use server::{Handler, ListeningService};
use store::FileStore;

/// The shop; start it with [`Boutique::start`].
#[derive(Debug)]
pub struct Boutique;

/// The services to start, their addresses and their data.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of the SQLite files, one for each service (`stock.sqlite`, ...); created when missing.
    pub data_dir: PathBuf,
    /// How the services behave on the wire.
    pub facon: Facon,
    /// Which services to start, and the address of each; port 0 takes a free port.
    pub listen: BTreeMap<Service, SocketAddr>,
    /// The data of a new file, and the faults that belong to the scenarios.
    pub seed: Seed,
    /// More fault rules, applied after those of the seed. They are not durable.
    pub faults: Vec<FaultRule>,
}

impl Config {
    /// All four services, on free ports of the loopback interface, with the demo's data.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data_dir: data_dir.into(),
            facon: Facon::Moderne,
            listen: Service::ALL.iter().map(|service| (*service, anywhere)).collect(),
            seed: Seed::demo(),
            faults: Vec::new(),
        }
    }
}

/// The manner in which the services answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
#[strum(serialize_all = "snake_case")]
pub enum Facon {
    /// As the contract's table says: refusals are 4xx, and the barrier guards every effect.
    Moderne,
    /// Like many existing services: other paths and names, refusals as `500` or `200`, no idempotency.
    Ancienne,
}

/// One of the four participants. The file, the flags and the JSON line have its name in small letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Service {
    /// Carts: only read.
    Panier,
    /// Quantities on the shelf: reserved and given back.
    Stock,
    /// Clients' balances: paid from and refunded to.
    Client,
    /// Recorded sales.
    Ventes,
}

impl Service {
    /// All four, in the order of a checkout.
    pub const ALL: &'static [Self] = Self::VARIANTS;
}

/// Why the shop did not start. The operator must fix the cause before another attempt.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder cannot be made.
    #[error("create the data folder {}: {source}", path.display())]
    DataDir {
        /// The folder that was asked for.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A service's file cannot be opened, written or read.
    #[error("open the data of {service} in {}: {source}", path.display())]
    Database {
        /// The service of the file.
        service: Service,
        /// The SQLite file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// The address is in use, is not one of this machine, or is forbidden.
    #[error("listen on {addr} for {service}: {source}")]
    Listen {
        /// The service of the address.
        service: Service,
        /// The address that was asked for.
        addr: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// A fault rule names an endpoint that no service has.
    #[error(transparent)]
    Fault(#[from] FaultRuleError),
    /// A thread cannot be started.
    #[error("start a thread for {service}: {source}")]
    Thread {
        /// The service of the thread.
        service: Service,
        /// The system's error.
        source: io::Error,
    },
}

impl Boutique {
    /// Opens the files, listens, and answers from then on in tasks of the current tokio runtime.
    pub async fn start(config: Config) -> Result<RunningShop, Error> {
        for rule in config.seed.fautes.iter().chain(&config.faults) {
            fault::check_endpoint(rule)?;
        }
        std::fs::create_dir_all(&config.data_dir)
            .map_err(|source| Error::DataDir { path: config.data_dir.clone(), source })?;
        // The ports first: a taken one must not leave freshly made files behind.
        let mut listeners = Vec::new();
        for (&service, &addr) in &config.listen {
            let listener = server::listen(addr).map_err(|source| Error::Listen { service, addr, source })?;
            listeners.push((service, addr, listener));
        }
        let mut services = BTreeMap::new();
        for (service, addr, listener) in listeners {
            let path = config.data_dir.join(format!("{service}.sqlite"));
            let store = FileStore::open(service, config.facon, &path, &config.seed)?;
            let faults = FaultBook::new(service);
            for rule in config.seed.fautes.iter().chain(&config.faults) {
                if fault::concerns(rule, service) {
                    faults.add(rule.clone());
                }
            }
            let handler = Arc::new(Handler { service, facon: config.facon, store, faults });
            let server = ListeningService::start(listener, handler).map_err(|source| Error::Listen {
                service,
                addr,
                source,
            })?;
            services.insert(service, server);
        }
        Ok(RunningShop { services })
    }
}

/// The running shop. Dropping it closes all connections at once, as a crash would; acknowledged effects are on disk
/// in any case.
#[derive(Debug)]
pub struct RunningShop {
    services: BTreeMap<Service, ListeningService>,
}

impl RunningShop {
    /// The address the service really listens on; `None` if it was not started.
    pub fn addr(&self, service: Service) -> Option<SocketAddr> {
        self.services.get(&service).map(ListeningService::addr)
    }

    /// The service's base URL, without a slash at the end; `None` if it was not started.
    pub fn url(&self, service: Service) -> Option<String> {
        self.addr(service).map(|addr| format!("http://{addr}"))
    }

    /// The base URL of every started service.
    pub fn urls(&self) -> BTreeMap<Service, String> {
        self.services
            .iter()
            .map(|(&service, server)| (service, format!("http://{}", server.addr())))
            .collect()
    }

    /// Adds a rule to every started service that has the endpoint.
    pub fn add_fault(&self, rule: &FaultRule) -> Result<(), FaultRuleError> {
        fault::check_endpoint(rule)?;
        for (&service, server) in &self.services {
            if fault::concerns(rule, service) {
                server.handler().faults.add(rule.clone());
            }
        }
        Ok(())
    }

    /// Removes every rule, those of the seed included.
    pub fn clear_faults(&self) {
        for server in self.services.values() {
            server.handler().faults.clear();
        }
    }

    /// Takes no new connection, lets the requests under way finish for a few seconds, closes the files.
    pub async fn stop(self) {
        // All services are asked to stop first, so that they drain at the same time.
        let servers: Vec<_> = self.services.into_values().map(ListeningService::begin_stop).collect();
        for server in servers {
            server.finish().await;
        }
    }
}
