//! The database of a command, whose password is never shown; and `orchestrateur database`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use saga_journal::sqlite::CheckDepth;

use crate::cli::output::say_line;
use crate::store::DatabaseUrl;
use crate::{logging, store};

/// The flags that name a database.
#[derive(Debug, Args)]
pub(super) struct Database {
    /// Where orders are kept: sqlite://path for one process, postgres://user:password@host/database for several.
    #[arg(
        long,
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite://orchestrateur.db"
    )]
    // Parsed in `url`: an error of the command line would show the invalid value with its password.
    database_url: Secret,
    /// A file that holds the database's URL, for secrets; it is used instead of --database-url.
    #[arg(long, value_name = "FILE", env = "DATABASE_URL_FILE")]
    database_url_file: Option<PathBuf>,
}

impl Database {
    pub(super) fn url(&self) -> anyhow::Result<DatabaseUrl> {
        match &self.database_url_file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("read {}", file.display()))?
                .trim()
                .parse()
                .map_err(|error| anyhow::anyhow!("{}: {error}", file.display())),
            None => self.database_url.0.parse().map_err(|error| anyhow::anyhow!("DATABASE_URL: {error}")),
        }
    }
}

/// Text that is never shown.
#[derive(Clone)]
struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

/// The database itself: take a restored or moved one for the journal's own.
#[derive(Debug, Args)]
pub(super) struct DatabaseCommand {
    #[command(subcommand)]
    what: DatabaseWork,
}

#[derive(Debug, Subcommand)]
enum DatabaseWork {
    /// Take what DATABASE_URL leads to for the journal from now on, after it was restored or moved on purpose: a backup, or a PostgreSQL
    /// database in another cluster. Until then `serve` refuses it: what was acknowledged since the copy was made is not in it. From then on
    /// every call has a Saga-Epoch that is higher than any before, and releases that know no incarnations refuse it: on PostgreSQL, use
    /// the role that owns the database.
    Accept {
        #[command(flatten)]
        database: Database,
        /// The journal was set back in a way that it does not tell itself: a copy made with cp, a snapshot of the disk, recovery to an earlier
        /// time, a standby that had less.
        #[arg(long)]
        restored: bool,
    },
    /// Read the whole SQLite file, also while `serve` uses it, and say what is damaged in it, and what to do then. Changes nothing.
    Check {
        #[command(flatten)]
        database: Database,
        /// Do not compare the indices with their tables, which takes most of the time.
        #[arg(long)]
        quick: bool,
    },
}

impl DatabaseCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let _logging = logging::start("warn", false)?;
        match self.what {
            DatabaseWork::Check { database, quick } => {
                let depth = if quick { CheckDepth::Quick } else { CheckDepth::Whole };
                say_line(store::check(&database.url()?, depth)?)
            }
            DatabaseWork::Accept { database, restored } => {
                say_line(store::accept(&database.url()?, restored).await?)
            }
        }
    }
}
