//! The binary as a process: `orchestrateur serve`.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::client::{self, PATIENCE, POLL, Response, until};
use crate::shop::Shop;
use crate::store::StoreEngine;

/// The default name of the process, over all its starts.
const REPLICA: &str = "replique-1";

/// The settings that all starts of one orchestrator share.
pub struct Setup {
    folder: TempDir,
    /// `DATABASE_URL`.
    pub database_url: String,
    environment: Vec<(&'static str, String)>,
    /// Arguments in addition to those of all processes.
    pub arguments: Vec<String>,
    /// Another program than the one that was built together with this one.
    program: Option<PathBuf>,
    starts: AtomicUsize,
}

/// One running process. Dropping it kills it.
pub struct ServeProcess {
    child: Child,
    /// The address on which it listens.
    pub address: SocketAddr,
    /// The address that it has for supervisors, who need no key there; its only address, if it has no other.
    pub supervised_at: SocketAddr,
    log: PathBuf,
}

impl Setup {
    /// An orchestrator for `shop` with an empty store.
    pub fn new(shop: &Shop, engine: StoreEngine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = engine.empty(folder.path());
        Self::over(folder, shop, database_url)
    }

    /// An orchestrator for `shop` with the store that `database_url` names.
    pub fn of(shop: &Shop, database_url: String) -> Self {
        Self::over(tempfile::tempdir().unwrap(), shop, database_url)
    }

    fn over(folder: TempDir, shop: &Shop, database_url: String) -> Self {
        Self {
            folder,
            database_url,
            environment: shop.urls(),
            arguments: Vec::new(),
            program: None,
            starts: 0.into(),
        }
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another argument for all starts from now on.
    pub fn argument(&mut self, argument: &str) -> &mut Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The program for all starts from now on; `None`: the one that was built together with this one.
    pub fn program(&mut self, program: Option<PathBuf>) -> &mut Self {
        self.program = program;
        self
    }

    /// Sets a variable for all starts from now on.
    pub fn variable(&mut self, name: &'static str, value: String) -> &mut Self {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value));
        self
    }

    /// The definition for all starts from now on.
    pub fn definition(&mut self, yaml: &str) -> &mut Self {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let path = self.folder().join(format!("definition-{number}.yaml"));
        std::fs::write(&path, yaml).unwrap();
        self.arguments.retain(|argument| !argument.starts_with("--definition="));
        self.argument(&format!("--definition={}", path.display()))
    }

    /// The whole log of its processes.
    pub fn logs(&self) -> String {
        let numbers = 0..self.starts.load(Ordering::Relaxed);
        let logs = numbers.map(|number| std::fs::read_to_string(self.folder().join(log_name(number))));
        logs.flatten().collect()
    }

    /// Gives another command of the program the same surroundings.
    pub fn equip(&self, command: &mut Command) {
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("DATABASE_URL", &self.database_url);
    }

    /// Starts a process without waiting.
    pub fn spawn(&self) -> (Child, PathBuf) {
        self.spawn_as(REPLICA)
    }

    fn spawn_as(&self, replica: &str) -> (Child, PathBuf) {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.folder().join(log_name(number));
        let child = Command::new(self.program.as_deref().unwrap_or_else(|| program()))
            .args(["serve", "--listen", "127.0.0.1:0", "--log-json"])
            .args(&self.arguments)
            .env("ORCHESTRATEUR_REPLICA", replica)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("DATABASE_URL", &self.database_url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        (child, log)
    }

    /// Starts a process and waits until it listens.
    pub async fn start(&self) -> ServeProcess {
        self.start_as(REPLICA).await
    }

    /// The same for another process beside the others.
    pub async fn start_as(&self, replica: &str) -> ServeProcess {
        self.try_start_as(replica)
            .await
            .unwrap_or_else(|(status, log)| panic!("serve ended: {status}\n{log}"))
    }

    /// Starts a process and waits until it listens, or returns its log if it has ended.
    pub async fn try_start(&self) -> Result<ServeProcess, (ExitStatus, String)> {
        self.try_start_as(REPLICA).await
    }

    async fn try_start_as(&self, replica: &str) -> Result<ServeProcess, (ExitStatus, String)> {
        let (child, log) = self.spawn_as(replica);
        // From here on it is killed in any case.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut serve = ServeProcess { child, address: nowhere, supervised_at: nowhere, log };
        // Its own loop, as below: a future that holds an async closure cannot be spawned.
        let begun = Instant::now();
        serve.address = loop {
            if let Some(status) = serve.ended() {
                return Err((status, serve.log()));
            }
            if let Some(address) = logged_address(&serve.log, "listen") {
                serve.supervised_at = logged_address(&serve.log, "ops_listen").unwrap_or(address);
                break address;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not listen within {PATIENCE:?}");
            sleep(POLL).await;
        };
        Ok(serve)
    }
}

/// The orchestrator's program: `$ORCHESTRATEUR_PROGRAM`, or the one that was built together with this program.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("ORCHESTRATEUR_PROGRAM") {
            return path.into();
        }
        // Test programs are one folder below the programs that they test.
        let own = std::env::current_exe().unwrap();
        let found = own.ancestors().skip(1).take(2).map(|folder| folder.join("orchestrateur"));
        let mut found = found.filter(|path| path.is_file());
        found.next().expect("build the orchestrator first, or name it in ORCHESTRATEUR_PROGRAM")
    })
}

