//! The systemd unit against systemd's own judges, the package that brings it, and the program that it starts.

use std::collections::BTreeMap;
use std::process::Command;

use clap::CommandFactory;
use orchestrateur::cli::Cli;

use crate::debian::Package;
use crate::repository::{self, output_of, root};
use crate::settings;

const UNIT: &str = "deploy/systemd/orchestrateur.service";
const SETTINGS: &str = "deploy/debian/orchestrateur.env";
/// Exposure, in tenths, from 0 (walled in) to 100. The network is left, which the service is there for.
const EXPOSURE_MAX: u32 = 15;

/// The unit's lines by their keys; the last one of each.
fn unit() -> BTreeMap<String, String> {
    let text = repository::read(UNIT);
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// With the package's files as the root: what the unit starts must be where the package puts it.
#[test]
fn systemd_finds_no_fault_with_it() {
    let package = Package::built();
    let root = package.unpack();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no", "orchestrateur.service"]);
    verify.arg(format!("--root={}", root.path().display()));
    let output = verify.output().expect("systemd-analyze; scripts/setup installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    // It warns of misspelt keys and succeeds: nothing may be said at all.
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn it_is_walled_in() {
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager", &format!("--threshold={EXPOSURE_MAX}")]);
    let report = output_of(security.arg(root().join(UNIT)));
    assert!(report.contains("exposure level"), "{report}");
}

#[test]
fn what_it_starts_exists_and_its_folders_are_its_own() {
    let unit = unit();
    let command: Vec<&str> = unit["ExecStart"].split_whitespace().collect();
    assert_eq!(command[0], "/usr/bin/orchestrateur");
    let read = Cli::command().try_get_matches_from(&command);
    assert!(read.is_ok(), "{read:?}");
    assert_eq!(unit["WorkingDirectory"], format!("/var/lib/{}", unit["StateDirectory"]));
    let packaged = Package::built().files();
    for path in [command[0], &unit["EnvironmentFile"], unit["Documentation"].trim_start_matches("file://")] {
        assert!(packaged.iter().any(|(_, known)| known == path), "{path} is not in the package");
    }
}

#[test]
fn a_stop_waits_until_orders_are_drained() {
    let stop: u64 = unit()["TimeoutStopSec"].strip_suffix('s').unwrap().parse().unwrap();
    let drain = settings::serve_variables()["ORCHESTRATEUR_DRAIN_S"].clone().unwrap();
    assert!(stop >= drain.parse::<u64>().unwrap() + 5, "{stop} s for {drain} s and the last answers");
}

/// The file of settings shows every variable with its default, and none that the program does not read.
#[test]
fn the_file_of_settings_shows_every_variable_with_its_default() {
    let text = repository::read(SETTINGS);
    let shown: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once('='))
        .filter(|(name, _)| !name.contains(' '))
        .collect();
    let serve =
        settings::serve_variables().into_iter().map(|(name, default)| (name, default.unwrap_or_default()));
    let known: BTreeMap<String, String> = serve.chain(settings::definition_variables()).collect();
    let known: BTreeMap<&str, &str> = known.iter().map(|(name, default)| (&**name, &**default)).collect();
    assert_eq!(shown, known);
    assert!(
        text.lines().all(|line| line.is_empty() || line.starts_with('#')),
        "a new package changes nothing"
    );
}
