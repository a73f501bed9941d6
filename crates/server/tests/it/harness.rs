//! A shop and an orchestrator of a test's own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use boutique::{Boutique, Config, RunningShop, Seed, Service};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Call, PATIENCE, Reply, send};

/// The four participants.
pub(crate) struct Shop {
    _dir: TempDir,
    running: RunningShop,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::selling(Seed::demo()).await
    }

    pub(crate) async fn selling(seed: Seed) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let running = Boutique::start(Config { seed, ..Config::new(dir.path()) }).await.unwrap();
        Self { _dir: dir, running }
    }

    /// Adds a fault; see the boutique's `fault.rs` for the grammar.
    pub(crate) fn fault(&self, rule: &str) {
        self.running.add_fault(&rule.parse().unwrap()).unwrap();
    }

    /// Removes all faults.
    pub(crate) fn heal(&self) {
        self.running.clear_faults();
    }

    /// The variables that tell an orchestrator where the participants are.
    pub(crate) fn variables(&self) -> [(&'static str, String); 4] {
        let url = |service| self.running.url(service).unwrap();
        [
            ("PANIER_URL", url(Service::Panier)),
            ("STOCK_URL", url(Service::Stock)),
            ("CLIENT_URL", url(Service::Client)),
            ("VENTES_URL", url(Service::Ventes)),
        ]
    }

    pub(crate) async fn get(&self, service: Service, path: &str) -> Value {
        send(self.running.addr(service).unwrap(), &Call::get(path)).await.expect(200)
    }

    /// The effects of a service for one order, in order: `("payer", "80.97")`, the amount where there is one.
    pub(crate) async fn effects(&self, saga: &str) -> Vec<(String, String)> {
        let mut effects = Vec::new();
        for service in [Service::Stock, Service::Client, Service::Ventes] {
            let lines = self.get(service, &format!("/ledger?saga_id={saga}")).await;
            for line in lines.as_array().unwrap() {
                let montant = line.get("montant").map(Value::to_string).unwrap_or_default();
                effects.push((line["operation"].as_str().unwrap().to_owned(), montant));
            }
        }
        effects
    }

    /// The names of the effects alone.
    pub(crate) async fn operations(&self, saga: &str) -> Vec<String> {
        self.effects(saga).await.into_iter().map(|(operation, _)| operation).collect()
    }

    /// Everything that one service was asked for an order, with what it came to: `"payer hanging"`.
    pub(crate) async fn calls(&self, service: Service, saga: &str) -> Vec<String> {
        let lines = self.get(service, &format!("/ledger?all=true&saga_id={saga}")).await;
        let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        lines
            .as_array()
            .unwrap()
            .iter()
            .map(|line| format!("{} {}", text(line, "operation"), text(line, "result")))
            .collect()
    }
}

/// The real binary, serving. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    stderr: Arc<Mutex<String>>,
}

impl Server {
    /// Starts it on a free port, with its orders in `data`.
    pub(crate) async fn start(shop: &Shop, data: &Path, flags: &[&str]) -> Self {
        Self::start_as(orchestrateur(), shop, data, flags).await
    }

    /// The same with these variables.
    pub(crate) async fn start_with(
        variables: &[(&str, String)],
        shop: &Shop,
        data: &Path,
        flags: &[&str],
    ) -> Self {
        let mut command = orchestrateur();
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Self::start_as(command, shop, data, flags).await
    }

