//! Callers and their rights (promise P9): every role at every route, with and without keys. Certificates: `tls/identity.rs`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Shop, World, database_in, orchestrateur, until};
use crate::http::{Call, PATIENCE, Reply, send};
use crate::routes::document;

pub(crate) const ROLES: [&str; 5] = ["start", "signal", "read", "operate", "admin"];

/// The `WWW-Authenticate` of callers whose key or token is none that may be used.
pub(crate) const INVALID_TOKEN: &str = "Bearer realm=\"orchestrateur\", error=\"invalid_token\"";

/// What each operation is for, as callers were promised it: the document and the program must say the same.
pub(crate) const PROMISED: [(&str, &str, &[&str]); 27] = [
    ("get", "/", &[]),
    ("get", "/.well-known/jwks.json", &[]),
    ("get", "/api/audit", &["operate", "admin"]),
    ("post", "/api/callbacks/{token}", &[]),
    ("post", "/api/commande/checkout", &["start", "operate", "admin"]),
    ("get", "/api/commande/{id}", &["start", "read", "operate", "admin"]),
    ("post", "/api/commande/{id}/annuler", &["start", "operate", "admin"]),
    ("get", "/api/commande/{id}/historique", &["start", "read", "operate", "admin"]),
    ("post", "/api/commande/{id}/reprendre", &["operate", "admin"]),
    ("post", "/api/commande/{id}/resoudre", &["operate", "admin"]),
    ("get", "/api/commandes", &["read", "operate", "admin"]),
    ("get", "/api/definitions", &["read", "operate", "admin"]),
    ("get", "/api/definitions/{saga}", &["read", "operate", "admin"]),
    ("get", "/api/participants", &["read", "operate", "admin"]),
    ("get", "/api/sagas", &["read", "operate", "admin"]),
    ("get", "/api/sagas/{saga}", &["start", "read", "operate", "admin"]),
    ("post", "/api/sagas/{saga}", &["start", "operate", "admin"]),
    ("post", "/api/sagas/{saga}/cancel", &["start", "operate", "admin"]),
    ("get", "/api/sagas/{saga}/history", &["start", "read", "operate", "admin"]),
    ("post", "/api/sagas/{saga}/resolve", &["operate", "admin"]),
    ("post", "/api/sagas/{saga}/resume", &["operate", "admin"]),
    ("post", "/api/sagas/{saga}/signals/{name}", &["signal", "operate", "admin"]),
    ("get", "/api/events", &["read", "operate", "admin"]),
    ("get", "/livez", &[]),
    ("get", "/metrics", &["read", "operate", "admin"]),
    ("get", "/openapi.json", &[]),
    ("get", "/readyz", &[]),
];

/// A keys file, and the keys that it has by name.
pub(crate) struct KeyRing {
    pub(crate) folder: TempDir,
}

impl KeyRing {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self) -> String {
        self.folder.path().join("keys").display().to_string()
    }

    pub(crate) fn keys(&self, arguments: &[&str]) -> std::process::Output {
        orchestrateur().arg("keys").args(arguments).args(["--file", &self.file()]).output().unwrap()
    }

    /// Makes a key, and gives it.
    pub(crate) fn add(&self, name: &str, role: &str, more: &[&str]) -> String {
        let made = self.keys(&[&["add", name, "--role", role], more].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let key = String::from_utf8(made.stdout).unwrap();
        assert_eq!(key.lines().count(), 1, "the key alone: {key}");
        key.trim().to_owned()
    }

    pub(crate) async fn world(&self) -> World {
        World::with(Shop::open().await, &["--api-keys-file", &self.file()]).await
    }
}

/// The flags that a role needs in the file.
pub(crate) fn flags_of(role: &str) -> &'static [&'static str] {
    if role == "signal" { &["--signal", "approved"] } else { &[] }
}

pub(crate) fn bearing(call: Call, key: &str) -> Call {
    call.header("authorization", format!("Bearer {key}"))
}

/// A request of an operation, for a saga that does not exist.
pub(crate) fn request(method: &str, path: &str) -> Call {
    let path = path
        .replace("{id}", "00000000-0000-4000-8000-000000000000")
        .replace("/api/sagas/{saga}/", "/api/sagas/00000000-0000-4000-8000-000000000000/")
        .replace("{saga}", "checkout")
        .replace("{name}", "approved")
        // Its answer would have no end.
        .replace("/api/events", "/api/events?after=x")
        .replace("{token}", &"0".repeat(64));
    if method == "get" { Call::get(&path) } else { Call::post(&path).json(&json!({})) }
}

