//! A few connections for everything but appending, so that a long list does not hold up a saga that is loaded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio_postgres::Row;

use super::bounds::Bound;
use super::connect::DatabaseConnector;
use super::link::{Params, StatementError};
use super::prepared::PreparedLink;
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
    /// Whether a pooler was met that does not keep statements.
    pooled: AtomicBool,
}

/// One statement, and whether the server keeps it.
#[derive(Clone, Copy)]
enum StatementAsked<'s> {
    /// It is planned each time, for its values.
    Once(&'s str),
    /// The server keeps it with its plan.
    Kept(&'static str),
}

/// When a statement is run again that failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// Also if it may have taken effect.
    InDoubt,
    /// Only if it did nothing.
    IfUndone,
}

impl ConnectionPool {
    pub(super) fn new(connector: Arc<DatabaseConnector>, connections_max: usize, bound: Bound) -> Self {
        Self {
            connector,
            bound,
            idle: Mutex::default(),
            permits: Semaphore::new(connections_max),
            pooled: AtomicBool::new(false),
        }
    }

    /// Runs a statement that may be run twice.
    pub(super) async fn query(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Unavailable> {
        self.run(StatementAsked::Once(sql), params, Repeat::InDoubt).await
    }

    /// The same for a statement that is run often, and whose plan does not depend on its values: the server keeps it.
    pub(super) async fn query_kept(
        &self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, Unavailable> {
        self.run(StatementAsked::Kept(sql), params, Repeat::InDoubt).await
    }

    /// Runs a statement whose answer must not be lost without a word: running it again would answer something else.
    pub(super) async fn query_once(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Unavailable> {
        self.run(StatementAsked::Once(sql), params, Repeat::IfUndone).await
    }

    async fn run(
        &self,
        asked: StatementAsked<'_>,
        params: &Params<'_>,
        repeat: Repeat,
    ) -> Result<Vec<Row>, Unavailable> {
        let late = |reason| {
            // The others have lain idle for as long: they are not to be trusted either.
            self.idle().clear();
            Unavailable::because(reason)
        };
        self.bound.hold(self.try_run(asked, params, repeat), late).await
    }

    /// Dropped half-way, the connection is dropped with it: only a connection that is known to be at rest goes back.
    async fn try_run(
        &self,
        asked: StatementAsked<'_>,
        params: &Params<'_>,
        repeat: Repeat,
    ) -> Result<Vec<Row>, Unavailable> {
        let _permit = self.permits.acquire().await.map_err(Unavailable::because)?;
        let kept = self.idle().pop().filter(|line| !line.link.is_closed());
        let (mut line, mut fresh) = match kept {
            Some(line) => (line, false),
            None => (PreparedLink::new(self.connector.connect().await?), true),
        };
        let mut attempt = 1;
        loop {
            let kept = match asked {
                StatementAsked::Kept(sql) if !self.pooled.load(Ordering::Relaxed) => Some(sql),
                StatementAsked::Kept(_) | StatementAsked::Once(_) => None,
            };
            let answer = match (kept, asked) {
                (Some(sql), _) => line.query(sql, params).await,
                (None, StatementAsked::Kept(sql) | StatementAsked::Once(sql)) => {
                    line.link.query(sql, params).await
                }
            };
            match answer {
                Ok(rows) => {
                    self.idle().push(line);
                    return Ok(rows);
                }
                Err(StatementError::Again(_)) if attempt < AGAIN_MAX => attempt += 1,
                Err(StatementError::NotPrepared(reason)) if kept.is_some() => {
                    tracing::debug!("the server does not keep statements, so each is planned anew: {reason}");
                    self.pooled.store(true, Ordering::Relaxed);
                }
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

#[cfg(test)]
mod tests {
    use super::super::{bounds, sql};
    use super::*;

    #[tokio::test]
    async fn a_pooler_that_keeps_no_statements_costs_speed_only() {
        let url = saga_testkit::postgres::shared().create_database();
        let connector = Arc::new(DatabaseConnector::new(&url).unwrap());
        let pool = ConnectionPool::new(connector, 1, bounds::OPERATION_DEADLINE);
        let ask = async || pool.query_kept(sql::CLOCK, &[]).await.unwrap().len();
        assert_eq!(ask().await, 1);
        // The next connection behind the pooler knows none of our statements.
        pool.query("DEALLOCATE ALL", &[]).await.unwrap();
        assert_eq!(ask().await, 1);
        assert!(pool.pooled.load(Ordering::Relaxed));
        assert_eq!(ask().await, 1);
    }
}
