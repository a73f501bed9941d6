//! The Debian package: made and read; and on request, because that changes this machine, installed, run, and taken off it
//! again: [`ON_REQUEST`].
//!
//! It packages the program that the tests were built with, without stripping: nothing is built once more. The package
//! for others is made by `scripts/package` from the same metadata, with the release profile.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::repository::{self, output_of, root};
use crate::settings;

const NAME: &str = "orchestrateur";
const SETTINGS: &str = "/etc/orchestrateur/orchestrateur.env";
/// The environment variable that asks for what changes the machine. Continuous integration sets it.
const ON_REQUEST: &str = "TEST_CHANGES_MACHINE";
/// How often another user of dpkg is waited for, and how long each time: two minutes.
const LOCK_TRIES_MAX: u32 = 240;
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// A package file.
pub(crate) struct Package(PathBuf);

impl Package {
    /// The package, made by the first test that asks.
    pub(crate) fn built() -> &'static Self {
        static BUILT: OnceLock<(TempDir, Package)> = OnceLock::new();
        let (_, package) = BUILT.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            // cargo-deb packages the content of `release` in the target folder, whichever build has made it.
            let release = folder.path().join("release");
            std::fs::create_dir(&release).unwrap();
            std::os::unix::fs::symlink(settings::orchestrateur(), release.join(NAME)).unwrap();
            let file = folder.path().join("orchestrateur.deb");
            let mut cargo_deb = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            cargo_deb
                .args(["deb", "--package", NAME, "--no-build", "--no-strip", "--fast", "--output"])
                .arg(&file);
            output_of(cargo_deb.env("CARGO_TARGET_DIR", folder.path()).current_dir(root()));
            (folder, Package(file))
        });
        package
    }

    /// Its files: mode and path.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let list = output_of(Command::new("dpkg-deb").arg("--contents").arg(&self.0));
        let files = list.lines().filter(|line| line.starts_with('-'));
        let columns = files.map(|line| line.split_whitespace().collect::<Vec<_>>());
        columns
            .map(|columns| (columns[0].to_owned(), columns[5].trim_start_matches('.').to_owned()))
            .collect()
    }

    /// Its files, in a folder.
    pub(crate) fn unpack(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        output_of(Command::new("dpkg-deb").arg("--extract").arg(&self.0).arg(folder.path()));
        folder
    }

    fn field(&self, name: &str) -> String {
        output_of(Command::new("dpkg-deb").arg("--field").arg(&self.0).arg(name)).trim().to_owned()
    }
}

#[test]
fn it_says_what_it_is_and_brings_everything() {
    let package = Package::built();
    assert_eq!(package.field("Package"), NAME);
    assert!(package.field("Version").starts_with(env!("CARGO_PKG_VERSION")));
    assert!(package.field("Depends").contains("libc6"), "{}", package.field("Depends"));
    let conffiles = output_of(Command::new("dpkg-deb").args(["--info"]).arg(&package.0).arg("conffiles"));
    assert_eq!(conffiles.trim(), SETTINGS);

    let files = package.files();
    let doc = "/usr/share/doc/orchestrateur";
    for (mode, path) in [
        ("-rwxr-xr-x", "/usr/bin/orchestrateur".to_owned()),
        ("-rw-------", SETTINGS.to_owned()),
        ("-rw-r--r--", "/usr/lib/systemd/system/orchestrateur.service".to_owned()),
        ("-rw-r--r--", format!("{doc}/copyright")),
        ("-rw-r--r--", format!("{doc}/LICENSE-MIT")),
        ("-rw-r--r--", format!("{doc}/LICENSE-APACHE")),
        ("-rw-r--r--", format!("{doc}/README.md")),
        ("-rw-r--r--", format!("{doc}/README.fr.md")),
        ("-rw-r--r--", format!("{doc}/CHANGELOG.md")),
        ("-rw-r--r--", format!("{doc}/docs/definitions.md")),
        ("-rw-r--r--", format!("{doc}/examples/checkout.yaml")),
        ("-rw-r--r--", format!("{doc}/examples/checkout-effects.yaml")),
        ("-rw-r--r--", format!("{doc}/examples/voisins.yaml")),
        ("-rw-r--r--", format!("{doc}/examples/definition.schema.json")),
    ] {
        assert!(files.contains(&(mode.to_owned(), path.clone())), "{mode} {path} is not among {files:#?}");
    }

    let unpacked = package.unpack();
    let inside = |path: &str| unpacked.path().join(path.trim_start_matches('/'));
    let text = |path: &str| std::fs::read_to_string(inside(path)).unwrap();
    assert_eq!(
        text("usr/lib/systemd/system/orchestrateur.service"),
        repository::read("deploy/systemd/orchestrateur.service")
    );
    let example = inside(&format!("{doc}/examples/checkout.yaml"));
    output_of(Command::new(inside("usr/bin/orchestrateur")).arg("check").arg(example));
}

