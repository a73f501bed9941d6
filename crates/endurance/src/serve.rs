//! The binary as a process: `orchestrateur serve`.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{self, Answer, until};
use crate::shop::Shop;
use crate::store::Engine;

/// What every start of one orchestrator has in common.
pub(crate) struct Setup {
    folder: TempDir,
    pub(crate) database_url: String,
    environment: Vec<(&'static str, String)>,
    pub(crate) arguments: Vec<String>,
    starts: AtomicUsize,
}

/// One running process. Dropping it kills it.
pub(crate) struct Serve {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Setup {
    /// An orchestrator for `shop` with an empty store.
    pub(crate) fn new(shop: &Shop, engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database_url = engine.empty(folder.path());
        Self { folder, database_url, environment: shop.urls(), arguments: Vec::new(), starts: 0.into() }
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another argument for all starts from now on.
    pub(crate) fn argument(&mut self, argument: &str) -> &mut Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Another variable for all starts from now on, instead of what it was.
    pub(crate) fn variable(&mut self, name: &'static str, value: String) -> &mut Self {
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value));
        self
    }

    /// The definition for all starts from now on.
    pub(crate) fn definition(&mut self, yaml: &str) -> &mut Self {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let path = self.folder().join(format!("definition-{number}.yaml"));
        std::fs::write(&path, yaml).unwrap();
        self.arguments.retain(|argument| !argument.starts_with("--definition="));
        self.argument(&format!("--definition={}", path.display()))
    }

    /// Starts a process, without waiting for anything.
    pub(crate) fn spawn(&self) -> (Child, PathBuf) {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.folder().join(format!("serve-{number}.log"));
        let child = Command::new(env!("CARGO_BIN_EXE_orchestrateur"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log-json"])
            .args(&self.arguments)
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
    pub(crate) async fn start(&self) -> Serve {
        let (mut child, log) = self.spawn();
        let address = until("the process listens", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("serve ended: {status}\n{}", std::fs::read_to_string(&log).unwrap());
            }
            listening_on(&log)
        })
        .await;
        Serve { child, address, log }
    }
}

fn listening_on(log: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(log).unwrap().lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["listen"].as_str()?.parse().ok()
    })
}

impl Serve {
    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success(), "send SIG{name}");
    }

    /// Waits until the process ends by itself.
    pub(crate) async fn exit(mut self) -> ExitStatus {
        until("the process ends", async || self.child.try_wait().unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        client::get(self.address, path).await
    }

    /// The order as the API shows it.
    pub(crate) async fn commande(&self, saga: &str) -> Value {
        self.get(&format!("/api/commande/{saga}")).await.json()
    }

    /// Waits until the order is over or blocked, and shows it.
    pub(crate) async fn settled(&self, saga: &str) -> Value {
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
    pub(crate) async fn quiet(&self) {
        until("every order is over", async || {
            let ready = client::send(self.address, "GET", "/readyz", &[], None).await.ok()?;
            let body = ready.json();
            (ready.status == 200 && body["recovered"] == true && body["sagas_active"] == 0).then_some(())
        })
        .await;
    }

    /// The sum of a metric's series whose line begins with `name`.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").await.text;
        let values = text.lines().filter(|line| line.starts_with(name));
        values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of its log:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
        }
    }
}
