//! `orchestrateur sagas` and `orchestrateur definitions`, as a person at a terminal meets them.

use std::net::SocketAddr;

use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commandes_command::{answering, answering_all, closed, run, run_with};
use crate::harness::{Shop, World};

const NOBODY: &str = "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21";
const INPUT: &str = r#"{"client_id": 4, "magasin_id": 1}"#;

/// A saga that waits for an approval before the sale, and whose client service promises nothing.
fn travel() -> String {
    let approval = "  - step: approval\n    signal: { name: approved, within: 1h, refused: .body.approved == false, ok: .body.approved }\n    \
                    success: APPROVED\n    failure: NOT_APPROVED\n  - step: vente";
    let source = change(CHECKOUT)
        .remove("participants.client.safety")
        .set("saga", "travel")
        .swap("  - step: vente", approval)
        .swap("deadline: 60s", "deadline: 2h\nlabels: { customer: .input.client_id }");
    source.text()
}

/// A world that has it, beside the checkout.
async fn world() -> (World, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("travel.yaml");
    std::fs::write(&file, travel()).unwrap();
    let world = World::with(
        Shop::open().await,
        &["--definition", file.to_str().unwrap(), "--commande-saga", "checkout"],
    )
    .await;
    (world, folder)
}

/// Starts a saga that is not waited for, and gives its id.
fn begun(address: SocketAddr, client: i64) -> String {
    let input = json!({ "client_id": client, "magasin_id": 1 }).to_string();
    let saga = run(address, &["sagas", "--json", "start", "travel", "--async", "--input", &input]).json();
    saga["id"].as_str().unwrap().to_owned()
}

