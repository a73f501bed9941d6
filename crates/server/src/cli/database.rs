//! The database of a command, whose password is never shown; and `orchestrateur database`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

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
    /// Take the database that DATABASE_URL leads to for the journal's own, after it was restored or moved on purpose. Until then `serve`
    /// refuses it, as it refuses a former primary: what was acknowledged elsewhere since the copy was made is not in it.
    Accept {
        #[command(flatten)]
        database: Database,
    },
}

impl DatabaseCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let _logging = logging::start("warn", false)?;
        match self.what {
            DatabaseWork::Accept { database } => say_line(store::accept(&database.url()?).await?),
        }
    }
}
