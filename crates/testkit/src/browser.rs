//! A real browser: Debian's Chromium, which a script controls with playwright-core.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs a node script that controls the browser. It gets `arguments` after the paths of playwright-core and of the
/// browser; axe-core, which looks at a page's accessibility, is beside playwright-core.
pub fn run(script: &Path, arguments: &[&str]) -> Output {
    Command::new("node")
        .arg(script)
        .args([playwright(), chromium()])
        .args(arguments)
        .output()
        .expect("run node; install it: apt-get install nodejs")
}

/// Where `scripts/setup` installs playwright-core.
fn playwright() -> PathBuf {
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(".browser/node_modules/playwright-core/index.mjs");
    assert!(
        installed.is_file(),
        "playwright-core is missing; install it: npm install --prefix crates/testkit/.browser playwright-core@1.65.1 axe-core@4.14.1"
    );
    installed
}

/// `$CHROMIUM`, or the program in the path.
fn chromium() -> PathBuf {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("chromium"));
    let found = named.into_iter().chain(in_path).find(|place| place.is_file());
    found.expect("chromium is missing; install it: apt-get install chromium")
}
