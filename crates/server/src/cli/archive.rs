//! `orchestrateur archive`.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use saga_core::SagaId;
use serde_json::{Value, json};

use super::table::{indented, line, pair, table};
use super::timeline::{Days, SAGA, timeline};
use crate::archive::{self, ArchiveLine};
use crate::cli::output::{say, say_line};
use crate::face::sagas::SagaLine;

/// Old orders that have left the journal (`serve --keep`): look at one.
#[derive(Debug, Args)]
pub(super) struct ArchiveCommand {
    #[command(subcommand)]
    action: ArchiveAction,
}

#[derive(Debug, Subcommand)]
enum ArchiveAction {
    /// One order or other saga, with everything that happened to it.
    Show {
        /// The saga's id.
        id: SagaId,
        /// The archive's folder.
        #[arg(long, value_name = "FOLDER", env = "ORCHESTRATEUR_ARCHIVE")]
        archive: PathBuf,
        /// The day on which it ended (UTC), such as 2026-11-30: only that day's file is read. Without it, all are, the newest first.
        #[arg(long, value_name = "DAY")]
        day: Option<String>,
        /// Print the line as it is kept, with inputs and outputs, for programs.
        #[arg(long, env = "ORCHESTRATEUR_JSON")]
        json: bool,
    },
}

impl ArchiveCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let ArchiveAction::Show { id, archive, day, json } = self.action;
        let Some(found) = archive::find(&archive, id, day.as_deref())? else {
            let days = day.map_or_else(|| "any day".to_owned(), |day| format!("the day {day}"));
            bail!("{} has no saga {id} in the files of {days}", archive.display());
        };
        if json { say_line(serde_json::to_string(&found)?) } else { say(shown(&found)) }
    }
}

fn shown(found: &ArchiveLine) -> String {
    let labels: Vec<String> =
        found.labels.iter().map(|(name, value)| line(&format!("{name}={value}"))).collect();
    let state = found.state.as_ref().map(|state| line(state)).unwrap_or_default();
    let rows = [
        pair("saga", &found.id.to_string()),
        pair("definition", &format!("{} ({})", line(&found.saga), found.definition_hash)),
        pair("state", &format!("{state}, {}", if found.has_failed() { "rolled back" } else { "completed" })),
        pair("labels", &labels.join(" ")),
        pair("started_at", &line(&found.started_at)),
        pair("ended_at", &line(&found.ended_at)),
    ];
    let name = |step: usize| found.steps.get(step).cloned();
    let lines = found.events.iter().map(|record| SagaLine::named(record, &name));
    let events = lines.filter_map(|line| serde_json::to_value(line).ok()).flat_map(apart).collect();
    let history = table(&timeline(&Value::Array(events), &SAGA, Days::Always));
    format!("{}\nhistory (UTC)\n{}", table(&rows), indented(&history))
}

/// The end of an attempt and the state that the saga entered with it, as two lines.
fn apart(mut line: Value) -> Vec<Value> {
    let is_attempt = !line["attempt"].is_null();
    let state = line.as_object_mut().filter(|_| is_attempt).and_then(|line| line.remove("state"));
    let state = state.map(|state| json!({ "at": line["at"], "state": state }));
    std::iter::once(line).chain(state).collect()
}
