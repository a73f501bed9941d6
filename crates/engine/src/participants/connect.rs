//! New connections: tries a participant's addresses in turn until one of them answers.
//!
//! A slow attempt continues while the next one starts (RFC 8305, "happy eyeballs"), so an address that does not
//! answer costs [`ATTEMPT_DELAY`] and fails no order. TLS is a part of an attempt: an address that completes no
//! handshake counts as an address that does not answer.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::address::{Address, Host, order};
use super::exchange::{Connection, Wire};
use super::resolve::{Lookup, ResolvedName};
use super::tls_files::OwnTls;
use super::trust;

/// The next address is tried when the one before it has not answered after this time, as RFC 8305, 8 recommends. A
/// short `connect_timeout` shortens it, so that each address is tried.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses of a name that are tried for one connection; further ones are left for the next resolution.
const ADDRESSES_MAX: usize = 8;
/// An address that failed or was too slow is tried after the others for this time.
const AVOIDED_FOR: Duration = Duration::from_secs(30);

/// Opens connections to one participant.
pub(super) struct Connector {
    target: Target,
    tls: Option<(TlsSource, ServerName<'static>)>,
    /// Addresses that failed or were too slow, and since when.
    avoided: Mutex<Vec<(SocketAddr, Instant)>>,
}

/// Whom a connection trusts, and what it shows.
#[derive(Clone)]
pub(super) enum TlsSource {
    /// The machine's authorities, and no certificate.
    Machines(TlsConnector),
    /// As the participant's `tls` has it.
    Own(Arc<OwnTls>),
}

enum Target {
    Literal(SocketAddr),
    Name(ResolvedName),
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct NoConnection(String);

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connect: {}", self.0)
    }
}

impl TlsSource {
    async fn connector(&self) -> Result<TlsConnector, String> {
        match self {
            Self::Machines(connector) => Ok(connector.clone()),
            Self::Own(own) => own.connector().await,
        }
    }
}

impl Connector {
    pub(super) fn new(address: &Address, tls: &TlsSource, lookup: &Lookup) -> Self {
        Self {
            target: match &address.host {
                Host::Literal(ip) => Target::Literal(SocketAddr::new(*ip, address.port)),
                Host::Name(name) => Target::Name(ResolvedName::new(lookup, name, address.port)),
            },
            tls: address.tls.clone().map(|name| (tls.clone(), name)),
            avoided: Mutex::default(),
        }
    }

    /// Opens a new connection within `limit` for all addresses together.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Connection, NoConnection> {
        let mut attempts = Attempts::default();
        let connected = timeout(limit, self.try_all(limit, &mut attempts)).await;
        match connected {
            Ok(Ok(connection)) => {
                self.avoid(attempts.before(connection.address));
                Ok(connection)
            }
            Ok(Err(error)) => {
                self.avoid(attempts.before(None));
                Err(NoConnection(attempts.describe(&error.to_string())))
            }
            Err(_) => {
                self.avoid(attempts.before(None));
                let what = match &self.target {
                    Target::Name(name) if attempts.begun.is_empty() => {
                        format!("{} was not resolved within connect_timeout ({limit:?})", name.host())
                    }
                    _ => format!("no connection within connect_timeout ({limit:?})"),
                };
                Err(NoConnection(attempts.describe(&what)))
            }
        }
    }

    /// Tries an address last for a while after a call to it was lost. Returns whether there are other addresses.
    pub(super) fn lost_at(&self, address: SocketAddr) -> bool {
        let is_name = matches!(self.target, Target::Name(_));
        if is_name {
            self.avoid([address]);
        }
        is_name
    }

    fn avoid(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        if matches!(self.target, Target::Literal(_)) {
            return;
        }
        let now = Instant::now();
        let mut avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        avoided.retain(|(_, since)| now.duration_since(*since) < AVOIDED_FOR);
        for address in addresses {
            avoided.retain(|(known, _)| *known != address);
            avoided.push((address, now));
        }
        // The oldest entries are dropped: a name's addresses may change often.
        let surplus = avoided.len().saturating_sub(ADDRESSES_MAX);
        avoided.drain(..surplus);
    }

    async fn try_all(&self, limit: Duration, attempts: &mut Attempts) -> io::Result<Connection> {
        let addresses = match &self.target {
            Target::Literal(address) => return self.attempt(*address).await,
            Target::Name(name) => self.ordered(&name.resolve().await?),
        };
        let delay = ATTEMPT_DELAY.min(limit / (addresses.len() as u32 + 1));
        let mut rest = addresses.into_iter();
        let mut under_way = FuturesUnordered::new();
        loop {
            let is_last = match rest.next() {
                Some(address) => {
                    attempts.begun.push(address);
                    under_way.push(async move { (address, self.attempt(address).await) });
                    rest.as_slice().is_empty()
                }
                None => true,
            };
            let ended = if is_last {
                under_way.next().await
            } else {
                match timeout(delay, under_way.next()).await {
                    Ok(ended) => ended,
                    Err(_) => continue,
                }
            };
            match ended {
                Some((_, Ok(connection))) => return Ok(connection),
                Some((address, Err(error))) => attempts.failed.push(format!("{address}: {error}")),
                None => return Err(io::Error::other("no address answers")),
            }
        }
    }

    fn ordered(&self, resolved: &[SocketAddr]) -> Vec<SocketAddr> {
        let now = Instant::now();
        let avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        let is_avoided = |address: &SocketAddr| {
            let failed = |(known, since): &(SocketAddr, Instant)| {
                known == address && now.duration_since(*since) < AVOIDED_FOR
            };
            avoided.iter().any(failed)
        };
        let mut ordered = order(resolved, is_avoided);
        ordered.truncate(ADDRESSES_MAX);
        ordered
    }

    async fn attempt(&self, address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let wire = match &self.tls {
            None => Wire::Plain(stream),
            Some((source, name)) => {
                let tls = source.connector().await.map_err(io::Error::other)?;
                let secure = tls.connect(name.clone(), stream).await;
                Wire::Secure(Box::new(secure.map_err(|error| io::Error::other(trust::explained(&error)))?))
            }
        };
        Ok(Connection::new(wire, address))
    }
}

/// The attempts for one connection.
#[derive(Debug, Default)]
struct Attempts {
    begun: Vec<SocketAddr>,
    failed: Vec<String>,
}

impl Attempts {
    /// The addresses whose attempts began before that of `address`, or all of them.
    fn before(&self, address: impl Into<Option<SocketAddr>>) -> Vec<SocketAddr> {
        let address = address.into();
        self.begun.iter().copied().take_while(|begun| Some(*begun) != address).collect()
    }

    /// A text for operators: each address with its error, then the result.
    fn describe(&self, end: &str) -> String {
        if self.failed.is_empty() { end.to_owned() } else { format!("{end}: {}", self.failed.join("; ")) }
    }
}
