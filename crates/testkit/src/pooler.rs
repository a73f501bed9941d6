//! PgBouncer between a program and a PostgreSQL server: in transaction mode, with two connections to the server.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::postgres::{ROLE, as_server_user, free_port};

/// Ends the pooler when its input ends, as the cluster's guard does.
const GUARD: &str = r#"
trap '' INT HUP TERM
"$1" -q "$2/pgbouncer.ini" >/dev/null 2>&1 &
cat >/dev/null
kill -9 $!
"#;
/// The interval of looks whether it listens, and how many: half a minute.
const POLL: Duration = Duration::from_millis(50);
const POLLS_MAX: u32 = 600;

/// A running PgBouncer. Dropping it ends it.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    guard: Child,
    _directory: tempfile::TempDir,
}

impl Pooler {
    /// Starts one for the server at this port of this machine.
    pub fn start(server: u16) -> Self {
        let directory =
            tempfile::Builder::new().prefix("saga-pgbouncer-").tempdir().expect("make a directory");
        let port = free_port();
        let place = directory.path().display();
        let mut settings =
            std::fs::File::create(directory.path().join("pgbouncer.ini")).expect("write the settings");
        write!(
            settings,
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {place}/users\npool_mode = transaction\ndefault_pool_size = 2\n\
             max_client_conn = 500\nserver_login_retry = 1\nlogfile = {place}/log\n"
        )
        .expect("write the settings");
        std::fs::write(directory.path().join("users"), format!("\"{ROLE}\" \"\"\n"))
            .expect("write the users");
        // The pooler runs as the server's user, who may not look into another user's folder.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(directory.path(), mode).expect("open the folder");
        let guard = as_server_user("sh")
            .args(["-c", GUARD, "sh", &program()])
            .arg(directory.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .expect("start PgBouncer");
        let pooler = Self { port, guard, _directory: directory };
        for _ in 0..POLLS_MAX {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return pooler;
            }
            sleep(POLL);
        }
        let log = std::fs::read_to_string(pooler._directory.path().join("log"));
        panic!("PgBouncer does not listen; its log: {log:?}");
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// `$PGBOUNCER`, or Debian's.
fn program() -> String {
    std::env::var("PGBOUNCER").unwrap_or_else(|_| "/usr/sbin/pgbouncer".to_owned())
}
