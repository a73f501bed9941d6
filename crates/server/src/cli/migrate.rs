//! `orchestrateur migrate`.

use clap::Args;

use super::database::Database;
use crate::cli::output::say_line;
use crate::{logging, store};

/// Make the database's tables, or bring them up to date, as the role that owns them.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    database: Database,
    /// The lines to log, in the form of RUST_LOG.
    #[arg(long, value_name = "FILTER", env = "ORCHESTRATEUR_LOG", default_value = "warn")]
    log: String,
    /// Log as JSON, one object a line.
    #[arg(long, env = "ORCHESTRATEUR_LOG_JSON")]
    log_json: bool,
}

impl Migrate {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let _logging = logging::start(&self.log, self.log_json)?;
        say_line(store::migrate(&self.database.url()?).await?)
    }
}
