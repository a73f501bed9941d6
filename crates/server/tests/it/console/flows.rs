//! What people do in the console, in a real browser: `flows.mjs` has their hands, here is the shop, and the judge. And all pages, looked at by
//! axe-core in both languages and themes, at a desk's and a phone's width, with hostile values in them: `walk.mjs`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use orchestrateur::definitions::CHECKOUT;
use saga_endurance::proxy::Proxy;
use saga_testkit::definition::change;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::access::{KeyRing, bearing};
use crate::harness::{Server, Shop, until};
use crate::http::{Call, Reply};

/// Sagas that are tried at once.
const MANY: usize = 300;
/// So far away that nothing happens by itself while a test runs.
const NEVER: &str = "720h";

/// A shop, an orchestrator with keys, and two operators.
struct Office {
    shop: Shop,
    server: Server,
    ring: KeyRing,
    /// The operators' keys.
    keys: [String; 2],
    data: TempDir,
    database: Option<String>,
    /// Where the browser goes, if not to the server itself.
    front: Option<Proxy>,
}

impl Office {
    async fn open(database: Option<String>) -> Self {
        let (shop, ring, data) = (Shop::open().await, KeyRing::new(), tempfile::tempdir().unwrap());
        let keys = ["ana", "bo"].map(|name| ring.add(name, "operate", &[]));
        std::fs::write(Self::definition(&data), careful()).unwrap();
        let server = Self::start(&shop, &ring, &data, database.as_deref(), &[]).await;
        Self { shop, server, ring, keys, data, database, front: None }
    }

    fn definition(data: &TempDir) -> PathBuf {
        data.path().join("careful.yaml")
    }

    async fn start(
        shop: &Shop,
        ring: &KeyRing,
        data: &TempDir,
        database: Option<&str>,
        flags: &[&str],
    ) -> Server {
        let (keys, definition) = (ring.file(), Self::definition(data));
        let ours = ["--api-keys-file", &keys, "--definition", definition.to_str().unwrap()];
        let variables: Vec<_> = database.map(|url| ("DATABASE_URL", url.to_owned())).into_iter().collect();
        Server::start_with(&variables, shop, data.path(), &[&ours, flags].concat()).await
    }

    /// Kills the process, and later starts another one at the same address.
    async fn restart(&mut self) {
        let address = self.server.address.to_string();
        let (database, flags) = (self.database.clone(), ["--listen", &address]);
        self.server = Self::start(&self.shop, &self.ring, &self.data, database.as_deref(), &flags).await;
    }

    async fn send(&self, call: Call) -> Reply {
        self.server.send(&bearing(call, &self.keys[0])).await
    }

