//! One example's service and the real binary, each as a process on a port of its own.
#![expect(clippy::disallowed_methods, reason = "real processes run in real time")]

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::Ed25519KeyPair;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{self, PATIENCE, Response, until};
use crate::installed;

/// A process that listens on this machine. Dropping it kills it.
pub(crate) struct Listening {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Listening {
    /// Starts a program, and waits until its log says where it listens: behind `mark`.
    fn start(command: &mut Command, log: &Path, mark: &str) -> Self {
        let file = File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{command:?}: {error}. The examples need Python 3 and Node; scripts/setup installs them")
        });
        let mut listening = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let begun = Instant::now();
        loop {
            let told = std::fs::read_to_string(log).unwrap();
            let behind = told.split_once(mark).map(|(_, behind)| behind);
            // The rest of the line may not be there yet.
            if let Some((address, _)) = behind.and_then(|text| text.split_once([' ', '"', '\n'])) {
                listening.address = address.parse().unwrap();
                return listening;
            }
            let ended = listening.child.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < PATIENCE,
                "{command:?} does not listen: {ended:?}\n{told}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service as a program.
struct Program {
    command: Command,
    /// Behind it, the program's log says where it listens.
    mark: &'static str,
    /// The variables by which definitions find it.
    variables: &'static [&'static str],
}

impl Program {
    fn travel(port: u16) -> Self {
        let mut command = Command::new(installed::python().join("uvicorn"));
        command.arg("--app-dir").arg(installed::root().join("examples/fastapi"));
        command.args(["travel:app", "--port", &port.to_string()]).env("PYTHONDONTWRITEBYTECODE", "1");
        Self { command, mark: "running on http://", variables: &["TRAVEL_URL"] }
    }

    fn express(port: u16) -> Self {
        let mut command = Command::new("node");
        command.arg(installed::root().join("examples/express/services.js"));
        command.env("NODE_PATH", installed::node()).env("PORT", port.to_string());
        Self { command, mark: "listen on http://", variables: &["BILLING_URL", "ONBOARDING_URL"] }
    }
}

/// How the orchestrator is started, other than by default.
#[derive(Default)]
struct Serve {
    /// 0: any that is free.
    port: u16,
    definitions: Option<PathBuf>,
    signing_key: Option<PathBuf>,
}

/// The same where the services take signed calls alone.
pub(crate) struct SignedWorld {
    pub(crate) world: World,
    /// The orchestrator's key.
    pub(crate) key: Ed25519KeyPair,
    /// The files of another one.
    _other: Option<TempDir>,
}

impl SignedWorld {
    /// The travel's services fetch the public keys from the orchestrator.
    pub(crate) fn travel() -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}/.well-known/jwks.json");
        let (folder, key, serve) = signing(port);
        Self::of(Program::travel, url, folder, key, serve)
    }

    /// The others read them from a file.
    pub(crate) fn express() -> Self {
        let (folder, key, serve) = signing(0);
        let file = folder.path().join("keys.json").display().to_string();
        Self::of(Program::express, file, folder, key, serve)
    }

    /// The file has the key of another orchestrator.
    pub(crate) fn express_with_another_key() -> Self {
        let (other, _, _) = signing(0);
        let file = other.path().join("keys.json").display().to_string();
        let (folder, key, serve) = signing(0);
        Self { _other: Some(other), ..Self::of(Program::express, file, folder, key, serve) }
    }

    fn of(
        program: impl Fn(u16) -> Program,
        keys: String,
        folder: TempDir,
        key: Ed25519KeyPair,
        serve: Serve,
    ) -> Self {
        let port = free_port();
        let mut program = program(port);
        program.command.env("SIGNED_CALLS_KEYS", keys).env("SIGNED_CALLS_HOST", format!("127.0.0.1:{port}"));
        Self { world: World::with(program, folder, serve), key, _other: None }
    }

    /// The service, as calls name it.
    pub(crate) fn host(&self) -> String {
        self.world.service.address.to_string()
    }
}

/// A folder with a new key, its public half in `keys.json`, and the examples' definitions with `sign: true`.
fn signing(port: u16) -> (TempDir, Ed25519KeyPair, Serve) {
    let folder = tempfile::tempdir().unwrap();
    let (file, definitions) = (folder.path().join("key.pem"), folder.path().join("sagas"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrateur"));
    let made = command.args(["signing-keys", "new", "--file"]).arg(&file).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    std::fs::write(folder.path().join("keys.json"), &made.stdout).unwrap();
    let pem = std::fs::read_to_string(&file).unwrap();
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&STANDARD.decode(base64).unwrap()).unwrap();
    std::fs::create_dir(&definitions).unwrap();
    for entry in std::fs::read_dir(installed::root().join("sagas/examples")).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        let signed =
            source.replace(":8101}\"", ":8101}\", sign: true").replace(":8102}\"", ":8102}\", sign: true");
        assert_ne!(signed, source, "{}", path.display());
        std::fs::write(definitions.join(path.file_name().unwrap()), signed).unwrap();
    }
    (folder, key, Serve { port, definitions: Some(definitions), signing_key: Some(file) })
}