fn log_name(number: usize) -> String {
    format!("serve-{number}.log")
}

fn logged_address(log: &Path, name: &str) -> Option<SocketAddr> {
    std::fs::read_to_string(log).unwrap().lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line[name].as_str()?.parse().ok()
    })
}

impl ServeProcess {
    /// `kill -9`.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The exit status, if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success(), "send SIG{name}");
    }

    /// Waits until the process ends by itself.
    pub async fn exit(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end within {PATIENCE:?}");
            sleep(POLL).await;
        }
    }

    /// `GET`, which must be answered with 200.
    pub async fn get(&self, path: &str) -> Response {
        client::get(self.address, path).await
    }

    /// The order as the API shows it.
    pub async fn commande(&self, saga: &str) -> Value {
        self.get(&format!("/api/commande/{saga}")).await.json()
    }

    /// Waits until the order is over or blocked, and shows it.
    pub async fn settled(&self, saga: &str) -> Value {
        until("the order is over or blocked", async || {
            let row = self.commande(saga).await;
            let over = row["etat_actuel"] == "CONFIRMEE"
                || row["rollback"] == "TERMINE"
                || row["rollback"] == "BLOQUE"
                || (row["rollback"] == "AUCUN" && !row["echec"].is_null());
            over.then_some(row)
        })
        .await
    }

    /// Waits until every unfinished order has been taken over and none is under way.
    pub async fn quiet(&self) {
        until("every order is over", async || {
            let ready = client::send(self.supervised_at, "GET", "/readyz", &[], None).await.ok()?;
            let body = ready.json();
            (ready.status == 200 && body["recovered"] == true && body["sagas_active"] == 0).then_some(())
        })
        .await;
    }

    /// The sum of the metric's series whose lines begin with `name`.
    pub async fn metric(&self, name: &str) -> u64 {
        self.try_metric(name).await.unwrap_or_else(|failure| panic!("GET /metrics: {failure:?}"))
    }

    /// The same of a process that may be gone or silent.
    pub async fn try_metric(&self, name: &str) -> Result<u64, client::NoResponse> {
        let text = client::send(self.supervised_at, "GET", "/metrics", &[], None).await?.text;
        let values = text.lines().filter(|line| line.starts_with(name));
        Ok(values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum())
    }

    /// How often the process has counted that it lost its lease.
    pub async fn leases_lost(&self) -> Result<u64, client::NoResponse> {
        self.try_metric("leases_lost_total").await
    }

    /// Its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for ServeProcess {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of its log:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}
