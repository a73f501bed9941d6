//! The processes of one ordeal: the address of each, and how each is started again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use saga_testkit::dice::Dice;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::client::ProcessEndpoint;
use crate::doors::{CallerIdentity, Doors};
use crate::measures::{Micros, now};
use crate::proxy::Proxy;
use crate::release::Release;
use crate::serve::{ServeProcess, Setup};

/// The pause between two starts of a process that ends at once, because its database is down.
const START_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// Failed starts before the fleet gives up: half a minute and more.
const STARTS_MAX: u32 = 200;

/// All processes.
pub(crate) struct Processes {
    pub(crate) places: Vec<Arc<ProcessPlace>>,
    /// How callers are let in; `None`: everybody is.
    pub(crate) doors: Option<Arc<Doors>>,
}

/// The place of one process: the address where the current process, or the next one, listens.
pub(crate) struct ProcessPlace {
    /// Its connection to PostgreSQL.
    pub(crate) proxy: Option<Proxy>,
    /// A task that holds this lock changes the process; no other task does meanwhile.
    pub(crate) machine: Arc<Mutex<StartedProcess>>,
    address: RwLock<Option<SocketAddr>>,
}

/// A process and how it is started.
pub(crate) struct StartedProcess {
    setup: Setup,
    pub(crate) name: String,
    /// The release of its program, where there are two.
    pub(crate) release: Option<Release>,
    names: u32,
    pub(crate) serve: Option<ServeProcess>,
}

impl Processes {
    /// A random place for a caller of this identity, whether or not a process listens there.
    pub(crate) fn any(&self, dice: &Dice, identity: &CallerIdentity) -> Option<ProcessEndpoint> {
        let first = dice.between(0, self.places.len() as u64) as usize;
        let mut turns = (0..self.places.len()).map(|turn| &self.places[(first + turn) % self.places.len()]);
        turns.find_map(|place| self.endpoint(place, identity))
    }

    /// A certain place for a caller of this identity, if it has an address.
    pub(crate) fn endpoint(
        &self,
        place: &ProcessPlace,
        identity: &CallerIdentity,
    ) -> Option<ProcessEndpoint> {
        let entry = self.doors.as_ref().map(|doors| doors.entry(identity));
        Some(ProcessEndpoint { address: place.address()?, entry })
    }
}

impl ProcessPlace {
    pub(crate) fn new(mut setup: Setup, name: &str, proxy: Option<Proxy>) -> Self {
        setup.variable("ORCHESTRATEUR_REPLICA", name.to_owned());
        let machine = StartedProcess { setup, name: name.to_owned(), release: None, names: 1, serve: None };
        Self { proxy, machine: Arc::new(Mutex::new(machine)), address: RwLock::default() }
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        *self.address.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self, address: Option<SocketAddr>) {
        *self.address.write().unwrap_or_else(PoisonError::into_inner) = address;
    }

    /// Starts the process, repeatedly until it listens. Returns the time of the successful start.
    pub(crate) async fn start(&self, machine: &mut StartedProcess) -> Micros {
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

    /// `kill -9`. Connections are refused until the next start.
    pub(crate) fn kill(&self, machine: &mut StartedProcess) {
        if let Some(serve) = machine.serve.take() {
            serve.kill();
        }
        self.moved(None);
    }

    /// Waits until the process has ended by itself. Callers may connect until then.
    pub(crate) async fn exit(&self, machine: &mut StartedProcess) {
        if let Some(serve) = machine.serve.take() {
            serve.exit().await;
        }
        self.moved(None);
    }
}

impl StartedProcess {
    /// A new name that no process had before.
    pub(crate) fn rename(&mut self) {
        let stem = self.name.split('.').next().unwrap_or_default();
        self.names += 1;
        self.name = format!("{stem}.{}", self.names);
        self.setup.variable("ORCHESTRATEUR_REPLICA", self.name.clone());
    }

    /// The program for all starts from now on.
    pub(crate) fn run_release(&mut self, release: Release, program: Option<PathBuf>) {
        self.release = Some(release);
        self.setup.program(program);
    }

    /// The whole log of the processes of this place.
    pub(crate) fn logs(&self) -> String {
        self.setup.logs()
    }
}
