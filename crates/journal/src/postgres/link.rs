//! One connection: used by one statement at a time, thrown away in doubt.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::lineage::{DatabaseIdentity, Lineage};
use super::{bounds, sql};
use crate::Unavailable;

/// A statement's parameters with their types: naming them saves the round trip that asks the server.
pub(super) type Params<'p> = [(&'p (dyn ToSql + Sync), Type)];

/// One connection. Dropping it ends it; a statement that is still under way is cancelled on the server, which would
/// otherwise go on waiting for a lock, one connection for each time that the statement comes again.
pub(super) struct Link {
    client: Client,
    tls: Option<MakeRustlsConnect>,
    task: AbortHandle,
    warned: Arc<Warned>,
    is_busy: AtomicBool,
    /// Where it leads; `None`: the server does not tell.
    leads_to: Option<DatabaseIdentity>,
}

/// A warning of the server since this was last looked at.
#[derive(Default)]
struct Warned(Mutex<Option<String>>);

impl Warned {
    fn hear(&self, notice: &DbError) {
        if notice.parsed_severity() == Some(Severity::Warning) || notice.code().code().starts_with("01") {
            self.take_or(Some(format!(
                "{} {}: {}",
                notice.severity(),
                notice.code().code(),
                notice.message()
            )));
        }
    }

    fn take(&self) -> Option<String> {
        self.take_or(None)
    }

    fn take_or(&self, next: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), next)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Otherwise it would wait for the answer of a server that stalls.
        self.task.abort();
        if !*self.is_busy.get_mut() {
            return;
        }
        let (token, tls) = (self.client.cancel_token(), self.tls.take());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(timeout(bounds::CANCEL_DEADLINE, async move {
                match tls {
                    Some(tls) => token.cancel_query(tls).await,
                    None => token.cancel_query(NoTls).await,
                }
            }));
        }
    }
}

impl Link {
    /// Starts the task that moves a connection's bytes, which ends with its [`Link`]. Why a connection broke, the
    /// statements that were under way tell.
    #[expect(clippy::disallowed_methods, reason = "one task for each connection")]
    pub(super) fn start<S, T>(
        client: Client,
        mut connection: Connection<S, T>,
        tls: Option<MakeRustlsConnect>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let warned = Arc::new(Warned::default());
        let heard = warned.clone();
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notice(notice) = message {
                    heard.hear(&notice);
                }
            }
        });
        Self {
            client,
            tls,
            task: task.abort_handle(),
            warned,
            is_busy: AtomicBool::new(false),
            leads_to: None,
        }
    }

    /// The same, unless it is a standby, for reading only, or no database to go on with. The server's warnings at the
    /// log-in are heard by then.
    pub(super) async fn that_takes_writes(mut self, lineage: &Lineage) -> Result<Self, String> {
        let rows = if lineage.tells() {
            match self.client.query_typed(sql::WHERE_IT_LEADS, &[]).await {
                Ok(rows) => rows,
                Err(error) if is_untold(&error) => {
                    lineage.is_untold(&describe(&error));
                    self.is_read_only().await?
                }
                Err(error) => return Err(describe(&error)),
            }
        } else {
            self.is_read_only().await?
        };
        let Some(row) = rows.first() else {
            return Err("it does not say whether it takes writes".to_owned());
        };
        if row.try_get::<_, &str>(0).is_ok_and(|answer| answer == "on") {
            return Err("it takes no writes: it is a standby, or default_transaction_read_only is on there"
                .to_owned());
        }
        self.leads_to = DatabaseIdentity::told(row);
        if let Some(found) = self.leads_to {
            lineage.admit(found)?;
        }
        Ok(self)
    }

    async fn is_read_only(&self) -> Result<Vec<Row>, String> {
        self.client.query_typed(sql::IS_READ_ONLY, &[]).await.map_err(|error| describe(&error))
    }

    /// Where it leads, if the server tells.
    pub(super) fn leads_to(&self) -> Option<DatabaseIdentity> {
        self.leads_to
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs one statement: one round trip, on the unnamed statement, which works through every pooler.
    pub(super) async fn query(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, StatementError> {
        self.run(self.client.query_typed(sql, params)).await
    }

    /// Has the server keep a statement for this connection.
    pub(super) async fn prepare(&self, sql: &str, types: &[Type]) -> Result<Statement, StatementError> {
        self.run(self.client.prepare_typed(sql, types)).await
    }

    /// Runs one statement that the server keeps.
    pub(super) async fn query_prepared(
        &self,
        statement: &Statement,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StatementError> {
        let values: Vec<_> = params.iter().map(|(value, _)| *value).collect();
        self.run(self.client.query(statement, &values)).await
    }

    /// Runs statements without parameters, all in one transaction.
    pub(super) async fn script(&self, sql: &str) -> Result<(), StatementError> {
        self.run(self.client.batch_execute(sql)).await
    }

    /// A statement is its own transaction, so a warning may be about its commit: an operator has cancelled the wait for
    /// a standby, which may never hear of it.
    async fn run<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StatementError> {
        self.warned.take();
        self.is_busy.store(true, Ordering::Relaxed);
        let result = statement.await;
        self.is_busy.store(false, Ordering::Relaxed);
        let answer = result.map_err(StatementError::of)?;
        match self.warned.take() {
            None => Ok(answer),
            Some(warning) => Err(StatementError::Doubtful(format!(
                "PostgreSQL has warned at the commit, so it is not known whether it is kept everywhere: {warning}"
            ))),
        }
    }
}

/// The meaning of a statement's failure.
#[derive(Debug)]
pub(super) enum StatementError {
    /// It lost against another transaction, and did nothing: try it again on the same connection.
    Again(String),
    /// The server does not know the prepared statement, and did nothing: a pooler has put another of its
    /// connections behind ours.
    NotPrepared(String),
    /// The row that it was to insert is there already, and it did nothing.
    Taken(String),
    /// The data was refused (by its class, or before it was sent), and it did nothing.
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
            Some("23505") => Self::Taken(text),
            // Data, cardinality, constraints, views, limits, and errors that a trigger raises.
            Some(code)
                if ["21", "22", "23", "44", "54", "P0"].iter().any(|class| code.starts_with(class)) =>
            {
                Self::Refused(text)
            }
            // A value of a gigabyte.
            Some("XX000") if text.contains("invalid memory alloc request size") => Self::Refused(text),
            // The server's last words: it is shut down, or crashed, or not up again yet.
            Some("57P01" | "57P02" | "57P03") => Self::Broken(text),
            Some(_) => Self::Doubtful(text),
            None if text.starts_with("error encoding") || text.starts_with("error serializing") => {
                Self::Refused(text)
            }
            None if error.is_closed() || is_io(&error) => Self::Broken(text),
            None => Self::Doubtful(text),
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Again(text)
            | Self::NotPrepared(text)
            | Self::Taken(text)
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

/// Whether a server has no such functions, or does not let this role call them.
fn is_untold(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| state.code().starts_with("42") || state.code().starts_with("0A"))
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