    async fn order(&self, client: i64) -> String {
        let reply = self.send(Call::checkout(client).prefer("respond-async")).await;
        let body: Value = reply.json();
        body["saga_id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
    }

    async fn listed(&self, query: &str) -> Vec<Value> {
        self.send(Call::get(&format!("/api/sagas?limit=200&{query}")))
            .await
            .json()
            .as_array()
            .unwrap()
            .clone()
    }

    /// Orders whose payment cannot be undone: each needs a person.
    async fn block(&self, count: usize) -> Vec<String> {
        self.shop.fault("POST /api/ventes client=* status=500");
        self.shop.fault("POST /api/clients/*/rembourser status=503");
        let mut sagas = Vec::new();
        for client in 0..count {
            sagas.push(self.order(1_000 + client as i64).await);
        }
        // A list has 200 at most; the inbox counts all.
        let button = format!("Try these {count} now");
        let inbox = async || self.send(Call::get("/console/inbox").header("accept", "text/html")).await.text;
        until(&button, async || inbox().await.contains(&button)).await;
        sagas
    }

    /// Runs a flow. `meanwhile` does what the flow asks for.
    async fn flow(&mut self, name: &str, facts: &Value, meanwhile: impl AsyncFn(&mut Self, &str)) -> Value {
        let address = self.front.as_ref().map_or(self.server.address, Proxy::address);
        let (base, keys) = (format!("http://{address}"), json!(self.keys).to_string());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/console/flows.mjs");
        let mut browser = saga_testkit::browser::command(&script, &[&base, &keys, name, &facts.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut answers = browser.stdin.take().unwrap();
        let (told, mut lines) = tokio::sync::mpsc::unbounded_channel();
        let stdout = BufReader::new(browser.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let mut report = None;
        while let Some(line) = lines.recv().await {
            if let Ok(told) = serde_json::from_str::<Value>(&line) {
                report = Some(told);
                break;
            }
            meanwhile(self, &line).await;
            writeln!(answers).unwrap();
        }
        browser.wait().unwrap();
        let report = report.unwrap_or_else(|| panic!("{name}: the browser ended without a report"));
        assert_eq!(report["error"], Value::Null, "{name}: {report:#}");
        assert_eq!(report["complaints"], json!([]), "{name}: {report:#}");
        report
    }
}

/// The checkout with one attempt of everything before a person is needed, and nothing after it by itself. No participant is ever suspended.
fn careful() -> String {
    const NEVER_OPEN: &str = "{ calls_min: 100000 }";
    change(CHECKOUT)
        .add("participants.client.breaker", NEVER_OPEN)
        .add("participants.ventes.breaker", NEVER_OPEN)
        .add("participants.stock.breaker", NEVER_OPEN)
        .add("steps.*.retry", "{ attempts: 1 }")
        .add("steps.*.persist", &format!("{{ attempts: 1, base: {NEVER}, cap: {NEVER} }}"))
        .text()
}

async fn nothing(_: &mut Office, asked: &str) {
    panic!("nobody was to be asked: {asked}");
}

/// The events of a kind in a saga's history.
async fn events(office: &Office, saga: &str, kind: &str) -> Vec<Value> {
    let history = office.send(Call::get(&format!("/api/sagas/{saga}/history?detail=steps"))).await.json();
    history.as_array().unwrap().iter().filter(|line| line["event"] == kind).cloned().collect()
}

async fn the_work_of_a_day(database: Option<String>) {
    let mut office = Office::open(database).await;
    let failed = office.order(2).await;
    let sagas = office.block(MANY).await;

    let report = office.flow("find", &json!({ "client": 2 }), nothing).await;
    assert_eq!(report["found"], *failed, "{report:#}");
    assert!(report["why"].as_str().unwrap().contains("Solde insuffisant"), "{report:#}");

    let report = office.flow("two", &json!({ "saga": sagas[7] }), nothing).await;
    assert_eq!((&report["status"], &report["kept"]), (&json!(409), &json!("second")), "{report:#}");
    assert!(report["told"].as_str().unwrap().contains("ana"), "{report:#}");
    assert_eq!(report["problems"], json!([]), "{report:#}");
    let tries = events(&office, &sagas[7], "resumed").await;
    assert_eq!(tries.len(), 1, "the second one did nothing: {tries:#?}");

    let report = office.flow("keyboard", &json!({}), nothing).await;
    assert!(report["focused"].as_str().unwrap().contains("Try now"), "{report:#}");
    assert_eq!((&report["moved"], &report["help"]), (&json!(false), &json!(true)), "{report:#}");

    // The shop is well again.
    office.shop.heal();
    let report = office.flow("clear", &json!({}), nothing).await;
    assert!(report["before"].as_str().unwrap().contains("Needs a person"), "{report:#}");
    assert!(report["follows"].as_str().unwrap().contains("rembourser"), "{report:#}");
    let cleared = report["saga"].as_str().unwrap().to_owned();
    let paid: Vec<_> = office.shop.operations(&cleared).await;
    assert_eq!(paid.iter().filter(|it| **it == "rembourser").count(), 1, "{paid:?}");

    let open = MANY - 1;
    let report = office.flow("all", &json!({ "count": open }), nothing).await;
    assert!(report["said"].as_str().unwrap().contains(&open.to_string()), "{report:#}");
    assert_eq!(report["problems"], json!([]), "{report:#}");
    assert_eq!(office.listed("rollback=blocked").await, Vec::<Value>::new());
    for saga in [&sagas[0], &sagas[150], &sagas[MANY - 1]] {
        let by_bulk = events(&office, saga, "resumed").await;
        let by_bulk = by_bulk.iter().filter(|line| line["reason"] == "the bank is back").count();
        assert_eq!(by_bulk, usize::from(**saga != cleared), "each is recorded by itself, once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_find_orders_clear_them_and_do_not_get_into_each_others_way() {
    the_work_of_a_day(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_find_orders_clear_them_and_do_not_get_into_each_others_way_with_postgres() {
    the_work_of_a_day(Some(saga_testkit::postgres::shared().create_database())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_while_a_page_is_live() {
    let mut office = Office::open(None).await;
    for client in 0..60 {
        office.order(2_000 + client).await;
    }
    let report = office
        .flow("still", &json!({}), async |office: &mut Office, asked: &str| {
            assert_eq!(asked, "busy");
            for client in 0..100 {
                office.order(3_000 + client).await;
            }
        })
        .await;
    assert_eq!((&report["rows"], &report["same"]), (&json!(50), &json!(true)), "{report:#}");
    assert!(report["shift"].as_f64().unwrap() < 1.0, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_outlives_the_process_behind_it() {
    let mut office = Office::open(None).await;
    office.shop.fault("POST /api/clients/*/payer client=5 latency=3000");
    let saga = office.order(5).await;
    let report = office
        .flow("killed", &json!({ "saga": saga }), async |office: &mut Office, asked: &str| match asked {
            "kill" => office.server.kill(),
            "restart" => {
                office.shop.heal();
                office.restart().await;
            }
            other => panic!("{other}"),
        })
        .await;
    assert_eq!(report["stayed"], true, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_on_at_another_replica() {
    let mut office = Office::open(Some(saga_testkit::postgres::shared().create_database())).await;
    let other =
        Office::start(&office.shop, &office.ring, &office.data, office.database.as_deref(), &[]).await;
    office.front = Some(Proxy::start(office.server.address).await.unwrap());
    office.shop.fault("POST /api/clients/*/payer client=5 latency=3000");
    let saga = office.order(5).await;
    let report = office
        .flow("killed", &json!({ "saga": saga }), async |office: &mut Office, asked: &str| match asked {
            "kill" => office.server.kill(),
            "restart" => {
                office.shop.heal();
                office.front.as_ref().unwrap().turn_to(other.address);
            }
            unknown => panic!("{unknown}"),
        })
        .await;
    assert_eq!(report["stayed"], true, "{report:#}");
    assert_eq!(office.shop.operations(&saga).await.iter().filter(|it| **it == "payer").count(), 1);
}

/// A saga whose texts are hostile wherever the outside can put texts.
const HOSTILE: &str = r#"saga: hostile
input: { name: string }
labels: { name: .input.name, total_cents: 12345 }
states: { started: A, completed: B, cancelled: C }
deadline: 2h
participants:
  client: { url: "${CLIENT_URL:-http://127.0.0.1:1}", safety: barrier }
steps:
  - step: wait
    signal: { name: go, within: 1h, ok: "true" }
    failure: D
  - step: pay
    participant: client
    action: { get: '/api/clients/\(.input.name | @uri)' }
    failure: E
    retry: { attempts: 1 }
"#;

/// Runs as a script, ends an attribute, ends a title, changes the order of what follows.
const EVIL: &str = "<img src=x onerror=alert(1)>\"' onmouseover=alert(2) </title><script>alert(3)</script>\u{202e}evil {{7*7}}";

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_and_harmless_in_both_languages_and_themes_and_on_a_phone() {
    let mut office = Office::open(None).await;
    let hostile = office.data.path().join("hostile.yaml");
    std::fs::write(&hostile, HOSTILE).unwrap();
    office.server.kill();
    let flags = ["--definition", hostile.to_str().unwrap(), "--commande-saga", "checkout"];
    office.server = Office::start(&office.shop, &office.ring, &office.data, None, &flags).await;
    let evil = office.send(Call::post("/api/sagas/hostile").json(&json!({ "name": EVIL }))).await;
    let evil = evil.json()["id"].as_str().unwrap().to_owned();
    let cancelled = office.send(Call::post("/api/sagas/hostile").json(&json!({ "name": EVIL }))).await;
    let cancelled = cancelled.json()["id"].as_str().unwrap().to_owned();
    let cancel = Call::post(&format!("/api/sagas/{cancelled}/cancel"));
    office.send(cancel.json(&json!({ "by": EVIL, "reason": EVIL }))).await;
    let done = office.order(4).await;
    let failed = office.order(2).await;
    let over = async || {
        let ended = [
            office.listed("state=CONFIRMEE").await,
            office.listed("state=ECHEC_PAIEMENT&rollback=done").await,
        ];
        ended.iter().all(|sagas| sagas.len() == 1)
    };
    until("both orders are over", over).await;
    let blocked = office.block(3).await;
    let name: String = form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    let paths = [
        "/console/".to_owned(),
        "/console/sagas".to_owned(),
        format!("/console/sagas?label.name={name}"),
        "/console/sagas?state=NOTHING".to_owned(),
        format!("/console/search?q={name}"),
        "/console/inbox".to_owned(),
        "/console/actions".to_owned(),
        "/console/definitions".to_owned(),
        "/console/definitions/hostile".to_owned(),
        "/console/definitions/checkout".to_owned(),
        "/console/participants".to_owned(),
        format!("/console/sagas/{evil}"),
        format!("/console/sagas/{evil}?act=signal"),
        format!("/console/sagas/{cancelled}"),
        format!("/console/sagas/{cancelled}?view=raw"),
        format!("/console/sagas/{done}"),
        format!("/console/sagas/{failed}"),
        format!("/console/sagas/{}", blocked[0]),
        format!("/console/sagas/{}?act=resolve", blocked[0]),
        "/console/sagas/01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21".to_owned(),
        "/console/nothing".to_owned(),
    ];
    let base = format!("http://{}", office.server.address);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/console/walk.mjs");
    let key = office.keys[0].clone();
    let count = paths.len();
    let output = tokio::task::spawn_blocking(move || {
        let paths = paths.iter().map(String::as_str);
        let arguments: Vec<&str> = [&*base, &*key].into_iter().chain(paths).collect();
        saga_testkit::browser::run(&script, &arguments)
    })
    .await
    .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["problems"], json!([]), "{report:#}");
    assert_eq!(report["visited"], 4 * count);
}
