//! The page of one saga, and what people do on it.

use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Shop, World};
use crate::http::{Call, Reply};

/// The checkout with one attempt of everything before an operator is needed, and none by itself after that.
async fn open() -> (World, TempDir) {
    let text = change(CHECKOUT)
        .add("steps.*.retry", "{ attempts: 1 }")
        .add("steps.*.persist", "{ attempts: 1, base: 720h, cap: 720h }")
        .text();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkout.yaml");
    std::fs::write(&file, text).unwrap();
    (World::with(Shop::open().await, &["--definition", file.to_str().unwrap()]).await, folder)
}

/// An order whose payment cannot be given back.
async fn stuck(world: &World, client: i64) -> String {
    world.shop.fault(&format!("POST /api/ventes client={client} status=422"));
    world.shop.fault(&format!("POST /api/clients/*/rembourser client={client} status=503"));
    let body = world.send(&Call::checkout(client)).await.expect(200);
    assert_eq!(body["rollback"], "BLOQUE", "{body}");
    body["saga_id"].as_str().unwrap().to_owned()
}

/// A page, as a browser has it: its text, the values of its form, and its cookie.
struct Page {
    text: String,
    cookie: String,
}

impl Page {
    async fn load(world: &World, path: &str) -> Self {
        let reply = world.send(&Call::get(path).header("accept", "text/html")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        Self::of(&reply)
    }

    fn of(reply: &Reply) -> Self {
        let cookie = reply.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        Self { text: reply.text.clone(), cookie: cookie.unwrap_or_default().to_owned() }
    }

    /// The value of a hidden field.
    #[track_caller]
    fn hidden(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&field).unwrap_or_else(|| panic!("no `{name}`: {}", self.text));
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends the page's form with these values.
    async fn send(&self, world: &World, saga: &str, values: &[(&str, &str)]) -> Reply {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for name in ["token", "seen", "key", "act"] {
            form.append_pair(name, &self.hidden(name));
        }
        form.extend_pairs(values);
        let call = Call::post(&format!("/console/sagas/{saga}/act"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "text/html")
            .header("cookie", &self.cookie)
            .body(form.finish());
        world.send(&call).await
    }

    #[track_caller]
    fn has(&self, text: &str) {
        assert!(self.text.contains(text), "no `{text}`: {}", self.text);
    }
}

/// The events of a kind in a saga's history.
async fn events(world: &World, saga: &str, kind: &str) -> Vec<Value> {
    let history = world.get(&format!("/api/sagas/{saga}/history?detail=steps")).await.expect(200);
    history.as_array().unwrap().iter().filter(|line| line["event"] == kind).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_stuck_is_explained_tried_and_settled() {
    let (world, _folder) = open().await;
    let saga = stuck(&world, 31).await;
    let path = format!("/console/sagas/{saga}");
    let page = Page::load(&world, &path).await;
    page.has("<b>vente</b> failed: <b>ventes</b> refused it with 422");
    page.has("<b>paiement</b> is still to be undone");
    page.has("/api/clients/31/rembourser");
    page.has(&format!("{saga}:paiement:compensation"));
    page.has("POST client /api/clients/31/rembourser");
    page.has("POST stock /api/stock/liberer");
    page.has(&format!("data-events=\"id={saga}\""));
    // Trying it shows what came of that: it is still stuck.
    let reply = page.send(&world, &saga, &[("by", "Ana"), ("reason", "mended?")]).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let place = reply.header("location").unwrap().split('#').next().unwrap().to_owned();
    let result = Page::load(&world, &place).await;
    result.has("What you asked for is in the history. <b>paiement</b> failed again: 503");
    // The same form again is the same command.
    let again = page.send(&world, &saga, &[("by", "Ana"), ("reason", "mended?")]).await;
    assert_eq!((again.status, again.header("location")), (303, reply.header("location")));
    assert_eq!(events(&world, &saga, "resumed").await.len(), 1);
    // Undone by hand.
    let page = Page::load(&world, &format!("{path}?act=resolve")).await;
    let step = page.hidden("step");
    let values = [("by", "Ana"), ("step", &*step), ("finding", "undone"), ("reason", "paid back in cash")];
    let reply = page.send(&world, &saga, &values).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let over = Page::load(&world, &path).await;
    over.has("What was done has been undone: nothing is left.");
    assert!(!over.text.contains("id=\"act\""), "nothing can be done with a saga that is over");
    assert_eq!(events(&world, &saga, "resolved").await[0]["by"], "Ana");
    // Its raw history has each event.
    let raw = Page::load(&world, &format!("{path}?view=raw")).await;
    raw.has("&#34;rollback_decided&#34;");
    raw.has("paid back in cash");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_person_is_told_of_the_first_one_and_keeps_the_reason() {
    let (world, _folder) = open().await;
    let saga = stuck(&world, 32).await;
    let path = format!("/console/sagas/{saga}");
    let page = Page::load(&world, &path).await;
    let resume = Call::post(&format!("/api/sagas/{saga}/resume"));
    world.send(&resume.json(&json!({ "by": "operator-b", "reason": "first" }))).await.expect(200);
    let reply = page.send(&world, &saga, &[("by", "Ana"), ("reason", "a reason that took a while")]).await;
    assert_eq!(reply.status, 409, "{reply:?}");
    let conflict = Page::of(&reply);
    conflict.has("<b>operator-b</b> had it tried meanwhile, at ");
    conflict.has("value=\"a reason that took a while\"");
    assert_eq!(events(&world, &saga, "resumed").await.len(), 1, "nothing was done");
    // The page that says so can be sent.
    let conflict = Page { cookie: page.cookie, ..conflict };
    let reply =
        conflict.send(&world, &saga, &[("by", "Ana"), ("reason", "a reason that took a while")]).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(events(&world, &saga, "resumed").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_in_the_api_s_words_beside_the_fresh_state() {
    let (world, _folder) = open().await;
    let saga = stuck(&world, 33).await;
    let page = Page::load(&world, &format!("/console/sagas/{saga}?act=resolve")).await;
    for (values, said) in [
        (&[("step", "paiement"), ("finding", "undone"), ("by", "Ana")][..], "`reason` is missing"),
        (
            &[("step", "paiement"), ("finding", "not_run"), ("by", "Ana"), ("reason", "x")],
            "a step that is being undone has run",
        ),
        (
            &[("step", "stock"), ("finding", "undone"), ("by", "Ana"), ("reason", "x")],
            "blocked at another step",
        ),
        (
            &[("step", "paiement"), ("finding", "perhaps"), ("by", "Ana"), ("reason", "x")],
            "`finding` must be ran",
        ),
        (&[("step", "paiement"), ("finding", "undone"), ("reason", "x")], "`by` is missing"),
        (&[("step", "<b>"), ("finding", "undone"), ("by", "Ana"), ("reason", "x")], "the saga has no step"),
    ] {
        let reply = page.send(&world, &saga, values).await;
        assert!(matches!(reply.status, 409 | 422), "{reply:?}");
        let shown = Page::of(&reply);
        shown.has(said);
        shown.has("<b>paiement</b> is still to be undone");
    }
    assert!(events(&world, &saga, "resolved").await.is_empty());
    let form = Call::post(&format!("/console/sagas/{saga}/act"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("cookie", &page.cookie)
        .body(format!("token={}&act=resume&by=Ana", page.hidden("token")));
    let reply = world.send(&form).await;
    assert_eq!(reply.status, 422, "{reply:?}");
    assert!(reply.text.contains("The form lacks `act` or `seen`"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_is_not_there_is_a_page_of_its_own() {
    let (world, _folder) = open().await;
    for id in ["00000000-0000-0000-0000-000000000000", "nonsense"] {
        let reply = world.get(&format!("/console/sagas/{id}")).await;
        assert_eq!(reply.status, 404, "{reply:?}");
        assert!(reply.text.contains("There is no saga with this id"), "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_sent_after_a_look_at_what_follows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waits.yaml");
    let definition = "
saga: waits
input: { n: integer }
states: { started: S, completed: C, cancelled: X }
deadline: 1h
participants: { panier: { url: '${PANIER_URL:-http://127.0.0.1:1}' } }
steps:
  - step: approval
    signal: { name: approved, within: 30m, ok: .body.ok == true, refused: .body.ok == false }
    failure: NOT_APPROVED
  - step: cart
    participant: panier
    action: { get: /api/paniers/client/4 }
    failure: NO_CART
";
    std::fs::write(&file, definition).unwrap();
    let world = World::with(Shop::open().await, &["--definition", file.to_str().unwrap()]).await;
    let start = Call::post("/api/sagas/waits").json(&json!({ "n": 1 })).prefer("respond-async");
    let started = world.send(&start).await;
    let saga = started.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/console/sagas/{saga}");
    let page = Page::load(&world, &path).await;
    page.has("<b>approval</b> waits for the signal <b>approved</b>");
    let preview = page
        .send(&world, &saga, &[("signal", "approved"), ("body", "{\"ok\":true}"), ("preview", "true")])
        .await;
    assert_eq!(preview.status, 200, "{preview:?}");
    Page::of(&preview).has("GET panier /api/paniers/client/4");
    assert!(events(&world, &saga, "signalled").await.is_empty(), "a look does nothing");
    let wrong = page.send(&world, &saga, &[("signal", "approved"), ("body", "{\"ok\":7}")]).await;
    assert_eq!(wrong.status, 422, "{wrong:?}");
    Page::of(&wrong).has("neither `ok` nor `refused` holds for it");
    let sent = page.send(&world, &saga, &[("signal", "approved"), ("body", "{\"ok\":true}")]).await;
    assert_eq!(sent.status, 303, "{sent:?}");
    crate::harness::until("it completes", async || {
        world.get(&format!("/api/sagas/{saga}")).await.json()["state"] == "C"
    })
    .await;
    Page::load(&world, &path).await.has("It completed in ");
}