#[test]
fn it_is_installed_runs_and_leaves_nothing_behind() {
    if let Some(reason) = why_not_here() {
        println!("skipped: {reason}");
        return;
    }
    let package = Package::built();
    let before = traces();
    // From here on it is taken off again, whatever happens.
    let machine = Installed;
    dpkg(&["--install", package.0.to_str().unwrap()]);
    let version = output_of(Command::new("/usr/bin/orchestrateur").arg("--version"));
    assert_eq!(version.trim(), format!("{NAME} {}", env!("CARGO_PKG_VERSION")));
    output_of(Command::new("systemd-analyze").args(["verify", "--man=no", "orchestrateur.service"]));
    let enabled = Path::new("/etc/systemd/system/multi-user.target.wants/orchestrateur.service");
    assert!(!enabled.exists(), "it must be told where its participants are before it starts");

    // An operator's changes of the settings outlive an upgrade.
    let write = format!("echo PANIER_URL=http://127.0.0.1:1 >> {SETTINGS}");
    output_of(&mut as_root(&["sh", "-c", &write]));
    dpkg(&["--install", package.0.to_str().unwrap()]);
    let settings = output_of(&mut as_root(&["cat", SETTINGS]));
    assert!(settings.ends_with("PANIER_URL=http://127.0.0.1:1\n"), "{settings}");

    dpkg(&["--remove", NAME]);
    assert!(!Path::new("/usr/bin/orchestrateur").exists());
    output_of(&mut as_root(&["test", "-f", SETTINGS]));
    drop(machine);
    assert_eq!(status(), None);
    assert_eq!(traces(), before, "left behind");
}

/// Everything that bears its name where a package may put something.
fn traces() -> String {
    let places = ["/etc", "/usr/bin", "/usr/lib/systemd", "/usr/share/doc", "/var/lib"];
    output_of(as_root(&["find"]).args(places).args(["-name", "*orchestrateur*"]))
}

/// Why the package cannot be installed for a test, if it cannot.
fn why_not_here() -> Option<String> {
    if std::env::var_os(ON_REQUEST).is_none_or(|value| value != "1") {
        return Some(format!(
            "it installs a package on this machine and removes it again; to have that tested: \
             {ON_REQUEST}=1 cargo test -p orchestrateur --test deploy debian"
        ));
    }
    if let Some(status) = status() {
        return Some(format!(
            "this machine has the package already ({status}), and it is not ours to remove"
        ));
    }
    match as_root(&["true"]).output() {
        Ok(output) if output.status.success() => None,
        _ => Some("installing takes root, or sudo that does not ask".to_owned()),
    }
}

/// The package's state in dpkg; `None` when dpkg has never heard of it.
fn status() -> Option<String> {
    let output =
        Command::new("dpkg-query").args(["--show", "--showformat=${Status}", NAME]).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The package on this machine. Dropping it takes it off, settings and all.
struct Installed;

impl Drop for Installed {
    fn drop(&mut self) {
        // The test looks whether it is gone. Here there may be a panic under way, which another one must not cut short.
        let _ = try_dpkg(&["--purge", NAME]);
    }
}

#[track_caller]
fn dpkg(arguments: &[&str]) {
    let output = try_dpkg(arguments);
    assert!(output.status.success(), "dpkg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs dpkg, after any other process that uses it.
fn try_dpkg(arguments: &[&str]) -> Output {
    let run = || as_root(&[&["dpkg"], arguments].concat()).output().unwrap();
    let locked =
        |output: &Output| String::from_utf8_lossy(&output.stderr).contains("lock was locked by another");
    let mut output = run();
    for _ in 0..LOCK_TRIES_MAX {
        if !locked(&output) {
            break;
        }
        sleep(LOCK_WAIT);
        output = run();
    }
    output
}

/// A command as root: as it is for root, through sudo for others.
fn as_root(command: &[&str]) -> Command {
    let root = output_of(Command::new("id").arg("-u")).trim() == "0";
    let (program, arguments) = if root { (command[0], &command[1..]) } else { ("sudo", command) };
    let mut process = Command::new(program);
    if !root {
        process.arg("--non-interactive");
    }
    process.args(arguments);
    process
}
