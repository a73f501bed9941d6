//! What the services need: installed below `target/examples`, again whenever the pinned versions change.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The folder that is cached.
fn cache() -> PathBuf {
    root().join("target/examples")
}

/// The folder of Python's programs, with FastAPI and uvicorn.
pub(crate) fn python() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| python_with("python", "requirements.txt"))
}

/// The same, with OpenTelemetry's agent.
pub(crate) fn traced_python() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| python_with("python-traces", "requirements-traces.txt"))
}

fn python_with(folder: &str, requirements: &str) -> PathBuf {
    let folder = cache().join(folder);
    let pinned = root().join("examples/fastapi").join(requirements);
    unless_installed(&folder, &[&pinned], || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
        let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "-r"];
        run(Command::new(folder.join("bin/python")).args(pip).arg(&pinned));
    });
    folder.join("bin")
}

/// The folder of Node's modules, with Express.
pub(crate) fn node() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let folder = cache().join("node");
        let pinned =
            ["package.json", "package-lock.json"].map(|name| root().join("examples/express").join(name));
        unless_installed(&folder, &[&pinned[0], &pinned[1]], || {
            std::fs::create_dir_all(&folder).unwrap();
            for file in &pinned {
                std::fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
            }
            run(Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
                .arg(&folder));
        });
        folder.join("node_modules")
    })
}

/// Installs into an empty folder, unless it was done before with the same pinned versions.
fn unless_installed(folder: &Path, pinned: &[&Path], install: impl FnOnce()) {
    let wanted: String = pinned.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let stamp = folder.join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return;
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    install();
    std::fs::write(stamp, wanted).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        let name = command.get_program().display();
        panic!(
            "{name}: {error}. The examples need Python 3.10 with venv, and Node 18 with npm; scripts/setup installs them"
        )
    });
    assert!(
        output.status.success(),
        "{command:?} failed ({}). scripts/setup installs python3-venv, nodejs and npm; the first run needs the network\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
