//! The sketches of the limit: the calls of a checkout, and two durable rows or none.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use saga_bench_kit::checkout::Sketch;
use saga_bench_kit::rows::Rows;
use saga_bench_kit::{postgres, server, sqlite};

/// Answers checkouts with the same four calls as the orchestrator, and as little else as possible.
///
/// Prints its address as one line of JSON. `bare` keeps nothing, so no durable orchestrator can be faster.
/// The other two have one row on disk before the first call that changes something, and one before the
/// answer; all rows that wait share a transaction.
#[derive(Debug, Parser)]
struct Flags {
    #[command(subcommand)]
    store: Store,
}

#[derive(Debug, Subcommand)]
enum Store {
    /// Keep nothing.
    Bare(Common),
    /// Keep rows in a SQLite file (WAL, synchronous=FULL).
    Sqlite {
        #[command(flatten)]
        common: Common,
        /// The file; made when missing.
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Keep rows in PostgreSQL, over one connection.
    Postgres {
        #[command(flatten)]
        common: Common,
        /// The database, such as postgres://user@host/name.
        #[arg(long, value_name = "URL")]
        url: String,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address of the participants.
    #[arg(long, value_name = "ADDR")]
    participants: SocketAddr,
    /// Threads that run orders.
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
}

fn main() -> anyhow::Result<()> {
    let Flags { store } = Flags::parse();
    let (Store::Bare(common) | Store::Sqlite { common, .. } | Store::Postgres { common, .. }) = &store;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(common.threads).enable_all().build()?;
    runtime.block_on(async {
        let rows = match &store {
            Store::Bare(_) => Rows::none(),
            Store::Sqlite { file, .. } => sqlite::start(file)?,
            Store::Postgres { url, .. } => postgres::start(url).await?,
        };
        let sketch = Arc::new(Sketch::new(common.participants, rows));
        let answer = move |request| {
            let sketch = Arc::clone(&sketch);
            async move { sketch.answer(request).await }
        };
        // A task, so that connections are accepted on the threads that run orders.
        tokio::spawn(server::serve(server::listen(common.listen)?, answer)).await?
    })
}
