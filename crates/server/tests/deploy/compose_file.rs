//! `docker-compose.yml` against compose's own reader, the Dockerfile, the programs and the definition.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::compose::{Compose, MAIN, text};
use crate::image::Dockerfile;
use crate::repository::{self, output_of, root};
use crate::settings;

/// How compose shows the file when no variable is set, neither here nor in an `.env`.
fn as_compose_reads_it() -> Value {
    let nothing = tempfile::NamedTempFile::new().unwrap();
    let mut config = Command::new("docker-compose");
    config.args(["--file", "docker-compose.yml", "--env-file"]).arg(nothing.path()).arg("config");
    config.current_dir(root()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    repository::parse_yaml(&output_of(&mut config)).unwrap()
}

#[test]
fn compose_reads_it_as_these_tests_do() {
    let compose = Compose::read();
    let theirs = as_compose_reads_it();
    let services: Vec<&String> = theirs["services"].as_object().unwrap().keys().collect();
    assert_eq!(services, compose.services());
    for service in services {
        let shown = &theirs["services"][service];
        let environment: BTreeMap<String, String> = shown["environment"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(n, v)| (n.clone(), text(v)))
            .collect();
        assert_eq!(environment, compose.environment(service), "{service}");
        assert_eq!(shown["build"]["target"].as_str(), compose.target(service), "{service}");
        assert_eq!(shown["image"], compose.service(service)["image"], "{service}");
    }
}

/// `docker-compose` has read it above; `docker compose` goes by the specification. All other findings of the linter are
/// taste.
#[test]
fn it_is_what_the_specification_allows() {
    let dclint = root().join("deploy/.dclint/node_modules/.bin/dclint");
    let mut lint = Command::new(dclint);
    let output = lint.args(["--formatter", "json"]).arg(root().join("docker-compose.yml")).output();
    let output = output.expect("dclint; scripts/setup installs it");
    let files: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let [file] = &files.as_array().unwrap()[..] else { panic!("one file: {files}") };
    let invalid = |message: &&Value| message["rule"].as_str().unwrap().starts_with("invalid-");
    let messages: Vec<&Value> = file["messages"].as_array().unwrap().iter().filter(invalid).collect();
    assert!(messages.is_empty(), "{messages:#?}");
}

#[test]
fn the_one_command_brings_up_every_service() {
    let compose = Compose::read();
    let mut reached = BTreeSet::from([MAIN]);
    let mut next = vec![MAIN];
    while let Some(service) = next.pop() {
        next.extend(compose.depends_on(service).into_keys().filter(|needed| reached.insert(needed)));
    }
    assert_eq!(reached, compose.services().into_iter().collect());
}

/// The keys that the first start makes are the ones that `serve` knows, that its container's commands present, and that Prometheus
/// presents; and there is no way past them.
#[test]
fn the_first_keys_are_made_where_they_are_looked_for() {
    let compose = Compose::read();
    let command = compose.command("orchestrateur-keys").unwrap();
    let [made @ .., folder] = &command[..] else { panic!("{command:?}") };
    assert_eq!(made, ["keys", "init"]);
    let volume = |service: &str| {
        let mounts = compose.mounts(service).into_iter();
        mounts.filter(|mount| mount.target == *folder).map(|mount| (mount.source, mount.is_read_only)).next()
    };
    let (written, _) = volume("orchestrateur-keys").unwrap();
    for reader in [MAIN, "prometheus"] {
        assert_eq!(volume(reader), Some((written.clone(), true)), "{reader}");
        let how = compose.depends_on(reader)["orchestrateur-keys"];
        assert_eq!(how, "service_completed_successfully", "{reader}");
    }
    let environment = compose.environment(MAIN);
    assert_eq!(environment["ORCHESTRATEUR_API_KEYS_FILE"], format!("{folder}/api-keys"));
    assert_eq!(environment["ORCHESTRATEUR_KEY_FILE"], format!("{folder}/admin.key"));
    assert!(!environment.contains_key("ORCHESTRATEUR_INSECURE_NO_AUTH"));
    let prometheus = repository::yaml("deploy/prometheus/prometheus.yml");
    let shown = &prometheus["scrape_configs"][0]["authorization"]["credentials_file"];
    assert_eq!(shown, &format!("{folder}/metrics.key"));
    // The key for metrics can be read by the group of the image's user alone.
    let user = Dockerfile::read().setting("orchestrateur", "USER").unwrap().to_owned();
    let group = compose.service("prometheus")["user"].as_str().unwrap().split_once(':').unwrap().1;
    assert_eq!(user.split_once(':').unwrap().1, group);
}

/// A service that waits for a healthy service waits for ever when nothing says how healthy that is.
#[test]
fn every_service_has_a_health_check_and_what_orders_need_is_waited_for() {
    let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
    for service in compose.services() {
        let own = compose.health(service);
        let of_image = || dockerfile.health(compose.target(service)?);
        assert!(own.or_else(of_image).is_some(), "{service} has no health check");
    }
    let needed = compose.depends_on(MAIN);
    let called = settings::definition_variables().into_values().map(|url| host_and_port(&url).0);
    for service in called.chain([database().host]) {
        assert_eq!(needed.get(service.as_str()), Some(&"service_healthy"), "{service}");
    }
}

#[test]
fn the_ports_are_the_ones_that_people_know_and_the_programs_have() {
    let compose = Compose::read();
    for (service, port) in [(MAIN, settings::serve_port()), ("prometheus", 9090), ("grafana", 3000)] {
        let [(address, published, inside)] = &compose.ports(service)[..] else {
            panic!("{service}: one port")
        };
        assert_eq!((*published, *inside), (port, port), "{service}");
        assert_eq!(
            address, "127.0.0.1",
            "{service}: with passwords that everybody knows, for this machine only"
        );
    }
    assert_eq!(settings::serve_port(), 8023);
    let published = compose.services().into_iter().filter(|service| !compose.ports(service).is_empty());
    assert_eq!(published.count(), 3);
    assert_eq!(compose.environment(MAIN)["ORCHESTRATEUR_LISTEN"], "0.0.0.0:8023");
}

#[test]
fn every_variable_is_one_that_its_program_reads() {
    let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
    let mut orchestrateur: BTreeSet<String> = settings::serve_variables().into_keys().collect();
    orchestrateur.extend(settings::definition_variables().into_keys());
    // Of the commands that ask a server.
    orchestrateur.insert("ORCHESTRATEUR_KEY_FILE".to_owned());
    let boutique = settings::boutique_variables();
    for service in compose.services() {
        let known = match compose.target(service) {
            Some("orchestrateur") => &orchestrateur,
            Some("boutique") => &boutique,
            Some(other) => panic!("{service} is built from {other}"),
            None => continue,
        };
        let mut used: BTreeSet<String> = compose.environment(service).into_keys().collect();
        used.extend(
            dockerfile.environment(compose.target(service).unwrap()).map(|(name, _)| name.to_owned()),
        );
        assert!(used.is_subset(known), "{service} sets {used:?}, and its program knows {known:?}");
    }
}

#[test]
fn the_participants_are_where_the_definition_looks_for_them() {
    let compose = Compose::read();
    for (variable, url) in settings::definition_variables() {
        assert_eq!(compose.environment(MAIN).get(&variable), Some(&url), "{variable}");
        let (host, port) = host_and_port(&url);
        let environment = compose.environment(&host);
        assert_eq!(environment["BOUTIQUE_LISTEN"], format!("0.0.0.0:{port}"), "{host}");
        assert_eq!(format!("{}-service", environment["BOUTIQUE_ONLY"]), host);
    }
}

#[test]
fn the_database_is_the_one_that_the_orchestrator_asks_for() {
    let (compose, url) = (Compose::read(), database());
    let made = compose.environment(&url.host);
    assert_eq!(url.port, 5432);
    assert_eq!(
        (&made["POSTGRES_USER"], &made["POSTGRES_PASSWORD"], &made["POSTGRES_DB"]),
        (&url.user, &url.password, &url.name)
    );
    let image = compose.service(&url.host)["image"].as_str().unwrap();
    assert!(image.starts_with("postgres:15"), "{image}");
    let health = compose.health(&url.host).unwrap();
    for part in [format!("--username={}", url.user), format!("--dbname={}", url.name)] {
        assert!(health.contains(&part), "{part}: {health:?}");
    }
}

#[test]
fn everything_mounted_is_there_and_every_volume_is_used() {
    let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
    let mut volumes = BTreeSet::new();
    for service in compose.services() {
        for mount in compose.mounts(service) {
            if mount.is_path() {
                assert!(root().join(&mount.source).exists(), "{service} mounts {}", mount.source);
                continue;
            }
            assert!(compose.volumes().contains(&&*mount.source), "no volume {}", mount.source);
            if mount.is_read_only {
                continue;
            }
            assert!(volumes.insert(mount.source.clone()), "two services write to {}", mount.source);
            if let Some(target) = compose.target(service) {
                // Where the program keeps its data, in a folder that the image gives to the program's user.
                let named = compose.command(service).and_then(|words| words.last().cloned());
                let data = dockerfile.environment(target).map(|(_, path)| path.to_owned());
                assert_eq!(named.or(data).as_ref(), Some(&mount.target), "{service}");
                let made = dockerfile.setting("runtime", "RUN").unwrap();
                assert!(made.split_whitespace().any(|word| word == mount.target), "{made}");
            }
        }
    }
    let declared: BTreeSet<String> = compose.volumes().into_iter().map(str::to_owned).collect();
    assert_eq!(volumes, declared);
}

#[test]
fn images_are_pinned_and_stages_exist() {
    let (compose, dockerfile) = (Compose::read(), Dockerfile::read());
    for service in compose.services() {
        match compose.target(service) {
            Some(target) => drop(dockerfile.stage(target)),
            None => {
                let image = compose.service(service)["image"].as_str().unwrap();
                let tag = image.split_once(':').map(|(_, tag)| tag).unwrap_or_default();
                assert!(tag.starts_with(|first: char| first.is_ascii_digit() || first == 'v'), "{image}");
            }
        }
    }
}

#[test]
fn a_stop_waits_until_orders_are_drained() {
    let compose = Compose::read();
    let grace = compose.service(MAIN)["stop_grace_period"].as_str().unwrap();
    let grace: u64 = grace.strip_suffix('s').unwrap().parse().unwrap();
    let drain: u64 = compose.environment(MAIN)["ORCHESTRATEUR_DRAIN_S"].parse().unwrap();
    assert!(grace >= drain + 5, "{grace} s for {drain} s and the last answers");
}

/// Prometheus and Grafana are told of each other, and of the orchestrator, by the names that they have here.
#[test]
fn what_is_watched_is_where_the_watchers_look() {
    let compose = Compose::read();
    let prometheus = repository::yaml("deploy/prometheus/prometheus.yml");
    let jobs = prometheus["scrape_configs"].as_array().unwrap().iter();
    let targets: Vec<&str> = jobs
        .flat_map(|job| job["static_configs"].as_array().unwrap())
        .flat_map(|group| group["targets"].as_array().unwrap())
        .map(|target| target.as_str().unwrap())
        .collect();
    let scraped = format!("{MAIN}:{}", settings::serve_port());
    assert!(targets.contains(&&*scraped), "{scraped} is not among {targets:?}");
    for target in targets.into_iter().filter(|target| !target.starts_with("localhost:")) {
        assert!(compose.services().contains(&target.split(':').next().unwrap()), "{target}");
    }

    let provisioned = |kind: &str| {
        let folder = root().join("deploy/grafana/provisioning").join(kind);
        let files =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let yaml = |path: std::path::PathBuf| repository::yaml(path.to_str().unwrap());
        files.map(|file| yaml(file.unwrap().path())).collect::<Vec<_>>()
    };
    let sources: Vec<Value> = provisioned("datasources")
        .iter()
        .flat_map(|file| file["datasources"].as_array().unwrap().clone())
        .collect();
    assert!(sources.iter().any(|source| source["url"] == "http://prometheus:9090"), "{sources:?}");
    let providers: Vec<Value> = provisioned("dashboards")
        .iter()
        .flat_map(|file| file["providers"].as_array().unwrap().clone())
        .collect();
    let mounts = compose.mounts("grafana");
    assert!(!providers.is_empty());
    for provider in providers {
        let path = provider["options"]["path"].as_str().unwrap();
        assert!(mounts.iter().any(|mount| mount.is_path() && mount.target == path), "{path}: {mounts:?}");
    }
}

/// `postgres://user:password@host:port/name`, of the orchestrator.
struct Database {
    user: String,
    password: String,
    host: String,
    port: u16,
    name: String,
}

fn database() -> Database {
    let url = Compose::read().environment(MAIN)["DATABASE_URL"].clone();
    let (login, place) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let (host, name) = place.split_once('/').unwrap();
    let (host, port) = host_and_port(host);
    Database { user: user.to_owned(), password: password.to_owned(), host, port, name: name.to_owned() }
}

fn host_and_port(url: &str) -> (String, u16) {
    let (host, port) = url.trim_start_matches("http://").split_once(':').unwrap();
    (host.to_owned(), port.parse().unwrap())
}
