//! `orchestrateur keys`: makes, lists and revokes the keys of callers.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Subcommand};

use super::first_keys::FirstKeys;
use super::output::{remark, say};
use super::replaced::replace;
use super::table::table;
use crate::api::access::keys::{self, KeyLine};

/// The mode of a new keys file: for its owner alone.
const KEYS_FILE_MODE: u32 = 0o600;

/// Keys: which callers there are, and what they may do.
#[derive(Debug, Args)]
pub(super) struct KeysCommand {
    #[command(subcommand)]
    what: KeysSubcommand,
}

#[derive(Debug, Subcommand)]
enum KeysSubcommand {
    /// Make a key, and print it: this once. The file keeps its hash alone.
    Add(AddKey),
    Init(FirstKeys),
    /// The keys of a file: their names and roles.
    List(ListKeys),
    /// Remove the keys of a name from a file, or one of them.
    Revoke(RevokeKey),
}

/// The keys file.
#[derive(Debug, Args)]
struct KeysFile {
    /// The keys file, which `serve --api-keys-file` reads at its start and at SIGHUP.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_API_KEYS_FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct AddKey {
    /// The key's holder: this name stands in the history of what the key does. A name may have several keys.
    name: String,
    /// start (its own sagas: start, see, cancel), signal (signals of certain names), read (see all), operate (the same; start,
    /// cancel, resume, resolve and signal any) or admin (everything).
    #[arg(long)]
    role: String,
    /// When it ends, such as 2027-01-31T00:00:00Z; without it, never.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// A saga that it may start; may be repeated. Without it, any.
    #[arg(long = "saga", value_name = "SAGA")]
    sagas: Vec<String>,
    /// A signal that it may send; may be repeated. A key of the role signal needs one; without it, others may send any.
    #[arg(long = "signal", value_name = "NAME")]
    signals: Vec<String>,
    /// Requests that it may make in a second; without it, as many as the server takes.
    #[arg(long, value_name = "N")]
    requests_per_second: Option<u32>,
    #[command(flatten)]
    file: KeysFile,
}

#[derive(Debug, Args)]
struct ListKeys {
    #[command(flatten)]
    file: KeysFile,
}

#[derive(Debug, Args)]
struct RevokeKey {
    /// Whose keys.
    name: String,
    /// That one alone whose hash begins so, as `keys list` shows it.
    #[arg(long, value_name = "HEX", default_value = "")]
    sha256: String,
    #[command(flatten)]
    file: KeysFile,
}

impl KeysCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            KeysSubcommand::Add(add) => add.run(),
            KeysSubcommand::Init(init) => init.run(),
            KeysSubcommand::List(ListKeys { file }) => list(&file.file),
            KeysSubcommand::Revoke(RevokeKey { name, sha256, file }) => revoke(&name, &sha256, &file.file),
        }
    }
}

impl AddKey {
    fn run(self) -> anyhow::Result<()> {
        let Self { name, role, expires, sagas, signals, requests_per_second, file: KeysFile { file } } = self;
        let some = |names: Vec<String>| (!names.is_empty()).then_some(names);
        let (sagas, signals) = (some(sagas), some(signals));
        let line =
            KeyLine { name, role, sha256: String::new(), expires, sagas, signals, requests_per_second };
        let (key, line) = keys::make(&line)?;
        if file.exists() {
            keys::listed(&file)?;
        }
        let before = if file.exists() { std::fs::read_to_string(&file)? } else { String::new() };
        let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        replace(&file, &format!("{before}{end}{}\n", serde_json::to_string(&line)?), KEYS_FILE_MODE)?;
        remark(format!(
            "The key of `{}` is on standard output, and nowhere else. A running `serve` knows it after SIGHUP",
            line.name
        ));
        say(format!("{key}\n"))
    }
}

fn list(file: &Path) -> anyhow::Result<()> {
    let mut rows = vec![
        ["name", "role", "expires", "sagas", "signals", "a second", "sha256"].map(str::to_owned).to_vec(),
    ];
    let any = |names: Option<Vec<String>>| names.map_or("any".to_owned(), |names| names.join(", "));
    rows.extend(keys::listed(file)?.into_iter().map(|line| {
        let KeyLine { name, role, sha256, expires, sagas, signals, requests_per_second: rate } = line;
        let rate = rate.map_or("any".to_owned(), |rate| rate.to_string());
        let begins: String = sha256.chars().take(8).collect();
        vec![
            name,
            role,
            expires.unwrap_or_else(|| "never".to_owned()),
            any(sagas),
            any(signals),
            rate,
            begins,
        ]
    }));
    say(table(&rows))
}

fn revoke(name: &str, sha256: &str, file: &Path) -> anyhow::Result<()> {
    let (kept, removed) = keys::without(file, name, sha256)?;
    if removed == 0 && !sha256.is_empty() {
        bail!(
            "{}: there is no key of `{name}` whose hash begins with `{sha256}`; `keys list` shows them",
            file.display()
        );
    }
    if removed == 0 {
        let names: Vec<String> = keys::listed(file)?.into_iter().map(|line| line.name).collect();
        bail!("{}: there is no key of `{name}`; there are keys of {}", file.display(), names.join(", "));
    }
    replace(file, &kept, KEYS_FILE_MODE)?;
    remark(format!("{removed} keys of `{name}` are removed. A running `serve` refuses them after SIGHUP"));
    Ok(())
}
