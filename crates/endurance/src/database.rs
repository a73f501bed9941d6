//! The store, read with SQL: which process owns which order now, and everything that was ever recorded. The judge
//! never reads through a process under test or its proxy.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use saga_core::saga::Rollback;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Orders read at once.
const PAGE: i64 = 2_000;
/// How long a query for unfinished orders may take: it runs in the middle of a fault.
const PATIENCE: Duration = Duration::from_secs(2);

const OWNED: &str = "\
SELECT saga.saga_id FROM saga JOIN replica ON replica.replica_id = saga.owner \
WHERE replica.name = $1 AND NOT replica.gone AND NOT saga.is_over";
const ROWS: &str = "\
SELECT saga_id, seq, epoch, state, rollback, is_over, labels, definition FROM saga \
WHERE saga_id > $1 ORDER BY saga_id LIMIT $2";
const FRAMES: &str = "\
SELECT saga_id, first_seq, events FROM saga_event WHERE saga_id > $1 AND saga_id <= $2 ORDER BY saga_id, first_seq";
/// The same in a SQLite file, where frames are found by their saga's number.
const FRAMES_OF_FILE: &str = "\
SELECT saga.saga_id, first_seq, events FROM saga JOIN saga_event ON saga_event.saga_number = saga.number \
WHERE saga.saga_id > $1 AND saga.saga_id <= $2 ORDER BY saga.saga_id, first_seq";

/// The store of the orders.
#[derive(Debug, Clone)]
pub(crate) enum OrderStore {
    Sqlite(PathBuf),
    Postgres(String),
}

/// One stored order.
#[derive(Debug)]
pub(crate) struct StoredOrder {
    pub(crate) saga: Uuid,
    pub(crate) seq: i64,
    pub(crate) epoch: i64,
    pub(crate) etat: String,
    pub(crate) rollback: String,
    pub(crate) is_over: bool,
    pub(crate) client_id: i64,
    pub(crate) magasin_id: i64,
    /// The name of its definition.
    pub(crate) definition: String,
    /// Position of the first record, and the records.
    pub(crate) frames: Vec<(i64, String)>,
}

impl OrderStore {
    /// The unfinished orders of the process called `name`; empty while the store cannot be queried.
    pub(crate) async fn owned_by(&self, name: &str) -> Vec<Uuid> {
        let asked = async {
            match self {
                Self::Sqlite(path) => unfinished(path).ok(),
                Self::Postgres(url) => {
                    let client = Connected::to(url).await.ok()?;
                    let rows = client.client.query(OWNED, &[&name]).await.ok()?;
                    Some(rows.iter().map(|row| row.get(0)).collect())
                }
            }
        };
        timeout(PATIENCE, asked).await.ok().flatten().unwrap_or_default()
    }

    /// How many orders are not over.
    pub(crate) async fn unfinished(&self) -> anyhow::Result<usize> {
        timeout(PATIENCE, self.count_unfinished()).await.context("count unfinished orders in time")?
    }

    async fn count_unfinished(&self) -> anyhow::Result<usize> {
        Ok(match self {
            Self::Sqlite(path) => unfinished(path)?.len(),
            Self::Postgres(url) => {
                let client = Connected::to(url).await?;
                let sql = "SELECT count(*) FROM saga WHERE NOT is_over";
                client.client.query_one(sql, &[]).await?.get::<_, i64>(0) as usize
            }
        })
    }

    /// Makes the journal look as if a later release had brought it up to date: with a step that adds something, and lets this release go on.
    pub(crate) async fn make_newer(&self) -> anyhow::Result<()> {
        const SQL: &str = "\
            ALTER TABLE saga ADD COLUMN later TEXT; \
            INSERT INTO saga_migration (version, name, checksum, needs) \
            SELECT max(version) + 1, 'later', 'of a later release', max(version) FROM saga_migration";
        match self {
            Self::Sqlite(path) => {
                rusqlite::Connection::open(path).context("open the file")?.execute_batch(SQL)?;
            }
            Self::Postgres(url) => Connected::to(url).await?.client.batch_execute(SQL).await?,
        }
        Ok(())
    }

    /// The orders after `after`, in the order of their ids.
    pub(crate) async fn page(&self, after: Uuid) -> anyhow::Result<Vec<StoredOrder>> {
        match self {
            Self::Sqlite(path) => page_of_file(path, after).context("read the SQLite file"),
            Self::Postgres(url) => page_of_server(url, after).await.context("read PostgreSQL"),
        }
    }
}

/// The same database's URL through a proxy, and the address on which PostgreSQL listens.
pub(crate) fn through(url: &str, proxy: SocketAddr) -> (SocketAddr, String) {
    let (front, rest) = url.split_once('@').expect("the address has a role");
    let (server, database) = rest.split_once('/').expect("the address has a database");
    (server.parse().expect("clusters listen on an address"), format!("{front}@{proxy}/{database}"))
}

