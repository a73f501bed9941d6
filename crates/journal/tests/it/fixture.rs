//! The three backends, and raw SQL for the two that have it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use saga_core::SagaId;
use saga_journal::memory::Memory;
use saga_journal::{Entry, Joining, OpenError, ReplicaId, Store, postgres, sqlite};

use crate::entries::OWNER;

/// Longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(3_600);
/// Shorter than any test; a test that needs it to be over asks [`Leases::run_out`].
pub(crate) const SHORT: Duration = Duration::from_millis(1);

/// Tests that all three backends pass, PostgreSQL also under the rights that a service has.
macro_rules! conformance {
    ($($name:ident)*) => {
        mod memory { $(#[tokio::test] async fn $name() { super::$name::<crate::fixture::InMemory>().await })* }
        mod sqlite { $(#[tokio::test] async fn $name() { super::$name::<crate::fixture::InSqlite>().await })* }
        mod postgres { $(#[tokio::test] async fn $name() { super::$name::<crate::fixture::InPostgres>().await })* }
        mod postgres_with_two_roles {
            $(#[tokio::test] async fn $name() { super::$name::<crate::roles::AsService>().await })*
        }
    };
}
pub(crate) use conformance;

/// An empty place of a test's own.
pub(crate) trait Fixture {
    fn new() -> Self;

    /// Opens what is there. Drop what was opened before: SQLite's file has one owner.
    async fn open_for_nobody(&self) -> Arc<dyn Store>;

    /// Opens what is there, for [`OWNER`].
    async fn open(&self) -> Arc<dyn Store> {
        let store = self.open_for_nobody().await;
        join(&*store, OWNER).await;
        store
    }
}

/// A place where leases run out.
pub(crate) trait Leases: Fixture {
    /// Waits until a lease that was [`SHORT`] has run out.
    async fn run_out(&self, replica: ReplicaId);
}

/// A place that can be damaged and read with SQL.
pub(crate) trait Sql: Fixture {
    /// Gives `$saga` an owner that no process can have been.
    const ODD_OWNER: &str;
    /// Spoils command 2.
    const ODD_COMMAND: &str;
    /// The tables that the first release made in an empty database.
    const FIRST_SCHEMA: &str;
    /// Lets a saga's row be deleted before its events.
    const UNGUARD: &str;

    async fn try_open(&self) -> Result<Arc<dyn Store>, OpenError>;
    async fn execute(&self, sql: &str);
    async fn query(&self, sql: &str) -> Vec<Vec<String>>;
    /// A saga's id as a literal.
    fn literal(saga: SagaId) -> String;
}

pub(crate) struct InMemory(Arc<Memory>);

impl Fixture for InMemory {
    fn new() -> Self {
        Self(Arc::default())
    }

    async fn open_for_nobody(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
}

impl Leases for InMemory {
    async fn run_out(&self, _: ReplicaId) {
        tokio::time::pause();
        tokio::time::advance(SHORT * 2).await;
        tokio::time::resume();
    }
}

pub(crate) struct InSqlite(tempfile::TempDir);

impl InSqlite {
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }

    pub(crate) fn connect(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

impl Fixture for InSqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open_for_nobody(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }
}

impl Sql for InSqlite {
    const ODD_OWNER: &str =
        "PRAGMA ignore_check_constraints = ON; UPDATE saga SET owner = x'05' WHERE saga_id = $saga";
    const ODD_COMMAND: &str = "UPDATE saga_command SET body = CAST(x'ff00' AS TEXT) WHERE command_id = x'00000000000000000000000000000002'";
    const FIRST_SCHEMA: &str = include_str!("../../migrations/sqlite/0001_sagas.sql");
    const UNGUARD: &str = "DROP TRIGGER saga_kept;";

    async fn try_open(&self) -> Result<Arc<dyn Store>, OpenError> {
        Ok(Arc::new(sqlite::open(self.path())?))
    }

    async fn execute(&self, sql: &str) {
        self.connect().execute_batch(sql).unwrap();
    }

    async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        use rusqlite::types::Value;
        let connection = self.connect();
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..columns)
                .map(|index| {
                    Ok(match row.get(index)? {
                        Value::Null => "NULL".to_owned(),
                        Value::Integer(number) => number.to_string(),
                        Value::Real(number) => number.to_string(),
                        Value::Text(text) => text,
                        Value::Blob(bytes) => format!("{bytes:02x?}"),
                    })
                })
                .collect()
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn literal(saga: SagaId) -> String {
        format!("x'{}'", saga.as_uuid().simple())
    }
}

pub(crate) struct InPostgres {
    pub(crate) url: String,
}

impl InPostgres {
    pub(crate) async fn connect(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.unwrap();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(connection);
        client
    }
}

impl Fixture for InPostgres {
    fn new() -> Self {
        Self { url: saga_testkit::postgres::shared().create_database() }
    }

    async fn open_for_nobody(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }
}

impl Sql for InPostgres {
    const ODD_OWNER: &str =
        "UPDATE saga SET owner = '00000000-0000-0000-0000-000000000001' WHERE saga_id = $saga";
    const ODD_COMMAND: &str =
        "UPDATE saga_command SET body = '' WHERE command_id = '00000000-0000-0000-0000-000000000002'";
    const FIRST_SCHEMA: &str = include_str!("../../migrations/postgres/0001_sagas.sql");
    const UNGUARD: &str = "";

    async fn try_open(&self) -> Result<Arc<dyn Store>, OpenError> {
        Ok(Arc::new(postgres::open(&self.url).await?))
    }

    async fn execute(&self, sql: &str) {
        self.connect().await.batch_execute(sql).await.unwrap();
    }

    async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let messages = self.connect().await.simple_query(sql).await.unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        rows.map(|row| (0..row.len()).map(|index| row.get(index).unwrap_or("NULL").to_owned()).collect())
            .collect()
    }

    fn literal(saga: SagaId) -> String {
        format!("'{saga}'")
    }
}

impl Leases for InPostgres {
    async fn run_out(&self, replica: ReplicaId) {
        let sql = format!("SELECT expires_at < now() FROM replica WHERE replica_id = '{replica}'");
        while self.query(&sql).await != [["t"]] {}
    }
}

/// Lets a replica join for longer than the test lasts.
pub(crate) async fn join(store: &dyn Store, replica: ReplicaId) {
    store.join(replica, replica.to_string().into(), Joining::Started, LONG).await.unwrap();
}

/// Appends entries, one batch each, all of which are kept.
pub(crate) async fn keep(store: &dyn Store, entries: &[&Entry]) {
    for entry in entries {
        let results = store.append(std::slice::from_ref(*entry)).await;
        assert_eq!(results, Ok(vec![Ok(())]), "{entry:?}");
    }
}
