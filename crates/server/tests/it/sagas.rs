//! The face for any saga: start, list, show, history, commands and definitions.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Shop, World, until};
use crate::http::{Call, Reply};

/// A definition of three steps over the shop's services: a read, a payment, and an approval above an amount.
fn gift() -> String {
    "saga: gift
input: { client: integer, amount: number, note: string? }
labels: { client: .input.client, note: .input.note }
output: { paid: .input.amount, at: .created_at, note: .input.note }
deadline: 2h
participants:
  client: { url: \"${CLIENT_URL}\", safety: barrier }
steps:
  - step: approval
    when: .input.amount > 100
    signal: { name: approved, within: 1h, refused: .body.approved == false, ok: .body.approved }
    failure: NOT_APPROVED
  - step: payment
    participant: client
    action: { post: '/api/clients/\\(.input.client)/payer', body: { montant: .input.amount } }
    compensation: { post: '/api/clients/\\(.input.client)/rembourser', body: { montant: .input.amount } }
    failure: NOT_PAID
"
    .to_owned()
}

async fn with_gifts() -> (World, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gift.yaml");
    std::fs::write(&file, gift()).expect("a file");
    let world = World::with(Shop::open().await, &["--definition", &file.display().to_string()]).await;
    (world, folder)
}

async fn start(world: &World, saga: &str, input: Value) -> Reply {
    world.send(&Call::post(&format!("/api/sagas/{saga}")).json(&input)).await
}

fn id(saga: &Value) -> String {
    saga["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_is_started_shown_and_told_in_full() {
    let (world, _folder) = with_gifts().await;
    let saga = start(&world, "gift", json!({ "client": 4, "amount": 12.50, "note": "é" })).await.expect(200);
    assert_eq!(
        (&saga["saga"], &saga["state"], &saga["rollback"], &saga["labels"]),
        (&json!("gift"), &json!("COMPLETED"), &json!("none"), &json!({ "client": 4, "note": "é" }))
    );
    assert_eq!(
        (&saga["failure"], &saga["blocked"], &saga["waiting"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    assert_eq!(saga["input"], json!({ "amount": 12.50, "client": 4, "note": "é" }));
    assert_eq!(saga["output"], json!({ "paid": 12.50, "at": saga["created_at"], "note": "é" }));
    let path = format!("/api/sagas/{}", id(&saga));
    assert_eq!(world.get(&path).await.expect(200), saga);
    let states = world.get(&format!("{path}/history")).await.expect(200);
    let states: Vec<&str> =
        states.as_array().unwrap().iter().map(|line| line["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["STARTED", "COMPLETED"]);
    let lines = world.get(&format!("{path}/history?detail=steps")).await.expect(200);
    let told: Vec<(&str, &str)> = lines
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| Some((line["event"].as_str()?, line["step"].as_str().unwrap_or_default())))
        .collect();
    assert_eq!(told, [("skipped", "approval"), ("attempt", "payment"), ("output_made", "")]);
    assert_eq!(world.shop.operations(&id(&saga)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_start_is_told_so_and_starts_nothing() {
    let (world, _folder) = with_gifts().await;
    let good = json!({ "client": 4, "amount": 1 });
    start(&world, "gifts", good.clone()).await.problem(404, "no_such_definition");
    start(&world, "gift", json!({ "client": 4 })).await.problem(422, "invalid_field");
    start(&world, "gift", json!({ "client": 4, "amount": 1, "nte": "x" }))
        .await
        .problem(422, "invalid_field");
    start(&world, "gift", json!({ "client": 4, "amount": 1, "note": null }))
        .await
        .problem(422, "invalid_field");
    start(&world, "gift", json!({ "client": 4, "amount": 1, "note": "a\u{0}" }))
        .await
        .problem(422, "invalid_field");
    start(&world, "gift", json!([1])).await.problem(422, "invalid_field");
    let broken = Call::post("/api/sagas/gift").header("content-type", "application/json").body("{");
    world.send(&broken).await.problem(400, "not_json");
    assert_eq!(world.get("/api/sagas?saga=gift").await.expect(200), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_a_name_and_orders_keep_their_ids() {
    let (world, _folder) = with_gifts().await;
    let gift = json!({ "client": 4, "amount": 1 });
    let keyed = |saga: &str, input: &Value| Call::post(&format!("/api/sagas/{saga}")).key("k").json(input);
    let first = world.send(&keyed("gift", &gift)).await.expect(200);
    let again = world.send(&keyed("gift", &json!({ "amount": 1.0, "client": 4 }))).await;
    assert_eq!(again.expect(200), first);
    world
        .send(&keyed("gift", &json!({ "client": 5, "amount": 1 })))
        .await
        .problem(422, "idempotency_key_reused");
    let order = json!({ "client_id": 4, "magasin_id": 1 });
    let through_this = world.send(&keyed("checkout", &order)).await.expect(200);
    assert_ne!(id(&through_this), id(&first));
    let through_that =
        world.send(&Call::post("/api/commande/checkout").key("k").json(&order)).await.expect(200);
    assert_eq!(through_that["saga_id"], through_this["id"]);
    // Other sagas are unknown to the face of orders.
    world.get(&format!("/api/commande/{}", id(&first))).await.problem(404, "commande_inconnue");
    assert_eq!(
        world.get(&format!("/api/sagas/{}", id(&through_this))).await.expect(200)["state"],
        "CONFIRMEE"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_waits_is_found_signalled_by_its_labels_and_cancelled() {
    let (world, _folder) = with_gifts().await;
    let large = |client: i64| json!({ "client": client, "amount": 500 });
    let begin = async |client| {
        let call = Call::post("/api/sagas/gift").header("prefer", "respond-async").json(&large(client));
        let reply = world.send(&call).await;
        let saga = reply.expect(202);
        assert_eq!(reply.header("location"), Some(format!("/api/sagas/{}", id(&saga)).as_str()));
        id(&saga)
    };
    let (one, two) = (begin(4).await, begin(5).await);
    let waiting = async |query: &str| {
        let listed = world.get(&format!("/api/sagas?{query}")).await.expect(200);
        listed.as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    until("both wait", async || waiting("waiting=signal").await.len() == 2).await;
    assert_eq!(waiting("waiting=signal&label.client=4").await, std::slice::from_ref(&one));
    assert_eq!(waiting("saga=gift&step=approval&label.client=5").await, std::slice::from_ref(&two));
    assert_eq!(waiting("waiting=time").await, [""; 0]);
    assert_eq!(waiting("waiting=signal&waiting_longer=1h").await, [""; 0]);
    assert_eq!(waiting("waiting_longer=1ms&step=approval&label.client=4").await, std::slice::from_ref(&one));
    let shown = world.get(&format!("/api/sagas/{one}")).await.expect(200);
    assert_eq!(
        (&shown["waiting"][0]["step"], &shown["waiting"][0]["for"]),
        (&json!("approval"), &json!("signal"))
    );
    assert!(shown["waiting"][0]["until"].is_string() && shown["output"].is_null());

    let signal = async |query: &str| {
        let call = Call::post(&format!("/api/sagas/gift/signals/approved{query}"))
            .json(&json!({ "approved": true }));
        world.send(&call).await
    };
    signal("").await.problem(404, "no_such_saga");
    signal("?label.client=9").await.problem(404, "no_such_saga");
    signal("?client=4").await.problem(422, "invalid_field");
    let third = begin(4).await;
    signal("?label.client=4").await.problem(409, "several_sagas");
    world.send(&Call::post(&format!("/api/sagas/{third}/cancel"))).await.expect(200);
    assert_eq!(signal("?label.client=4").await.status, 202);
    until("it is over", async || {
        world.get(&format!("/api/sagas/{one}")).await.expect(200)["state"] == "COMPLETED"
    })
    .await;
    let cancel =
        Call::post(&format!("/api/sagas/{two}/cancel")).json(&json!({ "by": "Ana", "reason": "no" }));
    let cancelled = world.send(&cancel).await.expect(200);
    assert_eq!((&cancelled["state"], &cancelled["failure"]), (&json!("CANCELLED"), &Value::Null));
    let lines = world.get(&format!("/api/sagas/{two}/history?detail=steps")).await.expect(200);
    let decided = lines.as_array().unwrap().iter().find(|line| line["event"] == "rollback_decided").unwrap();
    assert_eq!((&decided["by"], &decided["reason"]), (&json!("Ana"), &json!("no")));
    world.send(&Call::post(&format!("/api/sagas/{one}/cancel"))).await.problem(409, "already_completed");
    let odd = Call::post(&format!("/api/sagas/{two}/cancel")).json(&json!({ "who": "Ana" }));
    world.send(&odd).await.problem(422, "invalid_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_needs_a_person_says_what_it_needs() {
    let (world, _folder) = with_gifts().await;
    world.shop.fault("POST /api/clients/*/payer status=500");
    let wait =
        Call::post("/api/sagas/gift").header("prefer", "wait=1").json(&json!({ "client": 4, "amount": 1 }));
    let failed = world.send(&wait).await;
    world.shop.heal();
    let saga = id(&failed.json());
    until("it is over", async || {
        world.get(&format!("/api/sagas/{saga}")).await.expect(200)["waiting"] == json!([])
    })
    .await;
    let resume = Call::post(&format!("/api/sagas/{saga}/resume")).json(&json!({ "by": "Ana" }));
    world.send(&resume).await.problem(409, "already_over");
    let nobody = "00000000-0000-4000-8000-000000000000";
    for path in [nobody, "x"] {
        world.get(&format!("/api/sagas/{path}")).await.problem(404, "no_such_saga");
        world.get(&format!("/api/sagas/{path}/history")).await.problem(404, "no_such_saga");
        let resume = Call::post(&format!("/api/sagas/{path}/resume")).json(&json!({ "by": "Ana" }));
        world.send(&resume).await.problem(404, "no_such_saga");
    }
    let resolve =
        async |body: Value| world.send(&Call::post(&format!("/api/sagas/{saga}/resolve")).json(&body)).await;
    let finding = json!({ "step": "payment", "finding": "ran", "reason": "seen", "by": "Ana" });
    resolve(finding).await.problem(409, "already_over");
    resolve(json!({ "step": "pay", "finding": "ran", "reason": "x", "by": "y" }))
        .await
        .problem(422, "invalid_field");
    resolve(json!({ "step": "payment", "finding": "maybe", "reason": "x", "by": "y" }))
        .await
        .problem(422, "invalid_field");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_go_on_at_their_links() {
    let (world, _folder) = with_gifts().await;
    for client in [4, 4, 5, 6, 7] {
        start(&world, "gift", json!({ "client": client, "amount": 1 })).await.expect(200);
    }
    world.order(4, "CONFIRMEE").await;
    let mut next = Some("/api/sagas?saga=gift&limit=2".to_owned());
    let mut found = Vec::new();
    while let Some(path) = next {
        let page = world.get(&path).await;
        let link = page
            .header("link")
            .map(|link| link.trim_start_matches('<').split('>').next().unwrap().to_owned());
        found.extend(page.expect(200).as_array().unwrap().clone());
        next = link;
    }
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|saga| saga.get("input").is_none() && saga["saga"] == "gift"));
    let count = async |query: &str| {
        world.get(&format!("/api/sagas?{query}")).await.expect(200).as_array().unwrap().len()
    };
    assert_eq!(count("").await, 6);
    assert_eq!(count("label.client=4&state=COMPLETED").await, 2);
    assert_eq!(count("label.client_id=4").await, 1);
    assert_eq!(count("rollback=blocked").await, 0);
    assert_eq!(count("cause=0:").await, 0);
    assert_eq!(count("since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00%2B01:00").await, 0);
    for wrong in [
        "limit=0",
        "limit=2&limit=3",
        "rollback=BLOQUE",
        "waiting=never",
        "waiting_longer=1",
        "waiting_longer=-1h",
        "since=yesterday",
        "cursor=x",
        "cause=",
        "colour=red",
        "label.=1",
        "state=%00",
        "saga=",
    ] {
        world.get(&format!("/api/sagas?{wrong}")).await.problem(422, "invalid_field");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loaded_definitions_are_shown() {
    let (world, _folder) = with_gifts().await;
    let all = world.get("/api/definitions").await.expect(200);
    let names: Vec<&str> =
        all.as_array().unwrap().iter().map(|each| each["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"checkout") && names.contains(&"gift"), "{names:?}");
    let gift = world.get("/api/definitions/gift").await.expect(200);
    assert_eq!(gift["source"], self::gift());
    assert_eq!(gift["labels"], json!(["client", "note"]));
    assert_eq!(gift["input"]["required"], json!(["amount", "client"]));
    assert_eq!(
        gift["steps"],
        json!([
            { "name": "approval", "kind": "signal", "after": [], "participant": null, "compensated": false },
            { "name": "payment", "kind": "call", "after": ["approval"], "participant": "client", "compensated": true }
        ])
    );
    world.get("/api/definitions/gifts").await.problem(404, "no_such_definition");
}
