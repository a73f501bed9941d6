//! `orchestrateur participants`: the services that orders call, and how they stand.

use clap::Args;
use serde_json::Value;

use super::client::{Ask, Server};
use super::table::{line, table};

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
        if self.json {
            println!("{}", serde_json::to_string_pretty(&participants)?);
        } else {
            print!("{}", shown(&participants));
        }
        Ok(())
    }
}

fn shown(participants: &Value) -> String {
    let names = ["nom", "url", "safety", "timeout_ms", "calls_max", "horizon_ms", "breaker"];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    for participant in participants.as_array().into_iter().flatten() {
        rows.push(names.map(|name| cell(&participant[name])).to_vec());
    }
    table(&rows)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => line(text),
        Value::Object(breaker) => {
            let waiting = breaker["en_attente"].as_u64().filter(|waiting| *waiting > 0);
            let waiting = waiting.map(|waiting| format!(", {waiting} waiting")).unwrap_or_default();
            line(&format!("{}{waiting}", breaker["etat"].as_str().unwrap_or_default()))
        }
        other => other.to_string(),
    }
}
