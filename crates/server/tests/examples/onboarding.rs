//! `sagas/examples/onboarding.yaml`.

use serde_json::{Value, json};

use crate::world::{World, steps_with};

#[tokio::test(flavor = "multi_thread")]
async fn onboardings() {
    let world = World::express();
    tokio::join!(
        a_person_is_identified(&world),
        a_company_is_reviewed(&world),
        a_company_that_is_not_accepted_has_no_account(&world),
        a_friend_uses_an_invitation(&world),
        an_account_that_cannot_be_opened_gives_the_invitation_back(&world),
        a_person_without_a_passport_is_refused(&world),
        an_account_without_a_greeting_is_still_an_account(&world),
    );
}

async fn skipped(world: &World, saga: &Value) -> Vec<String> {
    let history = world.history(saga["id"].as_str().unwrap()).await;
    let mut skipped: Vec<String> = steps_with(&history, "skipped").into_iter().map(str::to_owned).collect();
    skipped.sort();
    skipped
}

async fn a_person_is_identified(world: &World) {
    let saga = world.runs("onboarding", json!({ "way": "person", "email": "eve@example.com" })).await;
    assert_eq!((&saga["state"], &saga["output"]["greeted"]), (&json!("WELCOME"), &json!(true)));
    assert_eq!(skipped(world, &saga).await, ["company", "invitation", "review"]);
    let ledger = world.ledger("email", json!("eve@example.com")).await;
    assert_eq!(ledger, ["account open", "identity checked", "mail sent"]);
}

async fn a_company_is_reviewed(world: &World) {
    let input = json!({ "way": "company", "email": "office@harbour.example", "company": "4711" });
    let saga = world.begins("onboarding", input).await;
    world.waits(&saga, "review", "signal").await;
    assert!(world.ledger("email", json!("office@harbour.example")).await.is_empty());
    world.signals(&saga, "reviewed", json!({ "accepted": true })).await;
    let saga = world.reaches(&saga, "WELCOME", "none").await;
    assert_eq!(saga["output"]["name"], "Harbour Tools Ltd");
    assert_eq!(skipped(world, &saga).await, ["identity", "invitation"]);
    let ledger = world.ledger("email", json!("office@harbour.example")).await;
    assert_eq!(ledger, ["account open", "mail sent"]);
}

async fn a_company_that_is_not_accepted_has_no_account(world: &World) {
    let input = json!({ "way": "company", "email": "office@north.example", "company": "4712" });
    let saga = world.begins("onboarding", input).await;
    world.signals(&saga, "reviewed", json!({ "accepted": false })).await;
    let saga = world.reaches(&saga, "NOT_ACCEPTED", "none").await;
    assert_eq!(saga["failure"]["step"], "review");
    assert!(world.ledger("email", json!("office@north.example")).await.is_empty());
}

async fn a_friend_uses_an_invitation(world: &World) {
    let input = json!({ "way": "invited", "email": "fay@example.com", "invitation": "friend-1" });
    let saga = world.runs("onboarding", input).await;
    assert_eq!(saga["state"], "WELCOME");
    assert_eq!(skipped(world, &saga).await, ["company", "identity", "review"]);
    assert_eq!(world.service("GET", "/invitations/friend-1").await.json()["used"], true);
}

async fn an_account_that_cannot_be_opened_gives_the_invitation_back(world: &World) {
    let first = json!({ "way": "invited", "email": "gus@example.com", "invitation": "friend-2" });
    assert_eq!(world.runs("onboarding", first).await["state"], "WELCOME");
    let again = json!({ "way": "invited", "email": "gus@example.com", "invitation": "friend-3" });
    let saga = world.runs("onboarding", again).await;
    assert_eq!((&saga["state"], &saga["rollback"]), (&json!("NO_ACCOUNT"), &json!("done")));
    assert_eq!(world.service("GET", "/invitations/friend-3").await.json()["used"], false);
    let ledger = world.ledger("email", json!("gus@example.com")).await;
    assert_eq!(ledger, ["account open", "mail sent"]);
}

async fn a_person_without_a_passport_is_refused(world: &World) {
    let saga = world.runs("onboarding", json!({ "way": "person", "email": "nobody@example.com" })).await;
    assert_eq!((&saga["state"], &saga["rollback"]), (&json!("NOT_IDENTIFIED"), &json!("none")));
    assert!(world.ledger("email", json!("nobody@example.com")).await.is_empty());
}

async fn an_account_without_a_greeting_is_still_an_account(world: &World) {
    let saga = world.runs("onboarding", json!({ "way": "person", "email": "hal@example.invalid" })).await;
    assert_eq!((&saga["state"], &saga["output"]["greeted"]), (&json!("WELCOME"), &json!(false)));
    let ledger = world.ledger("email", json!("hal@example.invalid")).await;
    assert_eq!(ledger, ["account open", "identity checked"]);
}
