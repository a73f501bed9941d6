//! Rows in a SQLite file: one thread writes, with a flush for each group.

use std::path::Path;

use anyhow::Context;
use rusqlite::{Connection, params};

use crate::rows::{GROUP_MAX, Queue, Rows, Waiting, table, written};

/// Opens the file and starts the thread.
pub fn start(file: &Path) -> anyhow::Result<Rows> {
    let connection = Connection::open(file).with_context(|| format!("open {}", file.display()))?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    connection.execute_batch(&table("BLOB", "INTEGER", "INTEGER", "WITHOUT ROWID"))?;
    let (rows, queue) = Rows::queue();
    std::thread::Builder::new().name("writer".to_owned()).spawn(move || {
        // Orders fail once the queue is gone.
        if let Err(error) = run(&connection, queue) {
            eprintln!("limit: write rows: {error}");
        }
    })?;
    Ok(rows)
}

fn run(connection: &Connection, mut queue: Queue) -> rusqlite::Result<()> {
    let mut group = Vec::new();
    while queue.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        commit(connection, &group)?;
        written(&mut group);
    }
    Ok(())
}

fn commit(connection: &Connection, group: &[Waiting]) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    let mut insert = transaction.prepare_cached("INSERT INTO sketch_row VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    for Waiting { row, .. } in group {
        insert.execute(params![
            row.saga.as_bytes(),
            row.seq,
            row.client_id,
            row.magasin_id,
            row.etat,
            row.data
        ])?;
    }
    drop(insert);
    transaction.commit()
}
