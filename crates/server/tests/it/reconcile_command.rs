//! `orchestrateur reconcile`, beside a service whose listing says what a test wants.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::{Server, Shop, database_in, orchestrateur};
use crate::http::Call;

const TOKEN: &str = "let-me-in";
/// A saga that no journal knows.
const UNKNOWN: &str = "11111111-1111-7111-8111-111111111111";

/// What the service lists.
#[derive(Default)]
struct Listing {
    pages: Vec<Vec<Value>>,
    /// Comes to the last page as soon as it has been read once.
    late: Vec<Value>,
    /// Each page says that the same one follows.
    is_endless: bool,
}

#[derive(Clone, Default)]
struct Service(Arc<Mutex<Listing>>);

#[derive(Deserialize)]
struct After {
    after: usize,
}

impl Service {
    async fn open(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let list = async |State(service): State<Self>, headers: HeaderMap, Query(query): Query<After>| {
            assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
            Json(service.page(query.after))
        };
        // Payments of two are refused.
        let call = async |uri: Uri, body: String| {
            let is_refused = uri.path() == "/pay" && body.contains('2');
            let status = if is_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            (status, Json(json!({})))
        };
        let routes = Router::new().route("/effects", get(list)).fallback(call).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }

    fn page(&self, number: usize) -> Value {
        let mut listing = self.0.lock().unwrap();
        let next = if listing.is_endless { Some(1) } else { Some(number + 1) };
        let next = next.filter(|next| listing.is_endless || *next < listing.pages.len());
        let items = listing.pages.get(number).cloned().unwrap_or_default();
        if next.is_none() {
            let late = std::mem::take(&mut listing.late);
            if let Some(page) = listing.pages.get_mut(number) {
                page.extend(late);
            }
        }
        json!({ "items": items, "next": next })
    }

    fn lists(&self, pages: Vec<Vec<Value>>) {
        *self.0.lock().unwrap() = Listing { pages, ..Listing::default() };
    }
}

fn action(saga: &str, step: &str, at: &str) -> Value {
    json!({ "saga_id": saga, "step": step, "direction": "action", "at": at, "about": 9.5 })
}

/// A saga `name`, whose last step is undone by the saga's id alone, at the path `undo`.
fn definition(name: &str, address: SocketAddr, undo: &str) -> String {
    let effects = r"{ get: '/effects?after=\(.after // 0)', list: .body.items, next: .body.next }";
    let participant = |name: &str, effects: &str| {
        format!(
            "  {name}: {{ url: 'http://{address}', safety: idempotent, headers: {{ X-Shop: north }}, \
             auth: {{ bearer: '${{SHOP_TOKEN}}' }}, effects: {effects} }}\n"
        )
    };
    let mut yaml = format!("saga: {name}\ninput: {{ n: integer }}\nparticipants:\n");
    yaml += &participant("shop", effects);
    // The same service under another name.
    yaml += &participant("counter", effects);
    yaml += "  quiet: { url: 'http://127.0.0.1:9' }\n";
    writeln!(
        yaml,
        "steps:
  - step: look
    participant: shop
    action: {{ get: '/look/\\(.input.n)' }}
  - step: take
    participant: shop
    action: {{ post: /take, body: {{ n: .input.n }} }}
    compensation: {{ delete: '{undo}/\\(.saga_id)' }}
  - step: pay
    participant: counter
    action: {{ post: /pay, body: {{ n: .input.n }} }}
    compensation: {{ post: /refund, body: {{ n: .input.n }} }}
    failure: NOT_PAID
  - step: call
    participant: quiet
    when: .input.n > 9
    action: {{ post: /call, body: {{ n: .input.n }} }}
    compensation: none
    failure: NOT_CALLED"
    )
    .unwrap();
    yaml
}

/// A journal with orders, whose `serve` runs.
struct Reconciled {
    service: Service,
    address: SocketAddr,
    folder: TempDir,
    files: Vec<PathBuf>,
    server: Server,
}

