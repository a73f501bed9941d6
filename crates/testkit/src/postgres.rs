//! Throw-away PostgreSQL clusters: made by `initdb` in a temporary directory, on a free port of this machine.
//!
//! ```text
//!   test process ── stdin pipe ──▶ sh (guard): waits for the pipe's end, then stops the server and
//!        │                                     removes the directory
//!        └── pg_ctl start/stop ──▶ postgres
//! ```
//!
//! The pipe ends when the cluster is dropped, and when the test process ends or is killed, so nothing remains.
//! Durability is as in production (`fsync` is on), because tests depend on it.

mod recovery;

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

pub use self::recovery::RecoveryTarget;

/// When the tests run as root, the server runs as this system user, because it refuses to run as root.
const SERVER_USER: &str = "postgres";
/// The role of all connections.
pub(crate) const ROLE: &str = "postgres";
/// The interval of polling.
const POLL: Duration = Duration::from_millis(50);
/// Polls before a wait fails: half a minute.
const POLLS_MAX: u32 = 600;
/// Free ports that are tried, because another process may take a port in between.
const PORTS_MAX: u32 = 5;

/// Stops the server when its input ends. It ignores the terminal's signals, so that Ctrl-C does not end it first.
const GUARD: &str = r#"
trap '' INT HUP TERM
cat >/dev/null
"$1/pg_ctl" -D "$2/data" -m immediate -t 30 stop >/dev/null 2>&1
rm -rf "$2"
"#;

/// One server with its own data. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct Cluster {
    binaries: PathBuf,
    directory: PathBuf,
    port: u16,
    guard: Child,
    databases: AtomicU64,
}

/// One cluster for all tests of a process, started on first use. Each test should create its own database in it.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    // Never dropped; the guard notices the end of the process.
    SHARED.get_or_init(Cluster::start)
}

impl Cluster {
    /// Makes a cluster and starts it with PostgreSQL's defaults.
    pub fn start() -> Self {
        Self::start_with("", |_| {})
    }

    /// Makes a cluster whose server offers TLS with a self-signed certificate, and logs how each client connects.
    pub fn start_with_tls() -> Self {
        Self::start_with("ssl = on\nlog_connections = on", |cluster| {
            run(cluster
                .tool("openssl")
                .args([
                    "req",
                    "-x509",
                    "-newkey",
                    "rsa:2048",
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=localhost",
                ])
                .args(["-addext", "subjectAltName=IP:127.0.0.1"])
                .arg("-keyout")
                .arg(cluster.data().join("server.key"))
                .arg("-out")
                .arg(cluster.data().join("server.crt")));
        })
    }

    /// Makes a cluster with additional files in its data directory, such as certificates, keys and access rules, and
    /// with further settings.
    pub fn start_with_files(settings: &str, files: &[(&str, &str)]) -> Self {
        Self::start_with(settings, |cluster| {
            for (name, text) in files {
                let path = cluster.data().join(name);
                std::fs::write(&path, text).expect("write a file of the server");
                run(Command::new("chmod").arg("600").arg(&path));
                if is_root() {
                    run(Command::new("chown").arg(SERVER_USER).arg(&path));
                }
            }
        })
    }

    fn start_with(settings: &str, prepare: impl FnOnce(&Self)) -> Self {
        Self::make_with(|cluster| {
            cluster.initialize();
            cluster.configure(settings);
            prepare(cluster);
        })
    }

    fn initialize(&self) {
        let arguments =
            ["--no-sync", "--locale=C", "--encoding=UTF8", "--auth=trust", "--username", ROLE, "-D"];
        run(self.tool("initdb").args(arguments).arg(self.data()));
    }

    /// Starts a cluster whose data `make` has made.
    fn make_with(make: impl FnOnce(&Self)) -> Self {
        let binaries = binaries();
        let directory =
            tempfile::Builder::new().prefix("saga-postgres-").tempdir().expect("make a directory").keep();
        if is_root() {
            run(Command::new("chown").arg(SERVER_USER).arg(&directory));
        }
        // From here on the directory is removed in any case.
        let guard = as_server_user("sh")
            .args(["-c", GUARD, "sh"])
            .args([&binaries, &directory])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start the guard");
        let mut cluster = Self { binaries, directory, port: 0, guard, databases: AtomicU64::new(0) };
        make(&cluster);
        for _ in 1..PORTS_MAX {
            cluster.port = free_port();
            if cluster.try_start() {
                return cluster;
            }
        }
        cluster.port = free_port();
        cluster.start_again();
        cluster
    }

