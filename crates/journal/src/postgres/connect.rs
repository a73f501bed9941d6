//! Finding a server that takes writes: hosts in turn, and all addresses of each. Where several hosts are named, and two of them take
//! writes, the one that was promoted last is used.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{DatabaseAddress, DatabaseHost, DatabaseServer, TlsMode};
use super::lineage::{DatabaseIdentity, Lineage};
use super::link::{Link, describe};
use super::prepared::StatementsKept;
use super::{bounds, database, tls};
use crate::{OpenError, Unavailable};

/// Makes connections to one database.
pub(super) struct DatabaseConnector {
    address: DatabaseAddress,
    tls: Option<MakeRustlsConnect>,
    /// Where the next search begins: where the last one succeeded, or behind where it failed, also if it was given up
    /// half-way. So a server that does not answer holds up one statement, and not each.
    next: Mutex<FirstTarget>,
    lineage: Lineage,
    /// When all hosts were last looked at.
    looked_around: Mutex<Option<Instant>>,
    /// Whether the journal has its tables, so that a failover can be noted there.
    notes: AtomicBool,
    statements: StatementsKept,
}

/// A connection, and the target that it leads to.
struct FoundLink {
    link: Link,
    target: usize,
}

/// A target, and how many of its addresses are passed over at first.
#[derive(Debug, Clone, Copy, Default)]
struct FirstTarget {
    target: usize,
    addresses: usize,
}

impl DatabaseConnector {
    pub(super) fn new(url: &str) -> Result<Self, OpenError> {
        let address = DatabaseAddress::parse(url).map_err(OpenError::Address)?;
        let tls = tls::connector(&address.tls)?;
        Ok(Self {
            address,
            tls,
            next: Mutex::default(),
            lineage: Lineage::default(),
            looked_around: Mutex::default(),
            notes: AtomicBool::new(false),
            statements: StatementsKept::default(),
        })
    }

    /// Hosts, ports and database, without secrets.
    pub(super) fn place(&self) -> String {
        self.address.place()
    }

    /// The highest database that its connections have led to.
    pub(super) fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// Whether statements are kept where its connections lead.
    pub(super) fn statements(&self) -> &StatementsKept {
        &self.statements
    }

    /// From now on, the journal's tables are there.
    pub(super) fn note_failovers(&self) {
        self.notes.store(true, Ordering::Release);
    }

    /// Whether a connection is open, and leads where the process has to write.
    pub(super) fn is_usable(&self, link: &Link) -> bool {
        !link.is_closed() && self.lineage.is_current(link.leads_to())
    }

    /// A connection to a server that takes writes. Of several, it is the one that was promoted last.
    pub(super) async fn connect(&self) -> Result<Link, ConnectError> {
        let first = self.search().await?;
        let FoundLink { link, .. } = self.newest(first).await;
        // Another connection has met its successor meanwhile.
        if !self.lineage.is_current(link.leads_to()) {
            let reason = "it was a former primary; its successor was found meanwhile".to_owned();
            return Err(ConnectError { is_denied: false, reason });
        }
        if self.notes.load(Ordering::Acquire) && self.lineage.owes_a_note() {
            if let Err(error) = database::note(&link).await {
                let reason = format!("the failover cannot be noted: {}", error.text());
                return Err(ConnectError { is_denied: false, reason });
            }
            self.lineage.is_noted();
        }
        Ok(link)
    }

    /// The connection, or a better one, where other hosts are named: a former primary may have come back beside its successor.
    async fn newest(&self, first: FoundLink) -> FoundLink {
        if self.address.targets.len() < 2 || !self.is_time_to_look_around() {
            return first;
        }
        let others = (0..self.address.targets.len()).filter(|number| *number != first.target);
        let looks = others.map(|number| async move {
            timeout(bounds::LOOK_AROUND_LIMIT, self.look_at(number)).await.ok().flatten()
        });
        let found = join_all(looks).await;
        let mut best = first;
        for other in found.into_iter().flatten() {
            if other.link.leads_to().map(DatabaseIdentity::timeline)
                > best.link.leads_to().map(DatabaseIdentity::timeline)
            {
                self.begin_at(other.target, 0);
                best = other;
            }
        }
        best
    }

