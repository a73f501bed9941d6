//! `orchestrateur reconcile`: after a restore, which effects have no order, and which orders lack their effects.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use saga_core::Timestamp;
use saga_core::definition::duration;
use saga_engine::Clock;
use saga_engine::participants::signing::Signer;
use saga_engine::participants::{HttpParticipants, Settings};
use saga_engine::world::{Machine, World};
use serde_json::{Value, json};

use super::database::Database;
use super::output::{say, say_json};
use super::signing::SigningFlags;
use super::sources::SourceFlags;
use super::table::{indented, line, table};
use crate::reconcile::{Findings, FoundOrphan, ORPHANS_TOLD_MAX, Reconciliation};
use crate::{definitions, logging, store};

/// How long is waited for effects that a participant lists a little late.
const SETTLE_DEFAULT: &str = "2s";

/// Compare the effects that services list (`effects` in the definitions) with the orders: after a restore, name the effects that no order
/// stands behind, and the orders that lack their effects, and propose what to do. Only GET requests are sent, and nothing is changed.
/// Orders that are under way are not judged. Fails with 3 if there is any difference.
#[derive(Debug, Args)]
pub(super) struct Reconcile {
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    sources: SourceFlags,
    #[command(flatten)]
    signing: SigningFlags,
    /// Certificates to trust in calls to services, beside those of the machine: a PEM file.
    #[arg(long, value_name = "FILE", env = "PARTICIPANTS_CA_FILE")]
    participants_ca: Option<PathBuf>,
    /// Only effects, and orders, of then or later, such as 2026-11-22T00:00:00Z (RFC 3339). Effects without a time are told in any case.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// The folder to which old orders go (`serve --archive`): orders that are there are not forgotten. All of its files are read if an effect
    /// has no order.
    #[arg(long, value_name = "FOLDER", env = "ORCHESTRATEUR_ARCHIVE")]
    archive: Option<PathBuf>,
    /// How late a service may list an effect whose call it has answered.
    #[arg(long, value_name = "DURATION", default_value = SETTLE_DEFAULT, value_parser = span)]
    settle: Duration,
    /// Print JSON, for programs.
    #[arg(long, env = "ORCHESTRATEUR_JSON")]
    json: bool,
}

/// There are differences. It is no failure of the command, but programs that run it want to know.
#[derive(Debug, thiserror::Error)]
#[error("{0} differences between the services and the orders")]
pub struct Differences(usize);

impl Differences {
    /// The process's exit code.
    pub const EXIT_CODE: u8 = 3;
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text)
        .ok_or_else(|| "write a time of RFC 3339, such as 2026-11-22T00:00:00Z".to_owned())
}

fn span(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "write a whole number and ms, s, m, h or d, such as 2s".to_owned())
}

impl Reconcile {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let _logging = logging::start("warn", false)?;
        let env = |name: &str| std::env::var(name).ok();
        let signing_key = self.signing.file();
        let mut sources = self.sources.sources();
        sources.has_signing_key = signing_key.is_some();
        let loaded = definitions::load_with(&sources, &env)?;
        let world: Arc<dyn World> = Arc::new(Machine::new());
        let clock = Arc::new(Clock::new(world));
        let signer = signing_key.map(|file| Signer::open(&file, clock)).transpose()?.map(Arc::new);
        let participants = HttpParticipants::with(Settings {
            authorities: self.participants_ca,
            signer,
            ..Settings::default()
        })?;
        let store = store::open_to_read(&self.database.url()?).await?;
        let reconciliation = Reconciliation {
            loaded: &loaded,
            read: definitions::kept_reader(env),
            participants,
            store,
            since: self.since,
            archive: self.archive.filter(|folder| folder.as_os_str() != "none"),
            settle: self.settle,
        };
        let findings = reconciliation.run().await.context("reconcile")?;
        if self.json {
            say_json(&as_json(&findings))?;
        } else {
            say(shown(&findings))?;
        }
        match findings.orphans.len() + findings.untold {
            0 => Ok(()),
            differences => Err(Differences(differences).into()),
        }
    }
}

fn as_json(findings: &Findings) -> Value {
    let participant = |it: &crate::reconcile::ParticipantListed| {
        json!({
            "name": it.name, "url": it.address, "lists_effects": it.listed.is_some(),
            "effects": it.listed.map(|listed| listed.effects), "of_others": it.listed.map(|listed| listed.of_others),
        })
    };
    let orphan = |FoundOrphan { orphan, participant, definition, proposal }: &FoundOrphan| {
        json!({
            "saga_id": orphan.saga.to_string(), "saga": definition, "step": orphan.step, "participant": participant,
            "kind": <&str>::from(orphan.kind), "since": orphan.since.map(|at| at.to_string()), "about": orphan.about,
            "proposal": proposal.words, "undo": proposal.undo,
        })
    };
    json!({
        "incarnation": findings.incarnation.get(),
        "participants": findings.participants.iter().map(participant).collect::<Vec<_>>(),
        "sagas": {
            "judged": findings.judged, "not_over": findings.not_over,
            "unreadable": findings.unreadable.0, "unreadable_because": findings.unreadable.1,
        },
        "orphans": findings.orphans.iter().map(orphan).collect::<Vec<_>>(),
        "orphans_untold": findings.untold,
    })
}

fn shown(findings: &Findings) -> String {
    let mut rows = vec![["service", "url", "effects", "of others"].map(str::to_owned).to_vec()];
    for it in &findings.participants {
        let counts = it.listed.map_or(["not listed".to_owned(), "-".to_owned()], |listed| {
            [listed.effects.to_string(), listed.of_others.to_string()]
        });
        rows.push([it.name.to_string(), it.address.to_string()].into_iter().chain(counts).collect());
    }
    let mut text = table(&rows);
    let Findings { incarnation, judged, not_over, .. } = findings;
    text.push_str(&format!(
        "\nincarnation {incarnation}: {judged} orders that are over were compared; {not_over} were not, because they are under way or wait \
         for a person\n"
    ));
    if let (unreadable @ 1.., Some(why)) = &findings.unreadable {
        text.push_str(&format!("{unreadable} orders cannot be read; the first: {}\n", line(why)));
    }
    for FoundOrphan { orphan, participant, definition, proposal } in &findings.orphans {
        let since = orphan.since.map_or_else(String::new, |at| format!(" since {at}"));
        let about = orphan.about.as_ref().map_or_else(String::new, |about| format!(" ({})", line(about)));
        let definition = definition.as_ref().map_or_else(String::new, |name| format!(", saga {name}"));
        text.push_str(&format!(
            "\n{}: {} step {} at {participant}{about}{since}{definition}\n",
            <&str>::from(orphan.kind),
            orphan.saga,
            line(&orphan.step),
        ));
        text.push_str(&indented(&proposal.words));
        if let Some(undo) = &proposal.undo {
            text.push_str(&indented(undo));
        }
    }
    match (findings.orphans.len(), findings.untold) {
        (0, _) => text.push_str("no differences\n"),
        (told, 0) => text.push_str(&format!("\n{told} differences; nothing was changed\n")),
        (told, untold) => text.push_str(&format!(
            "\n{told} differences and {untold} more (ORPHANS_TOLD_MAX is {ORPHANS_TOLD_MAX}); nothing was changed\n"
        )),
    }
    text
}
