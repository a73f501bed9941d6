//! `orchestrateur participants`: the services that orders call, and their state.

use clap::Args;
use serde_json::Value;

use super::client::{Ask, Server};
use super::table::{line, table};
use crate::cli::output::{say, say_json};

/// The services that orders call, as a running `serve` sees them.
#[derive(Debug, Args)]
pub(super) struct Participants {
    #[command(flatten)]
    server: Server,
    /// Print JSON, as the API gives it, for programs.
    #[arg(long, env = "ORCHESTRATEUR_JSON")]
    json: bool,
}

impl Participants {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let participants = self.server.ask(&Ask::get("/api/participants")).await?.json;
        if self.json { say_json(&participants) } else { say(shown(&participants)) }
    }
}

fn shown(participants: &Value) -> String {
    let names = ["nom", "url", "safety", "timeout_ms", "calls_max", "horizon_ms", "breaker"];
    let mut rows = vec![names.into_iter().chain(["dernier_echec", "acces"]).map(str::to_owned).collect()];
    for participant in participants.as_array().into_iter().flatten() {
        let cells = names.map(|name| cell(&participant[name]));
        rows.push(cells.into_iter().chain([last_failure(participant), access(participant)]).collect());
    }
    table(&rows)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => line(text),
        Value::Object(_) => {
            let waiting = value["en_attente"].as_u64().filter(|waiting| *waiting > 0);
            let waiting = waiting.map(|waiting| format!(", {waiting} waiting")).unwrap_or_default();
            line(&format!("{}{waiting}", value["etat"].as_str().unwrap_or_default()))
        }
        other => other.to_string(),
    }
}

/// Why there is no access to it, or none that is new.
fn access(participant: &Value) -> String {
    let access = &participant["acces"];
    let held = if access["retient"] == true { "calls wait: " } else { "" };
    access["raison"].as_str().map_or_else(|| "-".to_owned(), |reason| line(&format!("{held}{reason}")))
}

/// The last call that failed, and the number of consecutive failures.
fn last_failure(participant: &Value) -> String {
    let failure = &participant["dernier_echec"];
    let text = |name: &str| failure[name].as_str().unwrap_or_default();
    match participant["echecs_de_suite"].as_u64() {
        _ if failure.is_null() => "-".to_owned(),
        Some(0) | None => line(&format!("{} ({}), well since", text("genre"), text("le"))),
        Some(calls) => {
            line(&format!("{} ({}), {calls} in a row: {}", text("genre"), text("le"), text("raison")))
        }
    }
}
