//! The release, and the source that this program was built from.

use std::sync::LazyLock;

/// The release.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit, which the packager sets in `ORCHESTRATEUR_REVISION` at build time: nothing here asks git, so a source without one builds, too.
const REVISION: Option<&str> = option_env!("ORCHESTRATEUR_REVISION");

/// The commit, or `unknown`.
pub(crate) const REVISION_SAID: &str = match REVISION {
    Some(revision) if !revision.is_empty() => revision,
    _ => "unknown",
};

/// Both, as `--version` prints them behind the program's name.
pub(crate) static SAID: LazyLock<String> = LazyLock::new(|| said(VERSION, REVISION));

fn said(version: &str, revision: Option<&str>) -> String {
    match revision.filter(|revision| !revision.is_empty()) {
        Some(revision) => format!("{version} ({revision})"),
        None => version.to_owned(),
    }
}

#[test]
fn the_revision_is_said_if_it_is_known() {
    assert_eq!(said("1.2.3", Some("0123456789ab")), "1.2.3 (0123456789ab)");
    assert_eq!(said("1.2.3", None), "1.2.3");
    assert_eq!(said("1.2.3", Some("")), "1.2.3");
}
