//! One connection: made within a deadline, used within deadlines, thrown away in doubt.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_postgres::config::Host;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Connection, NoTls, Row, Statement};

use super::tls::Tls;
use crate::{OpenError, Unavailable};

/// From the first packet to the end of the log-in.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// Of one statement, with its way there and back. A server that stalls longer is given up on.
const STATEMENT_DEADLINE: Duration = Duration::from_secs(30);
/// How long sent bytes may stay unacknowledged: a machine that vanished is noticed before the deadline.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(15);
/// A connection that is silent for this long is probed ...
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
/// ... this often ...
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// ... so many times.
const KEEPALIVE_RETRIES: u32 = 3;

/// A statement's parameters with their types: naming them saves the round trip that asks the server.
pub(super) type Params<'p> = [(&'p (dyn ToSql + Sync), Type)];

/// Makes connections to one database.
pub(super) struct Connector {
    config: Config,
    tls: Tls,
}

/// One connection. Dropping it ends it, whatever is still under way.
pub(super) struct Link {
    client: Client,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Otherwise it would wait for the answer of a server that stalls.
        self.task.abort();
    }
}

impl Connector {
    pub(super) fn new(url: &str) -> Result<Self, OpenError> {
        let mut config: Config = url.parse().map_err(|error| OpenError::Address(describe(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(OpenError::Address("it names no host".to_owned()));
        }
        if config.get_application_name().is_none() {
            config.application_name("orchestrateur");
        }
        // What the address says itself goes first.
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
            config.keepalives_idle(KEEPALIVE_IDLE);
        }
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(KEEPALIVE_INTERVAL);
        }
        if config.get_keepalives_retries().is_none() {
            config.keepalives_retries(KEEPALIVE_RETRIES);
        }
        let tls = Tls::new(config.get_ssl_mode())?;
        Ok(Self { config, tls })
    }

    /// Host, port and database, without secrets.
    pub(super) fn place(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self.config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{host}:{port}/{database}")
    }

    pub(super) async fn connect(&self) -> Result<Link, ConnectError> {
        match tokio::time::timeout(CONNECT_DEADLINE, self.try_connect()).await {
            Ok(result) => result.map_err(|error| ConnectError {
                // Class 28: invalid authorization.
                denied: error.code().is_some_and(|state| state.code().starts_with("28")),
                reason: describe(&error),
            }),
            Err(_) => {
                let reason = format!("no connection within {} s", CONNECT_DEADLINE.as_secs());
                Err(ConnectError { denied: false, reason })
            }
        }
    }

    async fn try_connect(&self) -> Result<Link, tokio_postgres::Error> {
        let (client, task) = match &self.tls {
            Tls::Off => {
                let (client, connection) = self.config.connect(NoTls).await?;
                (client, drive(connection))
            }
            Tls::Rustls(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                (client, drive(connection))
            }
        };
        Ok(Link { client, task })
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct ConnectError {
    /// The server is there and refuses: waiting will not help.
    denied: bool,
    reason: String,
}

impl ConnectError {
    /// For whoever starts the program.
    pub(super) fn at(self, place: String) -> OpenError {
        let reason = self.reason;
        if self.denied {
            OpenError::Denied { place, reason }
        } else {
            OpenError::Unreachable { place, reason }
        }
    }
}

impl From<ConnectError> for Unavailable {
    fn from(error: ConnectError) -> Self {
        Self::because(error.reason)
    }
}

/// Starts the task that moves a connection's bytes, which ends with its [`Link`]. Why a connection broke, the
/// statements that were under way tell.
#[expect(clippy::disallowed_methods, reason = "the only task of this backend: one for each connection")]
fn drive<S, T>(connection: Connection<S, T>) -> AbortHandle
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let _ = connection.await;
    })
    .abort_handle()
}

impl Link {
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs one statement: one round trip, on the unnamed statement, which works through every pooler.
    pub(super) async fn query(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, StatementError> {
        deadline(self.client.query_typed(sql, params)).await
    }

    /// Has the server keep a statement for this connection.
    pub(super) async fn prepare(&self, sql: &str, types: &[Type]) -> Result<Statement, StatementError> {
        deadline(self.client.prepare_typed(sql, types)).await
    }

    /// Runs one statement that the server keeps.
    pub(super) async fn query_prepared(
        &self,
        statement: &Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StatementError> {
        let values: Vec<_> = params.iter().map(|(value, _)| *value).collect();
        deadline(self.client.query(statement, &values)).await
    }

    /// Runs statements without parameters, all in one transaction.
    pub(super) async fn script(&self, sql: &str) -> Result<(), StatementError> {
        deadline(self.client.batch_execute(sql)).await
    }
}

async fn deadline<T>(
    statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, StatementError> {
    match tokio::time::timeout(STATEMENT_DEADLINE, statement).await {
        Ok(result) => result.map_err(StatementError::of),
        Err(_) => {
            Err(StatementError::Doubtful(format!("no answer within {} s", STATEMENT_DEADLINE.as_secs())))
        }
    }
}

/// What a statement's failure means.
#[derive(Debug)]
pub(super) enum StatementError {
    /// It lost against another transaction, and did nothing: try it again on the same connection.
    Again(String),
    /// The server does not know the prepared statement, and did nothing: a pooler has put another of its
    /// connections behind ours.
    NotPrepared(String),
    /// The data was refused (classes 22 and 23), and it did nothing.
    Refused(String),
    /// The connection is gone, perhaps for long already. It may have taken effect.
    Broken(String),
    /// Anything else. It may have taken effect, and the connection is not to be trusted.
    Doubtful(String),
}

impl StatementError {
    fn of(error: tokio_postgres::Error) -> Self {
        let text = describe(&error);
        match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("40001" | "40P01") => Self::Again(text),
            Some("26000" | "42P05") => Self::NotPrepared(text),
            Some(code) if code.starts_with("22") || code.starts_with("23") => Self::Refused(text),
            // The server's last words: it is shut down, or crashed, or not up again yet.
            Some("57P01" | "57P02" | "57P03") => Self::Broken(text),
            Some(_) => Self::Doubtful(text),
            None if error.is_closed() || is_io(&error) => Self::Broken(text),
            None => Self::Doubtful(text),
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Again(text)
            | Self::NotPrepared(text)
            | Self::Refused(text)
            | Self::Broken(text)
            | Self::Doubtful(text) => text,
        }
    }
}

impl From<StatementError> for Unavailable {
    fn from(error: StatementError) -> Self {
        Self::because(error.text())
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// An error in one line, as deep as it goes.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} {}: {}", error.severity(), error.code().code(), error.message());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let deeper = error.to_string();
        if !text.ends_with(&deeper) {
            text = format!("{text}: {deeper}");
        }
        source = error.source();
    }
    text
}
