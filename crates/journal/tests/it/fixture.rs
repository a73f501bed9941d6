//! The three backends, and raw SQL for the two that have it.

use std::path::PathBuf;
use std::sync::Arc;

use saga_core::SagaId;
use saga_journal::memory::Memory;
use saga_journal::{Entry, OpenError, Store, postgres, sqlite};

/// An empty place of a test's own.
pub(crate) trait Fixture {
    fn new() -> Self;

    /// Opens what is there. Drop what was opened before: SQLite's file has one owner.
    async fn open(&self) -> Arc<dyn Store>;
}

/// A place that can be damaged and read with SQL.
pub(crate) trait Sql: Fixture {
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

    async fn open(&self) -> Arc<dyn Store> {
        self.0.clone()
    }
}

pub(crate) struct InSqlite(tempfile::TempDir);

impl InSqlite {
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("journal.db")
    }

    fn connect(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

impl Fixture for InSqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }
}

impl Sql for InSqlite {
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

    async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }
}

impl Sql for InPostgres {
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

/// Appends entries, one batch each, all of which are kept.
pub(crate) async fn keep(store: &dyn Store, entries: &[&Entry]) {
    for entry in entries {
        let results = store.append(std::slice::from_ref(*entry)).await;
        assert_eq!(results, Ok(vec![Ok(())]), "{entry:?}");
    }
}
