//! The programs' variables, and the defaults that hold when those are not set.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use orchestrateur::cli::Cli;
use serde_json::Value;

use crate::repository;

/// The orchestrator that this test was built with.
pub(crate) fn orchestrateur() -> PathBuf {
    env!("CARGO_BIN_EXE_orchestrateur").into()
}

/// The shop's program, beside the orchestrator's. `cargo test --workspace` has built it; otherwise it is built here.
pub(crate) fn boutique() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_orchestrateur")).with_file_name("boutique");
    if !program.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = ["build", "--locked", "--package", "boutique"];
        repository::output_of(Command::new(cargo).args(build).current_dir(repository::root()));
    }
    program
}

/// The variables of `orchestrateur serve`, with their defaults where there are any.
pub(crate) fn serve_variables() -> BTreeMap<String, Option<String>> {
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").unwrap();
    let variable = |option: &clap::Arg| {
        let default = option.get_default_values().first().map(|value| value.to_str().unwrap().to_owned());
        // A flag without a value is off.
        let off = (!option.get_action().takes_values()).then(|| "false".to_owned());
        Some((option.get_env()?.to_str()?.to_owned(), default.or(off)))
    };
    serve.get_opts().filter_map(variable).collect()
}

/// The port that `serve` takes by default.
pub(crate) fn serve_port() -> u16 {
    let address = serve_variables()["ORCHESTRATEUR_LISTEN"].clone().unwrap();
    address.parse::<SocketAddr>().unwrap().port()
}

/// The variables of the built-in definition, with their defaults: where each participant is.
pub(crate) fn definition_variables() -> BTreeMap<String, String> {
    let definition = repository::parse_yaml(orchestrateur::definitions::CHECKOUT).unwrap();
    let participants = definition["participants"].as_object().unwrap();
    let variable = |participant: &Value| {
        let url = participant["url"].as_str().unwrap();
        let inside = url.strip_prefix("${").unwrap().strip_suffix('}').unwrap();
        let (name, default) = inside.split_once(":-").unwrap();
        (name.to_owned(), default.to_owned())
    };
    participants.values().map(variable).collect()
}

/// The variables of `boutique`, from its help: its flags are not in the library.
pub(crate) fn boutique_variables() -> BTreeSet<String> {
    let help = repository::output_of(Command::new(boutique()).arg("--help"));
    let names = help.split("[env: ").skip(1).map(|rest| rest.split('=').next().unwrap().to_owned());
    names.collect()
}