fn ids(listed: &Value) -> Vec<String> {
    listed.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_is_started_from_a_terminal_and_its_key_makes_it_one() {
    let (world, folder) = world().await;
    let run = |arguments: &[&str]| run(world.server.address, arguments);
    let start = ["sagas", "start", "checkout", "--key", "k 1", "--input", INPUT];
    let shown = run(&start).well();
    for part in [
        "definition  checkout (",
        "CONFIRMEE, rollback none",
        "client_id=4",
        r#"{"client_id":4,"magasin_id":1}"#,
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("It goes on"), "{shown}");
    let again = run(&[&start[..], &["--json"]].concat()).json();
    let id = again["id"].as_str().unwrap();
    assert!(shown.contains(id), "{shown}");
    let reused =
        run(&["sagas", "start", "checkout", "--key", "k 1", "--input", r#"{"client_id":5,"magasin_id":1}"#]);
    assert!(reused.badly(1).contains("(422 "));

    // From a file, and from standard input.
    let file = folder.path().join("input.json");
    std::fs::write(&file, INPUT).unwrap();
    let path = file.to_str().unwrap();
    let from_file = run(&["sagas", "start", "checkout", "--key", "k 1", "--input", path, "--json"]).json();
    assert_eq!(from_file["id"], again["id"]);
    let arguments = ["sagas", "start", "checkout", "--key", "k 1", "--input", "-", "--json"];
    let open = std::fs::File::open(&file).unwrap();
    assert_eq!(run_with(world.server.address, &arguments, open.into()).json()["id"], again["id"]);

    // A refusal of a participant is an end like another.
    let refused = run(&["sagas", "start", "checkout", "--input", r#"{"client_id":1,"magasin_id":1}"#]).well();
    assert!(
        refused.contains("ECHEC_STOCK, rollback none") && refused.contains("failure     stock: "),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_waits_for_its_signal_and_is_found_by_label() {
    let (world, _folder) = world().await;
    let server = format!("--url http://{}", world.server.address);
    let run = |arguments: &[&str]| run(world.server.address, arguments);
    let input = r#"{"client_id": 4, "magasin_id": 1}"#;
    let said = run(&["sagas", "start", "travel", "--input", input, "--wait", "1"]).well();
    let id = said.lines().next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let look = format!("It goes on. Look again: orchestrateur sagas show {id} {server}");
    assert!(said.contains("approval: signal until 2") && said.contains(&look), "{said}");

    let waiting =
        run(&["sagas", "list", "--waiting", "signal", "--step", "approval", "--saga", "travel"]).well();
    assert!(
        waiting.contains(&id) && waiting.contains("customer=4") && waiting.contains("  approval: signal"),
        "{waiting}"
    );

    let signal = ["sagas", "signal", "travel", "approved", "--label", "customer=4", "--key", "a"];
    let bad = run(&[&signal[..], &["--body", r#"{"approved": 7}"#]].concat()).badly(1);
    assert!(bad.contains("(422 bad_signal)"), "{bad}");
    let sent = run(&[&signal[..], &["--body", r#"{"approved": true}"#]].concat()).well();
    assert!(sent.starts_with("The signal is recorded."), "{sent}");
    world_is(&world, &id, "CONFIRMEE").await;
    let late = run(&["sagas", "signal", &id, "approved", "--body", r#"{"approved": true}"#]).badly(1);
    assert!(late.contains("(409 takes_no_signals)"), "{late}");
    let none = run(&[&signal[..], &["--body", "true"]].concat()).badly(1);
    assert!(none.contains("(404 no_such_saga)"), "{none}");

    let shown = run(&["sagas", "show", &id, "--history"]).well();
    for part in [
        "CONFIRMEE, rollback none",
        "history (UTC)",
        "  stock action",
        "#1 ok",
        "* signalled",
        "approved",
        "* waits",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!run(&["sagas", "show", &id]).well().contains("history"));
    let json = run(&["sagas", "show", &id, "--history", "--json"]).json();
    assert_eq!(json["saga"], world.get(&format!("/api/sagas/{id}")).await.json());
    let history = world.get(&format!("/api/sagas/{id}/history?detail=steps")).await.json();
    assert_eq!(json["history"], history);
    assert_eq!(run(&["sagas", "show", &id, "--json"]).json(), json["saga"]);
}

async fn world_is(world: &World, id: &str, state: &str) {
    let path = format!("/api/sagas/{id}");
    crate::harness::until(state, async || world.get(&path).await.json()["state"] == state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_are_filtered_and_paged_up_to_the_limit() {
    let (world, _folder) = world().await;
    let run = |arguments: &[&str]| run(world.server.address, arguments);
    let mut begun: Vec<String> = [4, 5, 4].map(|client| self::begun(world.server.address, client)).into();
    begun.reverse();
    let list = ["sagas", "list", "--json", "--saga", "travel"];
    let listed = run(&list).json();
    assert_eq!(ids(&listed), begun);
    let of_four = run(&[&list[..], &["--label", "customer=4", "--label", "customer=4"]].concat());
    // The server says what it does not take.
    assert!(of_four.badly(1).contains("`label.customer` stands more than once (422 "));
    let of_four = run(&[&list[..], &["--label", "customer=4"]].concat()).json();
    assert_eq!(ids(&of_four), [begun[0].clone(), begun[2].clone()]);

    let page = run(&[&list[..], &["--limit", "2"]].concat());
    assert_eq!(ids(&serde_json::from_str(&page.stdout).unwrap()), begun[..2]);
    let more = page.stderr.strip_prefix("There are more: add --cursor ").unwrap();
    let cursor = more.split_once(',').unwrap().0;
    let rest = run(&[&list[..], &["--cursor", cursor]].concat()).json();
    assert_eq!(ids(&rest), begun[2..]);
    // More than a page can have.
    assert_eq!(ids(&run(&[&list[..], &["--limit", "1000"]].concat()).json()), begun);
    assert_eq!(ids(&run(&[&list[..], &["--all"]].concat()).json()), begun);
    let future = run(&["sagas", "list", "--since", "2100-01-01T00:00:00Z"]).well();
    assert_eq!(future, "There are no such sagas.\n");
    let wrong = run(&["sagas", "list", "--rollback", "BLOQUE"]).badly(1);
    assert!(
        wrong.contains("`rollback` must be none, running, done or blocked (422 invalid_field)"),
        "{wrong}"
    );
}

/// A server's pages can have fewer sagas than were asked for.
#[test]
fn pages_are_followed_until_there_are_enough() {
    let page = |ids: &str, next: &str| {
        let rows: Vec<Value> = ids.chars().map(|id| json!({ "id": id.to_string() })).collect();
        let (rows, link) =
            (Value::from(rows).to_string(), format!("</api/sagas?limit=3&cursor={next}>; rel=\"next\""));
        format!("HTTP/1.1 200 OK\r\nlink: {link}\r\ncontent-length: {}\r\n\r\n{rows}", rows.len())
    };
    let (address, asked) = answering_all(vec![page("ab", "7.b"), page("c", "6.c")]);
    let ended = run(address, &["sagas", "list", "--json", "--limit", "3", "--label", "a b=c&d"]);
    assert_eq!(ids(&serde_json::from_str(&ended.stdout).unwrap()), ["a", "b", "c"]);
    assert_eq!(ended.stderr, "There are more: add --cursor 6.c, or --all.\n");
    let lines: Vec<String> = asked.join().unwrap();
    let filter = "label.a+b=c%26d";
    assert!(lines[0].starts_with(&format!("GET /api/sagas?limit=3&{filter} ")), "{lines:?}");
    assert!(lines[1].starts_with(&format!("GET /api/sagas?limit=1&cursor=7.b&{filter} ")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_saga_is_found_looked_at_and_cleared_from_a_terminal() {
    let (world, _folder) = world().await;
    world.shop.fault("POST /api/clients/*/payer client=8 drop-after");
    let run = |arguments: &[&str]| run(world.server.address, arguments);
    let input = r#"{"client_id": 8, "magasin_id": 1}"#;
    let said = run(&["sagas", "start", "travel", "--input", input]).well();
    let id = said.lines().next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let server = format!("--url http://{}", world.server.address);
    let advice = format!("orchestrateur sagas resolve {id} {server} --step paiement --finding ran --by YOU");
    for part in [
        "rollback blocked",
        &advice,
        "--finding not_run",
        "--finding undone",
        "action of client, tried once",
        r#"{"montant":80.97}"#,
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("sagas resume"), "it would be refused: {said}");
    let inbox = run(&["sagas", "list", "--rollback", "blocked"]).well();
    for part in [
        &*id,
        "waits for a person",
        "action_unknown at paiement",
        "/api/clients/8/payer",
        "a body of 17 bytes",
    ] {
        assert!(inbox.contains(part), "{part}: {inbox}");
    }
    let refused = run(&["sagas", "resume", &id, "--by", "Ana"]).badly(1);
    assert!(refused.contains("(409 in_doubt)"), "{refused}");
    let by_ana = ["--by", "Ana", "--reason", "seen on the account"];
    let other =
        run(&[&["sagas", "resolve", &id, "--step", "hotel", "--finding", "ran"][..], &by_ana].concat())
            .badly(1);
    assert!(other.contains("no step `hotel`"), "{other}");
    let resolve =
        [&["sagas", "resolve", &id, "--step", "paiement", "--finding", "ran"][..], &by_ana].concat();
    let shown = run(&resolve).well();
    assert!(shown.contains("rollback done"), "{shown}");
    assert_eq!(world.shop.operations(&id).await, ["reserver", "liberer", "payer", "rembourser"]);
    let again = run(&resolve).badly(1);
    assert!(again.contains("(409 already_over)"), "{again}");
    let shown = run(&["sagas", "show", &id, "--history"]).well();
    assert!(
        shown.contains("* resolved") && shown.contains("paiement, ran, Ana, seen on the account"),
        "{shown}"
    );
    let empty = run(&["sagas", "list", "--rollback", "blocked"]).well();
    assert_eq!(empty, "There are no such sagas.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_is_stopped_from_a_terminal() {
    let (world, _folder) = world().await;
    let run = |arguments: &[&str]| run(world.server.address, arguments);
    let id = begun(world.server.address, 4);
    let said = run(&["sagas", "cancel", &id, "--by", "Ana", "--reason", "a mistake"]).well();
    assert!(said.contains("ANNULEE, rollback done") && !said.contains("It goes on"), "{said}");
    let again = run(&["sagas", "--json", "cancel", &id]).json();
    assert_eq!((&again["id"], &again["state"]), (&id.into(), &"ANNULEE".into()));
    let over = run(&["sagas", "--json", "start", "checkout", "--input", INPUT]).json();
    let late = run(&["sagas", "cancel", over["id"].as_str().unwrap()]).badly(1);
    assert!(late.contains("(409 "), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_shown() {
    let (world, _folder) = world().await;
    let run = |arguments: &[&str]| run(world.server.address, arguments);
    let all = run(&["definitions"]).well();
    let travel_line = all.lines().find(|line| line.starts_with("travel ")).unwrap();
    assert!(all.starts_with("name ") && all.contains("\ncheckout "), "{all}");
    assert!(
        travel_line.contains("panier, stock, paiement, approval, vente") && travel_line.contains("customer"),
        "{all}"
    );
    let one = run(&["definitions", "travel"]).well();
    let cells = |step: &str| -> Vec<&str> {
        let line = one.lines().find(|line| line.trim_start().starts_with(step)).unwrap();
        line.split_whitespace().collect()
    };
    assert_eq!(cells("stock "), ["stock", "call", "panier", "stock", "yes"]);
    assert_eq!(cells("approval "), ["approval", "signal", "paiement", "-", "no"]);
    assert!(one.contains("input (JSON Schema)") && one.contains(r#""client_id": {"#), "{one}");
    assert_eq!(run(&["definitions", "travel", "--source"]).well(), travel());
    let api = world.get("/api/definitions").await.json();
    assert_eq!(run(&["definitions", "--json"]).json(), api);
    let unknown = run(&["definitions", "nothing here"]).badly(1);
    assert!(
        unknown.contains("No definition of that name is loaded; there are ")
            && unknown.contains("(404 no_such_definition)"),
        "{unknown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_told() {
    let (world, folder) = world().await;
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{\"a\":").unwrap();
    let broken = broken.to_str().unwrap();
    for (arguments, said) in [
        (&["sagas", "show", NOBODY][..], "There is no saga with this id (404 no_such_saga)"),
        (&["sagas", "show", NOBODY, "--history"], "(404 no_such_saga)"),
        (&["sagas", "cancel", NOBODY], "(404 no_such_saga)"),
        (&["sagas", "signal", NOBODY, "approved"], "(404 no_such_saga)"),
        (&["sagas", "signal", "travel", "approved"], "say with --label which of its sagas is meant"),
        (
            &["sagas", "signal", NOBODY, "approved", "--label", "a=b"],
            "--label goes with the name of a definition",
        ),
        (&["sagas", "start", "nothing"], "(404 no_such_definition)"),
        (&["sagas", "start", "travel"], "`client_id` is missing"),
        (&["sagas", "start", "travel", "--input", broken], "broken.json: this is no JSON: "),
        (
            &["sagas", "start", "travel", "--input", "no-such.json"],
            "this is no JSON, and no file that can be read: ",
        ),
    ] {
        let complaint = run(world.server.address, arguments).badly(1);
        assert!(
            complaint.starts_with("orchestrateur: ") && complaint.contains(said),
            "{arguments:?}: {complaint}"
        );
    }
}

#[test]
fn a_command_line_that_cannot_be_used_ends_with_2_and_says_why() {
    let nobody = "127.0.0.1:9".parse().unwrap();
    let resolve = ["sagas", "resolve", NOBODY, "--step", "stock", "--reason", "r", "--by", "Ana"];
    for (arguments, said) in [
        (&["sagas"][..], "Usage"),
        (&["sagas", "show", "7"], "invalid value '7'"),
        (&["sagas", "resume", NOBODY], "--by"),
        (&["sagas", "cancel", NOBODY, "--reason", "r"], "--by"),
        (&resolve, "--finding"),
        (&[&resolve[..], &["--finding", "half"]].concat(), "not_run"),
        (&[&resolve[..], &["--finding", "ran", "--output", "{"]].concat(), "this is no JSON"),
        (&["sagas", "start", "travel", "--input", "{\"a\":"], "this is no JSON"),
        (&["sagas", "start", "travel", "--input", "{\"a\":1,\"a\":2}"], "this is no JSON"),
        (&["sagas", "start", "travel", "--async", "--wait", "3"], "cannot be used with"),
        (&["sagas", "start", "travel", "--key", "é"], "visible ASCII"),
        (&["sagas", "list", "--label", "customer"], "write a label's name, `=` and its value"),
        (&["sagas", "list", "--limit", "0"], "0 is not in 1.."),
        (&["sagas", "--url", "ftp://h", "list"], "write an HTTP address"),
        (&["definitions", "--source"], "<NAME>"),
    ] {
        let complaint = run(nobody, arguments).badly(2);
        assert!(complaint.contains(said), "{arguments:?}: {complaint}");
    }
}

#[test]
fn a_server_that_is_down_or_no_orchestrator_is_named() {
    let (_silent, closed) = closed();
    for arguments in [&["sagas", "list"][..], &["definitions"], &["sagas", "signal", NOBODY, "approved"]] {
        let said = run(closed, arguments).badly(1);
        assert!(
            said.starts_with(&format!("orchestrateur: there is no answer at http://{closed} (")),
            "{said}"
        );
    }
    let nothing = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let said = run(nothing, &["sagas", "start", "travel"]).badly(1);
    assert!(said.contains("does not answer in JSON"), "{said}");
}

/// A participant's text is shown, but cannot do anything to the terminal.
#[test]
fn words_of_a_participant_cannot_command_the_terminal() {
    let saga = json!({
        "id": NOBODY, "saga": "travel", "state": "A\u{1b}[2J", "rollback": "blocked", "labels": { "who": "\u{9b}2J" },
        "input": { "a\u{9b}": 1 }, "waiting": [{ "step": "s", "for": "call", "until": "\u{7}" }],
        "failure": { "step": "s", "reason": "\u{1b}]0;owned\u{7}\nnext" },
        "blocked": { "stuck": "\u{1b}", "findings": ["ran\u{1b}"], "call": { "body": "\u{9b}", "url": "\u{1b}" } },
    });
    for (arguments, body) in [(&["sagas", "list"][..], json!([saga])), (&["sagas", "show", NOBODY], saga)] {
        let body = body.to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let shown = run(answering(&answer), arguments).well();
        assert!(
            shown.contains("owned") && !shown.contains(|c: char| c.is_control() && c != '\n'),
            "{shown:?}"
        );
    }
}
