//! `orchestrateur check FILE`: prints how the program understands definitions.
//!
//! - `sample.rs`: the sample order for the requests.
//! - `printed.rs`: the report as text; `graph.rs`: its drawing of the graph, and the ways through; `lost.rs`: the consequence of a lost answer, as text.
//! - `live.rs`: whether the services' addresses answer.
//!
//! No request is sent to a service; `--live` opens and closes connections, and asks for access tokens.

mod graph;
mod live;
mod lost;
mod printed;
mod sample;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use saga_core::definition::{Checked, NamedTls, Origin, Variable, Warning, nearest};
use saga_core::understood::understood;
use saga_engine::participants::check_tls;

use crate::cli::output::{remark, say};
use crate::definitions::{self, Sources};

/// Check a definition, and print what was understood.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The definitions: files, and folders of which every *.yaml and *.yml is checked; without one, the built-in checkout.
    #[arg(value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,
    /// The saga that orders under /api/commande run; without one, checkout.
    #[arg(long, value_name = "SAGA", env = "ORCHESTRATEUR_COMMANDE_SAGA")]
    commande_saga: Option<String>,
    /// The input of the order that requests are shown for: JSON, or a file that has it. Without it, one of the
    /// declared types.
    #[arg(long, env = "ORCHESTRATEUR_INPUT", value_name = "JSON|FILE")]
    input: Option<String>,
    /// The services' answers, by step: JSON, or a file that has it, such as `{"panier": [{"produit_id": 1}]}`. A member
    /// is the body of a `200`, or a whole `{"status": .., "headers": {..}, "body": ..}`.
    #[arg(long, env = "ORCHESTRATEUR_ANSWERS", value_name = "JSON|FILE")]
    answers: Option<String>,
    /// Also open a connection to each service, and close it again, and ask for the access tokens of `auth`; fail if one does not
    /// answer.
    #[arg(long, env = "ORCHESTRATEUR_LIVE")]
    live: bool,
}

impl Check {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let sources = Sources {
            paths: self.files.clone(),
            commande_saga: self.commande_saga.clone(),
            ..Sources::default()
        };
        let found = definitions::inspect(&sources)?;
        if found.len() != 1 && (self.input.is_some() || self.answers.is_some()) {
            bail!(
                "--input and --answers are for one definition, and {} were given; check one file",
                found.len()
            );
        }
        let mut live = Ok(());
        for (name, checked) in found {
            live = live.and(self.explain(&name, checked).await);
        }
        live
    }

    /// Prints how one definition, which is called `name`, is understood.
    async fn explain(&self, name: &str, checked: Checked) -> anyhow::Result<()> {
        let Checked { definition, variables, warnings, tls, .. } = checked;
        let definition = Arc::new(definition);
        let input = sample::input(&definition, self.input.as_deref())?;
        let answers = sample::answers(&definition, self.answers.as_deref())?;
        let steps = input.map(|input| (input.json().clone(), understood(input, &answers)));
        say(printed::account(&definition, &variables, steps.as_ref()))?;
        let unset = variables.iter().filter_map(unset);
        let no_sample = steps.is_none().then(|| Warning {
            line: 0,
            message: "no sample can be made of the input's schema, so no requests are shown; give an input with --input, or write \
                      `examples: [...]` into the schema"
                .to_owned(),
        });
        let unusable = tls.iter().filter_map(unusable);
        let mut warnings: Vec<_> =
            warnings.into_iter().chain(unset).chain(no_sample).chain(unusable).collect();
        warnings.sort_by_key(|warning| warning.line);
        for warning in warnings {
            remark(warning.line_about(name));
        }
        if self.live { live::ask(&definition).await } else { Ok(()) }
    }
}

/// The warning about a variable or file without which `serve` would not start; `None`: it has a value.
fn unset(variable: &Variable) -> Option<Warning> {
    let Variable { name, line, origin } = variable;
    let message = match origin {
        Origin::Missing => not_set(name),
        Origin::NoFile { reason } => {
            format!("`${{{name}}}` cannot be used: {reason}; `serve` refuses to start without it")
        }
        Origin::Set | Origin::Default | Origin::File => return None,
    };
    Some(Warning { line: *line, message })
}

/// The warning about files of `tls` without which `serve` would not start; `None`: they can be used here.
fn unusable(named: &NamedTls) -> Option<Warning> {
    let reason = check_tls(&named.files).err()?;
    Some(Warning { line: named.line, message: format!("{reason}; `serve` refuses to start without it") })
}

fn not_set(name: &str) -> String {
    let set: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let meant = nearest(name, set.iter().map(String::as_str));
    let meant = meant.map_or_else(String::new, |near| format!("; did you mean `{near}`, which is set?"));
    format!(
        "the environment variable `{name}` is not set and has no default; `serve` refuses to start without it{meant}"
    )
}