/// The transaction that has brought the last events.
pub(crate) async fn last_commit(url: &str) -> anyhow::Result<i64> {
    let asked = async {
        let connected = Connected::to(url).await?;
        let sql = "SELECT coalesce(max(commit_id), 0) FROM saga_event";
        anyhow::Ok(connected.client.query_one(sql, &[]).await?.get(0))
    };
    timeout(PATIENCE, asked).await.context("read the last commit in time")?
}

/// A connection of the judge.
struct Connected {
    client: tokio_postgres::Client,
    task: AbortHandle,
}

impl Connected {
    async fn to(url: &str) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        #[expect(clippy::disallowed_methods, reason = "moves this connection's bytes, and ends with it")]
        let task = tokio::spawn(connection).abort_handle();
        Ok(Self { client, task })
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn page_of_server(url: &str, after: Uuid) -> anyhow::Result<Vec<StoredOrder>> {
    let connected = Connected::to(url).await?;
    let rows = connected.client.query(ROWS, &[&after, &PAGE]).await?;
    let mut page: Vec<StoredOrder> = rows
        .iter()
        .map(|row| {
            let (client_id, magasin_id) = labels(row.get(6));
            StoredOrder {
                saga: row.get(0),
                seq: row.get(1),
                epoch: row.get(2),
                etat: row.get(3),
                rollback: wire(row.get(4)),
                is_over: row.get(5),
                client_id,
                magasin_id,
                definition: row.get(7),
                frames: Vec::new(),
            }
        })
        .collect();
    let Some(last) = page.last().map(|kept| kept.saga) else { return Ok(page) };
    for row in connected.client.query(FRAMES, &[&after, &last]).await? {
        add_frame(&mut page, row.get(0), row.get(1), row.get(2))?;
    }
    Ok(page)
}

fn open(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}

fn unfinished(path: &Path) -> rusqlite::Result<Vec<Uuid>> {
    let connection = open(path)?;
    let mut query = connection.prepare("SELECT saga_id FROM saga WHERE NOT is_over")?;
    let rows = query.query_map([], |row| row.get::<_, [u8; 16]>(0))?;
    rows.map(|id| id.map(Uuid::from_bytes)).collect()
}

fn page_of_file(path: &Path, after: Uuid) -> anyhow::Result<Vec<StoredOrder>> {
    let connection = open(path)?;
    let mut query = connection.prepare(ROWS)?;
    let rows = query.query_map((after.as_bytes(), PAGE), |row| {
        let (client_id, magasin_id) = labels(row.get_ref(6)?.as_str()?);
        Ok(StoredOrder {
            saga: Uuid::from_bytes(row.get(0)?),
            seq: row.get(1)?,
            epoch: row.get(2)?,
            etat: row.get(3)?,
            rollback: wire(row.get_ref(4)?.as_str()?),
            is_over: row.get(5)?,
            client_id,
            magasin_id,
            definition: row.get(7)?,
            frames: Vec::new(),
        })
    })?;
    let mut page = rows.collect::<rusqlite::Result<Vec<StoredOrder>>>()?;
    let Some(last) = page.last().map(|kept| kept.saga) else { return Ok(page) };
    let mut query = connection.prepare(FRAMES_OF_FILE)?;
    let mut frames = query.query((after.as_bytes(), last.as_bytes()))?;
    while let Some(row) = frames.next()? {
        add_frame(&mut page, Uuid::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?)?;
    }
    Ok(page)
}

/// The client and the shop of an order; -1 where its labels do not say.
fn labels(json: &str) -> (i64, i64) {
    let labels: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let of = |name: &str| labels[name].as_i64().unwrap_or(-1);
    (of("client_id"), of("magasin_id"))
}

/// The API's word for the column's; a word that is none stays as it is.
fn wire(column: &str) -> String {
    let word = match column.parse() {
        Ok(rollback) => rollback_word(rollback),
        Err(_) => column,
    };
    word.to_owned()
}

/// As the API says it. The server's own table cannot be used: the server's tests use this crate.
pub(crate) fn rollback_word(rollback: Rollback) -> &'static str {
    match rollback {
        Rollback::None => "AUCUN",
        Rollback::Running => "EN_COURS",
        Rollback::Done => "TERMINE",
        Rollback::Blocked => "BLOQUE",
    }
}

fn add_frame(page: &mut [StoredOrder], saga: Uuid, first_seq: i64, events: String) -> anyhow::Result<()> {
    let index = page.binary_search_by_key(&saga, |kept| kept.saga);
    let index = index.map_err(|_| anyhow::anyhow!("{saga} has events, but no row"))?;
    page[index].frames.push((first_seq, events));
    Ok(())
}
