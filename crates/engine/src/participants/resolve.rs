//! Resolves names to addresses with the machine's resolver, on a separate thread, because the resolver may never
//! return.
//!
//! A name is resolved again for each new connection. Connections that are opened at the same time share one
//! resolution, so a name whose resolver hangs holds one thread, however many orders call it. After
//! [`ASKED_AGAIN_AFTER`] a second resolution starts beside it, in case the first one never returns. All names
//! together hold at most [`RESOLUTIONS_MAX`] threads. A participant's `connect_timeout` limits how long a call waits
//! for a resolution.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// Names that are being resolved at the same time, each on a thread.
pub const RESOLUTIONS_MAX: usize = 16;
/// The same for one name, so that a name that hangs leaves threads to the others.
const RESOLUTIONS_OF_A_NAME_MAX: usize = 2;
/// A resolution that has taken this long is abandoned, and the name is resolved again.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Gives the addresses of a name at a port, in the order in which they should be tried. May block.
pub type Resolver = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The machine's own resolver: its hosts file, its DNS, or another configured source (getaddrinfo).
pub(super) fn machine(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Data that all names share.
#[derive(Clone)]
pub(super) struct Lookup {
    resolver: Arc<Resolver>,
    threads: Arc<Semaphore>,
}

/// One name, and its current resolution.
pub(super) struct ResolvedName {
    lookup: Lookup,
    host: Box<str>,
    port: u16,
    threads: Arc<Semaphore>,
    under_way: Mutex<Option<(Resolution, Instant)>>,
}

type Resolution = watch::Receiver<Option<Resolved>>;
type Resolved = Result<Arc<[SocketAddr]>, Arc<str>>;

impl Lookup {
    pub(super) fn new(resolver: Arc<Resolver>) -> Self {
        Self { resolver, threads: Arc::new(Semaphore::new(RESOLUTIONS_MAX)) }
    }
}

impl ResolvedName {
    pub(super) fn new(lookup: &Lookup, host: &str, port: u16) -> Self {
        let threads = Arc::new(Semaphore::new(RESOLUTIONS_OF_A_NAME_MAX));
        Self { lookup: lookup.clone(), host: host.into(), port, threads, under_way: Mutex::default() }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Its current addresses. Dropping this future leaves the resolution to the other waiting connections.
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

    /// The current resolution, or a new one.
    fn join(&self) -> io::Result<Resolution> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((resolution, since)) = &*under_way {
            // A resolution with a result is of an earlier moment.
            let is_under_way = resolution.has_changed().is_ok() && resolution.borrow().is_none();
            let is_hanging = since.elapsed() >= ASKED_AGAIN_AFTER && self.threads.available_permits() > 0;
            if is_under_way && !is_hanging {
                return Ok(resolution.clone());
            }
        }
        let resolution = self.begin()?;
        *under_way = Some((resolution.clone(), Instant::now()));
        Ok(resolution)
    }

    fn begin(&self) -> io::Result<Resolution> {
        let own = self.threads.clone().try_acquire_owned();
        let (Ok(own), Ok(shared)) = (own, self.lookup.threads.clone().try_acquire_owned()) else {
            let why = format!("{RESOLUTIONS_MAX} names are being resolved already (RESOLUTIONS_MAX)");
            return Err(self.failed(&why));
        };
        let (sender, resolution) = watch::channel(None);
        let (resolver, host, port) = (self.lookup.resolver.clone(), self.host.clone(), self.port);
        // Not a thread of the runtime: a thread that hangs would delay the end of the process.
        std::thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let permits = (own, shared);
            let resolved = match resolver(&host, port) {
                Ok(addresses) if addresses.is_empty() => Err("it has no address".into()),
                Ok(addresses) => Ok(addresses.into()),
                Err(error) => Err(error.to_string().into()),
            };
            // Before the result, so that a name that is resolved often does not compete with its own threads.
            drop(permits);
            sender.send_replace(Some(resolved));
        })?;
        Ok(resolution)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{advance, timeout};

    use super::*;

    /// The first two never return; the third one would.
    #[tokio::test(start_paused = true)]
    async fn a_name_whose_resolution_hangs_is_asked_for_again_and_not_for_ever() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let hanging = move |_: &str, _: u16| -> io::Result<Vec<SocketAddr>> {
            counted.fetch_add(1, Ordering::SeqCst);
            loop {
                std::thread::park();
            }
        };
        let name = ResolvedName::new(&Lookup::new(Arc::new(hanging)), "stock-service", 80);
        for expected in [1, 2, 2] {
            for _ in 0..3 {
                assert!(timeout(Duration::from_secs(1), name.resolve()).await.is_err());
            }
            while asked.load(Ordering::SeqCst) < expected {
                std::thread::yield_now();
            }
            assert_eq!(asked.load(Ordering::SeqCst), expected);
            advance(ASKED_AGAIN_AFTER).await;
        }
    }
}
