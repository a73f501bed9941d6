//! `sagas/examples/subscription.yaml`.

use serde_json::{Value, json};

use crate::world::{World, steps_with};

fn trial(customer: i64, trial: &str) -> Value {
    json!({ "customer": customer, "plan": "large", "trial": trial })
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions() {
    let world = World::express();
    tokio::join!(
        a_trial_lasts_fourteen_days(&world),
        the_first_charge_follows_the_trial(&world),
        customers_who_stop_pay_nothing(&world),
        a_declined_charge_removes_the_subscription(&world),
    );
    let body = json!({ "customer": 6, "plan": "small" });
    world.a_repeated_call_has_one_effect("/subscriptions", &body).await;
    assert_eq!(world.ledger("customer", json!(6)).await, ["subscription trial"]);
    let saga = world.runs("subscription", json!({ "customer": 5, "plan": "huge" })).await;
    assert_eq!((&saga["state"], &saga["rollback"]), (&json!("NO_SUCH_PLAN"), &json!("none")));
}

async fn a_trial_lasts_fourteen_days(world: &World) {
    let saga = world.begins("subscription", json!({ "customer": 1, "plan": "small" })).await;
    world.waits(&saga, "trial", "time").await;
    let shown = world.reaches(&saga, "ON_TRIAL", "none").await;
    let (begun, until) = (&shown["created_at"], &shown["waiting"][0]["until"]);
    let database = rusqlite::Connection::open_in_memory().unwrap();
    let times = [begun.as_str().unwrap(), until.as_str().unwrap()];
    let days: f64 =
        database.query_row("SELECT julianday(?2) - julianday(?1)", times, |row| row.get(0)).unwrap();
    // The pause begins a little after its saga.
    assert!((14.0 - 1e-6..14.01).contains(&days), "{days} days: {shown:#}");
    assert_eq!(world.ledger("customer", json!(1)).await, ["subscription trial"]);
}

async fn the_first_charge_follows_the_trial(world: &World) {
    let saga = world.runs("subscription", trial(2, "1s")).await;
    assert_eq!(saga["output"]["charged"], 29, "{saga:#}");
    assert_eq!(world.ledger("customer", json!(2)).await, ["charge paid", "subscription active"]);
}

async fn customers_who_stop_pay_nothing(world: &World) {
    let saga = world.begins("subscription", trial(3, "10s")).await;
    world.waits(&saga, "trial", "time").await;
    let ledger = world.service("GET", "/ledger").await.json();
    let theirs = ledger.as_array().unwrap().iter().find(|entry| entry["customer"] == 3).unwrap();
    let stopped = world.service("POST", &format!("/subscriptions/{}/stop", theirs["id"])).await;
    assert_eq!(stopped.status, 204);
    let shown = world.reaches(&saga, "OVER_TO_BILLING", "none").await;
    assert_eq!(shown["output"]["charged"], Value::Null);
    assert_eq!(steps_with(&world.history(&saga).await, "skipped"), ["charge", "activation"]);
    assert_eq!(world.ledger("customer", json!(3)).await, ["subscription stopped"]);
}

async fn a_declined_charge_removes_the_subscription(world: &World) {
    let saga = world.runs("subscription", trial(901, "1s")).await;
    assert_eq!((&saga["state"], &saga["rollback"]), (&json!("NOT_PAID"), &json!("done")));
    assert_eq!(saga["failure"], json!({ "step": "charge", "reason": "the card was declined" }));
    assert_eq!(world.ledger("customer", json!(901)).await, ["subscription removed"]);
}