pub(crate) fn is_denied(reply: &Reply) -> bool {
    reply.status == 401 || reply.status == 403
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_reaches_the_routes_that_are_for_it_and_no_others() {
    let ring = KeyRing::new();
    let keys = ROLES.map(|role| (role, ring.add(&format!("a-{role}"), role, flags_of(role))));
    let ended = ring.add("late", "admin", &["--expires", "2020-01-01T00:00:00Z"]);
    let world = ring.world().await;
    for (method, path, roles) in PROMISED {
        let call = request(method, path);
        let is_open = roles.is_empty();
        let without = world.send(&call).await;
        assert_eq!(is_denied(&without), !is_open, "{method} {path} without a key");
        let challenge = (!is_open).then_some("Bearer realm=\"orchestrateur\"");
        assert_eq!(without.header("www-authenticate"), challenge, "{method} {path}");
        for wrong in [&ended, &"0".repeat(68), "", "x", &format!("{}x", keys[4].1)] {
            let told = world.send(&bearing(call.clone(), wrong)).await;
            if is_open {
                assert!(!is_denied(&told), "{method} {path}: {told:?}");
            } else {
                told.problem(401, "unauthenticated");
                assert_eq!(told.header("www-authenticate"), Some(INVALID_TOKEN));
            }
        }
        for (role, key) in &keys {
            let told = world.send(&bearing(call.clone(), key)).await;
            let allowed = is_open || roles.contains(role);
            assert_eq!(is_denied(&told), !allowed, "{role} at {method} {path}: {told:?}");
            if !allowed {
                told.problem(403, "role");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_says_for_whom_each_operation_is() {
    let document = document();
    for (method, path, roles) in PROMISED {
        let said = &document["paths"][path][method]["security"];
        let wanted = if roles.is_empty() { json!([{}]) } else { json!([{ "key": roles }]) };
        assert_eq!(*said, wanted, "{method} {path}");
    }
    let operations: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(operations, PROMISED.len());
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ended_and_malformed_keys_are_told_the_same() {
    let ring = KeyRing::new();
    let ended = ring.add("late", "admin", &["--expires", "2020-01-01T00:00:00Z"]);
    let world = ring.world().await;
    let call = Call::get("/api/sagas");
    let told = async |value: &str| world.send(&call.clone().header("authorization", value)).await;
    let unknown = told(&format!("Bearer ork_{}", "0".repeat(64))).await;
    unknown.problem(401, "unauthenticated");
    for value in [
        format!("Bearer {ended}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Basic eDp5".to_owned(),
        format!("Bearer {}", "x".repeat(7_000)),
    ] {
        assert_eq!(told(&value).await.json(), unknown.json(), "{value}");
    }
    let twice = call.clone().header("authorization", "Bearer a").header("authorization", "Bearer b");
    assert_eq!(world.send(&twice).await.json(), unknown.json());
    assert!(world.metric("requests_denied_total{why=\"bad_key\"}").await == 0.0, "metrics are not for all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starter_knows_of_its_own_sagas_alone() {
    let ring = KeyRing::new();
    let (one, other) = (ring.add("one", "start", &[]), ring.add("other", "start", &[]));
    let operator = ring.add("ops", "operate", &[]);
    let limited = ring.add("limited", "start", &["--saga", "another"]);
    let world = ring.world().await;
    let order = Call::checkout(4).key("the same");
    let saga_of = async |key: &str| {
        let told = world.send(&bearing(order.clone(), key)).await.expect(200);
        told["saga_id"].as_str().unwrap().to_owned()
    };
    let (mine, others) = (saga_of(&one).await, saga_of(&other).await);
    assert_ne!(mine, others, "a key of one caller is none of another");
    assert_eq!(saga_of(&one).await, mine);
    for path in ["/api/commande/{}", "/api/commande/{}/historique", "/api/sagas/{}", "/api/sagas/{}/history"]
    {
        let seen = async |saga: &str, key: &str| {
            world.send(&bearing(Call::get(&path.replace("{}", saga)), key)).await.status
        };
        assert_eq!((seen(&mine, &one).await, seen(&others, &one).await), (200, 404), "{path}");
        assert_eq!((seen(&mine, &operator).await, seen(&others, &operator).await), (200, 200), "{path}");
    }
    for path in ["/api/commande/{}/annuler", "/api/sagas/{}/cancel"] {
        let asked =
            async |saga: &str| world.send(&bearing(Call::post(&path.replace("{}", saga)), &one)).await.status;
        assert_eq!((asked(&mine).await, asked(&others).await), (409, 404), "{path}");
    }
    world.send(&bearing(Call::checkout(4), &limited)).await.problem(403, "not_this_saga");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_has_the_name_that_is_known_whatever_a_body_says() {
    let ring = KeyRing::new();
    let (shop, ops) = (ring.add("shop", "start", &[]), ring.add("ops", "operate", &[]));
    let world = ring.world().await;
    world.shop.fault("POST /api/ventes status=500");
    world.shop.fault("POST /api/stock/liberer status=500");
    let call = bearing(Call::checkout(4).prefer("respond-async"), &shop);
    let saga = world.send(&call).await.expect(202)["saga_id"].as_str().unwrap().to_owned();
    let shown =
        async || world.send(&bearing(Call::get(&format!("/api/sagas/{saga}")), &ops)).await.expect(200);
    until("it is blocked", async || shown().await["rollback"] == "blocked").await;
    let body = json!({ "by": "the director", "reason": "try" });
    // While a call is under way there is nothing to hurry.
    let resume = bearing(Call::post(&format!("/api/sagas/{saga}/resume")).json(&body), &ops);
    until("it is resumed", async || world.send(&resume).await.status < 400).await;
    let resolve = json!({ "step": "stock", "finding": "undone", "reason": "by hand", "by": "the director" });
    let path = format!("/api/sagas/{saga}/resolve");
    until("it is resolved", async || {
        world.send(&bearing(Call::post(&path).json(&resolve), &ops)).await;
        shown().await["rollback"] == "done"
    })
    .await;
    let history =
        world.send(&bearing(Call::get(&format!("/api/sagas/{saga}/history?detail=steps")), &ops)).await;
    assert!(!history.text.contains("the director"), "{}", history.text);
    let lines = history.expect(200);
    let by: Vec<&Value> =
        lines.as_array().unwrap().iter().map(|line| &line["by"]).filter(|by| !by.is_null()).collect();
    assert!(by.contains(&&json!("ops")), "{by:?}");
    assert_eq!(shown().await["started_by"], "shop");

    // The list of all that one name did.
    let deeds = async |query: &str| {
        let told = world.send(&bearing(Call::get(&format!("/api/audit?{query}")), &ops)).await;
        let lines = told.expect(200);
        let words =
            |line: &Value| (line["deed"].as_str().unwrap().to_owned(), line["position"].as_u64().unwrap());
        assert!(
            lines
                .as_array()
                .unwrap()
                .iter()
                .all(|line| line["saga_id"] == *saga && line["saga"] == "checkout")
        );
        lines.as_array().unwrap().iter().map(words).collect::<Vec<_>>()
    };
    assert_eq!(deeds("name=shop").await, [("start".to_owned(), 1)]);
    let by_ops = deeds("name=ops").await;
    assert!(by_ops.iter().any(|(deed, _)| deed == "resume"), "{by_ops:?}");
    assert!(by_ops.iter().any(|(deed, _)| deed == "resolve"), "{by_ops:?}");
    assert!(by_ops.is_sorted_by(|one, next| one.1 > next.1), "newest first: {by_ops:?}");
    assert_eq!(deeds("name=ops&until=2020-01-01T00:00:00Z").await, []);
    assert_eq!(deeds("name=the%20director").await, [], "no word of a body makes a name");
    let page = world.send(&bearing(Call::get("/api/audit?name=ops&limit=1"), &ops)).await;
    assert_eq!(page.expect(200).as_array().unwrap().len(), 1);
    let link = page.header("link").expect("there are more").to_owned();
    let next = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    let rest = world.send(&bearing(Call::get(&next), &ops)).await.expect(200);
    assert_eq!(rest[0]["position"].as_u64(), Some(by_ops[1].1));
    for wrong in
        ["", "name=", "name=a&name=b", "name=a&limit=0", "name=a&cursor=x", "name=a&since=now", "who=a"]
    {
        world
            .send(&bearing(Call::get(&format!("/api/audit?{wrong}")), &ops))
            .await
            .problem(422, "invalid_field");
    }
    let mut told = orchestrateur();
    let url = format!("http://{}", world.server.address);
    told.args(["audit", "shop", "--url", &url]).env("ORCHESTRATEUR_KEY", &ops);
    let told = told.output().unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(told.status.success() && text.contains("start") && text.contains(&saga), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_revoked_and_another_one_added_while_the_server_runs() {
    let ring = KeyRing::new();
    let old = ring.add("ops", "operate", &[]);
    let world = ring.world().await;
    let status = async |key: &str| world.send(&bearing(Call::get("/api/sagas"), key)).await.status;
    assert_eq!(status(&old).await, 200);
    let new = ring.add("ops", "operate", &[]);
    assert_eq!(status(&new).await, 401, "not before SIGHUP");
    world.server.reload();
    until("both are known", async || status(&new).await == 200).await;
    assert_eq!(status(&old).await, 200);
    let revoked = ring.keys(&["revoke", "ops"]);
    assert!(revoked.status.success());
    let other = ring.add("boss", "admin", &[]);
    world.server.reload();
    until("the old ones are gone", async || status(&old).await == 401).await;
    assert_eq!((status(&new).await, status(&other).await), (401, 200));
    // A mistake leaves the keys as they are, and is told.
    std::fs::write(ring.file(), "{").unwrap();
    world.server.reload();
    world.server.says("the keys are not read again").await;
    assert_eq!(status(&other).await, 200);
    let metric = world.send(&bearing(Call::get("/metrics"), &other)).await.text;
    let denied =
        metric.lines().find(|line| line.starts_with("requests_denied_total{why=\"bad_key\"}")).unwrap();
    assert!(denied.rsplit(' ').next().unwrap().parse::<f64>().unwrap() >= 3.0, "{denied}");
    world.server.says("a request was refused").await;
    for key in [&old, &new, &other] {
        assert!(!world.server.said().contains(&key[4..]), "no key is in the log");
    }
}

fn run(file: &Path, arguments: &[&str], key: Option<&str>) -> std::process::Output {
    let mut command: Command = orchestrateur();
    command.args(arguments).stdin(Stdio::null());
    if let Some(key) = key {
        std::fs::write(file, format!("{key}\n")).unwrap();
        command.args(["--key-file", &file.display().to_string()]);
    }
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_presents_a_key() {
    let ring = KeyRing::new();
    let reader = ring.add("eyes", "read", &[]);
    let world = ring.world().await;
    let url = format!("http://{}", world.server.address);
    let file = ring.folder.path().join("mine");
    let arguments = ["sagas", "list", "--url", &url];
    let without = run(&file, &arguments, None);
    assert!(String::from_utf8_lossy(&without.stderr).contains("presents no key"), "{without:?}");
    assert!(run(&file, &arguments, Some(&reader)).status.success());
    let refused = run(&file, &["definitions", "--url", &url], Some("ork_wrong"));
    assert!(!refused.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_key_is_revoked() {
    let ring = KeyRing::new();
    let (gone, kept) = (ring.add("gone", "read", &[]), ring.add("kept", "read", &[]));
    let world = ring.world().await;
    let listen = async |key: &str| {
        let mut stream = TcpStream::connect(world.server.address).await.unwrap();
        stream.write_all(&bearing(Call::get("/api/events"), key).bytes()).await.unwrap();
        let mut head = vec![0; 15];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(head, b"HTTP/1.1 200 OK");
        stream
    };
    let (mut revoked, mut other) = (listen(&gone).await, listen(&kept).await);
    assert!(ring.keys(&["revoke", "gone"]).status.success());
    world.server.reload();
    let mut rest = Vec::new();
    timeout(PATIENCE, revoked.read_to_end(&mut rest)).await.expect("the stream ends").unwrap();
    let more = timeout(Duration::from_secs(3), other.read_to_end(&mut rest)).await;
    assert!(more.is_err(), "the other one goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_the_inputs_of_definitions_for_known_callers_alone() {
    let ring = KeyRing::new();
    let key = ring.add("shop", "start", &[]);
    let world = ring.world().await;
    let inputs = async |call: Call| {
        let document = world.send(&call).await.expect(200);
        document["components"]["schemas"].get("checkout.input").is_some()
    };
    assert!(!inputs(Call::get("/openapi.json")).await);
    assert!(!inputs(bearing(Call::get("/openapi.json"), "ork_wrong")).await);
    assert!(inputs(bearing(Call::get("/openapi.json"), &key)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_only_this_machine_is_served() {
    let data = tempfile::tempdir().unwrap();
    let serve = |flags: &[&str]| {
        let mut command = orchestrateur();
        command.arg("serve").args(flags).env("DATABASE_URL", database_in(data.path()));
        command
    };
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8023"] {
        let refused = serve(&["--listen", address]).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{address}");
        assert!(said.contains("orchestrateur keys add") && said.contains("--insecure-no-auth"), "{said}");
    }
    let wrong = serve(&["--api-keys-file", "/nowhere"]).output().unwrap();
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("the keys file /nowhere"), "{wrong:?}");
    let ring = KeyRing::new();
    let key = ring.add("ops", "operate", &[]);
    for (flags, status) in [(&["--insecure-no-auth"][..], 200), (&["--api-keys-file", &ring.file()], 401)] {
        let mut serving = serve(&["--listen", "0.0.0.0:0", "--log-json"]);
        let mut serving = serving.args(flags).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(serving.stderr.take().unwrap()).lines().map_while(Result::ok);
        let port = log.find_map(|line| {
            let line: Value = serde_json::from_str(&line).ok()?;
            line["listen"].as_str()?.rsplit(':').next()?.parse::<u16>().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("it listens")));
        let asked = async |call: &Call| send(address, call).await.status;
        let told =
            (asked(&Call::get("/api/sagas")).await, asked(&bearing(Call::get("/api/sagas"), &key)).await);
        let _ = serving.kill();
        let _ = serving.wait();
        assert_eq!(told, (status, 200), "{flags:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn supervisors_may_have_an_address_of_their_own() {
    let ring = KeyRing::new();
    let key = ring.add("boss", "admin", &[]);
    let flags = ["--api-keys-file", &ring.file(), "--ops-listen", "127.0.0.1:0"];
    let world = World::with(Shop::open().await, &flags).await;
    let ops: SocketAddr = world
        .server
        .said()
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).ok()?["ops_listen"].as_str()?.parse().ok())
        .expect("it says where");
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(send(ops, &Call::get(path)).await.status, 200, "{path}");
        world.send(&bearing(Call::get(path), &key)).await.problem(404, "no_such_path");
    }
    for path in ["/api/sagas", "/", "/openapi.json"] {
        send(ops, &bearing(Call::get(path), &key)).await.problem(404, "no_such_path");
    }
    send(ops, &Call::post("/metrics")).await.problem(405, "method_not_allowed");
    send(ops, &Call::get("/metrics").host("evil.example.com")).await.problem(421, "host_not_allowed");
    let health =
        |flags: &[&str]| orchestrateur().arg("health").args(flags).output().unwrap().status.success();
    let listen = world.server.address.to_string();
    assert!(health(&["--listen", &listen, "--ops-listen", &ops.to_string()]));
    assert!(!health(&["--listen", &listen]));
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let ring = KeyRing::new();
    let key = ring.add("shop", "start", &["--saga", "checkout", "--expires", "2030-01-01T00:00:00Z"]);
    assert_eq!((key.len(), &key[..4]), (68, "ork_"));
    let text = std::fs::read_to_string(ring.file()).unwrap();
    assert!(!text.contains(&key[4..]), "the file has its hash alone: {text}");
    assert_eq!(std::fs::metadata(ring.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = String::from_utf8(ring.keys(&["list"]).stdout).unwrap();
    assert!(listed.contains("shop") && listed.contains("checkout") && listed.contains("2030"), "{listed}");
    for (arguments, why) in [
        (&["add", "shop", "--role", "root"][..], "is no role"),
        (&["add", "a b", "--role", "read"], "must be 1 to 64"),
        // As the names of tokens' holders begin.
        (&["add", "oidc:shop", "--role", "read"], "must be 1 to 64"),
        (&["add", "bank", "--role", "signal"], "no `signals`"),
        (&["add", "bank", "--role", "read", "--expires", "soon"], "is no time"),
        (&["revoke", "nobody"], "there is no key of `nobody`; there are keys of shop"),
    ] {
        let refused = ring.keys(arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{arguments:?}: {said}");
    }
    assert_eq!(std::fs::read_to_string(ring.file()).unwrap(), text, "a refusal changes nothing");
    assert!(ring.keys(&["revoke", "shop"]).status.success());
    assert_eq!(std::fs::read_to_string(ring.file()).unwrap(), "");
}
