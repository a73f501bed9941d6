//! A Prometheus of a test's own, on a free port, with the repository's configuration.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{read, repository};
use crate::client::{get, until};

/// How often it scrapes and evaluates here, in seconds. Rates need two scrapes.
pub(super) const SCRAPE_SECONDS: f64 = 0.5;
/// How far back a panel looks here, and the distance of its points, in seconds.
pub(super) const RANGE_SECONDS: u64 = 30;
pub(super) const STEP_SECONDS: u64 = 1;

pub(super) struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

/// One of the two programs. `PROMETHEUS_BIN` names another folder than where `scripts/setup` puts them.
pub(super) fn program(name: &str) -> PathBuf {
    let fetched = repository("deploy/.prometheus/usr/bin");
    let named = std::env::var_os("PROMETHEUS_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = named.into_iter().chain([fetched]).chain(std::env::split_paths(&path));
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| {
        panic!("{name} is missing; scripts/setup fetches it, or PROMETHEUS_BIN says where it is")
    })
}

impl Prometheus {
    /// Starts one that scrapes `target`, and waits until it answers.
    pub(super) async fn watch(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let original = read("deploy/prometheus/prometheus.yml");
        let rules = repository("deploy/prometheus/rules");
        // This orchestrator has no keys, and does not look at the one that it is shown.
        let key = folder.path().join("metrics.key");
        std::fs::write(&key, "ork_none\n").unwrap();
        let configuration = [
            ("/etc/orchestrateur/keys/metrics.key", key.display().to_string()),
            ("15s", format!("{}ms", SCRAPE_SECONDS * 1e3)),
            ("orchestrateur-service:8023", target.to_string()),
            ("[rules/", format!("[{}/", rules.display())),
        ]
        .into_iter()
        .fold(original, |text, (from, to)| {
            assert!(text.contains(from), "{from} is in prometheus.yml");
            text.replace(from, &to)
        });
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        let log = folder.path().join("prometheus.log");
        let mut child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let address = until("Prometheus listens", async || {
            let said = std::fs::read_to_string(&log).unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("Prometheus ended: {status}\n{said}");
            }
            let line = said.lines().find(|line| line.contains("msg=\"Listening on\""))?;
            line.split("address=").nth(1)?.parse().ok()
        })
        .await;
        let prometheus = Self { child, address, _folder: folder };
        until("Prometheus is ready", async || {
            let ready = crate::client::send(prometheus.address, "GET", "/-/ready", &[], None).await;
            ready.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        prometheus
    }

    /// Whether an expression has a number by now. An expression that is wrong ends the test.
    pub(super) async fn has_data(&self, expr: &str, instant: bool) -> Option<()> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", expr);
        let path = if instant {
            "query"
        } else {
            let now = self.get("query?query=time()").await["result"][0].as_f64().unwrap();
            form.append_pair("start", &(now - RANGE_SECONDS as f64).to_string());
            form.append_pair("end", &now.to_string()).append_pair("step", &STEP_SECONDS.to_string());
            "query_range"
        };
        let data = self.get(&format!("{path}?{}", form.finish())).await;
        // A scalar is one point; a vector has one point a series, a matrix many.
        let series = data["result"].as_array().unwrap().iter();
        let mut numbers = series.flat_map(|series| {
            let many = series["values"].as_array().into_iter().flatten();
            many.chain([&series["value"]]).filter_map(|point| point[1].as_str()?.parse::<f64>().ok())
        });
        numbers.any(|number| !number.is_nan()).then_some(())
    }

    /// How many rules there are, and how many of them were evaluated without an error.
    pub(super) async fn rules(&self) -> (usize, usize) {
        let data = self.get("rules").await;
        let groups = data["groups"].as_array().unwrap();
        let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
        (rules.len(), rules.iter().filter(|rule| rule["health"] == "ok").count())
    }

    /// The alerts that are pending or firing.
    pub(super) async fn alerts(&self) -> Vec<String> {
        let data = self.get("alerts").await;
        let alerts = data["alerts"].as_array().unwrap().iter();
        alerts.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    async fn get(&self, path: &str) -> Value {
        get(self.address, &format!("/api/v1/{path}")).await.json()["data"].clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
