//! Runs the Postman collection with newman.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The Postman collection of the first system.
pub fn collection() -> PathBuf {
    folder().join("saga_checkout_tests.postman_collection.json")
}

/// Runs the collection against an orchestrator at `address`, with a key if it asks for one. newman writes its JSON report into the
/// file `report`.
pub fn run(address: SocketAddr, key: Option<&str>, report: &Path) -> Output {
    Command::new(newman())
        .arg("run")
        .arg(collection())
        .args(["--env-var", &format!("baseUrl=http://{address}")])
        .args(key.map(|key| ["--env-var".to_owned(), format!("key={key}")]).into_iter().flatten())
        .args(["--color", "off", "--reporters", "cli,json", "--reporter-json-export"])
        .arg(report)
        .output()
        .expect("run newman")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../postman")
}

/// The newman program: the copy that `scripts/setup` installs, another copy beside it, `$NEWMAN`, or the program in
/// the path.
fn newman() -> PathBuf {
    let installed =
        [".newman/node_modules/.bin/newman", "node_modules/.bin/newman"].map(|place| folder().join(place));
    let named = std::env::var_os("NEWMAN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("newman"));
    let found = installed.into_iter().chain(named).chain(in_path).find(|place| place.is_file());
    found.expect("newman is missing; install it: npm install --prefix postman/.newman newman@6")
}
