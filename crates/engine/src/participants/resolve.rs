//! Names become addresses: by the machine's resolver, on a thread of its own, since that one may never come back.
//!
//! A name is resolved again for each new connection. Connections that are opened at the same time share one resolution,
//! so a name whose resolver hangs holds one thread, however many orders call it, and all names together hold
//! [`RESOLUTIONS_MAX`]. How long a call waits for a resolution is bounded by its participant's `connect_timeout`.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, watch};

/// Names that are being resolved at the same time, each on a thread.
pub const RESOLUTIONS_MAX: usize = 16;

/// Gives the addresses of a name at a port, in the order in which they should be tried. May block.
pub type Resolver = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The machine's own resolver: its hosts file, its DNS, whatever it is told to use (getaddrinfo).
pub(super) fn machine(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// What all names have in common.
#[derive(Clone)]
pub(super) struct Lookup {
    resolver: Arc<Resolver>,
    threads: Arc<Semaphore>,
}

/// One name, and the resolution of it that is under way.
pub(super) struct Name {
    lookup: Lookup,
    host: Box<str>,
    port: u16,
    under_way: Mutex<Option<Resolution>>,
}

type Resolution = watch::Receiver<Option<Resolved>>;
type Resolved = Result<Arc<[SocketAddr]>, Arc<str>>;

impl Lookup {
    pub(super) fn new(resolver: Arc<Resolver>) -> Self {
        Self { resolver, threads: Arc::new(Semaphore::new(RESOLUTIONS_MAX)) }
    }
}

impl Name {
    pub(super) fn new(lookup: &Lookup, host: &str, port: u16) -> Self {
        Self { lookup: lookup.clone(), host: host.into(), port, under_way: Mutex::default() }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Its addresses as of now. Dropping this leaves the resolution to the others that wait for it.
    pub(super) async fn resolve(&self) -> io::Result<Arc<[SocketAddr]>> {
        let mut resolution = self.join()?;
        let resolved = resolution.wait_for(Option::is_some).await.map(|resolved| resolved.clone());
        match resolved {
            Ok(Some(Ok(addresses))) => Ok(addresses),
            Ok(Some(Err(error))) => Err(self.failed(&error)),
            Ok(None) | Err(_) => Err(self.failed("the resolver gave up")),
        }
    }

    fn failed(&self, error: &str) -> io::Error {
        io::Error::other(format!("resolve {}: {error}", self.host))
    }

    /// The resolution under way, or a new one.
    fn join(&self) -> io::Result<Resolution> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has a result is of a moment that has passed.
        let joined = under_way.as_ref().filter(|it| it.has_changed().is_ok() && it.borrow().is_none());
        if let Some(resolution) = joined {
            return Ok(resolution.clone());
        }
        let resolution = self.begin()?;
        *under_way = Some(resolution.clone());
        Ok(resolution)
    }

    fn begin(&self) -> io::Result<Resolution> {
        let Ok(permit) = self.lookup.threads.clone().try_acquire_owned() else {
            let why = format!("{RESOLUTIONS_MAX} names are being resolved already (RESOLUTIONS_MAX)");
            return Err(self.failed(&why));
        };
        let (sender, resolution) = watch::channel(None);
        let (resolver, host, port) = (self.lookup.resolver.clone(), self.host.clone(), self.port);
        // No thread of the runtime: one that hangs would hold up the process's end.
        std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let _permit = permit;
            let resolved = match resolver(&host, port) {
                Ok(addresses) if addresses.is_empty() => Err("it has no address".into()),
                Ok(addresses) => Ok(addresses.into()),
                Err(error) => Err(error.to_string().into()),
            };
            sender.send_replace(Some(resolved));
        })?;
        Ok(resolution)
    }
}
