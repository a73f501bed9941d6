//! `orchestrateur signing-keys`: the file of keys that sign calls to participants.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, bail};
use clap::{Args, Subcommand};
use saga_engine::participants::signing::{SigningKey, SigningKeys};

use super::output::{remark, say, say_json};
use super::replaced::{create, replace};
use super::table::table;
use crate::api::signing_keys::SigningKeySet;

/// The mode of such a file: for its owner alone.
const SIGNING_FILE_MODE: u32 = 0o600;

/// Keys that sign calls to participants.
#[derive(Debug, Args)]
pub(super) struct SigningKeysCommand {
    #[command(subcommand)]
    what: SigningKeysSubcommand,
}

#[derive(Debug, Subcommand)]
enum SigningKeysSubcommand {
    /// Make a file with a key, and print the key's public half. A file that is there is left as it is.
    New(KeyFile),
    /// The keys of a file: which one signs.
    List(KeyFile),
    /// Print the public halves of a file's keys, for participants: as a JWK set, or in PEM.
    Public(Public),
    /// Add a key that does not sign yet, and print the public halves of all: participants learn it first.
    Announce(KeyFile),
    /// Have an announced key sign. The one that signed so far is announced from then on.
    Switch(OneKey),
    /// Remove a key that does not sign.
    Remove(OneKey),
}

#[derive(Debug, Args)]
struct KeyFile {
    /// The file of private keys, which `serve --signing-key` reads. The first one signs.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_SIGNING_KEY")]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct Public {
    #[command(flatten)]
    file: KeyFile,
    /// In PEM, each under a line with its id.
    #[arg(long)]
    pem: bool,
}

#[derive(Debug, Args)]
struct OneKey {
    /// The key's id, as `signing-keys list` shows it.
    // An id may begin with `-`.
    #[arg(value_name = "KEYID", allow_hyphen_values = true)]
    id: String,
    #[command(flatten)]
    file: KeyFile,
}

impl SigningKeysCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            SigningKeysSubcommand::New(KeyFile { file }) => new(&file),
            SigningKeysSubcommand::List(KeyFile { file }) => list(&file),
            SigningKeysSubcommand::Public(Public { file: KeyFile { file }, pem }) => public(&file, pem),
            SigningKeysSubcommand::Announce(KeyFile { file }) => announce(&file),
            SigningKeysSubcommand::Switch(OneKey { id, file: KeyFile { file } }) => {
                change(&file, |keys| keys.switch_to(&id))?;
                remark(format!("Calls are signed with {id}, by a running `serve` within seconds"));
                Ok(())
            }
            SigningKeysSubcommand::Remove(OneKey { id, file: KeyFile { file } }) => {
                change(&file, |keys| keys.remove(&id))?;
                remark(format!("The key {id} is removed. Participants may forget it, too"));
                Ok(())
            }
        }
    }
}

fn new(file: &Path) -> anyhow::Result<()> {
    if file.try_exists().with_context(|| format!("look for {}", file.display()))? {
        bail!(
            "{} is there already, and is left as it is; `signing-keys announce` adds a key to it",
            file.display()
        );
    }
    let keys = SigningKeys::new(drawn()?, Vec::new());
    create(file, &keys.to_pem().map_err(Error::msg)?)?;
    remark(format!("The private key is in {}, for its owner alone. Its public half:", file.display()));
    show(&keys)
}

fn list(file: &Path) -> anyhow::Result<()> {
    let keys = SigningKeys::read(file)?;
    let mut rows = vec![["keyid", "use"].map(str::to_owned).to_vec()];
    rows.extend(keys.iter().map(|key| {
        let signs = key.id() == keys.current().id();
        vec![key.id().to_owned(), if signs { "signs" } else { "announced" }.to_owned()]
    }));
    say(table(&rows))
}

fn public(file: &Path, pem: bool) -> anyhow::Result<()> {
    let keys = SigningKeys::read(file)?;
    if !pem {
        return show(&keys);
    }
    let mut text = String::new();
    for key in keys.iter() {
        text += &format!("# {}\n{}", key.id(), key.public_pem().map_err(Error::msg)?);
    }
    say(text)
}

fn announce(file: &Path) -> anyhow::Result<()> {
    let next = drawn()?;
    let id = next.id().to_owned();
    let keys = change(file, |keys| keys.announce(next))?;
    remark(format!(
        "The key {id} does not sign yet. Once participants know it: `orchestrateur signing-keys switch {id}`. All public halves:"
    ));
    show(&keys)
}

/// Changes the keys of a file.
fn change(
    file: &Path,
    with: impl FnOnce(&mut SigningKeys) -> Result<(), String>,
) -> anyhow::Result<SigningKeys> {
    let mut keys = SigningKeys::read(file)?;
    with(&mut keys).map_err(Error::msg).with_context(|| file.display().to_string())?;
    replace(file, &keys.to_pem().map_err(Error::msg)?, SIGNING_FILE_MODE)?;
    Ok(keys)
}

fn drawn() -> anyhow::Result<SigningKey> {
    SigningKey::draw().context("draw random numbers")
}

fn show(keys: &SigningKeys) -> anyhow::Result<()> {
    say_json(&serde_json::to_value(SigningKeySet::of(keys))?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: SigningKeysCommand,
    }

    #[test]
    fn an_id_may_begin_as_a_flag_does() {
        for id in ["-ab", "--ab", "_ab"] {
            let line = Line::try_parse_from(["signing-keys", "switch", id, "--file", "keys.pem"]).unwrap();
            let SigningKeysSubcommand::Switch(one) = line.command.what else { panic!("another command") };
            assert_eq!((&*one.id, one.file.file), (id, PathBuf::from("keys.pem")));
        }
    }
}
