//! The list of sagas, and the search.

use super::Browser;
use crate::harness::{World, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_list_has_the_sagas_of_a_family_a_step_and_a_label() {
    let world = World::open().await;
    let mut browser = Browser::default();
    let empty = browser.page(&world, "/console/sagas").await;
    assert!(empty.contains("No saga yet") && empty.contains("http://test/api/sagas/checkout"), "{empty}");
    let done = world.order(4, "CONFIRMEE").await;
    let failed = world.order(3, "ECHEC_ENREGISTREMENT").await;
    for (query, has) in [
        ("", [true, true]),
        ("?family=done", [true, false]),
        ("?family=failed", [false, true]),
        ("?family=running", [false, false]),
        ("?family=waiting", [false, false]),
        ("?family=person", [false, false]),
        ("?step=vente", [false, true]),
        ("?participant=ventes&family=failed", [false, true]),
        ("?participant=ventes&family=done", [false, false]),
        ("?label.client_id=4", [true, false]),
        ("?label.client_id=4&family=failed", [false, false]),
        ("?state=CONFIRMEE", [true, false]),
        ("?waiting_longer=1h", [false, false]),
    ] {
        let page = browser.page(&world, &format!("/console/sagas{query}")).await;
        let found = [&done, &failed].map(|saga| page.contains(&format!("data-row=\"{saga}\"")));
        assert_eq!(found, has, "{query}: {page}");
        assert_eq!(page.contains("Nothing matches."), has == [false, false], "{query}: {page}");
    }
    let first = browser.page(&world, "/console/sagas?limit=1").await;
    assert!(first.contains(&failed) && !first.contains(&done), "the newest one first");
    let next = first
        .split("<a class=\"r\" href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&#38;", "&");
    let second = browser.page(&world, &format!("{next}&limit=1")).await;
    let has = |saga: &str| second.contains(&format!("data-row=\"{saga}\""));
    assert!(has(&done) && !has(&failed) && second.contains("First page"), "{second}");
    world.shop.fault("POST /api/stock/reserver status=503");
    let waiting = world.begin(4).await;
    until("it waits for its next attempt", async || {
        let page = world.get("/console/sagas?family=waiting").await.text;
        page.contains(&format!("data-row=\"{waiting}\""))
            && page.contains("next attempt")
            && !page.contains(&done)
    })
    .await;
    let french = browser.led(&world, "/console/sagas?family=failed&lang=fr").await;
    assert_eq!(french, "/console/sagas?family=failed");
    let page = browser.page(&world, &french).await;
    assert!(page.contains("Échouée") && page.contains("lang=\"fr\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_leads_to_an_address_and_a_wrong_filter_is_named() {
    let world = World::open().await;
    let mut browser = Browser::default();
    let sent = "/console/sagas?saga=&waiting=retry&waiting_longer=&label_name=client_id&label_value=4";
    assert_eq!(browser.led(&world, sent).await, "/console/sagas?waiting=retry&label.client_id=4");
    for (query, detail) in [
        ("family=odd", "`family` must be one of person, waiting, running, done, failed"),
        ("family=done&family=done", "`family` stands more than once"),
        ("odd=1", "There is no filter `odd`"),
        ("cursor=x", "`cursor` must come from"),
        ("waiting_longer=%3Cscript%3E", "`waiting_longer` must be a number and its unit"),
    ] {
        let reply = browser.get(&world, &format!("/console/sagas?{query}")).await;
        assert_eq!(reply.status, 422, "{query}");
        assert!(reply.text.contains(detail) && !reply.text.contains("<script>"), "{query}: {}", reply.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_opens_a_saga_leads_to_a_filter_or_says_that_there_is_nothing() {
    let world = World::open().await;
    let (one, other) = (world.order(4, "CONFIRMEE").await, world.order(3, "ECHEC_ENREGISTREMENT").await);
    let again = world.order(4, "CONFIRMEE").await;
    let mut browser = Browser::default();
    for (wanted, address) in [
        ("", "/console/sagas".to_owned()),
        (&*one, format!("/console/sagas/{one}")),
        ("client_id=4", "/console/sagas?label.client_id=4".to_owned()),
        ("label.client_id=4", "/console/sagas?label.client_id=4".to_owned()),
        ("step=vente", "/console/sagas?step=vente".to_owned()),
        ("VENTE", "/console/sagas?step=vente".to_owned()),
        ("checkout", "/console/sagas?saga=checkout".to_owned()),
        ("ECHEC_STOCK", "/console/sagas?state=ECHEC_STOCK".to_owned()),
        // The value of one label of one saga.
        ("3", format!("/console/sagas/{other}")),
    ] {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", wanted).finish();
        assert_eq!(browser.led(&world, &format!("/console/search?{query}")).await, address, "{wanted}");
    }
    // Several sagas have it: all are shown, newest first.
    let several = browser.page(&world, "/console/search?q=4").await;
    let [first, second] = [&again, &one].map(|saga| several.find(&format!("data-row=\"{saga}\"")).unwrap());
    assert!(first < second && !several.contains(&other), "{several}");
    // A step and a participant have the same name.
    let names = browser.page(&world, "/console/search?q=stock").await;
    for filter in ["?step=stock", "?participant=stock"] {
        assert!(names.contains(filter), "{filter}: {names}");
    }
    for (wanted, said) in [
        ("01a21429-c67b-7752-bde2-a2ed2fefc1d8", "There is no saga with this id."),
        ("2fefc1d8", "A saga is found by its whole id"),
        ("nobody", "as a value of the labels"),
        ("client_id%3D", "A label needs its value"),
        ("a%00b", "Nothing found"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", "Nothing found"),
    ] {
        let reply = browser.get(&world, &format!("/console/search?q={wanted}")).await;
        assert_eq!(reply.status, 404, "{wanted}: {}", reply.text);
        assert!(
            reply.text.contains(said) && !reply.text.contains("<script>alert"),
            "{wanted}: {}",
            reply.text
        );
    }
    let long = browser.get(&world, &format!("/console/search?q={}", "x".repeat(201))).await;
    assert!(long.status == 422 && long.text.contains("SEARCH_CHARS_MAX"), "{}", long.text);
}
