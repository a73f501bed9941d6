//! Rows in PostgreSQL: one connection, and one statement for each group.

use anyhow::Context;
use tokio_postgres::{Client, NoTls, Statement};

use crate::rows::{GROUP_MAX, Queue, Row, Rows, Waiting, table, written};

const INSERT: &str = "INSERT INTO sketch_row SELECT * FROM unnest($1::uuid[], $2::int2[], $3::int8[], $4::int8[], $5::text[], $6::text[])";

/// Connects and starts the task that writes.
pub async fn start(url: &str) -> anyhow::Result<Rows> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("connect to PostgreSQL")?;
    tokio::spawn(connection);
    client.batch_execute(&table("uuid", "int2", "int8", "")).await.context("make the table")?;
    let insert = client.prepare(INSERT).await.context("prepare the statement")?;
    let (rows, queue) = Rows::queue();
    tokio::spawn(async move {
        // Orders fail once the queue is gone.
        if let Err(error) = run(&client, &insert, queue).await {
            eprintln!("limit: write rows: {error}");
        }
    });
    Ok(rows)
}

async fn run(client: &Client, insert: &Statement, mut queue: Queue) -> Result<(), tokio_postgres::Error> {
    let mut group = Vec::new();
    while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
        commit(client, insert, &group).await?;
        written(&mut group);
    }
    Ok(())
}

async fn commit(client: &Client, insert: &Statement, group: &[Waiting]) -> Result<(), tokio_postgres::Error> {
    fn column<'a, T>(group: &'a [Waiting], of: impl Fn(&'a Row) -> T) -> Vec<T> {
        group.iter().map(|waiting| of(&waiting.row)).collect()
    }
    let sagas = column(group, |row| row.saga);
    let seqs = column(group, |row| row.seq);
    let clients = column(group, |row| row.client_id);
    let shops = column(group, |row| row.magasin_id);
    let states = column(group, |row| row.etat);
    let data = column(group, |row| row.data.as_str());
    client.execute(insert, &[&sagas, &seqs, &clients, &shops, &states, &data]).await.map(drop)
}
