//! `orchestrateur keys`: makes, lists and revokes the keys of callers.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Subcommand};

use super::first_keys::FirstKeys;
use super::output::{remark, say};
use super::replaced::replace;
use super::table::table;
use crate::api::access::keys::{self, Chosen, KeyLine};
use crate::tls::San;

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
    /// Make a key, and print it: this once. The file keeps its hash alone. With --san, say who the holder of a certificate is.
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
    /// The percentage of all slots for sagas under way (`serve --active-sagas-max`) that the name may hold with it; without it, its share
    /// among the others.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    slots_percent: Option<u8>,
    /// No key, but a name that the caller's certificate has, such as dns:shop.internal, uri:spiffe://example.org/shop or
    /// email:shop@example.org: see `serve --tls-client-ca`.
    #[arg(long, value_name = "KIND:NAME")]
    san: Option<San>,
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
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The one alone with this name of a certificate.
    #[arg(long, value_name = "KIND:NAME", conflicts_with = "sha256")]
    san: Option<San>,
    #[command(flatten)]
    file: KeysFile,
}

impl KeysCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            KeysSubcommand::Add(add) => add.run(),
            KeysSubcommand::Init(init) => init.run(),
            KeysSubcommand::List(ListKeys { file }) => list(&file.file),
            KeysSubcommand::Revoke(RevokeKey { name, sha256, san, file }) => {
                let chosen = match (san, sha256) {
                    (Some(san), _) => Chosen::San(san),
                    (None, Some(sha256)) => Chosen::Sha256(sha256),
                    (None, None) => Chosen::All,
                };
                revoke(&name, &chosen, &file.file)
            }
        }
    }
}

impl AddKey {
    fn run(self) -> anyhow::Result<()> {
        let Self { name, role, expires, sagas, signals, requests_per_second, slots_percent, san, file } =
            self;
        let KeysFile { file } = file;
        let some = |names: Vec<String>| (!names.is_empty()).then_some(names);
        let (sagas, signals) = (some(sagas), some(signals));
        let limits = KeyLine::of(&name, &role);
        let line = KeyLine { expires, sagas, signals, requests_per_second, slots_percent, ..limits };
        let (key, line) = match &san {
            Some(san) => (None, keys::make_for_certificate(&line, san)?),
            None => keys::make(&line).map(|(key, line)| (Some(key), line))?,
        };
        if file.exists() {
            keys::listed(&file)?;
        }
        let before = if file.exists() { std::fs::read_to_string(&file)? } else { String::new() };
        let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        let text = format!("{before}{end}{}\n", serde_json::to_string(&line)?);
        let Some(key) = key else {
            if before.lines().any(|known| same_san(known, &line)) {
                bail!("{}: this `san` stands here already; revoke that line first", file.display());
            }
            replace(&file, &text, KEYS_FILE_MODE)?;
            remark(format!(
                "A caller whose certificate has this name is `{}`. A running `serve` knows it after SIGHUP",
                line.name
            ));
            return Ok(());
        };
        replace(&file, &text, KEYS_FILE_MODE)?;
        remark(format!(
            "The key of `{}` is on standard output, and nowhere else. A running `serve` knows it after SIGHUP",
            line.name
        ));
        say(format!("{key}\n"))
    }
}

/// Whether a line of the file is about the same certificates.
fn same_san(known: &str, line: &KeyLine) -> bool {
    let san = |line: &KeyLine| line.san.as_deref().and_then(|san| san.parse::<San>().ok());
    serde_json::from_str(known.trim())
        .is_ok_and(|known: KeyLine| san(&known).is_some() && san(&known) == san(line))
}

fn list(file: &Path) -> anyhow::Result<()> {
    let mut rows = vec![
        ["name", "role", "expires", "sagas", "signals", "a second", "slots", "sha256", "san"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let any = |names: Option<Vec<String>>| names.map_or("any".to_owned(), |names| names.join(", "));
    rows.extend(keys::listed(file)?.into_iter().map(|line| {
        let KeyLine { name, role, sha256, san, expires, sagas, signals, .. } = line;
        let rate = line.requests_per_second.map_or("any".to_owned(), |rate| rate.to_string());
        let slots = line.slots_percent.map_or("shared".to_owned(), |percent| format!("{percent} %"));
        let begins: String = sha256.unwrap_or_else(|| "-".to_owned()).chars().take(8).collect();
        vec![
            name,
            role,
            expires.unwrap_or_else(|| "never".to_owned()),
            any(sagas),
            any(signals),
            rate,
            slots,
            begins,
            san.unwrap_or_else(|| "-".to_owned()),
        ]
    }));
    say(table(&rows))
}

fn revoke(name: &str, chosen: &Chosen, file: &Path) -> anyhow::Result<()> {
    let (kept, removed) = keys::without(file, name, chosen)?;
    if removed == 0 {
        let about = match chosen {
            Chosen::All => None,
            Chosen::Sha256(begins) => Some(format!("key of `{name}` whose hash begins with `{begins}`")),
            Chosen::San(san) => Some(format!("line of `{name}` with the `san` {san}")),
        };
        if let Some(about) = about {
            bail!("{}: there is no {about}; `keys list` shows them", file.display());
        }
        let names: Vec<String> = keys::listed(file)?.into_iter().map(|line| line.name).collect();
        bail!("{}: there is no key of `{name}`; there are keys of {}", file.display(), names.join(", "));
    }
    replace(file, &kept, KEYS_FILE_MODE)?;
    remark(format!("{removed} keys of `{name}` are removed. A running `serve` refuses them after SIGHUP"));
    Ok(())
}
