//! Bytes that stay in the store: of rows and index entries, without the free space of their pages, which depends on the number of orders.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::statements::Database;

/// Bytes by table or index.
pub(crate) type Kept = BTreeMap<String, i64>;

/// Those of an SQLite file that is in use.
pub(crate) fn in_file(file: &Path) -> Kept {
    let file = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = file.prepare("SELECT name, sum(payload) FROM dbstat GROUP BY name").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Those of a database, without its indices: PostgreSQL does not tell how large an entry of an index is.
pub(crate) async fn in_database(database: &Database) -> Kept {
    let tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let sums = database.rows(tables).await.into_iter().map(|row| {
        let table: String = row.get(0);
        format!("SELECT '{table}', coalesce(sum(pg_column_size(t.*)), 0)::BIGINT FROM \"{table}\" t")
    });
    let sums = sums.collect::<Vec<_>>().join(" UNION ALL ");
    database.rows(&sums).await.iter().map(|row| (row.get(0), row.get(1))).collect()
}
