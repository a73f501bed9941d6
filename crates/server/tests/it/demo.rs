//! `orchestrateur demo`: the first command of a newcomer.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use crate::harness::{orchestrateur, signal};
use crate::http::{Call, PATIENCE, send};

/// A demo that has shown its four orders, and serves.
struct Demo {
    child: Child,
    shown: String,
}

impl Demo {
    fn start(flags: &[&str]) -> Self {
        Self::start_in(&std::env::temp_dir(), flags, "Ctrl-C stops it.")
    }

    /// Starts it with its folders in `temporary`, and waits for a line.
    fn start_in(temporary: &Path, flags: &[&str], last: &'static str) -> Self {
        let mut command = orchestrateur();
        command.env("TMPDIR", temporary).args(["demo", "--listen", "127.0.0.1:0"]).args(flags);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut shown = String::new();
            for line in lines.map_while(Result::ok) {
                shown.push_str(&format!("{line}\n"));
                if line == last {
                    let _ = tell.send(shown);
                    return;
                }
            }
        });
        match told.recv_timeout(PATIENCE) {
            Ok(shown) => Self { child, shown },
            Err(_) => {
                let _ = child.kill();
                panic!("the demo does not get to its end");
            }
        }
    }

    /// The text between two others.
    #[track_caller]
    fn between(&self, before: &str, after: &str) -> &str {
        let rest = self.shown.split_once(before).unwrap_or_else(|| panic!("no {before}: {}", self.shown)).1;
        rest.split_once(after).unwrap().0
    }

    fn address(&self) -> SocketAddr {
        self.between("The API is at http://", " ").parse().unwrap()
    }

    fn data(&self) -> PathBuf {
        self.between("Data: ", " (").into()
    }

    /// Presses Ctrl-C and waits for a good end.
    fn stop(self) {
        self.stop_by("INT");
    }

    /// Sends a signal and waits for a good end.
    fn stop_by(mut self, name: &str) {
        signal(&self.child, name);
        for _ in 0..PATIENCE.as_millis() / 10 {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("SIG{name} does not stop it");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Already gone when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_the_four_scenarios_and_serves_until_ctrl_c() {
    let demo = Demo::start(&[]);
    let scenarios = [
        ("Succès complet: client 4 -> CONFIRMEE, rollback AUCUN\n", "COMMANDE_ENREGISTREE"),
        ("ECHEC STOCK: client 1 -> ECHEC_STOCK, rollback AUCUN (Stock insuffisant)\n", "stock action"),
        (
            "ECHEC PAIEMENT: client 2 -> ECHEC_PAIEMENT, rollback TERMINE (Solde insuffisant)\n",
            "stock compensation",
        ),
        (
            "ECHEC ENREGISTREMENT: client 3 -> ECHEC_ENREGISTREMENT, rollback TERMINE (Panne provoquée)\n",
            "paiement compensation",
        ),
    ];
    for (title, part) in scenarios {
        let timeline = demo.between(title, "\n\n");
        assert!(timeline.contains("INITIEE") && timeline.contains(part), "{title}{timeline}");
    }
    let address = demo.address();
    let reply = send(address, &Call::checkout(7)).await;
    assert_eq!(reply.expect(200)["etat_final"], "CONFIRMEE");
    assert_eq!(send(address, &Call::get("/api/commandes")).await.json().as_array().unwrap().len(), 5);
    assert_eq!(send(address, &Call::get("/docs/")).await.status, 200);
    // The shop is there to look at, too.
    let client = demo.between("client http://", ",").parse().unwrap();
    let ledger = send(client, &Call::get("/ledger")).await.expect(200);
    assert!(!ledger.as_array().unwrap().is_empty());
    let data = demo.data();
    assert!(data.exists());
    demo.stop();
    assert!(!data.exists(), "{} is left behind", data.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_its_own_is_kept_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("kept");
    let flags = ["--data", data.to_str().unwrap()];
    for run in 1..=2 {
        let demo = Demo::start(&flags);
        assert_eq!(demo.data(), Path::new(&data));
        let listed = send(demo.address(), &Call::get("/api/commandes")).await.json();
        assert_eq!(listed.as_array().unwrap().len(), run * 4, "{listed}");
        demo.stop();
        assert!(data.join("orchestrateur.db").exists());
    }
}

#[test]
fn whichever_signal_ends_it_and_whenever_it_leaves_nothing_behind() {
    let (early, late) = ("Four orders through four services:", "Ctrl-C stops it.");
    for (name, when) in [("TERM", late), ("HUP", late), ("TERM", early), ("INT", early)] {
        let temporary = tempfile::tempdir().unwrap();
        let demo = Demo::start_in(temporary.path(), &[], when);
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 1, "its data is there");
        demo.stop_by(name);
        let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "SIG{name} after `{when}`: {left:?}");
    }
}

#[test]
fn it_loads_further_sagas() {
    let folder = tempfile::tempdir().unwrap();
    let travel =
        saga_testkit::definition::change(orchestrateur::definitions::CHECKOUT).set("saga", "travel").text();
    std::fs::write(folder.path().join("travel.yaml"), travel).unwrap();
    let demo = Demo::start(&["--definition", folder.path().to_str().unwrap(), "--commande-saga", "travel"]);
    assert!(demo.shown.contains("CONFIRMEE"), "{}", demo.shown);
}