    fn is_time_to_look_around(&self) -> bool {
        let mut looked = self.looked_around.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = looked.is_none_or(|at| at.elapsed() >= bounds::LOOK_AROUND_EVERY);
        if is_time {
            *looked = Some(Instant::now());
        }
        is_time
    }

    /// A connection to one target, if it takes writes.
    async fn look_at(&self, number: usize) -> Option<FoundLink> {
        let target = &self.address.targets[number];
        for address in self.addresses(target).await.ok()? {
            if let Ok(link) = self.attempt(target, address).await {
                return Some(FoundLink { link, target: number });
            }
        }
        None
    }

    /// Tries each address once.
    async fn search(&self) -> Result<FoundLink, ConnectError> {
        let start = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let targets = &self.address.targets;
        let mut error = ConnectError { is_denied: true, reason: String::new() };
        // The first target's first addresses come last.
        for turn in 0..=targets.len() {
            let number = (start.target + turn) % targets.len();
            let (skipped, limit) = match turn {
                0 => (start.addresses, usize::MAX),
                turn if turn == targets.len() => (0, start.addresses),
                _ => (0, usize::MAX),
            };
            let target = &targets[number];
            if limit == 0 {
                break;
            }
            self.begin_at(number + 1, 0);
            let addresses = match self.addresses(target).await {
                Ok(addresses) => addresses,
                Err(reason) => {
                    error.add(target, None, &ConnectFailure { is_denied: false, reason });
                    continue;
                }
            };
            for (index, address) in addresses.iter().enumerate().take(limit).skip(skipped) {
                if index + 1 < addresses.len() {
                    self.begin_at(number, index + 1);
                } else {
                    self.begin_at(number + 1, 0);
                }
                match self.attempt(target, *address).await {
                    Ok(link) => {
                        self.begin_at(number, index);
                        return Ok(FoundLink { link, target: number });
                    }
                    Err(failure) => error.add(target, *address, &failure),
                }
            }
        }
        if error.reason.is_empty() {
            error = ConnectError {
                is_denied: false,
                reason: "its name has fewer addresses than before".to_owned(),
            };
        }
        Err(error)
    }

    fn begin_at(&self, target: usize, addresses: usize) {
        let target = target % self.address.targets.len();
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = FirstTarget { target, addresses };
    }

    /// All addresses of a target, in the resolver's order; a socket has one without a number.
    async fn addresses(&self, target: &DatabaseServer) -> Result<Vec<Option<IpAddr>>, String> {
        let name = match (&target.host, target.address) {
            (_, Some(address)) => return Ok(vec![Some(address)]),
            (DatabaseHost::Socket(_), None) => return Ok(vec![None]),
            (DatabaseHost::Name(name), None) => name,
        };
        let limit = self.address.connect_timeout;
        match timeout(limit, tokio::net::lookup_host((&**name, target.port))).await {
            Ok(Ok(found)) => {
                let addresses: Vec<_> = found.map(|socket: SocketAddr| Some(socket.ip())).collect();
                if addresses.is_empty() { Err("its name has no address".to_owned()) } else { Ok(addresses) }
            }
            Ok(Err(error)) => Err(format!("its name cannot be looked up: {error}")),
            Err(_) => Err(format!("its name was not looked up within {}", self.limit())),
        }
    }

