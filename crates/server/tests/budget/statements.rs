//! The work of PostgreSQL for the orchestrator, as the server counts it.

use std::collections::BTreeMap;

use saga_testkit::postgres::Cluster;
use tokio_postgres::{Client, NoTls, Row};

use crate::figures::{Counts, Layer, Measure};
use crate::orders::Orders;

/// The server's own work would be in the log, too; and a page's first change after a checkpoint puts the whole page there, so those would be of
/// the orders that come first.
const SETTINGS: &str =
    "shared_preload_libraries = 'pg_stat_statements'\nfull_page_writes = off\nautovacuum = off";

/// The role of the test's own statements, which do not count.
const OBSERVER: &str = "observer";

/// A server that counts statements.
pub(crate) fn cluster() -> Cluster {
    let cluster = Cluster::start_with_files(SETTINGS, &[]);
    cluster.sql("CREATE EXTENSION pg_stat_statements");
    cluster.sql(&format!("CREATE ROLE {OBSERVER} LOGIN SUPERUSER"));
    cluster
}

/// A connection to the database of the orders.
pub(crate) struct Database(Client);

impl Database {
    pub(crate) async fn connect(url: &str) -> Self {
        let mut config: tokio_postgres::Config = url.parse().unwrap();
        let (client, connection) = config.user(OBSERVER).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        Self(client)
    }

    pub(crate) async fn rows(&self, statement: &str) -> Vec<Row> {
        self.0.query(statement, &[]).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"))
    }

    /// The end of the write-ahead log, in bytes.
    pub(crate) async fn wal_end(&self) -> i64 {
        self.rows("SELECT (pg_current_wal_insert_lsn() - '0/0')::BIGINT").await[0].get(0)
    }
}

/// Executions by statement.
pub(crate) type Executions = BTreeMap<String, u64>;

/// Counts from now on.
pub(crate) fn count_anew(cluster: &Cluster) {
    cluster.sql("SELECT pg_stat_statements_reset()");
}

/// The executions in a database, since they are counted.
pub(crate) fn counted(cluster: &Cluster, database: &str) -> Executions {
    let name = database.rsplit('/').next().unwrap();
    let rows = cluster.sql(&format!(
        "SELECT calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 200) FROM pg_stat_statements \
         JOIN pg_database ON pg_database.oid = dbid WHERE datname = '{name}' AND userid <> '{OBSERVER}'::regrole"
    ));
    let mut executions = Executions::new();
    for row in rows.lines() {
        let (calls, query) = row.split_once('|').unwrap();
        *executions.entry(query.to_owned()).or_default() += calls.parse::<u64>().unwrap();
    }
    executions
}

/// The statements of one of `orders`: each as often as most orders have it executed.
pub(crate) fn of_one(counted: &Executions, idle: &Executions, orders: &Orders) -> Counts {
    let mut counts = Counts::default();
    for (query, calls) in counted {
        // Of an entry, or of an order: then it is less often than an entry.
        let each = orders.each(*calls, idle.get(query).copied().unwrap_or_default(), true);
        if each > 0.0 {
            counts.add(Measure::Statements, Layer::Journal, each);
            counts.details.push(format!("journal: {each} executions: {query}"));
        }
    }
    counts
}
