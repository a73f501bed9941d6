//! A server program between a program under test and its database: it listens on a port of this machine, and ends with the test.

use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::postgres::as_server_user;

/// Ends the program when its input ends, as the cluster's guard does.
const GUARD: &str = r#"
trap '' INT HUP TERM
log=$1
shift
"$@" >"$log" 2>&1 &
cat >/dev/null
kill -9 $!
"#;
/// The interval of looks whether it listens, and how many: half a minute.
const POLL: Duration = Duration::from_millis(50);
const POLLS_MAX: u32 = 600;

/// The running program. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct GuardedServer {
    guard: Child,
    _directory: tempfile::TempDir,
}

/// A folder for the program's settings. It runs as the database's user, who may not look into another user's folder.
pub(crate) fn folder(name: &str) -> tempfile::TempDir {
    let prefix = format!("saga-{name}-");
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir().expect("make a folder");
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).expect("open the folder");
    folder
}

impl GuardedServer {
    /// Starts the program, whose settings are in `directory`, and waits until it listens at this port of this machine.
    pub(crate) fn start(directory: tempfile::TempDir, port: u16, program: &str, arguments: &[&str]) -> Self {
        let log = directory.path().join("output");
        let guard = as_server_user("sh")
            .args(["-c", GUARD, "sh"])
            .arg(&log)
            .arg(program)
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .expect("start the guard");
        let server = Self { guard, _directory: directory };
        for _ in 0..POLLS_MAX {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return server;
            }
            sleep(POLL);
        }
        panic!("{program} does not listen: {}", said(&log));
    }
}

fn said(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

impl Drop for GuardedServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
