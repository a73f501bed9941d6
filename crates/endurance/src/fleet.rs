//! The processes of one ordeal: where each is, and how it is started again.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::measures::{Micros, now};
use crate::proxy::Proxy;
use crate::serve::{Serve, Setup};

/// Between two starts of a process that ends at once, because its database is away.
const START_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Starts in vain before it is given up: half a minute and more.
const STARTS_MAX: u32 = 200;

/// All processes.
pub(crate) struct Fleet {
    pub(crate) places: Vec<Arc<Place>>,
}

/// Where one process is, or the next one is going to be.
pub(crate) struct Place {
    /// Its way to PostgreSQL.
    pub(crate) proxy: Option<Proxy>,
    /// Whoever has this changes the process; nobody else does meanwhile.
    pub(crate) machine: Arc<Mutex<Machine>>,
    address: RwLock<Option<SocketAddr>>,
}

/// A process and how it is started.
pub(crate) struct Machine {
    setup: Setup,
    pub(crate) name: String,
    names: u32,
    pub(crate) serve: Option<Serve>,
}

impl Fleet {
    /// A place for a caller to turn to, whoever is there.
    pub(crate) fn any(&self, dice: &mut Dice) -> Option<SocketAddr> {
        let first = dice.between(0, self.places.len() as u64) as usize;
        (0..self.places.len()).find_map(|turn| self.places[(first + turn) % self.places.len()].address())
    }
}

impl Place {
    pub(crate) fn new(mut setup: Setup, name: &str, proxy: Option<Proxy>) -> Self {
        setup.variable("ORCHESTRATEUR_REPLICA", name.to_owned());
        let machine = Machine { setup, name: name.to_owned(), names: 1, serve: None };
        Self { proxy, machine: Arc::new(Mutex::new(machine)), address: RwLock::default() }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        *self.address.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self, address: Option<SocketAddr>) {
        *self.address.write().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Starts the process, again and again until it listens. Returns when that start was.
    pub(crate) async fn start(&self, machine: &mut Machine) -> Micros {
        let mut said = String::new();
        for _ in 0..STARTS_MAX {
            let begun = now();
            match machine.setup.try_start().await {
                Ok(serve) => {
                    self.moved(Some(serve.address));
                    machine.serve = Some(serve);
                    return begun;
                }
                Err((_, log)) => said = log,
            }
            sleep(START_AGAIN_AFTER).await;
        }
        panic!("{} does not start, {STARTS_MAX} times in a row; at last:\n{said}", machine.name);
    }

    /// `kill -9`. Callers find nobody there until the next start.
    pub(crate) fn kill(&self, machine: &mut Machine) {
        if let Some(serve) = machine.serve.take() {
            serve.kill();
        }
        self.moved(None);
    }

    /// Waits until the process has ended by itself. Callers may come until then.
    pub(crate) async fn exit(&self, machine: &mut Machine) {
        if let Some(serve) = machine.serve.take() {
            serve.exit().await;
        }
        self.moved(None);
    }
}

impl Machine {
    /// Another name, which nobody had before.
    pub(crate) fn rename(&mut self) {
        let stem = self.name.split('.').next().unwrap_or_default();
        self.names += 1;
        self.name = format!("{stem}.{}", self.names);
        self.setup.variable("ORCHESTRATEUR_REPLICA", self.name.clone());
    }

    /// All that the processes of this place have logged.
    pub(crate) fn logs(&self) -> String {
        self.setup.logs()
    }
}
