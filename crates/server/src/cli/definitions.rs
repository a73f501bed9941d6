//! `orchestrateur definitions`: the definitions that new sagas can run.

use clap::Args;
use serde_json::Value;

use super::client::{Ask, Server, segment};
use super::table::{indented, pair, short_hash, table, text};
use crate::cli::output::{say, say_json};

/// The definitions that a running `serve` has loaded, or one of them: its steps, and the schema of its input.
#[derive(Debug, Args)]
pub(super) struct DefinitionsCommand {
    #[command(flatten)]
    server: Server,
    /// Print JSON, as the API gives it, for programs.
    #[arg(long, env = "ORCHESTRATEUR_JSON")]
    json: bool,
    /// The name of one definition.
    name: Option<String>,
    /// Print the definition's file instead, as it was loaded.
    #[arg(long, requires = "name", env = "ORCHESTRATEUR_SOURCE")]
    source: bool,
}

impl DefinitionsCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let path = match &self.name {
            Some(name) => format!("/api/definitions/{}", segment(name)),
            None => "/api/definitions".to_owned(),
        };
        let answer = self.server.ask(&Ask::get(path)).await?.json;
        match self.name {
            Some(_) if self.source => say(answer["source"].as_str().unwrap_or_default()),
            _ if self.json => say_json(&answer),
            Some(_) => say(one(&answer)),
            None => say(all(&answer)),
        }
    }
}

/// All definitions, one line each.
fn all(definitions: &Value) -> String {
    let mut rows = vec![["name", "hash", "steps", "labels"].map(str::to_owned).to_vec()];
    for definition in definitions.as_array().into_iter().flatten() {
        let steps = definition["steps"].as_array().into_iter().flatten();
        let steps: Vec<String> = steps.map(|step| text(&step["name"])).collect();
        rows.push(vec![
            text(&definition["name"]),
            short_hash(&definition["hash"]),
            steps.join(", "),
            or_none(names(&definition["labels"])),
        ]);
    }
    table(&rows)
}

/// One definition.
fn one(definition: &Value) -> String {
    let head = table(&[
        pair("name", &text(&definition["name"])),
        pair("hash", &text(&definition["hash"])),
        pair("labels", &or_none(names(&definition["labels"]))),
    ]);
    let mut rows = vec![["step", "kind", "after", "participant", "compensated"].map(str::to_owned).to_vec()];
    for step in definition["steps"].as_array().into_iter().flatten() {
        let compensated = if step["compensated"] == true { "yes" } else { "no" };
        rows.push(vec![
            text(&step["name"]),
            text(&step["kind"]),
            or_none(names(&step["after"])),
            or_none(text(&step["participant"])),
            compensated.to_owned(),
        ]);
    }
    let (steps, input) = (indented(&table(&rows)), indented(&format!("{:#}", definition["input"])));
    format!("{head}\nsteps\n{steps}\ninput (JSON Schema)\n{input}")
}

fn names(names: &Value) -> String {
    names.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ")
}

fn or_none(cell: String) -> String {
    if cell.is_empty() { "-".to_owned() } else { cell }
}
