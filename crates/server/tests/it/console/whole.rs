//! The overview, the definitions and the participants.

use saga_testkit::definition::change;
use saga_testkit::postgres::Cluster;

use orchestrateur::definitions::CHECKOUT;

use crate::harness::{Server, Shop, World, until};
use crate::http::{Call, Reply};

async fn page(world: &World, path: &str) -> Reply {
    let reply = world.send(&Call::get(path).header("accept", "text/html")).await;
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{path}: {}", reply.text);
    reply
}

/// The text between two others.
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let from = text.find(before).unwrap_or_else(|| panic!("{before} is not in {text}")) + before.len();
    text[from..].split(after).next().unwrap()
}

/// The figure below a word.
fn sum<'t>(text: &'t str, word: &str) -> &'t str {
    between(text, &format!("<dt>{word}</dt><dd>"), "<").trim()
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_led_to_the_console_and_programs_are_not() {
    let world = World::open().await;
    for accept in
        ["text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json, Text/HTML;q=0.9"]
    {
        let reply = world.send(&Call::get("/").header("accept", accept)).await;
        assert_eq!((reply.status, reply.header("location")), (303, Some("/console/")), "{accept}");
    }
    for accept in ["*/*", "application/json", "text/plain"] {
        let reply = world.send(&Call::get("/").header("accept", accept)).await;
        assert_eq!(reply.status, 200, "{accept}");
        assert!(reply.text.contains("It works"), "{}", reply.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_has_the_last_hour_what_waits_and_who_needs_a_person() {
    let world = World::open().await;
    until("the process has joined, and a reading has seen it", async || {
        page(&world, "/console/").await.text.contains("this one")
    })
    .await;
    let empty = page(&world, "/console/").await;
    assert_eq!(empty.status, 200);
    for part in
        ["Nobody is needed", "No saga in this hour", "None failed", "All 4 participants are well", "this one"]
    {
        assert!(empty.text.contains(part), "{part}: {}", empty.text);
    }
    for (client, end) in [(4, "CONFIRMEE"), (4, "CONFIRMEE"), (1, "ECHEC_STOCK"), (2, "ECHEC_PAIEMENT")] {
        world.order(client, end).await;
    }
    // One order is stuck: its sale fails, and its payment cannot be undone.
    world.shop.fault("POST /api/clients/*/rembourser status=503");
    world.shop.fault("POST /api/ventes client=5 status=500");
    let stuck = world.begin(5).await;
    until("the order needs a person", async || world.commande(&stuck).await["rollback"] == "BLOQUE").await;
    until("the overview has it", async || {
        page(&world, "/console/").await.text.contains("1 saga needs a person")
    })
    .await;
    until("its cause is there", async || {
        page(&world, "/console/").await.text.contains("<span>1 cause</span>")
    })
    .await;
    let html = page(&world, "/console/").await.text;
    assert_eq!((sum(&html, "Started"), sum(&html, "Done"), sum(&html, "Failed")), ("5", "2", "2"), "{html}");
    for step in ["stock", "paiement"] {
        assert!(
            html.contains(&format!("<b>1</b> at step <a href=\"/console/sagas?step={step}\">{step}</a>")),
            "{html}"
        );
    }
    let line = between(&html, "data-row=\"checkout\"", "</tr>");
    let cells: Vec<&str> =
        line.split("class=\"num\">").skip(1).map(|cell| cell.split('<').next().unwrap()).collect();
    assert_eq!((&cells[..3], cells[5]), (&["5", "2", "2"][..], "1"), "{line}");
    assert!(html.contains("data-live=\"inbox-count\">1</span>"), "{html}");

    let french = world.send(&Call::get("/console/").header("accept-language", "fr-CA")).await.text;
    assert!(french.contains("1 saga à régler") && french.contains("lang=\"fr\""), "{french}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_by_itself_is_told_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nap.yaml");
    let nap = "saga: nap\ndeadline: 30d\ninput: { who: string }\nparticipants: { zoo: { url: \"http://127.0.0.1:9\" } }\nsteps:\n  - step: sleep\n    pause: 14d\n  - step: feed\n    participant: zoo\n    action: { get: /feed }\n";
    std::fs::write(&file, nap).unwrap();
    let world = World::with(Shop::open().await, &["--definition", file.to_str().unwrap()]).await;
    let start =
        Call::post("/api/sagas/nap").json(&serde_json::json!({ "who": "ann" })).prefer("respond-async");
    world.send(&start).await.expect(202);
    until("the overview tells the wait", async || {
        let html = page(&world, "/console/").await.text;
        html.contains("data-row=\"time nap sleep\"")
    })
    .await;
    let html = page(&world, "/console/").await.text;
    let line = between(&html, "data-row=\"time nap sleep\"", "</tr>");
    assert!(line.contains("waiting=time&#38;step=sleep&#38;saga=nap"), "{line}");
    assert!(line.contains("<td class=\"num\">1</td>") && line.contains("in 13\u{a0}d"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_is_suspended_is_told_on_both_pages() {
    let world = World::open().await;
    let well = page(&world, "/console/participants").await.text;
    assert_eq!(well.matches("<h2 id=\"p").count(), 4, "{well}");
    assert!(well.contains("Well") && !well.contains("Suspended"), "{well}");
    assert!(well.contains("<a href=\"/console/definitions/checkout\">checkout</a>: stock"), "{well}");
    world.shop.fault("POST /api/stock/reserver status=503");
    for _ in 0..12 {
        let _ = world.begin(4).await;
    }
    until("stock is suspended", async || {
        page(&world, "/console/participants").await.text.contains("Suspended")
    })
    .await;
    let html = page(&world, "/console/participants").await.text;
    let card = between(&html, "\">stock</h2>", "</section>");
    assert!(card.contains("Suspended") && card.contains("away or overloaded, status 503"), "{card}");
    until("the overview tells it", async || page(&world, "/console/").await.text.contains("Suspended")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_told_in_all_versions_that_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkout.yaml");
    std::fs::write(&file, CHECKOUT).unwrap();
    let world = World::with(Shop::open().await, &["--definition", file.to_str().unwrap()]).await;
    // An order of the first version stays under way.
    world.shop.fault("POST /api/clients/*/rembourser status=503");
    world.shop.fault("POST /api/ventes client=5 status=500");
    let stuck = world.begin(5).await;
    until("the order needs a person", async || world.commande(&stuck).await["rollback"] == "BLOQUE").await;
    let first = page(&world, "/console/definitions/checkout").await.text;
    let hash = between(&first, "class=\"m s\" title=\"", "\"").to_owned();
    assert_eq!(hash.len(), 64);
    assert!(first.contains("New sagas run this"), "{first}");
    assert!(first.contains("POST /api/clients/{.input.client_id}/payer"), "{first}");

    std::fs::write(&file, change(CHECKOUT).set("deadline", "90s").text()).unwrap();
    world.server.reload();
    until("the new version is loaded", async || {
        !page(&world, "/console/definitions/checkout").await.text.contains(&format!("title=\"{hash}\""))
    })
    .await;
    until("the list has the older version", async || {
        page(&world, "/console/definitions").await.text.contains("1 older version")
    })
    .await;
    let list = page(&world, "/console/definitions").await.text;
    let older = between(&list, &format!("data-row=\"{hash}\""), "</tr>");
    assert!(older.contains("<td class=\"num\">1</td>"), "{older}");
    let second = page(&world, &format!("/console/definitions/checkout?hash={hash}")).await.text;
    assert!(second.contains("Older version") && second.contains(&hash), "{second}");
    assert!(second.contains("Graph of the steps") && second.contains("#step-paiement"), "{second}");

    for (path, status) in [
        ("/console/definitions/nothing".to_owned(), 404),
        ("/console/definitions/checkout?hash=0".to_owned(), 404),
        (format!("/console/definitions/checkout?hash={}", "0".repeat(64)), 404),
        (format!("/console/definitions/other?hash={hash}"), 404),
        ("/console/definitions/%3Cscript%3E".to_owned(), 404),
    ] {
        let reply = page(&world, &path).await;
        assert_eq!(reply.status, status, "{path}");
        assert!(!reply.text.contains("<script>"), "{}", reply.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_stay_with_their_time_while_the_journal_is_away() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let shop = Shop::open().await;
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&shop, data.path(), &["--database-url", &cluster.url()]).await;
    let world = World { shop, server, data };
    world.order(4, "CONFIRMEE").await;
    until("the order is in the figures", async || sum(&page(&world, "/console/").await.text, "Done") == "1")
        .await;
    let html = page(&world, "/console/").await.text;
    assert!(html.contains("for another"), "the lease has an end here: {html}");
    cluster.stop_immediate();
    until("the page says so", async || {
        page(&world, "/console/").await.text.contains("The journal does not answer")
    })
    .await;
    let reply = page(&world, "/console/").await;
    assert_eq!((reply.status, sum(&reply.text, "Done")), (200, "1"), "{}", reply.text);
    assert!(reply.text.contains("Figures of"), "{}", reply.text);
    cluster.start_again();
    until("the journal is back", async || {
        !page(&world, "/console/").await.text.contains("The journal does not answer")
    })
    .await;
}
