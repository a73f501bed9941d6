//! `orchestrateur sagas list`: the filters, and the pages.

use std::str::FromStr;

use clap::Args;
use serde_json::Value;

use super::shown;
use crate::cli::client::Server;
use crate::cli::output::{remark, say, say_json};
use crate::cli::pages::{cursor, page};
use crate::face::sagas::SAGAS_MAX;

#[derive(Debug, Args)]
pub(super) struct ListSagas {
    /// Only sagas of this definition.
    #[arg(long, value_name = "NAME")]
    saga: Option<String>,
    /// Only sagas in this state, such as COMPLETED.
    #[arg(long)]
    state: Option<String>,
    /// Only sagas whose rollback stands so: none, running, done or blocked.
    #[arg(long)]
    rollback: Option<String>,
    /// Only sagas of which a step waits for this: call, retry, participant, signal, time or person.
    #[arg(long)]
    waiting: Option<String>,
    /// Only sagas of which a step has not got any further for that long, such as 1h.
    #[arg(long, value_name = "TIME")]
    waiting_longer: Option<String>,
    /// Only sagas that wait at a step of this participant, or failed there.
    #[arg(long, value_name = "NAME")]
    participant: Option<String>,
    /// Only sagas that wait at this step, or failed there.
    #[arg(long)]
    step: Option<String>,
    /// Only sagas with this label, such as customer=7. May be repeated: all are demanded.
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<LabelFlag>,
    /// Only sagas that started then or later, such as 2026-11-22T00:00:00Z (RFC 3339).
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only sagas that started before then (RFC 3339).
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many sagas; without it, as many as the server puts into a page.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Where to go on, as the list before named it.
    #[arg(long)]
    cursor: Option<String>,
    /// All sagas.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// A label's name, and its value.
#[derive(Debug, Clone)]
pub(super) struct LabelFlag {
    name: String,
    pub(super) value: String,
}

impl FromStr for LabelFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.into(), value: value.into() }),
            _ => Err("write a label's name, `=` and its value, such as customer=7".to_owned()),
        }
    }
}

impl LabelFlag {
    /// The parameter's name in a query.
    pub(super) fn parameter(&self) -> String {
        format!("label.{}", self.name)
    }
}

impl ListSagas {
    pub(super) async fn run(&self, server: &Server, is_json: bool) -> anyhow::Result<()> {
        let (rows, more) = self.rows(server).await?;
        if is_json {
            say_json(&rows)?;
        } else {
            say(shown::list(&rows))?;
        }
        if let Some(cursor) = more {
            remark(format_args!("There are more: add --cursor {cursor}, or --all."));
        }
        Ok(())
    }

    /// The sagas, and where to go on if there are more.
    async fn rows(&self, server: &Server) -> anyhow::Result<(Value, Option<String>)> {
        let mut rows = Vec::new();
        let mut from = self.cursor.clone();
        loop {
            let missing = self.limit.map(|limit| limit.saturating_sub(rows.len() as u64));
            let asked = missing.map(|missing| missing.min(SAGAS_MAX as u64));
            let (lines, next) = page(server, &self.path(asked, from.as_deref())).await?;
            rows.extend(lines);
            from = next.as_deref().and_then(cursor);
            let is_enough = match self.limit {
                Some(limit) => rows.len() as u64 >= limit,
                None => !self.all,
            };
            if is_enough || from.is_none() {
                return Ok((Value::Array(rows), from));
            }
        }
    }

    /// The address of a page.
    fn path(&self, limit: Option<u64>, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let texts = [
            ("saga", &self.saga),
            ("state", &self.state),
            ("rollback", &self.rollback),
            ("waiting", &self.waiting),
            ("waiting_longer", &self.waiting_longer),
            ("participant", &self.participant),
            ("step", &self.step),
            ("since", &self.since),
            ("until", &self.until),
            ("limit", &limit.map(|limit| limit.to_string())),
            ("cursor", &cursor.map(str::to_owned)),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        for label in &self.label {
            query.append_pair(&label.parameter(), &label.value);
        }
        format!("/api/sagas?{}", query.finish())
    }
}
