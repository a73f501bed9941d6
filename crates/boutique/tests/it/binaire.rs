//! The binary: its line of JSON, its errors, its end, and the data that survives a kill.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::shop::{Call, lines, reserve, send};

struct Process {
    child: Child,
    line: Value,
}

impl Process {
    fn url(&self, service: &str) -> String {
        self.line[service].as_str().unwrap().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process has already ended if the test succeeded.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boutique"));
    command.arg("--data").arg(dir).args(flags);
    command
}

fn launch(dir: &Path, flags: &[&str]) -> Process {
    let mut child = command(dir, flags).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Process { child, line: serde_json::from_str(&line).unwrap() }
}

/// Runs to its end, which must be a failure, and returns its output.
fn complaint(dir: &Path, flags: &[&str]) -> String {
    let output = command(dir, flags).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn it_prints_its_urls_and_ends_well_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = launch(dir.path(), &[]);
    assert_eq!(process.line["facon"], "moderne");
    for service in ["panier", "stock", "client", "ventes"] {
        assert_eq!(send(&process.url(service), Call::get("/")).await.unwrap().body["service"], service);
    }
    let pid = process.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(process.child.wait().unwrap().success());
}

#[tokio::test]
async fn it_runs_one_service_with_its_faults() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--only", "stock", "--listen", "127.0.0.1:0", "--facon", "ancienne"];
    let fault = ["--faute", "POST /api/stock/reserver status=503 times=1"];
    let process = launch(dir.path(), &[&flags[..], &fault[..]].concat());
    assert_eq!(process.line["facon"], "ancienne");
    assert_eq!(process.line["panier"], Value::Null);
    assert_eq!(send(&process.url("stock"), reserve(1)).await.unwrap().status, 503);
    assert_eq!(send(&process.url("stock"), reserve(1)).await.unwrap().status, 200);
}

#[test]
fn it_says_what_is_wrong_and_fails() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let said = complaint(dir.path(), &["--listen-stock", &addr]);
    assert!(
        said.contains(&format!("boutique: listen on {addr} for stock: Address already in use")),
        "{said}"
    );

    let file = dir.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let said = complaint(&file.join("data"), &[]);
    assert!(said.contains("boutique: create the data folder"), "{said}");

    std::fs::write(
        dir.path().join("client.sqlite"),
        "this is no database, whatever its name may say".repeat(99),
    )
    .unwrap();
    let said = complaint(dir.path(), &[]);
    assert!(said.contains("open the data of client") && said.contains("not a database"), "{said}");

    let said = complaint(dir.path(), &["--faute", "POST /api/ventes"]);
    assert!(said.contains("expected METHOD PATH"), "{said}");
    let said = complaint(dir.path(), &["--faute", "POST /api/vente status=500"]);
    assert!(said.contains("expected one of:"), "{said}");
}

/// The demo data's faults are off, so only the kill disturbs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_before_kill_9_is_kept_and_its_keys_are_remembered() {
    const ENOUGH: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let mut process = launch(dir.path(), &["--only", "stock"]);
    let url = process.url("stock");
    let (acknowledge, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    for worker in 0..20 {
        let (url, acknowledge) = (url.clone(), acknowledge.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let saga = format!("s{worker}-{number}");
                let sent = tokio::spawn({
                    let (url, saga) = (url.clone(), saga.clone());
                    async move { send(&url, reserve(1).of(&saga, "stock", "action")).await }
                });
                // Refused connections panic in the helper: the process is gone, either way.
                let Ok(Ok(reply)) = sent.await else { return };
                assert_eq!(reply.status, 200);
                drop(acknowledge.send(saga));
            }
        });
    }
    drop(acknowledge);
    let mut sagas = Vec::new();
    while let Some(saga) = acknowledged.recv().await {
        sagas.push(saga);
        if sagas.len() == ENOUGH {
            process.child.kill().unwrap();
        }
    }
    process.child.wait().unwrap();

    let process = launch(dir.path(), &["--only", "stock"]);
    let url = process.url("stock");
    let kept = lines(send(&url, Call::get("/ledger")).await.unwrap());
    let left = send(&url, Call::get("/api/stock/1")).await.unwrap().body["quantite"].as_i64().unwrap();
    assert_eq!(left, 1_000_000_000 - i64::try_from(kept.len()).unwrap());
    for saga in sagas {
        assert!(kept.iter().any(|line| line["saga_id"] == *saga), "{saga} was acknowledged and is lost");
        assert!(send(&url, reserve(1).of(&saga, "stock", "action")).await.unwrap().replayed);
    }
}