/// The services are told of the orchestrator before it runs, and the orchestrator of them.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The orchestrator with all sagas of `sagas/examples`, and the service of one of them.
pub(crate) struct World {
    service: Listening,
    serve: Listening,
    _folder: TempDir,
}

impl World {
    /// With the four services of the travel.
    pub(crate) fn travel() -> Self {
        Self::with(Program::travel(0), tempfile::tempdir().unwrap(), Serve::default())
    }

    /// With billing, and the services of the onboarding.
    pub(crate) fn express() -> Self {
        Self::with(Program::express(0), tempfile::tempdir().unwrap(), Serve::default())
    }

    fn with(program: Program, folder: TempDir, Serve { port, definitions, signing_key }: Serve) -> Self {
        let Program { mut command, mark, variables } = program;
        command.env("TRAVEL_DB", folder.path().join("travel.db"));
        let service = Listening::start(&mut command, &folder.path().join("service.log"), mark);
        let mut serve = Command::new(env!("CARGO_BIN_EXE_orchestrateur"));
        serve.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--log-json", "--definition"]);
        serve.arg(definitions.unwrap_or_else(|| installed::root().join("sagas/examples")));
        serve.env("DATABASE_URL", format!("sqlite://{}", folder.path().join("journal.db").display()));
        serve.envs(signing_key.map(|file| ("ORCHESTRATEUR_SIGNING_KEY", file)));
        for variable in variables {
            serve.env(variable, format!("http://{}", service.address));
        }
        let serve = Listening::start(&mut serve, &folder.path().join("serve.log"), r#""listen":""#);
        Self { service, serve, _folder: folder }
    }

    /// Where the service listens.
    pub(crate) fn service_address(&self) -> SocketAddr {
        self.service.address
    }

    /// Where the orchestrator listens.
    pub(crate) fn serve_address(&self) -> SocketAddr {
        self.serve.address
    }

    /// Starts a saga, and shows it once it is over.
    pub(crate) async fn runs(&self, saga: &str, input: Value) -> Value {
        let path = format!("/api/sagas/{saga}");
        let answer = self.post(&path, &[("prefer", "wait=50")], &input).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Starts a saga, and returns its id.
    pub(crate) async fn begins(&self, saga: &str, input: Value) -> String {
        let path = format!("/api/sagas/{saga}");
        let answer = self.post(&path, &[("prefer", "respond-async")], &input).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Response {
        client::send(self.serve.address, "POST", path, headers, Some(body)).await.unwrap()
    }

    /// Sends a signal, which must be accepted.
    pub(crate) async fn signals(&self, saga: &str, name: &str, body: Value) {
        let answer = self.post(&format!("/api/sagas/{saga}/signals/{name}"), &[], &body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    /// Waits until a saga waits at a step for this.
    pub(crate) async fn waits(&self, saga: &str, step: &str, what: &str) {
        let path = format!("/api/sagas/{saga}");
        until(step, async || {
            let shown = client::get(self.serve.address, &path).await.json();
            let waiting = shown["waiting"].as_array().unwrap();
            waiting.iter().any(|entry| entry["step"] == step && entry["for"] == what).then_some(())
        })
        .await;
    }

    /// Waits until a saga enters a state and its rollback is as given, and shows it.
    pub(crate) async fn reaches(&self, saga: &str, state: &str, rollback: &str) -> Value {
        let path = format!("/api/sagas/{saga}");
        until(state, async || {
            let shown = client::get(self.serve.address, &path).await.json();
            (shown["state"] == state && shown["rollback"] == rollback).then_some(shown)
        })
        .await
    }

    /// The history with its steps.
    pub(crate) async fn history(&self, saga: &str) -> Vec<Value> {
        let path = format!("/api/sagas/{saga}/history?detail=steps");
        serde_json::from_str(&client::get(self.serve.address, &path).await.text).unwrap()
    }

    /// A request to the service itself, without a body.
    pub(crate) async fn service(&self, method: &str, path: &str) -> Response {
        client::send(self.service.address, method, path, &[], None).await.unwrap()
    }

    /// Sends the service the same call twice, and compares its answers.
    pub(crate) async fn a_repeated_call_has_one_effect(&self, path: &str, body: &Value) {
        let headers = [("idempotency-key", "\"repeated\"")];
        let call =
            async || client::send(self.service.address, "POST", path, &headers, Some(body)).await.unwrap();
        let (first, second) = (call().await, call().await);
        assert_eq!((first.status, second.status), (201, 201), "{first:?}");
        assert_eq!(first.text, second.text);
    }

    /// What the service's ledger has of one customer: the kind and the state of each entry, sorted.
    pub(crate) async fn ledger(&self, whose: &str, value: Value) -> Vec<String> {
        let ledger = self.service("GET", "/ledger").await.json();
        let of = ledger.as_array().unwrap().iter().filter(|entry| entry[whose] == value);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut found: Vec<String> =
            of.map(|entry| text(&entry["kind"]) + " " + &text(&entry["state"])).collect();
        found.sort();
        found
    }
}

/// The travel's four services, each a process of its own, and the agency that starts trips, all under OpenTelemetry's agent; and the
/// orchestrator between them.
pub(crate) struct TracedWorld {
    services: Vec<(&'static str, Listening)>,
    agency: Listening,
    orders: Option<Listening>,
    endpoint: String,
    folder: TempDir,
}

impl TracedWorld {
    /// Spans go to that address.
    pub(crate) fn start(endpoint: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let definitions = folder.path().join("sagas");
        std::fs::create_dir(&definitions).unwrap();
        let mut source =
            std::fs::read_to_string(installed::root().join("sagas/examples/travel.yaml")).unwrap();
        let services = ["flights", "hotels", "insurances", "payments"].map(|name| {
            let service = traced(name, "travel:app", endpoint, folder.path(), &[]);
            let shared = format!("{name}: {{ url: \"${{TRAVEL_URL:-http://127.0.0.1:8101}}\"");
            assert!(source.contains(&shared), "{source}");
            source = source.replace(&shared, &format!("{name}: {{ url: \"http://{}\"", service.address));
            (name, service)
        });
        std::fs::write(definitions.join("travel.yaml"), source).unwrap();
        let orders = orders(endpoint, folder.path());
        let url = format!("http://{}", orders.address);
        let agency = traced("agency", "agency:app", endpoint, folder.path(), &[("ORCHESTRATEUR_URL", &url)]);
        let endpoint = endpoint.to_owned();
        Self { services: services.into(), agency, orders: Some(orders), endpoint, folder }
    }

    /// Where the agency listens.
    pub(crate) fn agency(&self) -> SocketAddr {
        self.agency.address
    }

    /// Where a service listens.
    pub(crate) fn service(&self, name: &str) -> SocketAddr {
        self.services.iter().find(|(known, _)| *known == name).unwrap().1.address
    }

    /// Where the orchestrator listens.
    pub(crate) fn orders(&self) -> SocketAddr {
        self.orders.as_ref().unwrap().address
    }

    /// `kill -9` of the orchestrator, and its next start.
    pub(crate) fn kill_and_start_again(&mut self) {
        drop(self.orders.take());
        self.orders = Some(orders(&self.endpoint, self.folder.path()));
    }
}

fn orders(endpoint: &str, folder: &Path) -> Listening {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_orchestrateur"));
    serve.args(["serve", "--listen", "127.0.0.1:0", "--log-json", "--definition"]).arg(folder.join("sagas"));
    serve.env("DATABASE_URL", format!("sqlite://{}", folder.join("journal.db").display()));
    serve.envs(spans_to(endpoint, "orders"));
    Listening::start(&mut serve, &folder.join("orders.log"), r#""listen":""#)
}

fn traced(name: &str, app: &str, endpoint: &str, folder: &Path, more: &[(&str, &str)]) -> Listening {
    let python = installed::traced_python();
    let mut command = Command::new(python.join("opentelemetry-instrument"));
    command.arg(python.join("uvicorn")).arg("--app-dir").arg(installed::root().join("examples/fastapi"));
    command.args([app, "--port", "0"]).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("TRAVEL_DB", folder.join(format!("{name}.db")));
    command.envs([("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")]);
    command.envs(spans_to(endpoint, name)).envs(more.iter().copied());
    Listening::start(&mut command, &folder.join(format!("{name}.log")), "running on http://")
}

fn spans_to(endpoint: &str, service: &str) -> [(&'static str, String); 4] {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
        ("OTEL_SERVICE_NAME", service.to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
    ]
}

/// A step's name in the lines of a history that tell of this event.
pub(crate) fn steps_with<'a>(history: &'a [Value], event: &str) -> Vec<&'a str> {
    let lines = history.iter().filter(|line| line["event"] == event);
    lines.map(|line| line["step"].as_str().unwrap()).collect()
}
