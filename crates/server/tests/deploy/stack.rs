//! The services that compose would start, as processes of this machine: each with the command and the health check of
//! its image, its environment, and its turn after the services that it depends on.
//!
//! Three things differ from containers, and nothing else: a service listens on a free port of the loopback interface,
//! hosts that the file names are replaced by where they really are, and volumes are folders that are thrown away.
//! PostgreSQL is a throw-away cluster of this machine's version. Images without a program here are left out.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use saga_testkit::postgres::Cluster;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;

use crate::compose::Compose;
use crate::image::Dockerfile;
use crate::settings;

/// Long enough for anything on a loaded machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether something has happened.
const POLL: Duration = Duration::from_millis(20);

pub(crate) struct Stack {
    compose: Compose,
    dockerfile: Dockerfile,
    /// By the names that the compose file gives them.
    services: BTreeMap<String, Running>,
    folder: TempDir,
}

enum Running {
    Process {
        _process: Process,
        address: SocketAddr,
        port: u16,
    },
    Database(Cluster),
    /// It has done what it is for.
    Ended,
    LeftOut,
}

/// Killed when dropped, also by a test that fails while it waits for it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stack {
    /// `docker-compose up SERVICE`, without containers.
    pub(crate) async fn up(service: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
        let mut stack = Self { compose, dockerfile, services: BTreeMap::new(), folder };
        Box::pin(stack.start(service)).await;
        stack
    }

    /// Where a service really is.
    pub(crate) fn address(&self, service: &str) -> SocketAddr {
        match &self.services[service] {
            Running::Process { address, .. } => *address,
            Running::Database(cluster) => SocketAddr::from(([127, 0, 0, 1], cluster.port())),
            Running::Ended | Running::LeftOut => panic!("{service} does not run"),
        }
    }

    /// A service's variable, as its process has it.
    pub(crate) fn variable(&self, service: &str, name: &str) -> String {
        self.in_folders(service, &self.really(&self.compose.environment(service)[name]))
    }

    async fn start(&mut self, service: &str) {
        let needed: Vec<(String, bool)> = self
            .compose
            .depends_on(service)
            .into_iter()
            .map(|(needed, how)| (needed.to_owned(), how == "service_completed_successfully"))
            .collect();
        for (needed, ends) in needed {
            if self.services.contains_key(&needed) {
                continue;
            }
            match ends {
                true => self.run_to_its_end(&needed),
                false => Box::pin(self.start(&needed)).await,
            }
        }
        let running = match self.compose.target(service).map(str::to_owned) {
            Some(target) => self.start_process(service, &target).await,
            None if self.image(service).starts_with("postgres:") => self.start_database(service).await,
            None => {
                println!("{service}: left out, there is no {} without containers", self.image(service));
                Running::LeftOut
            }
        };
        self.services.insert(service.to_owned(), running);
    }

    /// A service that others wait for until it has ended. A second start of it changes nothing.
    fn run_to_its_end(&mut self, service: &str) {
        let target = self.compose.target(service).unwrap().to_owned();
        let environment = self.environment(service, &target);
        let command: Vec<String> =
            self.command(service, &target).iter().map(|word| self.in_folders(service, word)).collect();
        for _ in 0..2 {
            assert!(succeeds(&mut in_container(&command, &environment)), "{service}: {command:?}");
        }
        println!("{service}: {command:?}");
        self.services.insert(service.to_owned(), Running::Ended);
    }

    /// The program and its arguments: the compose file's, or the image's.
    fn command(&self, service: &str, target: &str) -> Vec<String> {
        match self.compose.command(service) {
            Some(arguments) => [self.dockerfile.entry(target), arguments].concat(),
            None => self.dockerfile.command(target),
        }
    }

    fn image(&self, service: &str) -> &str {
        self.compose.service(service)["image"].as_str().unwrap()
    }

    /// The effect that PostgreSQL's image gives to its variables.
    async fn start_database(&self, service: &str) -> Running {
        let environment = self.compose.environment(service);
        let [user, password, name] =
            ["POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"].map(|variable| &environment[variable]);
        let cluster = Cluster::start();
        let (client, connection) = tokio_postgres::connect(&cluster.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let role = format!("CREATE ROLE \"{user}\" LOGIN SUPERUSER PASSWORD '{password}'");
        client.batch_execute(&role).await.unwrap();
        client.batch_execute(&format!("CREATE DATABASE \"{name}\" OWNER \"{user}\"")).await.unwrap();
        cluster.demand_passwords();

        let health = self.compose.health(service).unwrap();
        let healthy = || {
            let mut check = Command::new(cluster.binaries().join(&health[0]));
            check.args(&health[1..]).env("PGPORT", cluster.port().to_string());
            succeeds(&mut check)
        };
        until(&format!("{service} is healthy"), || healthy().then_some(())).await;
        println!("{service}: PostgreSQL on 127.0.0.1:{}", cluster.port());
        Running::Database(cluster)
    }

    async fn start_process(&self, service: &str, target: &str) -> Running {
        let mut environment = self.environment(service, target);
        let (listen, port) = listening(&environment);
        environment.insert(listen.clone(), "127.0.0.1:0".to_owned());
        let log = self.folder.path().join(format!("{service}.log"));
        let output = File::create(&log).unwrap();
        let mut command = in_container(&self.command(service, target), &environment);
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let mut process = Process(command.spawn().unwrap());
        let said = || std::fs::read_to_string(&log).unwrap();
        let address = until(&format!("{service} listens"), || {
            if let Some(status) = process.0.try_wait().unwrap() {
                panic!("{service} ended: {status}\n{}", said());
            }
            announced(&said())
        })
        .await;
        println!("{service}: {address} with {environment:?}");

        environment.insert(listen, address.to_string());
        let own = self.compose.health(service).or_else(|| self.dockerfile.health(target)).unwrap();
        let inside = format!("127.0.0.1:{port}");
        let health: Vec<String> =
            own.iter().map(|word| word.replace(&inside, &address.to_string())).collect();
        let healthy = || succeeds(&mut in_container(&health, &environment));
        until(&format!("{service} is healthy"), || healthy().then_some(())).await;
        Running::Process { _process: process, address, port }
    }

    /// A container's environment: the image's, then the compose file's, with real hosts and folders.
    fn environment(&self, service: &str, target: &str) -> BTreeMap<String, String> {
        let image = self.dockerfile.environment(target);
        let mut environment: BTreeMap<String, String> =
            image.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        environment.extend(self.compose.environment(service));
        for value in environment.values_mut() {
            *value = self.in_folders(service, &self.really(value));
        }
        environment
    }

    /// Replaces the places of volumes by the folders that stand for them.
    fn in_folders(&self, service: &str, value: &str) -> String {
        self.compose.mounts(service).into_iter().fold(value.to_owned(), |value, mount| {
            let folder = self.folder.path().join(&mount.source);
            std::fs::create_dir_all(&folder).unwrap();
            value.replace(&mount.target, folder.to_str().unwrap())
        })
    }

    /// Replaces hosts that the compose file names by where they are.
    fn really(&self, value: &str) -> String {
        let place = |(name, running): (&String, &Running)| {
            let port = match running {
                Running::Process { port, .. } => *port,
                Running::Database(_) => 5432,
                Running::Ended | Running::LeftOut => return None,
            };
            Some((format!("{name}:{port}"), self.address(name).to_string()))
        };
        let places = self.services.iter().filter_map(place);
        places.fold(value.to_owned(), |value, (named, real)| value.replace(&named, &real))
    }
}

