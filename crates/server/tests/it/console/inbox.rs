//! The inbox and bulk actions: what is tried covers what the page showed, and its results are counted.

use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;
use serde_json::{Value, json};

use super::{Browser, filled};
use crate::harness::{Server, Shop, World, until};
use crate::http::{Call, Reply};

/// So far away that nothing happens by itself while a test runs.
const NEVER: &str = "720h";
const TRY: &str = "/console/inbox/try";
const SAY: &str = "/console/inbox/say";

/// A shop whose client service pays nobody back, so that each order of client 3 needs a person.
async fn troubled() -> World {
    troubled_on(&[]).await
}

async fn troubled_on(variables: &[(&str, String)]) -> World {
    let definition = change(CHECKOUT)
        .add("steps.*.retry", "{ attempts: 1 }")
        .add("steps.*.persist", &format!("{{ attempts: 1, base: {NEVER}, cap: {NEVER} }}"))
        .text();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("careful.yaml");
    std::fs::write(&file, definition).unwrap();
    let (shop, data) = (Shop::open().await, tempfile::tempdir().unwrap());
    let flags = ["--definition", file.to_str().unwrap()];
    let server = Server::start_with(variables, &shop, data.path(), &flags).await;
    shop.fault("POST /api/clients/*/rembourser status=503");
    World { shop, server, data }
}

async fn block(world: &World, count: usize) -> Vec<String> {
    let mut sagas = Vec::new();
    for _ in 0..count {
        sagas.push(world.order(3, "ECHEC_ENREGISTREMENT").await);
    }
    sagas
}

/// The events of one kind in a saga's history.
async fn events(world: &World, saga: &str, kind: &str) -> usize {
    let history = world.get(&format!("/api/sagas/{saga}/history?detail=steps")).await.expect(200);
    history.as_array().unwrap().iter().filter(|line| line["event"] == kind).count()
}

/// The page of an action once nothing can come of it any more.
async fn results(world: &World, browser: &mut Browser, action: &str) -> String {
    let page = std::sync::Mutex::new(String::new());
    until("the action is over", async || {
        let shown = world.get(action).await.text;
        let is_over = !shown.contains("data-poll");
        *page.lock().unwrap() = shown;
        is_over
    })
    .await;
    browser.page(world, action).await
}

fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{reply:?}");
    reply.header("location").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_tried_first_and_then_the_others_that_the_page_showed() {
    one_and_then_the_others(&troubled().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_tried_first_and_then_the_others_with_postgres() {
    let url = saga_testkit::postgres::shared().create_database();
    one_and_then_the_others(&troubled_on(&[("DATABASE_URL", url)]).await).await;
}

async fn one_and_then_the_others(world: &World) {
    let mut browser = Browser::default();
    assert!(browser.page(world, "/console/inbox").await.contains("Nobody is needed."));
    let sagas = block(world, 4).await;
    let page = browser.page(world, "/console/inbox").await;
    for part in [
        "4 sagas need a person",
        "Undoing keeps failing",
        "paiement · client",
        "Try these 4 now",
        "/api/clients/3/rembourser",
        "then nothing is left to undo",
        "At most 4 a minute",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for saga in &sagas {
        assert!(page.contains(&format!("name=\"saga\" value=\"{saga}\"")), "{page}");
    }
    let person = world.get("/console/sagas?family=person").await.text;
    assert!(sagas.iter().all(|saga| person.contains(&format!("data-row=\"{saga}\""))), "{person}");
    assert!(person.contains("undo paiement"), "{person}");
    // One first, while the service is still away: it fails again.
    let hidden = browser.hidden(TRY);
    let one = filled(hidden.clone(), &[("what", "one"), ("by", "Ana"), ("reason", "is it back?")]);
    let place = location(&browser.post(world, TRY, &one).await);
    assert!(place.starts_with("/console/inbox?group=") && place.contains("action="), "{place}");
    until("one has failed again", async || world.get(&place).await.text.contains("<b>1</b> failed again"))
        .await;
    assert_eq!(events(world, &sagas[0], "resumed").await, 1, "the one that has waited for longest");
    // The same form again, as by a second click, is the same action.
    assert_eq!(location(&browser.post(world, TRY, &one).await), place);
    // Newcomers are not covered by a page that did not show them.
    let newcomer = block(world, 1).await;
    world.shop.heal();
    let fields = filled(hidden, &[("what", "group"), ("by", "Ana")]);
    let action = location(&browser.post(world, TRY, &fields).await);
    assert!(action.starts_with("/console/actions/"), "{action}");
    let page = results(world, &mut browser, &action).await;
    assert!(page.contains("Ana tried 4 · paiement · client"), "{page}");
    // The first one was tried since the page was made.
    assert!(page.contains("<b>3</b> undone") && page.contains("<b>1</b> skipped"), "{page}");
    assert!(page.contains("Ana had it tried at"), "{page}");
    for saga in &sagas {
        assert_eq!(events(world, saga, "resumed").await, 1, "{saga}");
    }
    assert_eq!(events(world, &newcomer[0], "resumed").await, 0);
    let skipped = browser.page(world, &format!("{action}?state=skipped")).await;
    assert!(
        skipped.contains(&sagas[0]) && !skipped.contains(&format!("data-row=\"{}\"", sagas[1])),
        "{skipped}"
    );
    let list = browser.page(world, "/console/actions").await;
    assert_eq!(list.matches("data-row=").count(), 2, "{list}");
    let inbox = browser.page(world, "/console/inbox").await;
    assert!(inbox.contains("2 sagas need a person"), "{inbox}");
    until("the navigation counts them", async || {
        world.get("/console/sagas").await.text.contains("hidden>2</span>")
            || world.get("/console/sagas").await.text.contains(">2</span>")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ticked_sagas_a_person_says_what_happened() {
    let world = troubled().await;
    let sagas = block(&world, 3).await;
    let mut browser = Browser::default();
    browser.page(&world, "/console/inbox").await;
    let hidden = browser.hidden(TRY);
    let say = |fields: &[(&str, &str)]| {
        filled(hidden.clone(), &[&[("what", "say"), ("by", "Ana")], fields].concat())
    };
    for (fields, status, detail) in [
        (&[("finding", "undone"), ("said", "seen")][..], 422, "No row is ticked"),
        (&[("saga", &*sagas[0]), ("said", "seen")], 422, "choose one of the findings"),
        (&[("saga", &*sagas[0]), ("finding", "undone")], 422, "`reason` is missing"),
    ] {
        let reply = browser.post(&world, SAY, &say(fields)).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.text.contains("Nothing was done.") && reply.text.contains(detail), "{}", reply.text);
    }
    // Of one of them, somebody else has said it meanwhile.
    let resume = Call::post(&format!("/api/sagas/{}/resume", sagas[1]));
    world.send(&resume.json(&json!({ "by": "Bo", "reason": "try" }))).await.expect(200);
    let fields = say(&[
        ("saga", &sagas[0]),
        ("saga", &sagas[1]),
        ("finding", "undone"),
        ("said", "paid back by hand, books of 14:30"),
    ]);
    let reply = browser.post(&world, SAY, &fields).await;
    assert_eq!(reply.status, 409, "{reply:?}");
    for part in ["Taken and recorded: 1 saga", "Bo had it tried at", "paid back by hand, books of 14:30"] {
        assert!(reply.text.contains(part), "{part}: {}", reply.text);
    }
    assert!(!reply.text.contains("Nothing was done."), "{}", reply.text);
    assert_eq!(
        (events(&world, &sagas[0], "resolved").await, events(&world, &sagas[1], "resolved").await),
        (1, 0)
    );
    until("the first one is over", async || {
        let saga: Value = world.get(&format!("/api/sagas/{}", sagas[0])).await.json();
        saga["rollback"] == "done"
    })
    .await;
    // The form that was sent already does nothing twice.
    let again =
        say(&[("saga", &sagas[0]), ("finding", "undone"), ("said", "paid back by hand, books of 14:30")]);
    let place = location(&browser.post(&world, SAY, &again).await);
    assert!(browser.page(&world, &place).await.contains("Taken and recorded"), "{place}");
    assert_eq!(events(&world, &sagas[0], "resolved").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_comes_too_late_or_is_odd_does_nothing_and_keeps_what_was_typed() {
    let world = troubled().await;
    block(&world, 1).await;
    let mut browser = Browser::default();
    browser.page(&world, "/console/inbox").await;
    let hidden = browser.hidden(TRY);
    let without = |name: &str| hidden.iter().filter(|(other, _)| other != name).cloned().collect::<Vec<_>>();
    for (fields, status, detail) in [
        (filled(hidden.clone(), &[("what", "group"), ("reason", "typed by me")]), 422, "`by` is missing"),
        (
            filled(hidden.clone(), &[("what", "ticked"), ("by", "Ana"), ("reason", "typed by me")]),
            422,
            "No row is ticked",
        ),
        (
            filled(hidden.clone(), &[("what", "odd"), ("by", "Ana"), ("reason", "typed by me")]),
            422,
            "`what` must be",
        ),
        (
            filled(without("key"), &[("what", "group"), ("by", "Ana"), ("reason", "typed by me")]),
            422,
            "`key` is missing",
        ),
        (
            filled(without("seen"), &[("what", "group"), ("by", "Ana"), ("reason", "typed by me")]),
            422,
            "`seen` is missing",
        ),
    ] {
        let reply = browser.post(&world, TRY, &fields).await;
        assert_eq!(reply.status, status, "{reply:?}");
        for part in [detail, "typed by me", "1 saga needs a person"] {
            assert!(reply.text.contains(part), "{part}: {}", reply.text);
        }
    }
    // Meanwhile another person has looked after it.
    world.shop.heal();
    let fields = filled(hidden.clone(), &[("what", "group"), ("by", "Bo")]);
    let action = location(&browser.post(&world, TRY, &fields).await);
    assert!(results(&world, &mut browser, &action).await.contains("<b>1</b> undone"));
    let mut late = filled(hidden, &[("what", "group"), ("by", "Ana"), ("reason", "typed by me")]);
    let key = late.iter_mut().find(|(name, _)| name == "key").unwrap();
    key.1 = key.1.replace(['0', '1'], "2");
    let reply = browser.post(&world, TRY, &late).await;
    assert_eq!(reply.status, 409, "{reply:?}");
    assert!(
        reply.text.contains("needs a person any more") && reply.text.contains("Bo tried 1"),
        "{}",
        reply.text
    );
    let gone = browser.get(&world, "/console/actions/nothing").await;
    assert!(gone.status == 404 && gone.text.contains("There is no such action"), "{}", gone.text);
    let odd = browser.get(&world, "/console/inbox?order=odd").await;
    assert!(odd.status == 422 && odd.text.contains("`order` must be"), "{}", odd.text);
}