    async fn attempt(
        &self,
        target: &DatabaseServer,
        address: Option<IpAddr>,
    ) -> Result<Link, ConnectFailure> {
        let late =
            || ConnectFailure { is_denied: false, reason: format!("no connection within {}", self.limit()) };
        timeout(self.address.connect_timeout, self.log_in(target, address))
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    fn limit(&self) -> String {
        format!("connect_timeout ({} s)", self.address.connect_timeout.as_secs())
    }

    /// With TLS or without, as wished; where both will do, one after the other.
    async fn log_in(&self, target: &DatabaseServer, address: Option<IpAddr>) -> Result<Link, ConnectFailure> {
        let is_socket = address.is_none();
        let (first, second) = match self.address.tls.mode {
            _ if is_socket => (SslMode::Disable, None),
            TlsMode::Disable => (SslMode::Disable, None),
            TlsMode::Allow => (SslMode::Disable, Some(SslMode::Require)),
            TlsMode::Prefer => (SslMode::Prefer, Some(SslMode::Disable)),
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => (SslMode::Require, None),
        };
        let config = self.config(target, address);
        match (self.try_log_in(&config, first).await, second) {
            (Err(error), Some(second)) if is_about_tls(&error) => self.try_log_in(&config, second).await,
            (result, _) => result,
        }
        .map_err(|error| ConnectFailure::of(&error))?
        .that_takes_writes(&self.lineage)
        .await
        .map_err(|reason| ConnectFailure { is_denied: false, reason })
    }

    fn config(&self, target: &DatabaseServer, address: Option<IpAddr>) -> Config {
        let mut config = self.address.config.clone();
        match &target.host {
            DatabaseHost::Name(name) => config.host(name),
            DatabaseHost::Socket(directory) => config.host_path(directory),
        };
        if let Some(address) = address {
            config.hostaddr(address);
        }
        if let Some(password) = &target.password {
            config.password(password);
        }
        if self.address.tls.is_direct {
            config.ssl_negotiation(SslNegotiation::Direct);
        }
        config.port(target.port);
        config
    }

    async fn try_log_in(&self, config: &Config, mode: SslMode) -> Result<Link, tokio_postgres::Error> {
        let mut config = config.clone();
        config.ssl_mode(mode);
        match self.tls.as_ref().filter(|_| mode != SslMode::Disable) {
            None => {
                config.ssl_negotiation(SslNegotiation::Postgres);
                let (client, connection) = config.connect(NoTls).await?;
                Ok(Link::start(client, connection, None))
            }
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                Ok(Link::start(client, connection, Some(tls.clone())))
            }
        }
    }
}

/// Whether the other way of TLS may do: the server takes no connection this way, or the two do not agree about TLS.
fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    let is_turned_away =
        error.code() == Some(&tokio_postgres::error::SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    is_turned_away || error.to_string().starts_with("error performing TLS handshake")
}

/// Why one attempt failed.
struct ConnectFailure {
    /// The server is there and refuses: waiting will not help.
    is_denied: bool,
    reason: String,
}

impl ConnectFailure {
    fn of(error: &tokio_postgres::Error) -> Self {
        let mut reason = describe(error);
        if let Some(advice) = tls::advice(&reason) {
            reason = format!("{reason}; {advice}");
        }
        // Class 28: invalid authorization.
        Self { is_denied: error.code().is_some_and(|state| state.code().starts_with("28")), reason }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct ConnectError {
    /// Every server is there and refuses.
    is_denied: bool,
    reason: String,
}

impl ConnectError {
    fn add(&mut self, target: &DatabaseServer, address: Option<IpAddr>, failure: &ConnectFailure) {
        self.is_denied &= failure.is_denied;
        if !self.reason.is_empty() {
            self.reason.push_str("; ");
        }
        let DatabaseServer { host, port, .. } = target;
        self.reason.push_str(&match address {
            Some(address) if address.to_string() != host.to_string() => {
                format!("{host}:{port} ({address}): {}", failure.reason)
            }
            _ => format!("{host}:{port}: {}", failure.reason),
        });
    }

    /// The failure as an error for the operator who starts the program.
    pub(super) fn at(self, place: String) -> OpenError {
        let reason = self.reason;
        if self.is_denied {
            OpenError::Denied { place, reason }
        } else {
            OpenError::Unreachable { place, reason }
        }
    }
}

impl From<ConnectError> for Unavailable {
    fn from(error: ConnectError) -> Self {
        Self::because(format_args!("cannot reach PostgreSQL: {}", error.reason))
    }
}

/// The default of [`bounds::CONNECT_TIMEOUT`] leaves time for a second address within one statement's deadline.
const _: () = assert!(bounds::CONNECT_TIMEOUT.as_millis() < bounds::APPEND_DEADLINE.limit.as_millis());
