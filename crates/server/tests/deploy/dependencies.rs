//! `scripts/dependencies`: it comes to its end with cargo-deny and without.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::repository::{output_of, root};

#[test]
fn crate_edges_are_held_where_cargo_deny_is_installed_too() {
    let folder = tempfile::tempdir().unwrap();
    let stand_in = folder.path().join("cargo-deny");
    std::fs::write(&stand_in, "#!/bin/sh\necho \"cargo-deny was asked: $*\"\n").unwrap();
    std::fs::set_permissions(&stand_in, PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut script = Command::new(root().join("scripts/dependencies"));
    script.env("PATH", format!("{}:{path}", folder.path().display())).env("CARGO_NET_OFFLINE", "true");
    let said = output_of(&mut script);
    assert!(said.contains("deny --locked check bans licenses sources"), "{said}");
    assert!(said.ends_with("licences, bans and crate edges hold\n"), "{said}");
}