impl Reconciled {
    async fn open() -> Self {
        let (service, folder) = (Service::default(), tempfile::tempdir().unwrap());
        let address = service.open().await;
        let file = folder.path().join("parcel.yaml");
        std::fs::write(&file, definition("parcel", address, "/take")).unwrap();
        let variables = [("SHOP_TOKEN", TOKEN.to_owned())];
        let shop = Shop::open().await;
        let flags = ["--definition", file.to_str().unwrap()];
        let server = Server::start_with(&variables, &shop, folder.path(), &flags).await;
        Self { service, address, folder, files: vec![file], server }
    }

    async fn place(&self, n: i64, state: &str) -> Value {
        let call = Call::post("/api/sagas/parcel").json(&json!({ "n": n }));
        let saga = self.server.send(&call).await.expect(200);
        assert_eq!(saga["state"], state, "{saga}");
        saga
    }

    /// Another definition for the command alone.
    fn define(&mut self, name: &str, address: SocketAddr, undo: &str) {
        let file = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, definition(name, address, undo)).unwrap();
        self.files.push(file);
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = orchestrateur();
        command.arg("reconcile").args(["--settle", "0s"]).args(arguments);
        for file in &self.files {
            command.arg("--definition").arg(file);
        }
        command.env("DATABASE_URL", database_in(self.folder.path())).env("SHOP_TOKEN", TOKEN);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// The report, and that the command ended as it should.
    async fn told(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat()).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let is_same = report["orphans"].as_array().unwrap().is_empty();
        assert_eq!(output.status.code(), Some(if is_same { 0 } else { 3 }), "{output:?}");
        report
    }

    async fn complaint(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Saga, step, kind, and the request that would undo it.
fn orphans(report: &Value) -> Vec<(String, String, String, Option<String>)> {
    let text = |orphan: &Value, name: &str| orphan[name].as_str().unwrap().to_owned();
    let orphans = report["orphans"].as_array().unwrap().iter();
    orphans
        .map(|it| {
            let undo = it["undo"].as_str().map(str::to_owned);
            (text(it, "saga_id"), text(it, "step"), text(it, "kind"), undo)
        })
        .collect()
}

fn id(saga: &Value) -> String {
    saga["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_difference_is_told_once_the_oldest_first_with_what_may_be_done() {
    let mut world = Reconciled::open().await;
    let (done, twice) = (id(&world.place(1, "COMPLETED").await), id(&world.place(1, "COMPLETED").await));
    let failed = id(&world.place(2, "NOT_PAID").await);
    let at = |second: u32| format!("2026-11-30T10:00:{second:02}Z");
    let undone = json!({ "saga_id": twice, "step": "pay", "direction": "compensation" });
    let page_one = vec![
        action(UNKNOWN, "take", &at(7)),
        action(UNKNOWN, "pay", &at(6)),
        action(&done, "take", &at(1)),
        // No saga's, and another program's.
        json!({ "saga_id": null }),
        action(&done, "wrap", &at(5)),
    ];
    let page_two = vec![
        action(&failed, "pay", &at(4)),
        action(&failed, "take", &at(3)),
        action(&twice, "take", &at(1)),
        action(&twice, "take", &at(2)),
        action(&twice, "pay", &at(1)),
        action(&twice, "pay", &at(1)),
        undone,
    ];
    world.service.lists(vec![page_one, page_two]);
    let report = world.told(&[]).await;
    let url = report["participants"][0]["url"].as_str().unwrap().trim_end_matches('/').to_owned();
    let by = |saga: &str, step: &str, epoch: u32| {
        format!(
            " -H 'Idempotency-Key: \"{saga}:{step}:compensation\"' -H 'Saga-Id: {saga}' -H 'Saga-Step: {step}' -H 'Saga-Attempt: 1' \
             -H 'Saga-Epoch: {epoch}' -H 'Authorization: ...' -H 'x-shop: ...'"
        )
    };
    let refund = |epoch| {
        format!(
            "curl -X POST '{url}/refund'{} -H 'content-type: application/json' --data-raw '{{\"n\":2}}'",
            by(&failed, "pay", epoch)
        )
    };
    let untake = |saga: &str, epoch| format!("curl -X DELETE '{url}/take/{saga}'{}", by(saga, "take", epoch));
    let expected = |epoch: u32| {
        [
            // An effect that is missing has no time.
            (&*done, "pay", "missing", None),
            (&twice, "take", "repeated", None),
            (&failed, "take", "not_undone", Some(untake(&failed, epoch))),
            (&failed, "pay", "not_undone", Some(refund(epoch))),
            (&done, "wrap", "no_such_step", None),
            // Its request is made of what the forgotten saga knew.
            (UNKNOWN, "pay", "forgotten", None),
            (UNKNOWN, "take", "forgotten", Some(untake(UNKNOWN, epoch))),
        ]
        .map(|(saga, step, kind, undo)| (saga.to_owned(), step.to_owned(), kind.to_owned(), undo))
        .to_vec()
    };
    assert_eq!(orphans(&report), expected(1));
    assert_eq!(report["orphans_untold"], 0);
    let counts = json!({ "judged": 3, "not_over": 0, "unreadable": 0, "unreadable_because": null });
    assert_eq!(report["sagas"], counts);
    // A service is asked once, whatever its names are.
    let told = report["participants"].as_array().unwrap().iter().take(2).map(|it| {
        let member = |name: &str| it[name].clone();
        [member("name"), member("lists_effects"), member("effects"), member("of_others")]
    });
    let expected_of_services = [
        [json!("counter"), json!(true), json!(11), json!(1)],
        [json!("quiet"), json!(false), Value::Null, Value::Null],
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected_of_services);

    // A service that compares epochs would refuse those of before.
    world.server.kill();
    let mut accept = orchestrateur();
    accept.args(["database", "accept", "--restored"]).env("DATABASE_URL", database_in(world.folder.path()));
    assert!(accept.output().unwrap().status.success());
    assert_eq!(orphans(&world.told(&[]).await), expected(1_048_577));
}

#[tokio::test(flavor = "multi_thread")]
async fn effects_and_orders_of_before_are_left_out() {
    let world = Reconciled::open().await;
    let old = world.place(1, "COMPLETED").await;
    let listed = world.place(1, "COMPLETED").await;
    let young = world.place(1, "COMPLETED").await;
    let since = young["created_at"].as_str().unwrap();
    assert!(listed["created_at"].as_str().unwrap() < since);
    let dateless =
        json!({ "saga_id": "33333333-3333-7333-8333-333333333333", "step": "take", "direction": "action" });
    world.service.lists(vec![vec![
        // It is older, but its effect is there to be compared.
        action(&id(&listed), "take", "2026-01-01T00:00:00Z"),
        action(UNKNOWN, "take", "2026-01-01T00:00:00Z"),
        action("22222222-2222-7222-8222-222222222222", "take", "9999-01-01T00:00:00Z"),
        dateless,
    ]]);
    let told = |report: &Value| {
        let mut told: Vec<_> = orphans(report)
            .into_iter()
            .map(|(saga, step, kind, _)| format!("{saga} {step} {kind}"))
            .collect();
        told.sort();
        told
    };
    let mut expected = vec![
        "22222222-2222-7222-8222-222222222222 take forgotten".to_owned(),
        "33333333-3333-7333-8333-333333333333 take forgotten".to_owned(),
        format!("{} pay missing", id(&listed)),
        format!("{} pay missing", id(&young)),
        format!("{} take missing", id(&young)),
    ];
    expected.sort();
    assert_eq!(told(&world.told(&["--since", since]).await), expected);
    expected.extend([
        format!("{UNKNOWN} take forgotten"),
        format!("{} pay missing", id(&old)),
        format!("{} take missing", id(&old)),
    ]);
    expected.sort();
    assert_eq!(told(&world.told(&[]).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_the_last_page_meanwhile_is_read_and_nothing_twice() {
    let world = Reconciled::open().await;
    let saga = id(&world.place(1, "COMPLETED").await);
    let at = "2026-11-30T10:00:00Z";
    world.service.lists(vec![vec![json!({ "saga_id": null })], vec![action(&saga, "take", at)]]);
    world.service.0.lock().unwrap().late = vec![action(&saga, "pay", at)];
    let report = world.told(&[]).await;
    assert_eq!(orphans(&report), []);
    let shop = &report["participants"][0];
    assert_eq!((&shop["effects"], &shop["of_others"]), (&json!(2), &json!(1)), "{report}");
    let said = world.run(&[]).await;
    assert!(
        said.status.success() && String::from_utf8_lossy(&said.stdout).contains("no differences"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_cannot_be_read_is_not_judged_and_so_it_is_said() {
    let world = Reconciled::open().await;
    let saga = id(&world.place(1, "COMPLETED").await);
    let journal = rusqlite::Connection::open(world.folder.path().join("orchestrateur.db")).unwrap();
    assert!(journal.execute("UPDATE saga_event SET events = 'garbage'", []).unwrap() > 0);
    world.service.lists(vec![vec![action(&saga, "wrap", "2026-11-30T10:00:00Z")]]);
    let report = world.told(&[]).await;
    assert_eq!(orphans(&report), []);
    let sagas = &report["sagas"];
    assert_eq!(
        (&sagas["judged"], &sagas["not_over"], &sagas["unreadable"]),
        (&json!(0), &json!(1), &json!(1))
    );
    assert!(sagas["unreadable_because"].as_str().unwrap().contains(&saga), "{sagas}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compared_is_no_result() {
    let world = Reconciled::open().await;
    world.service.lists(vec![vec![]]);
    world.service.0.lock().unwrap().is_endless = true;
    let said = world.complaint(&[]).await;
    assert!(said.contains("the listing has no end") && said.contains("`counter`"), "{said}");
    world.service.lists(vec![vec![json!({ "saga_id": UNKNOWN, "step": "take" })]]);
    let said = world.complaint(&[]).await;
    assert!(said.contains("no direction"), "{said}");

    let mut silent = world;
    let yaml = std::fs::read_to_string(&silent.files[0]).unwrap();
    let kept: Vec<&str> = yaml.lines().collect();
    let without: Vec<String> = kept
        .iter()
        .map(|line| {
            line.split(", effects:").next().unwrap().to_owned()
                + if line.contains(", effects:") { " }" } else { "" }
        })
        .collect();
    let file = silent.folder.path().join("silent.yaml");
    std::fs::write(&file, without.join("\n")).unwrap();
    silent.files = vec![file];
    let said = silent.complaint(&[]).await;
    assert!(said.contains("no participant lists its effects"), "{said}");
}

/// Definitions that do not agree how a step is undone give no request for a saga whose definition nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_proposed_if_all_definitions_of_the_step_agree() {
    let mut world = Reconciled::open().await;
    let effects = vec![vec![action(UNKNOWN, "take", "2026-11-30T10:00:00Z")]];
    world.service.lists(effects.clone());
    let undo = |report: &Value| orphans(report)[0].3.clone();
    let of_one = undo(&world.told(&[]).await);
    assert!(of_one.as_ref().is_some_and(|undo| undo.contains("/take/")), "{of_one:?}");
    // The step of that name at another service has nothing to say about it.
    let other = Service::default();
    other.lists(vec![Vec::new()]);
    world.define("elsewhere", other.open().await, "/elsewhere");
    assert_eq!(undo(&world.told(&[]).await), of_one);
    world.define("another", world.address, "/another");
    assert_eq!(undo(&world.told(&[]).await), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_differences_than_are_told_are_counted() {
    let world = Reconciled::open().await;
    let sagas = (0..10_003_u64).map(|number| format!("00000000-0000-7000-8000-{number:012x}"));
    let effects: Vec<Value> = sagas.map(|saga| action(&saga, "take", "2026-11-30T10:00:00Z")).collect();
    world.service.lists(effects.chunks(2_000).map(<[Value]>::to_vec).collect());
    let report = world.told(&[]).await;
    assert_eq!(report["orphans"].as_array().unwrap().len(), 10_000);
    assert_eq!(report["orphans_untold"], 3);
}