    /// The same where it may open no more than `files` files.
    pub(crate) async fn start_with_files(files: u32, shop: &Shop, data: &Path, flags: &[&str]) -> Self {
        let mut command = orchestrateur_by(Command::new("sh"));
        command.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]);
        command.arg(env!("CARGO_BIN_EXE_orchestrateur"));
        Self::start_as(command, shop, data, flags).await
    }

    async fn start_as(mut command: Command, shop: &Shop, data: &Path, flags: &[&str]) -> Self {
        let listen: &[&str] = if flags.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        command
            .args(["serve", "--log-json"])
            .args(listen)
            .args(flags)
            .envs(shop.variables())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let has_database = command.get_envs().any(|(name, value)| name == "DATABASE_URL" && value.is_some());
        if !has_database {
            command.env("DATABASE_URL", database_in(data));
        }
        let mut child = command.spawn().unwrap();
        let stderr = Arc::new(Mutex::new(String::new()));
        let (found, address) = tokio::sync::oneshot::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = stderr.clone();
        std::thread::spawn(move || {
            let mut found = Some(found);
            for line in lines.map_while(Result::ok) {
                let listen = serde_json::from_str::<Value>(&line).ok();
                let listen = listen.and_then(|line| line["listen"].as_str()?.parse::<SocketAddr>().ok());
                kept.lock().unwrap().push_str(&format!("{line}\n"));
                if let (Some(address), Some(found)) = (listen, found.take_if(|_| listen.is_some())) {
                    let _ = found.send(address);
                }
            }
        });
        let address = tokio::time::timeout(PATIENCE, address).await;
        let Ok(Ok(address)) = address else {
            let _ = child.kill();
            panic!("it does not listen: {}", stderr.lock().unwrap());
        };
        Self { child, address, stderr }
    }

    pub(crate) async fn send(&self, call: &Call) -> Reply {
        send(self.address, call).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(&Call::get(path)).await
    }

    /// One sample of the metrics; 0 where there is none.
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        let text = self.get("/metrics").await.text;
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its log so far, a JSON object a line.
    pub(crate) fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Its log, once it has `words`: a thread of its own writes it, so a line may come later than what it is about.
    pub(crate) async fn says(&self, words: &str) -> String {
        until(words, async || self.said().contains(words)).await;
        self.said()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        signal(&self.child, "TERM");
    }

    /// Sends SIGHUP.
    pub(crate) fn reload(&self) {
        signal(&self.child, "HUP");
    }

    /// Whether it has ended by itself, well.
    pub(crate) fn has_ended(&mut self) -> bool {
        match self.child.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success(), "{status}: {}", self.said());
                true
            }
            None => false,
        }
    }

    /// `kill -9`, and its end.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A shop, and an orchestrator that works with it.
pub(crate) struct World {
    pub(crate) shop: Shop,
    pub(crate) server: Server,
    pub(crate) data: TempDir,
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::with(Shop::open().await, &[]).await
    }

    pub(crate) async fn with(shop: Shop, flags: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(&shop, data.path(), flags).await;
        Self { shop, server, data }
    }

    /// Kills the orchestrator and starts another one on the same data.
    pub(crate) async fn restart(&mut self) {
        self.server.kill();
        self.server = Server::start(&self.shop, self.data.path(), &[]).await;
    }

    pub(crate) async fn send(&self, call: &Call) -> Reply {
        self.server.send(call).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.server.get(path).await
    }

    /// Runs an order to its end, and gives its id. The end must be `etat_final`.
    pub(crate) async fn order(&self, client: i64, etat_final: &str) -> String {
        let body = self.send(&Call::checkout(client)).await.expect(200);
        assert_eq!(body["etat_final"], etat_final, "{body}");
        body["saga_id"].as_str().unwrap().to_owned()
    }

    /// Starts an order without waiting for its end, and gives its id.
    pub(crate) async fn begin(&self, client: i64) -> String {
        let body = self.send(&Call::checkout(client).prefer("respond-async")).await.expect(202);
        body["saga_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn commande(&self, saga: &str) -> Value {
        self.get(&format!("/api/commande/{saga}")).await.expect(200)
    }

    /// Waits until an order is in a state.
    pub(crate) async fn reaches(&self, saga: &str, etat: &str) {
        until(&format!("{saga} is {etat}"), async || self.commande(saga).await["etat_actuel"] == etat).await;
    }

    /// The states that an order entered.
    pub(crate) async fn etats(&self, saga: &str) -> Vec<String> {
        let history = self.get(&format!("/api/commande/{saga}/historique")).await.expect(200);
        let etat = |line: &Value| line["etat"].as_str().unwrap().to_owned();
        history.as_array().unwrap().iter().map(etat).collect()
    }

    /// One sample of the metrics, such as `commande_etat_total{etat="CONFIRMEE"}`; 0 where there is none.
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        self.server.metric(sample).await
    }
}

/// The binary, with nothing in its environment that could change what it does.
pub(crate) fn orchestrateur() -> Command {
    orchestrateur_by(Command::new(env!("CARGO_BIN_EXE_orchestrateur")))
}

/// The same, which is ended if it does not end by itself.
pub(crate) fn orchestrateur_that_ends() -> Command {
    let mut command = Command::new("timeout");
    command.args([&PATIENCE.as_secs().to_string(), env!("CARGO_BIN_EXE_orchestrateur")]);
    orchestrateur_by(command)
}

fn orchestrateur_by(mut command: Command) -> Command {
    for (name, _) in std::env::vars() {
        let ours = name.starts_with("ORCHESTRATEUR_") || name.starts_with("DATABASE_URL");
        if ours || name.ends_with("_URL") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The URL of a database in a folder.
pub(crate) fn database_in(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("orchestrateur.db").display())
}

/// Sends a signal to a process that the test has started.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Asks until the answer is yes.
pub(crate) async fn until(what: &str, ask: impl AsyncFn() -> bool) {
    let asked = tokio::time::timeout(PATIENCE, async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(asked.await.is_ok(), "in vain: {what}");
}
