//! The repository's files, and the programs that look at them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The repository's first folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A file's text; `path` begins at the root.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// A YAML file, with its anchors and merges resolved.
pub(crate) fn yaml(path: &str) -> Value {
    parse_yaml(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn parse_yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str(text)
}

/// The output of a program; it must end well.
#[track_caller]
pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("run {command:?}: {error}; scripts/setup installs what the tests need")
    });
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout.into_owned()
}
