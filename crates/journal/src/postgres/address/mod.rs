//! The database's address: what libpq's parameters mean here, or why they are refused.
//!
//! Every parameter that libpq knows either does what its documentation says or is refused, with the spelling that works; none
//! is passed over. Four differences, all towards the stricter side: the journal writes, so only servers that take writes
//! are used; `connect_timeout` cannot be switched off; `sslmode=require` checks the certificate (against `sslrootcert`
//! as `verify-ca` does, or against the system's authorities and the host's name); and nothing is read from the home directory or from
//! `PG...` variables.

mod passfile;
mod refused;
mod text;
mod tls;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding;

pub(super) use self::passfile::private;
use self::text::{Parameters, Wrong};
pub(super) use self::tls::{Roots, TlsMode, TlsWish, Versions};
use super::bounds;

/// Where the database is and how to get in.
pub(super) struct DatabaseAddress {
    /// In the order in which they are tried; at least one.
    pub(super) targets: Vec<DatabaseServer>,
    /// All but the target's and TLS.
    pub(super) config: Config,
    pub(super) tls: TlsWish,
    /// For each address that a name has.
    pub(super) connect_timeout: Duration,
}

/// One server.
pub(super) struct DatabaseServer {
    pub(super) host: DatabaseHost,
    /// Where the name need not be looked up.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) password: Option<String>,
}

pub(super) enum DatabaseHost {
    Name(String),
    /// The directory of a socket.
    Socket(PathBuf),
}

/// The name that this program gives itself at the server.
const APPLICATION_NAME: &str = "orchestrateur";
const PORT_DEFAULT: u16 = 5432;

impl DatabaseAddress {
    /// Reads an address and the files that it names a password in.
    pub(super) fn parse(address: &str) -> Result<Self, Wrong> {
        let mut parameters = text::parameters(address)?;
        refused::check(&mut parameters)?;
        let mut config = Config::new();
        for (name, set) in TEXTS {
            if let Some(value) = parameters.remove(*name) {
                set(&mut config, &value);
            }
        }
        let fallback = parameters.remove("fallback_application_name");
        if config.get_application_name().is_none() {
            config.application_name(fallback.as_deref().unwrap_or(APPLICATION_NAME));
        }
        session(&mut parameters)?;
        channel_binding(&mut parameters, &mut config)?;
        keepalives(&mut parameters, &mut config)?;
        let connect_timeout = connect_timeout(&mut parameters)?;
        let mut targets = targets(&mut parameters)?;
        passfile::passwords(&mut parameters, &config, &mut targets)?;
        let tls = TlsWish::parse(&mut parameters)?;
        if let Some(name) = parameters.keys().next() {
            return Err(refused::unknown(name, config.get_password().is_some()));
        }
        Ok(Self { targets, config, tls, connect_timeout })
    }

    /// Hosts, ports and database, without secrets.
    pub(super) fn place(&self) -> String {
        let hosts: Vec<String> = self.targets.iter().map(|it| format!("{}:{}", it.host, it.port)).collect();
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{}/{database}", hosts.join(","))
    }
}

impl std::fmt::Display for DatabaseHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Socket(directory) => write!(f, "{}", directory.display()),
        }
    }
}

type Set = for<'c> fn(&'c mut Config, &str) -> &'c mut Config;

/// Parameters that go to the server as they are.
const TEXTS: &[(&str, Set)] = &[
    ("user", |config, value| config.user(value)),
    ("password", |config, value| config.password(value)),
    ("dbname", |config, value| config.dbname(value)),
    ("options", |config, value| config.options(value)),
    ("application_name", |config, value| config.application_name(value)),
];

/// Standbys cannot be written to, so every value of the parameter has to include that the server can be.
fn session(parameters: &mut Parameters) -> Result<(), Wrong> {
    match parameters.remove("target_session_attrs").as_deref() {
        None | Some("any" | "read-write" | "primary") => Ok(()),
        Some(_) => {
            Err("the journal writes, and target_session_attrs asks for a server that may not take writes: \
                        write target_session_attrs=read-write, or leave it out"
                .to_owned())
        }
    }
}

fn channel_binding(parameters: &mut Parameters, config: &mut Config) -> Result<(), Wrong> {
    let binding = match parameters.remove("channel_binding").as_deref() {
        None | Some("prefer") => ChannelBinding::Prefer,
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        Some(_) => return Err("channel_binding is `disable`, `prefer` or `require`".to_owned()),
    };
    config.channel_binding(binding);
    Ok(())
}

