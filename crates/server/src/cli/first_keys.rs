//! `orchestrateur keys init`: the first keys of a new installation.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::output::remark;
use super::replaced::replace;
use crate::api::access::keys::{self, KeyLine};

/// The file of hashes in the folder.
const KEYS_FILE: &str = "api-keys";
/// Only its owner reads it.
const MODE_OF_OWNER: u32 = 0o600;
/// The folder's group reads it, too.
const MODE_OF_GROUP: u32 = 0o640;

/// The keys that are made: each one's name, role, and the mode of the file that has it.
const FIRST: [(&str, &str, u32); 2] = [("admin", "admin", MODE_OF_OWNER), ("metrics", "read", MODE_OF_GROUP)];

/// Make a folder's first keys, unless it has some: the keys file `api-keys`, and the keys themselves in `admin.key` (role admin)
/// and `metrics.key` (role read, for Prometheus; the folder's group can read it).
#[derive(Debug, Args)]
pub(super) struct FirstKeys {
    /// The folder; it must exist.
    folder: PathBuf,
}

impl FirstKeys {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let place = |name: &str| self.folder.join(name);
        let keys_file = place(KEYS_FILE);
        if keys_file.try_exists().with_context(|| format!("look for {}", keys_file.display()))? {
            let known = keys::listed(&keys_file)?.len();
            remark(format!("{} has {known} keys: nothing was made", keys_file.display()));
            return Ok(());
        }
        let mut lines = String::new();
        for (name, role, mode) in FIRST {
            let (key, line) = keys::make(&KeyLine::of(name, role))?;
            write_key(&place(&format!("{name}.key")), &key, mode)?;
            lines.push_str(&serde_json::to_string(&line)?);
            lines.push('\n');
        }
        // Last, because this file says that the others are there: where making them was cut short, the next start makes all.
        replace(&keys_file, &lines, MODE_OF_OWNER).context("write the keys file")?;
        remark(format!(
            "{} has two keys. They are in admin.key (role admin) and metrics.key (role read) beside it",
            keys_file.display()
        ));
        Ok(())
    }
}

fn write_key(file: &Path, key: &str, mode: u32) -> anyhow::Result<()> {
    // A file that a start left behind, or somebody else, may be readable by others.
    if file.try_exists().context("write a key")? {
        std::fs::remove_file(file).with_context(|| format!("remove {}", file.display()))?;
    }
    replace(file, &format!("{key}\n"), mode).context("write a key")
}
