//! `orchestrateur backup`.

use std::path::PathBuf;

use clap::Args;

use super::database::Database;
use crate::cli::output::say_line;
use crate::store;

/// Copy the SQLite file of orders, while `serve` uses it or not: all orders as of one moment, checked and on disk.
///
/// For PostgreSQL, use its own tools: pg_dump, or base backups with an archive of the write-ahead log.
#[derive(Debug, Args)]
pub(super) struct BackUp {
    #[command(flatten)]
    database: Database,
    /// The copy: a new file in a folder that is there.
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

impl BackUp {
    pub(super) fn run(self) -> anyhow::Result<()> {
        say_line(store::back_up(&self.database.url()?, &self.to)?)
    }
}