/// As libpq has them: 0 is the system's default. Where nothing is said, a server that has vanished is noticed sooner.
fn keepalives(parameters: &mut Parameters, config: &mut Config) -> Result<(), Wrong> {
    let is_on = number(parameters, "keepalives", "`0` or `1`")?.is_none_or(|value| value != 0);
    config.keepalives(is_on);
    let mut seconds = |name: &str, default: Duration| {
        let value = number(parameters, name, "a number of seconds")?;
        Ok::<_, Wrong>(value.map_or(Some(default), |value| (value > 0).then(|| Duration::from_secs(value))))
    };
    if let Some(idle) = seconds("keepalives_idle", bounds::KEEPALIVE_IDLE)? {
        config.keepalives_idle(idle);
    }
    if let Some(interval) = seconds("keepalives_interval", bounds::KEEPALIVE_INTERVAL)? {
        config.keepalives_interval(interval);
    }
    let count = number(parameters, "keepalives_count", "a number of packets")?;
    let count = count.map_or(Some(bounds::KEEPALIVE_COUNT), |count| u32::try_from(count).ok());
    if let Some(count) = count.filter(|count| *count > 0) {
        config.keepalives_retries(count);
    }
    let timeout = number(parameters, "tcp_user_timeout", "a number of milliseconds")?;
    let timeout = timeout.map_or(bounds::TCP_USER_TIMEOUT, Duration::from_millis);
    if !timeout.is_zero() {
        config.tcp_user_timeout(timeout);
    }
    Ok(())
}

fn connect_timeout(parameters: &mut Parameters) -> Result<Duration, Wrong> {
    let (default, max) = (bounds::CONNECT_TIMEOUT.as_secs(), bounds::CONNECT_TIMEOUT_MAX.as_secs());
    match number(parameters, "connect_timeout", "a number of seconds")? {
        None => Ok(bounds::CONNECT_TIMEOUT),
        Some(seconds) if (1..=max).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(format!(
            "connect_timeout is at least 1 and at most CONNECT_TIMEOUT_MAX ({max}) seconds for each address, since a \
             process that waits longer has lost its lease: without it, it is {default}"
        )),
    }
}

fn targets(parameters: &mut Parameters) -> Result<Vec<DatabaseServer>, Wrong> {
    let mut list = |name: &str| -> Vec<String> {
        let text = parameters.remove(name);
        text.map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default()
    };
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = hosts.len().max(addresses.len());
    if count == 0 {
        return Err("it names no host: write postgres://user:password@host:5432/database, or \
                    host=/var/run/postgresql for a socket of this machine"
            .to_owned());
    }
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(format!("it names {} hosts, but {} hostaddr", hosts.len(), addresses.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(format!(
            "it names {count} hosts, but {} ports: write one for all, or one for each",
            ports.len()
        ));
    }
    (0..count)
        .map(|index| {
            let address = addresses.get(index).filter(|text| !text.is_empty());
            let address = address.map(|text| text.parse()).transpose();
            let address = address.map_err(|_| format!("hostaddr number {} is no IP address", index + 1))?;
            let host = match hosts.get(index).filter(|host| !host.is_empty()) {
                Some(host) if host.starts_with('/') => DatabaseHost::Socket(host.into()),
                Some(host) if host.starts_with('@') => {
                    return Err("sockets without a file (`@...`) are not there: write the directory of one"
                        .to_owned());
                }
                Some(host) => DatabaseHost::Name(host.clone()),
                None => match address {
                    Some(address) => DatabaseHost::Name(IpAddr::to_string(&address)),
                    None => return Err(format!("host number {} is empty", index + 1)),
                },
            };
            let port = match ports.get(index).or(ports.first()).filter(|port| !port.is_empty()) {
                Some(port) => port.parse().ok().filter(|port| *port != 0),
                None => Some(PORT_DEFAULT),
            };
            let port = port.ok_or_else(|| {
                format!("the port of host number {} is not a number from 1 to 65535", index + 1)
            })?;
            Ok(DatabaseServer { host, address, port, password: None })
        })
        .collect()
}

fn number(parameters: &mut Parameters, name: &str, what: &str) -> Result<Option<u64>, Wrong> {
    let Some(text) = parameters.remove(name) else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| format!("{name} is {what}"))
}

#[cfg(test)]
mod tests;
