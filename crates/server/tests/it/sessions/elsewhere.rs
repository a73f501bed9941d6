//! Pages, links and forms of elsewhere, and forms of another session: none does anything in the name of somebody who is signed in.

use std::path::Path;

use orchestrateur::console::ACTIONS;
use serde_json::{Value, json};

use super::{Cookies, PAGE, SIGN_IN, SIGN_OUT};
use crate::access::{KeyRing, bearing};
use crate::harness::World;
use crate::http::{Call, send};

#[tokio::test(flavor = "multi_thread")]
async fn a_form_without_its_own_page_s_token_or_from_elsewhere_does_nothing() {
    let ring = KeyRing::new();
    let (ana, bo) = (ring.add("ana", "admin", &[]), ring.add("bo", "admin", &[]));
    let world = ring.world().await;
    let address = world.server.address;
    let (mut ana, mut bo) = (Cookies::of(address, &ana).await, Cookies::of(address, &bo).await);
    ana.get(address, SIGN_IN).await;
    bo.get(address, SIGN_IN).await;
    // Of the session, and of the form that is sent without one.
    let [own, own_form] = [SIGN_OUT, SIGN_IN].map(|action| ana.token(action));
    let [others, others_form] = [SIGN_OUT, SIGN_IN].map(|action| bo.token(action));
    assert!(own != own_form && own != others && own_form != others_form);
    let is_sign_in = |action: &str| action == SIGN_IN;
    for action in ACTIONS.into_iter().chain(["/console/no-such-action", "/console/"]) {
        let path = action.replace(['{', '}'], "x");
        let (right, wrong) = if is_sign_in(action) { (&own_form, &own) } else { (&own, &own_form) };
        let post = |fields: &[(&str, &str)]| ana.with(Call::post(&path).form(fields));
        let others = if is_sign_in(action) { &others_form } else { &others };
        for (why, call) in [
            ("no token", post(&[])),
            ("an empty one", post(&[("token", "")])),
            ("another one's", post(&[("token", others)])),
            ("that of the other cookie", post(&[("token", wrong)])),
            ("twice", post(&[("token", right), ("token", right)])),
            ("in the address", ana.with(Call::post(&format!("{path}?token={right}")).form(&[]))),
        ] {
            let told = send(address, &call).await;
            assert_eq!(told.status, 403, "{action}: {why}: {told:?}");
            assert!(
                told.text.contains("does not come from a page of this session"),
                "{action}: {why}: {told:?}"
            );
        }
        for media in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
            let body = format!("token={right}");
            let call = ana.with(Call::post(&path).header("content-type", media).body(body));
            assert_eq!(send(address, &call).await.status, 415, "{action}: {media}");
        }
        // From elsewhere, with the right token.
        let cookies = ana.with(Call::get("/")).bytes();
        let cookies = String::from_utf8(cookies).unwrap();
        let cookies = cookies.lines().find_map(|line| line.strip_prefix("cookie: ")).unwrap();
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://test:1"),
        ] {
            let call = Call::post(&path).form(&[("token", right)]).header("cookie", cookies);
            send(address, &call.header(name, value)).await.problem(403, "cross_site");
        }
        // Without the session: by the cookie of forms alone.
        if !is_sign_in(action) {
            let mut stranger = ana.clone();
            stranger.kept.remove("orchestrateur-session");
            let told = send(address, &stranger.with(Call::post(&path).form(&[("token", &own_form)]))).await;
            assert_eq!(told.status, 401, "{action}: {told:?}");
        }
    }
    assert!(ana.is_in(address).await && bo.is_in(address).await, "nothing was done");
    for method in ["PUT", "DELETE", "PATCH"] {
        let told = send(address, &ana.with(Call::new(method, PAGE).form(&[]))).await;
        assert_eq!(told.status, 403, "{method}: {told:?}");
    }
    // The form as it is sent by its page, where the browser says nothing but where it comes from.
    let call = Call::post(SIGN_OUT).form(&[("token", &own)]);
    assert_eq!(send(address, &ana.with(call)).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_none_for_the_api() {
    let ring = KeyRing::new();
    let key = ring.add("ana", "admin", &[]);
    let world = ring.world().await;
    let address = world.server.address;
    let browser = Cookies::of(address, &key).await;
    for call in [
        Call::get("/api/sagas"),
        Call::get("/api/events"),
        Call::get("/metrics"),
        Call::checkout(4),
        Call::get("/api/sagas?x=/console/"),
        Call::get("/api/../console/"),
    ] {
        let told = send(address, &browser.with(call.clone())).await;
        assert!(told.status == 401 || told.status == 404, "{call:?}: {told:?}");
    }
    send(address, &browser.with(Call::get("/consolex/"))).await.problem(404, "no_such_path");
    assert_eq!(world.send(&bearing(Call::get("/api/sagas"), &key)).await.json(), Value::Array(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_elsewhere() {
    let ring = KeyRing::new();
    let key = ring.add("ana", "read", &[]);
    let world = ring.world().await;
    let address = world.server.address;
    for next in [
        "https://evil.example/",
        "//evil.example/console/",
        "/console//evil.example",
        "/console/\\evil.example",
        "/console/\r\nset-cookie: a=b",
        "/console/../api/sagas",
        "javascript:alert(1)",
        "/api/sagas",
        "/console/sign-out",
        "\"><script>alert(1)</script>",
    ] {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let mut browser = Cookies::default();
        let page = browser.get(address, &format!("{SIGN_IN}?{query}")).await;
        assert!(!page.text.contains("name=\"next\""), "{next}: {}", page.text);
        let again = send(address, &Call::get(&format!("{SIGN_IN}?{query}"))).await;
        assert!(!again.text.contains("next="), "{next}: {}", again.text);
        let told = browser.post(address, SIGN_IN, &[("key", &key), ("next", next)]).await;
        assert_eq!((told.status, told.header("location")), (303, Some(PAGE)), "{next}");
        let told = browser.get(address, &format!("{SIGN_IN}?{query}")).await;
        assert_eq!((told.status, told.header("location")), (200, None), "{next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_a_message_leads_to_its_page() {
    let ring = KeyRing::new();
    let key = ring.add("ana", "read", &[]);
    let world = ring.world().await;
    let address = world.server.address;
    let mut browser = Cookies::of(address, &key).await;
    // A browser leaves the cookie out; without TLS, it does not even say that the link is elsewhere.
    for site in [
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")][..],
        &[],
    ] {
        let followed =
            |path: &str| site.iter().fold(Call::get(path), |call, (name, value)| call.header(name, value));
        let led = send(address, &followed("/console/sagas?step=vente")).await;
        assert_eq!(led.status, 303, "{led:?}");
        let again = send(address, &followed(led.header("location").unwrap())).await;
        assert_eq!(again.status, 200);
        assert!(
            !again.text.contains("<form") && again.headers("set-cookie").all(|set| !set.contains("session"))
        );
        let place = again.text.split("http-equiv=\"refresh\" content=\"0;url=").nth(1).unwrap();
        let place = place.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        // From that page, the cookie comes.
        let told = browser.get(address, &place).await;
        assert_eq!(
            (told.status, told.header("location")),
            (303, Some("/console/sagas?step=vente")),
            "{place}"
        );
        // A person who is not signed in gets the form then.
        let form = Cookies::default().get(address, &place).await;
        assert_eq!(form.status, 200);
        assert!(
            form.text.contains("type=\"password\"") && !form.text.contains("http-equiv"),
            "{}",
            form.text
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_nobody_signs_in_and_forms_need_their_token_all_the_same() {
    let world = World::open().await;
    let address = world.server.address;
    let mut browser = Cookies::default();
    let page = browser.get(address, PAGE).await;
    assert_eq!(page.status, 200, "{page:?}");
    let set: Vec<&str> = page.headers("set-cookie").collect();
    assert!(set.len() == 1 && set[0].starts_with("orchestrateur-form="), "{set:?}");
    assert!(set[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{set:?}");
    assert_eq!(browser.get(address, PAGE).await.headers("set-cookie").count(), 0);
    let told = browser.get(address, "/console/sign-in?next=/console/inbox").await;
    assert_eq!((told.status, told.header("location")), (303, Some("/console/inbox")));
    for fields in [&[][..], &[("token", "x")]] {
        for browser in [&browser, &Cookies::default()] {
            let call = browser.with(Call::post("/console/no-such-action").form(fields));
            assert_eq!(send(address, &call).await.status, 403);
        }
    }
    for action in ACTIONS {
        let path = action.replace(['{', '}'], "x");
        let told = send(address, &browser.with(Call::post(&path).form(&[]))).await;
        assert_eq!(told.status, 403, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_follows_links_and_signs_out_in_a_real_browser_and_other_sites_do_nothing() {
    let ring = KeyRing::new();
    let key = ring.add("ana", "operate", &[]);
    let world = ring.world().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sessions/sign_in.mjs");
    let port = world.server.address.port().to_string();
    let output = tokio::task::spawn_blocking(move || saga_testkit::browser::run(&script, &[&port, &key]));
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for host in ["127.0.0.1", "console.internal"] {
        let told = &report[host];
        let expected = json!({
            "refused": "This key is not known here, or has ended. Nothing was done.",
            "out": 1,
            "seen": "",
            "cookies": ["orchestrateur-form true Lax", "orchestrateur-session true Strict"],
            "complaints": [],
            "read": [],
            "same": "?from=same 0",
            "new": "?from=new 0",
            "stays": 1,
            "over": 1,
        });
        assert_eq!(*told, expected, "{host}: {report:#}\n{}", world.server.said());
    }
}