    /// The URL of the database that every cluster has.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Creates an empty database with its own name, and returns its URL.
    pub fn create_database(&self) -> String {
        self.create_database_with(&[])
    }

    /// The same with further arguments of PostgreSQL's `createdb`.
    pub fn create_database_with(&self, arguments: &[&str]) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port.to_string();
        run(Command::new(self.binaries.join("createdb"))
            .args(["-h", "127.0.0.1", "-U", ROLE, "-p", &port])
            .args(arguments)
            .arg(&name)
            .stdin(Stdio::null()));
        self.url_of(&name)
    }

    /// Stops the server as a crash of all its processes would: at once, with a recovery at the next start.
    pub fn stop_immediate(&self) {
        self.stop("immediate");
    }

    /// Stops the server in an orderly way: it disconnects clients and flushes everything.
    pub fn stop_fast(&self) {
        self.stop("fast");
    }

    /// Makes a standby of this server, which streams from it, and starts it. It is there when it has all that the server had.
    pub fn standby(&self) -> Self {
        let standby = Self::make_with(|cluster| cluster.copy(self));
        standby.wait_until(&["pg_is_in_recovery()", "EXISTS (SELECT 1 FROM pg_stat_wal_receiver)"]);
        standby
    }

    /// Makes this server, which is stopped, a standby of another one, with a new copy of its data.
    pub fn become_standby_of(&self, primary: &Self) {
        run(self.tool("rm").arg("-rf").arg(self.data()));
        self.copy(primary);
        self.start_again();
        self.wait_until(&["pg_is_in_recovery()", "EXISTS (SELECT 1 FROM pg_stat_wal_receiver)"]);
    }

    /// Has commits of this server wait for its standby, or for none, and returns once that is in force: a standby that is waited for
    /// has all that was committed before.
    pub fn wait_for_standby(&self, waits: bool) {
        let names = if waits { "*" } else { "" };
        self.sql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        self.sql("SELECT pg_reload_conf()");
        self.wait_until(&[&format!("current_setting('synchronous_standby_names') = '{names}'")]);
        if waits {
            let has_all = "EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync' \
                AND flush_lsn >= pg_current_wal_flush_lsn())";
            self.wait_until(&[has_all]);
        }
    }

    /// Whether a standby has all that was committed until now.
    pub fn wait_until_copied(&self) {
        let end = self.sql("SELECT pg_current_wal_flush_lsn()");
        self.wait_until(&[&format!(
            "EXISTS (SELECT 1 FROM pg_stat_replication WHERE replay_lsn >= '{}')",
            end.trim()
        )]);
    }

    /// Has this server, which is stopped, wait for no standby from its next start on.
    pub fn forget_standbys(&self) {
        let path = self.data().join("postgresql.auto.conf");
        let settings = std::fs::read_to_string(&path).expect("read the settings");
        let settings = format!("{settings}\nsynchronous_standby_names = ''\n");
        std::fs::write(&path, settings).expect("write the settings");
    }

    /// Stops the server, if it runs; also one whose first process was killed a moment ago.
    pub fn make_sure_it_is_stopped(&self) {
        for _ in 0..POLLS_MAX {
            let status =
                self.tool("pg_ctl").arg("-D").arg(self.data()).arg("status").stdout(Stdio::null()).status();
            if !status.expect("run pg_ctl").success() {
                return;
            }
            let stop = ["-m", "immediate", "-t", "30", "-w", "stop"];
            let _ = self.tool("pg_ctl").arg("-D").arg(self.data()).args(stop).output();
        }
        panic!("PostgreSQL does not stop; its log:\n{}", self.log());
    }

    /// Makes this standby a server of its own, which takes writes, and waits until it does.
    pub fn promote(&self) {
        run(self.tool("pg_ctl").arg("-D").arg(self.data()).args(["-t", "60", "-w", "promote"]));
    }

    /// Runs one statement as the role of all tests, and gives its answer: columns between `|`, rows on lines.
    pub fn sql(&self, statement: &str) -> String {
        let output = self.psql(statement);
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn psql(&self, statement: &str) -> std::process::Output {
        Command::new(self.binaries.join("psql"))
            .args([
                "-X",
                "-At",
                "-h",
                "127.0.0.1",
                "-U",
                ROLE,
                "-d",
                "postgres",
                "-p",
                &self.port.to_string(),
            ])
            .args(["-c", statement])
            .stdin(Stdio::null())
            .output()
            .expect("run psql")
    }

    /// Waits until all of these are true.
    fn wait_until(&self, conditions: &[&str]) {
        let statement = format!("SELECT {}", conditions.join(" AND "));
        for _ in 0..POLLS_MAX {
            if self.psql(&statement).stdout.trim_ascii() == b"t" {
                return;
            }
            sleep(POLL);
        }
        panic!("it does not come about: {statement}; the server's log:\n{}", self.log());
    }

    fn copy(&self, primary: &Self) {
        let port = primary.port.to_string();
        run(self
            .tool("pg_basebackup")
            .args([
                "-h",
                "127.0.0.1",
                "-U",
                ROLE,
                "-p",
                &port,
                "-c",
                "fast",
                "-X",
                "stream",
                "-R",
                "--no-sync",
                "-D",
            ])
            .arg(self.data()));
    }

    /// Kills the server's first process; the others notice that and end. Does not wait for them.
    pub fn kill9(&self) {
        // The file belongs to the server's user. Root may read it; without root, it belongs to this user.
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("the server runs");
        let pid = file.lines().next().expect("the file begins with the process's id");
        run(Command::new("kill").args(["-9", pid]));
    }

    /// Starts the stopped or killed server again, on the same port, and waits until it can be used.
    pub fn start_again(&self) {
        // After kill9() the first attempts may meet server processes that have not ended yet.
        for _ in 0..20 {
            if self.try_start() {
                return;
            }
            sleep(POLL);
        }
        panic!("PostgreSQL does not start; its log:\n{}", self.log());
    }

    /// Requires a password from now on from every role but that of [`Cluster::url`], as production servers do.
    pub fn demand_passwords(&self) {
        let rules = format!("host all {ROLE} all trust\nhost all all all scram-sha-256\n");
        std::fs::write(self.data().join("pg_hba.conf"), rules).expect("write the rules of access");
        run(self.tool("pg_ctl").arg("-D").arg(self.data()).arg("reload"));
    }

    /// The folder of PostgreSQL's programs.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// The server's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    fn tool(&self, name: &str) -> Command {
        let own = self.binaries.join(name);
        let mut command = as_server_user(if own.exists() { own.as_os_str() } else { OsStr::new(name) });
        // The server's user may have no access to the tests' working directory.
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn configure(&self, settings: &str) {
        let config = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\n{settings}\n"
        );
        let path = self.data().join("postgresql.auto.conf");
        std::fs::write(&path, config).expect("write the settings");
    }

    fn try_start(&self) -> bool {
        // Into a file: the server keeps this output open, so a pipe would never end.
        let status = self
            .tool("pg_ctl")
            .arg("-D")
            .arg(self.data())
            .arg("-l")
            .arg(self.directory.join("log"))
            .args(["-o", &format!("-p {}", self.port), "-t", "30", "-w", "start"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.expect("run pg_ctl").success()
    }

    fn stop(&self, mode: &str) {
        run(self.tool("pg_ctl").arg("-D").arg(self.data()).args(["-m", mode, "-t", "30", "-w", "stop"]));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        for _ in 0..POLLS_MAX {
            match self.guard.try_wait() {
                Ok(Some(_)) | Err(_) => return,
                Ok(None) => sleep(POLL),
            }
        }
    }
}

/// `$PG_BIN`, or the newest of Debian's installed versions.
fn binaries() -> PathBuf {
    if let Some(path) = std::env::var_os("PG_BIN") {
        return PathBuf::from(path);
    }
    let version =
        |path: &Path| path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
    std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(|path| version(path))
        .map(|path| path.join("bin"))
        .expect(
            "these tests need PostgreSQL's server programs: install Debian's package `postgresql`, \
             or say in PG_BIN which directory holds `initdb`",
        )
}

fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| {
        let output = Command::new("id").arg("-u").output().expect("run id");
        output.stdout.trim_ascii() == b"0"
    })
}

pub(crate) fn as_server_user(program: impl AsRef<OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", SERVER_USER, "--"]).arg(program);
    command
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("find a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
