//! `sagas/examples/travel.yaml`.

use serde_json::{Value, json};

use crate::world::{World, steps_with};

fn trip(customer: i64, city: &str, nights: i64) -> Value {
    json!({ "customer": customer, "city": city, "nights": nights })
}

#[tokio::test(flavor = "multi_thread")]
async fn trips() {
    let world = World::travel();
    tokio::join!(
        a_cheap_trip_needs_no_approval(&world),
        an_insured_trip_costs_more(&world),
        an_expensive_trip_waits_for_its_approval(&world),
        a_trip_that_is_not_approved_is_undone(&world),
        a_full_hotel_gives_the_flight_back(&world),
        a_declined_payment_undoes_everything(&world),
    );
    let body = json!({ "customer": 7, "city": "Oslo", "nights": 2 });
    world.a_repeated_call_has_one_effect("/hotels", &body).await;
    assert_eq!(world.ledger("customer", json!(7)).await, ["hotel booked"]);
}

async fn a_cheap_trip_needs_no_approval(world: &World) {
    let saga = world.runs("travel", trip(1, "Lisbon", 3)).await;
    assert_eq!((&saga["state"], &saga["rollback"]), (&json!("BOOKED"), &json!("none")));
    assert_eq!(saga["labels"], json!({ "customer": 1, "city": "Lisbon" }));
    assert_eq!((&saga["output"]["total"], &saga["output"]["policy"]), (&json!(490), &Value::Null));
    assert_eq!(world.ledger("customer", json!(1)).await, ["flight ticketed", "hotel booked", "payment paid"]);
    let history = world.history(saga["id"].as_str().unwrap()).await;
    assert_eq!(steps_with(&history, "skipped"), ["approval", "insurance"], "{history:#?}");
}

async fn an_insured_trip_costs_more(world: &World) {
    let mut input = trip(2, "Lisbon", 3);
    input["insured"] = json!(true);
    let saga = world.runs("travel", input).await;
    assert_eq!((&saga["state"], &saga["output"]["total"]), (&json!("BOOKED"), &json!(514.5)));
    assert_eq!(
        world.ledger("customer", json!(2)).await,
        ["flight ticketed", "hotel booked", "insurance booked", "payment paid"]
    );
}

async fn an_expensive_trip_waits_for_its_approval(world: &World) {
    let saga = world.begins("travel", trip(3, "Tokyo", 7)).await;
    world.waits(&saga, "approval", "signal").await;
    assert_eq!(world.ledger("customer", json!(3)).await, ["flight booked", "hotel booked"]);
    world.signals(&saga, "approved", json!({ "approved": true, "by": "Ada" })).await;
    let saga = world.reaches(&saga, "BOOKED", "none").await;
    assert_eq!((&saga["output"]["total"], &saga["output"]["approved_by"]), (&json!(1780), &json!("Ada")));
    assert_eq!(world.ledger("customer", json!(3)).await, ["flight ticketed", "hotel booked", "payment paid"]);
}

async fn a_trip_that_is_not_approved_is_undone(world: &World) {
    let saga = world.begins("travel", trip(4, "Tokyo", 7)).await;
    // The signal is kept until the step waits for it.
    world.signals(&saga, "approved", json!({ "approved": false })).await;
    let saga = world.reaches(&saga, "NOT_APPROVED", "done").await;
    assert_eq!(saga["failure"]["step"], "approval");
    assert_eq!(world.ledger("customer", json!(4)).await, ["flight cancelled", "hotel cancelled"]);
}

async fn a_full_hotel_gives_the_flight_back(world: &World) {
    let saga = world.runs("travel", trip(5, "Oslo", 50)).await;
    assert_eq!((&saga["state"], &saga["failure"]["step"]), (&json!("NO_HOTEL"), &json!("hotel")));
    assert_eq!(saga["failure"]["reason"], "no room is free for 50 nights");
    // The flight is booked at the same time: if the refusal is faster, its call is not even made.
    let left = world.ledger("customer", json!(5)).await;
    assert!(left.is_empty() || left == ["flight cancelled"], "{left:?}");
}

async fn a_declined_payment_undoes_everything(world: &World) {
    let mut input = trip(6, "Tokyo", 30);
    input["insured"] = json!(true);
    let saga = world.begins("travel", input).await;
    world.signals(&saga, "approved", json!({ "approved": true, "by": "Bo" })).await;
    let saga = world.reaches(&saga, "NOT_PAID", "done").await;
    assert_eq!(saga["failure"]["step"], "payment");
    assert_eq!(
        world.ledger("customer", json!(6)).await,
        ["flight cancelled", "hotel cancelled", "insurance cancelled", "payment declined"]
    );
}
