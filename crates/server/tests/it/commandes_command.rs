//! `orchestrateur commandes` and `orchestrateur participants`, as an operator at a terminal meets them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::thread::JoinHandle;

use saga_testkit::definition::change;
use serde_json::Value;

use crate::harness::{Shop, World, orchestrateur};
use crate::http::Call;

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn well(self) -> String {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""), "{self:?}");
        self.stdout
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.well()).unwrap()
    }

    /// Its complaint; `code` tells a refusal (1) from a command line that cannot be read (2).
    #[track_caller]
    pub(crate) fn badly(self, code: i32) -> String {
        assert_eq!((self.code, &*self.stdout), (Some(code), ""), "{self:?}");
        self.stderr
    }
}

pub(crate) fn run(address: SocketAddr, arguments: &[&str]) -> Ended {
    run_with(address, arguments, Stdio::null())
}

/// The same, with something to read.
pub(crate) fn run_with(address: SocketAddr, arguments: &[&str], stdin: Stdio) -> Ended {
    let mut command = orchestrateur();
    command.stdin(stdin);
    command.args(arguments).env("ORCHESTRATEUR_URL", format!("http://{address}/"));
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// An orchestrator whose client service promises nothing, and an order that is blocked for that.
async fn blocked() -> (World, String) {
    let careful = change(orchestrateur::definitions::CHECKOUT).remove("participants.client.safety").text();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("careful.yaml");
    std::fs::write(&file, careful).unwrap();
    let world = World::with(Shop::open().await, &["--definition", file.to_str().unwrap()]).await;
    world.shop.fault("POST /api/clients/*/payer client=8 drop-after");
    let body = world.send(&Call::checkout(8)).await.expect(200);
    assert_eq!(body["rollback"], "BLOQUE");
    let saga = body["saga_id"].as_str().unwrap().to_owned();
    (world, saga)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_order_is_found_looked_at_and_cleared_from_a_terminal() {
    let (world, saga) = blocked().await;
    let confirmed = world.order(4, "CONFIRMEE").await;
    let run = |arguments: &[&str]| self::run(world.server.address, arguments);

    let inbox = run(&["commandes", "list", "--rollback", "BLOQUE"]).well();
    assert!(inbox.starts_with("id ") && !inbox.contains(&confirmed), "{inbox}");
    let row = inbox.lines().find(|line| line.starts_with(&saga)).unwrap();
    assert!(row.contains("ECHEC_PAIEMENT  BLOQUE") && row.contains("  paiement  "), "{inbox}");
    for part in ["action_unknown at paiement", "POST http://", "/api/clients/8/payer", "a body of 17 bytes"] {
        assert!(inbox.contains(part), "{part}: {inbox}");
    }

    let shown = run(&["commandes", "show", &saga]).well();
    // The advice is a command line: it is taken at its word below. It asks the same server.
    let server = format!("--url http://{}", world.server.address);
    let advice =
        format!("orchestrateur commandes resoudre {saga} {server} --etape paiement --constat EXECUTEE --par");
    let today = &world.commande(&saga).await["cree_le"].as_str().unwrap()[..10].to_owned();
    let day = format!("{today} ");
    for part in
        [&*advice, "NON_EXECUTEE", "ANNULEE", "* bloque", r#"{"montant":80.97}"#, "history (UTC)", &day]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let attempt = shown.lines().find(|line| line.contains("  paiement action"));
    assert!(attempt.is_some_and(|line| line.contains("#1 unknown")), "{shown}");
    assert!(!shown.contains("commandes reprendre"), "it would be refused: {shown}");
    let refused = run(&["commandes", "reprendre", &saga, "--par", "Ana"]).badly(1);
    assert!(refused.contains("`resoudre` (409 in_doubt)"), "{refused}");

    let resoudre = ["commandes", "resoudre", &saga, "--etape", "paiement", "--constat", "executee"];
    let by_ana = ["--par", "Ana", "--raison", "vu sur le compte"];
    let shown = run(&[&resoudre[..], &by_ana].concat()).well();
    assert!(shown.contains("ECHEC_PAIEMENT, rollback TERMINE"), "{shown}");
    assert!(shown.contains("resoudre  paiement  EXECUTEE  Ana  vu sur le compte"), "{shown}");
    let operations = world.shop.operations(&saga).await;
    assert_eq!(operations, ["reserver", "liberer", "payer", "rembourser"]);
    let again = run(&[&resoudre[..], &by_ana].concat()).badly(1);
    assert!(again.contains("the order is over (409 already_over)"), "{again}");
    let empty = run(&["commandes", "list", "--rollback", "BLOQUE"]).well();
    assert_eq!(empty, "There are no such orders.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_the_apis_own_json() {
    let (world, saga) = blocked().await;
    let run = |arguments: &[&str]| self::run(world.server.address, arguments);
    let listed = run(&["commandes", "list", "--json", "--rollback", "BLOQUE"]).json();
    assert_eq!(listed, world.get("/api/commandes?rollback=BLOQUE").await.json());
    let shown = run(&["commandes", "show", &saga, "--json"]).json();
    assert_eq!(shown["commande"], world.commande(&saga).await);
    let history = world.get(&format!("/api/commande/{saga}/historique?detail=etapes")).await.json();
    assert_eq!(shown["historique"], history);
    // Their breakers say for how long they have been as they are, which is another time already.
    let without_times = |mut participants: Value| {
        for participant in participants.as_array_mut().unwrap() {
            participant["breaker"]["depuis_ms"] = Value::Null;
        }
        participants
    };
    let participants = run(&["participants", "--json"]).json();
    let expected = world.get("/api/participants").await.json();
    assert_eq!(without_times(participants), without_times(expected));
    let table = run(&["participants"]).well();
    assert!(table.lines().next().unwrap().contains("safety") && table.contains("ventes"), "{table}");
    let resolved = [
        "commandes",
        "--json",
        "resoudre",
        &saga,
        "--etape",
        "paiement",
        "--constat",
        "ANNULEE",
        "--par",
        "Ana",
        "--raison",
        "remboursé à la main",
        "--attendre",
        "60",
    ];
    let answer = run(&resolved).json();
    assert_eq!((&answer["saga_id"], &answer["etat_final"]), (&saga.into(), &"ECHEC_PAIEMENT".into()));
    assert_eq!(
        (&answer["rollback"], &answer["echec"]["etape"]),
        (&Value::Null, &"paiement".into()),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_filtered_and_paged() {
    let world = World::open().await;
    let mut placed = Vec::new();
    for client in [4, 5, 4] {
        placed.insert(0, world.order(client, "CONFIRMEE").await);
    }
    world.order(1, "ECHEC_STOCK").await;
    let run = |arguments: &[&str]| self::run(world.server.address, arguments);
    let ids = |listed: &Value| -> Vec<String> {
        listed.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let confirmed = ["commandes", "list", "--json", "--etat", "CONFIRMEE"];
    assert_eq!(ids(&run(&confirmed).json()), placed);
    let of_four = run(&[&confirmed[..], &["--client", "4", "--magasin", "1"]].concat()).json();
    assert_eq!(ids(&of_four), [placed[0].clone(), placed[2].clone()]);
    assert_eq!(run(&["commandes", "list", "--json", "--magasin=-9"]).json(), serde_json::json!([]));
    assert_eq!(ids(&run(&[&confirmed[..], &["--limit", "1", "--all"]].concat()).json()), placed);
    let page = run(&[&confirmed[..], &["--limit", "2"]].concat());
    assert_eq!(ids(&serde_json::from_str(&page.stdout).unwrap()), placed[..2]);
    let cursor =
        page.stderr.strip_prefix("There are more: add --cursor ").unwrap().split_once(',').unwrap().0;
    let rest = run(&[&confirmed[..], &["--cursor", cursor]].concat()).json();
    assert_eq!(ids(&rest), placed[2..]);
    let refused = run(&["commandes", "list", "--rollback", "bloque"]).badly(1);
    assert!(
        refused.contains("`rollback` must be AUCUN, EN_COURS, TERMINE or BLOQUE (422 invalid_field)"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_stopped_from_a_terminal_and_need_not_be_waited_for() {
    let world = World::open().await;
    let run = |arguments: &[&str]| self::run(world.server.address, arguments);
    world.shop.fault("POST /api/clients/*/payer latency=600");
    world.shop.fault("POST /api/stock/liberer latency=1500");
    let saga = world.begin(4).await;
    world.reaches(&saga, "STOCK_RESERVE").await;
    let said = run(&["commandes", "annuler", &saga, "--attendre", "0"]).well();
    assert!(said.contains("ANNULEE, rollback EN_COURS") && said.contains("It goes on. Look again"), "{said}");
    let said = run(&["commandes", "annuler", &saga]).well();
    assert!(said.contains("ANNULEE, rollback TERMINE") && !said.contains("It goes on"), "{said}");
    let unknown = run(&["commandes", "show", "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21"]).badly(1);
    assert!(unknown.contains("Commande non trouvée (404 commande_inconnue)"), "{unknown}");
}

#[test]
fn a_command_line_that_cannot_be_used_ends_with_2_and_says_why() {
    let nobody = "127.0.0.1:9".parse().unwrap();
    let id = "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21";
    let resoudre = ["commandes", "resoudre", id, "--etape", "stock", "--raison", "r", "--par", "Ana"];
    for (arguments, said) in [
        (&["commandes"][..], "Usage"),
        (&["commandes", "show", "7"], "invalid value '7'"),
        (&["commandes", "reprendre", id], "--par"),
        (&resoudre, "--constat"),
        (&[&resoudre[..], &["--constat", "PARTIE"]].concat(), "EXECUTEE"),
        (&[&resoudre[..], &["--constat", "EXECUTEE", "--sortie", "{"]].concat(), "this is no JSON"),
        (&["commandes", "list", "--client", "x"], "invalid digit"),
        (&["commandes", "--url", "ftp://h", "list"], "write an HTTP address"),
        (&["commandes", "--url", "http://me:secret@h", "list"], "without a password"),
    ] {
        let complaint = run(nobody, arguments).badly(2);
        assert!(complaint.contains(said), "{arguments:?}: {complaint}");
    }
}

/// A server that reads one request and answers it with these bytes.
pub(crate) fn answering(answer: &str) -> SocketAddr {
    answering_all(vec![answer.to_owned()]).0
}

/// A server that reads a request for each of these answers, each on a connection of its own, and tells their heads.
pub(crate) fn answering_all(answers: Vec<String>) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            heads.push(String::from_utf8(head).unwrap());
            let _ = stream.write_all(answer.as_bytes());
        }
        heads
    });
    (address, server)
}

/// A port that is ours, for as long as the socket lives, and without a listener.
pub(crate) fn closed() -> (tokio::net::TcpSocket, SocketAddr) {
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = silent.local_addr().unwrap();
    (silent, address)
}

#[test]
fn whoever_does_not_answer_as_an_orchestrator_is_named() {
    let (_silent, closed) = closed();
    let said = run(closed, &["commandes", "list"]).badly(1);
    assert!(said.starts_with(&format!("orchestrateur: there is no answer at http://{closed} (")), "{said}");
    assert!(
        said.contains("is `orchestrateur serve` running there?") && said.contains("ORCHESTRATEUR_URL"),
        "{said}"
    );
    for (answer, expected) in [
        (
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 9\r\n\r\nno \x1b[31mway",
            "answers 502 Bad Gateway; is it an orchestrateur? It says: no [31m",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "does not answer in JSON"),
        ("", "broke the connection off, and whether it has done what was asked is not known"),
    ] {
        let said = run(answering(answer), &["participants"]).badly(1);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

/// A participant's text is shown, but cannot do anything to the terminal.
#[tokio::test(flavor = "multi_thread")]
async fn words_of_a_participant_cannot_command_the_terminal() {
    let row = r#"[{"id":"x","etat_actuel":"A\u001b[2J","rollback":"AUCUN","client_id":1,"magasin_id":1,
        "cree_le":"t","echec":{"etape":"s","raison":"\u001b]0;owned\u0007\nnext"},"blocage":null}]"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{row}", row.len());
    let shown = run(answering(&answer), &["commandes", "list"]).well();
    assert!(shown.contains("owned") && !shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
    assert_eq!(shown.lines().count(), 2, "{shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_seen_enough_is_no_failure_and_a_full_disk_is() {
    let (world, saga) = blocked().await;
    let address = world.server.address.to_string();
    let url = format!("http://{address}");
    for arguments in [
        vec!["commandes", "--url", &url, "list", "--limit", "1"],
        vec!["commandes", "--url", &url, "show", &saga],
        vec!["commandes", "--url", &url, "--json", "show", &saga],
        vec!["sagas", "--url", &url, "list"],
        vec!["sagas", "--url", &url, "show", &saga, "--history"],
        vec!["definitions", "--url", &url],
        vec!["participants", "--url", &url],
        vec!["health", "--url", &url],
        vec!["check"],
        vec!["schema"],
    ] {
        let unread = || {
            let (_, writer) = std::io::pipe().unwrap();
            writer
        };
        let status = orchestrateur().args(&arguments).stdout(unread()).stderr(unread()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}");

        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = orchestrateur().args(&arguments).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("orchestrateur: print: ") && !said.contains("panicked"),
            "{arguments:?}: {said}"
        );
    }
}
