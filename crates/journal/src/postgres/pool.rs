//! A few connections for everything but appending, so that a long list does not hold up a saga that is loaded.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio_postgres::Row;

use super::bounds::Bound;
use super::connect::DatabaseConnector;
use super::link::{Params, StatementError};
use super::prepared::PreparedLink;
use super::sql::KeptSql;
use crate::Unavailable;

/// How often a statement is repeated that lost against others.
const AGAIN_MAX: u32 = 5;

/// Connections are made when they are first needed, and kept.
pub(super) struct ConnectionPool {
    connector: Arc<DatabaseConnector>,
    /// Of one statement, with its wait for a connection.
    bound: Bound,
    idle: Mutex<Vec<PreparedLink>>,
    permits: Semaphore,
}

/// When a statement is run again that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// Also if it may have taken effect.
    InDoubt,
    /// Only if it did nothing.
    IfUndone,
}

/// The text of a statement.
#[derive(Clone, Copy)]
enum RunSql<'s> {
    Plain(&'s str),
    /// The server keeps it for the connection.
    Kept(&'static KeptSql),
}

impl ConnectionPool {
    pub(super) fn new(connector: Arc<DatabaseConnector>, connections_max: usize, bound: Bound) -> Self {
        Self { connector, bound, idle: Mutex::default(), permits: Semaphore::new(connections_max) }
    }

    /// Runs a statement that may be run twice.
    pub(super) async fn query(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Unavailable> {
        self.run(RunSql::Plain(sql), params, Repeat::InDoubt).await
    }

    /// The same for a statement that the server keeps for each connection.
    pub(super) async fn query_kept(
        &self,
        sql: &'static KeptSql,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, Unavailable> {
        self.run(RunSql::Kept(sql), params, Repeat::InDoubt).await
    }

    /// Runs a statement whose answer must not be lost without a word: running it again would answer something else.
    pub(super) async fn query_once(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Unavailable> {
        self.run(RunSql::Plain(sql), params, Repeat::IfUndone).await
    }

    async fn run(
        &self,
        sql: RunSql<'_>,
        params: &Params<'_>,
        repeat: Repeat,
    ) -> Result<Vec<Row>, Unavailable> {
        let late = |reason| {
            // The others have lain idle for as long: they are not to be trusted either.
            self.idle().clear();
            Unavailable::because(reason)
        };
        self.bound.hold(self.try_run(sql, params, repeat), late).await
    }

    /// Dropped half-way, the connection is dropped with it: only a connection that is known to be at rest goes back.
    async fn try_run(
        &self,
        sql: RunSql<'_>,
        params: &Params<'_>,
        repeat: Repeat,
    ) -> Result<Vec<Row>, Unavailable> {
        let _permit = self.permits.acquire().await.map_err(Unavailable::because)?;
        let kept = self.idle().pop().filter(|line| self.connector.is_usable(&line.link));
        let (mut line, mut fresh) = match kept {
            Some(line) => (line, false),
            None => (PreparedLink::new(self.connector.connect().await?), true),
        };
        let mut attempt = 1;
        loop {
            let rows = match sql {
                RunSql::Plain(sql) => line.link.query(sql, params).await,
                RunSql::Kept(sql) => line.query(self.connector.statements(), sql, params).await,
            };
            match rows {
                Ok(rows) => {
                    self.idle().push(line);
                    return Ok(rows);
                }
                Err(StatementError::Again(_)) if attempt < AGAIN_MAX => attempt += 1,
                // The server was restarted while the connection lay idle; that is no news for other operations.
                Err(StatementError::Broken(_)) if !fresh && repeat == Repeat::InDoubt => {
                    line = PreparedLink::new(self.connector.connect().await?);
                    fresh = true;
                }
                Err(error) => {
                    if matches!(
                        error,
                        StatementError::Again(_) | StatementError::Taken(_) | StatementError::Refused(_)
                    ) {
                        self.idle().push(line);
                    }
                    return Err(error.into());
                }
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PreparedLink>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
