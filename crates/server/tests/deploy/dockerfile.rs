//! The Dockerfile against its linter, the workspace and the program. Its images are not built here: there need not be a
//! container engine.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use orchestrateur::cli::Cli;
use serde_json::Value;

use crate::image::Dockerfile;
use crate::repository::{self, output_of, root};
use crate::settings;

/// hadolint, where `scripts/setup` puts it, or in the path.
fn hadolint() -> PathBuf {
    let installed = root().join("deploy/.hadolint/bin/hadolint");
    if installed.is_file() { installed } else { "hadolint".into() }
}

#[test]
fn its_linter_has_nothing_to_say() {
    output_of(Command::new(hadolint()).arg("--failure-threshold=ignore").arg(root().join("Dockerfile")));
}

#[test]
fn it_builds_with_the_toolchain_that_the_workspace_asks_for_on_the_debian_that_it_runs_on() {
    let manifest = repository::read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let dockerfile = Dockerfile::read();
    let base = |stage: &str| dockerfile.stage(stage).base.clone();
    assert_eq!(base("toolchain"), format!("rust:{}-slim-bookworm", version.trim_matches('"')));
    assert_eq!(base("runtime"), "debian:bookworm-slim");
}

/// The paths of `COPY a b to`, and the stage that they are from.
fn copies(rest: &str) -> (Option<&str>, Vec<&str>) {
    let mut words: Vec<&str> = rest.split_whitespace().collect();
    words.pop();
    let from = words.first().and_then(|word| word.strip_prefix("--from="));
    (from, words.into_iter().filter(|word| !word.starts_with("--")).collect())
}

#[test]
fn everything_that_it_copies_exists_and_reaches_the_builder() {
    let dockerfile = Dockerfile::read();
    let ignore = repository::read(".dockerignore");
    let mut from_context = 0;
    for stage in &dockerfile.stages {
        for (_, rest) in stage.instructions.iter().filter(|(keyword, _)| keyword == "COPY") {
            let (from, paths) = copies(rest);
            for path in paths {
                match (from, path.strip_prefix("/src/target/release/")) {
                    (Some(from), None) => drop(dockerfile.stage(from)),
                    (Some(from), Some(program)) => {
                        assert_eq!(from, "build");
                        assert!(["orchestrateur", "boutique"].contains(&program), "{program}");
                    }
                    (None, _) => {
                        from_context += 1;
                        assert!(root().join(path).exists(), "COPY {path}");
                        assert!(ignore.lines().any(|line| line == format!("!{path}")), "{path} is ignored");
                    }
                }
            }
        }
    }
    assert!(from_context >= 4, "{from_context}");
    assert!(ignore.lines().any(|line| line == "*"), "nothing else goes to the builder");
}

/// Files that our sources include from outside of their crates must be copied, too.
#[test]
fn everything_that_the_sources_include_is_copied() {
    let build = Dockerfile::read();
    let build = build.stage("build").instructions.iter().filter(|(keyword, _)| keyword == "COPY");
    let copied: Vec<&str> = build.flat_map(|(_, rest)| copies(rest).1).collect();
    let mut included = 0;
    for file in sources(&root().join("crates")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for path in text.split("include_str!(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let path = file.parent().unwrap().join(path).canonicalize().unwrap();
            let first = path.strip_prefix(root()).unwrap().iter().next().unwrap().to_str().unwrap();
            assert!(copied.contains(&first), "{} includes {}", file.display(), path.display());
            included += usize::from(first != "crates");
        }
    }
    assert!(included > 0, "the built-in definition is included");
}

/// The Rust files that a release is built from.
fn sources(crates: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(crates).unwrap().map(|each| each.unwrap().path().join("src")).collect();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files
}

/// The stage that stands for the dependencies alone: cargo must still find every target that the manifests name, and
/// nothing of ours may be left in it, or each of our changes would build the dependencies again.
#[test]
fn the_layer_of_dependencies_knows_the_manifests_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = Dockerfile::read();
    for (keyword, rest) in &dockerfile.stage("manifests").instructions {
        match keyword.as_str() {
            "COPY" => {
                let from = copies(rest).1.into_iter().map(|path| root().join(path));
                output_of(Command::new("cp").arg("-r").args(from).arg(folder.path()));
            }
            "RUN" => drop(output_of(Command::new("sh").args(["-c", rest]).current_dir(folder.path()))),
            other => panic!("this test does not know {other}"),
        }
    }
    let metadata = ["metadata", "--no-deps", "--offline", "--locked", "--format-version=1"];
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let metadata = output_of(Command::new(cargo).args(metadata).current_dir(folder.path()));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() >= 6, "{}", packages.len());
    for target in packages.iter().flat_map(|package| package["targets"].as_array().unwrap()) {
        let source = std::fs::read_to_string(target["src_path"].as_str().unwrap()).unwrap();
        assert!(["", "fn main() { }\n"].contains(&&*source), "{target}: {source}");
    }
    for crates in std::fs::read_dir(folder.path().join("crates")).unwrap() {
        for file in sources_of(&crates.unwrap().path()) {
            assert!(std::fs::metadata(&file).unwrap().len() <= 14, "{}", file.display());
        }
    }
}

/// A crate's Rust files, tests included.
fn sources_of(crate_folder: &Path) -> Vec<PathBuf> {
    let list =
        output_of(Command::new("find").arg(crate_folder).args(["-name", "*.rs", "-o", "-name", "*.sql"]));
    list.lines().map(PathBuf::from).collect()
}

#[test]
fn the_commands_in_it_are_ones_that_the_program_has() {
    let dockerfile = Dockerfile::read();
    let serve = dockerfile.command("orchestrateur");
    assert_eq!(serve, ["orchestrateur", "serve"]);
    for command in
        [serve, dockerfile.health("orchestrateur").unwrap(), dockerfile.health("boutique").unwrap()]
    {
        let read = Cli::command().try_get_matches_from(&command);
        assert!(read.is_ok(), "{command:?}: {read:?}");
    }
    assert_eq!(dockerfile.command("boutique"), ["boutique"]);
    assert!(settings::boutique().is_file());
}

#[test]
fn it_runs_as_nobody_in_particular_and_shows_the_ports_that_are_listened_on() {
    let dockerfile = Dockerfile::read();
    assert_eq!(dockerfile.stages.last().unwrap().name, "orchestrateur", "what is built when nothing is said");
    for (stage, port) in [("orchestrateur", settings::serve_port()), ("boutique", 8000)] {
        let (user, group) = dockerfile.setting(stage, "USER").unwrap().split_once(':').unwrap();
        assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0, "{stage}");
        assert_eq!(dockerfile.setting(stage, "EXPOSE").unwrap(), port.to_string(), "{stage}");
    }
    let asked = dockerfile.health("boutique").unwrap();
    assert_eq!(asked.last().unwrap(), "http://127.0.0.1:8000/fautes");
    // Published ports lead to the container's network, not to its loopback interface.
    let listen = format!("0.0.0.0:{}", settings::serve_port());
    assert_eq!(dockerfile.environment("orchestrateur"), Some(("ORCHESTRATEUR_LISTEN", &*listen)));
}
