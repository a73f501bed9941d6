//! `orchestrateur audit`: all that one name did, as a running `serve` has recorded it.

use clap::Args;
use serde_json::Value;

use super::client::Server;
use super::pages::{cursor, pages};
use super::table::{line, table};
use crate::api::DEEDS_MAX;
use crate::cli::output::{remark, say, say_json};

/// All that one name did (started, cancelled, resumed, resolved, signalled), newest first.
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    server: Server,
    /// The caller's name, as its key has it; of a token's holder, oidc:NAME.
    name: String,
    /// Only deeds of then or later, such as 2026-11-22T00:00:00Z (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only deeds before then (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Deeds in a page.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=DEEDS_MAX as u64))]
    limit: Option<u64>,
    /// The next page, as the one before named it.
    #[arg(long)]
    cursor: Option<String>,
    /// All pages.
    #[arg(long)]
    all: bool,
    /// Print JSON, as the API gives it, for programs.
    #[arg(long, env = "ORCHESTRATEUR_JSON")]
    json: bool,
}

impl Audit {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let (deeds, more) = pages(&self.server, self.path(), self.all).await?;
        if self.json {
            say_json(&deeds)?
        } else {
            say(shown(&deeds))?
        }
        if let Some(cursor) = more.as_deref().and_then(cursor) {
            remark(format_args!("There are more: add --cursor {cursor}, or --all."));
        }
        Ok(())
    }

    fn path(&self) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let filters =
            [("since", &self.since), ("until", &self.until), ("limit", &limit), ("cursor", &self.cursor)];
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("name", &self.name);
        for (name, value) in filters {
            query.extend_pairs(value.as_ref().map(|value| (name, value)));
        }
        format!("/api/audit?{}", query.finish())
    }
}

fn shown(deeds: &Value) -> String {
    let names = ["at", "deed", "saga_id", "saga", "position"];
    let cell = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => line(text),
        other => other.to_string(),
    };
    let row = |deed: &Value| names.map(|name| cell(&deed[name])).to_vec();
    let head = names.map(str::to_owned).to_vec();
    let rows: Vec<Vec<String>> =
        std::iter::once(head).chain(deeds.as_array().into_iter().flatten().map(row)).collect();
    table(&rows)
}