/// A command as the container has it: with its variables, and none of ours.
fn in_container(command: &[String], environment: &BTreeMap<String, String>) -> Command {
    let program: PathBuf = match command[0].as_str() {
        "orchestrateur" => settings::orchestrateur(),
        "boutique" => settings::boutique(),
        other => panic!("no image has the program {other}"),
    };
    let mut process = Command::new(program);
    process.args(&command[1..]).env_clear().envs(environment).stdin(Stdio::null());
    process
}

/// The variable that says where a program listens, and its port: `0.0.0.0:8023`, or the host of others could not
/// reach it.
fn listening(environment: &BTreeMap<String, String>) -> (String, u16) {
    let mut listen = environment.iter().filter(|(name, _)| name.ends_with("_LISTEN"));
    let (Some((name, address)), None) = (listen.next(), listen.next()) else { panic!("{environment:?}") };
    let port = address.strip_prefix("0.0.0.0:").unwrap_or_else(|| panic!("{name} is {address}"));
    (name.clone(), port.parse().unwrap())
}

/// The address in the line with which our programs say that they listen.
fn announced(log: &str) -> Option<SocketAddr> {
    let url = log.split("http://").nth(1)?;
    let end = url.find(|letter: char| !(letter.is_ascii_digit() || ".:".contains(letter)))?;
    url[..end].parse().ok()
}

fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"))
}
