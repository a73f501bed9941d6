//! Which orders leave the journal, as flags of `serve`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use saga_core::retention::{KeepRule, KeepRules};
use saga_engine::RetentionPlan;
use saga_journal::Store;

use crate::archive::FolderArchive;

/// Sagas that are over and old.
#[derive(Debug, Args)]
pub(super) struct RetentionFlags {
    /// How long orders and other sagas are kept once they are over: 90d; or :failed=365d, booking=30d, booking:failed=ever, of
    /// which the most special one counts. Without a rule, for ever.
    #[arg(long = "keep", value_name = "RULE", env = "ORCHESTRATEUR_KEEP", value_delimiter = ',')]
    rules: Vec<KeepRule>,
    /// The folder to which they go then, one file for each day; or `none`: they are gone for good.
    #[arg(long, value_name = "FOLDER", env = "ORCHESTRATEUR_ARCHIVE")]
    archive: Option<ArchivePlace>,
}

#[derive(Debug, Clone)]
enum ArchivePlace {
    Nowhere,
    Folder(PathBuf),
}

impl FromStr for ArchivePlace {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "none" { Self::Nowhere } else { Self::Folder(text.into()) })
    }
}

impl RetentionFlags {
    /// What these flags ask for; `None`: everything is kept for ever.
    pub(super) fn retention(&self) -> anyhow::Result<Option<RetentionPlan>> {
        let rules = KeepRules::new(self.rules.clone())?;
        if rules.keep_all() {
            return match &self.archive {
                Some(ArchivePlace::Folder(_)) => bail!(
                    "--archive (ORCHESTRATEUR_ARCHIVE) names a folder, but nothing is ever to go there: say for how long orders are kept, \
                     such as --keep 90d"
                ),
                Some(ArchivePlace::Nowhere) | None => Ok(None),
            };
        }
        let archive: Option<Arc<dyn saga_engine::Archive>> = match &self.archive {
            None => bail!(
                "--keep (ORCHESTRATEUR_KEEP) takes orders out of the journal: say where they go with --archive FOLDER, or --archive none if \
                 they are to be gone for good"
            ),
            Some(ArchivePlace::Nowhere) => None,
            Some(ArchivePlace::Folder(path)) => Some(Arc::new(FolderArchive::open(path)?)),
        };
        let told: Vec<String> = self.rules.iter().map(ToString::to_string).collect();
        tracing::info!(
            keep = told.join(","),
            "old orders leave the journal: they are kept for {}",
            told.join(", ")
        );
        Ok(Some(RetentionPlan { rules, archive }))
    }
}

/// Fails if the database's role may not take sagas away.
pub(super) async fn check_rights(store: &dyn Store) -> anyhow::Result<()> {
    let missing = store.missing_grants().await?;
    if !missing.is_empty() {
        bail!(
            "--keep takes old orders out of the database, and this role may not: as the owner of the tables, run {missing} \
             (docs/operations.md, \"Old orders\")"
        );
    }
    Ok(())
}
