//! Signing in to the console: what a session may do, what ends it, and that no other site's page can use it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use orchestrateur::console::ACTIONS;
use serde_json::{Value, json};

use crate::access::{KeyRing, bearing};
use crate::harness::{Server, Shop, World, until};
use crate::http::{Call, Reply, send};
use crate::tls::authority::{Authority, Client};

/// A page that everybody may see who sees sagas.
const PAGE: &str = "/console/";
const SIGN_IN: &str = "/console/sign-in";
const SIGN_OUT: &str = "/console/sign-out";

/// A browser as far as a session goes: it keeps cookies, and knows the forms of the page that it shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cookies {
    pub(crate) kept: BTreeMap<String, String>,
    /// The last page.
    page: String,
}

impl Cookies {
    /// The request with the cookies, as a page of this server sends it.
    fn with(&self, call: Call) -> Call {
        let pairs: Vec<String> = self.kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let call = call.header("sec-fetch-site", "same-origin").header("origin", "http://test");
        if pairs.is_empty() { call } else { call.header("cookie", pairs.join("; ")) }
    }

    fn take(&mut self, reply: &Reply) {
        for set in reply.headers("set-cookie") {
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if set.contains("Max-Age=0") {
                self.kept.remove(name);
            } else {
                self.kept.insert(name.to_owned(), value.to_owned());
            }
        }
        self.page.clone_from(&reply.text);
    }

    pub(crate) async fn get(&mut self, address: SocketAddr, path: &str) -> Reply {
        let reply = send(address, &self.with(Call::get(path))).await;
        self.take(&reply);
        reply
    }

    /// The token of the form that goes to an address.
    fn token(&self, action: &str) -> String {
        let form = self.page.split(&format!("action=\"{action}\"")).nth(1);
        let form = form.unwrap_or_else(|| panic!("no form for {action}: {}", self.page));
        let value = form.split("name=\"token\" value=\"").nth(1).unwrap();
        value.split('"').next().unwrap().to_owned()
    }

    /// Sends the form of the page that is shown.
    pub(crate) async fn post(&mut self, address: SocketAddr, action: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.token(action);
        let fields = [fields, &[("token", &*token)]].concat();
        let reply = send(address, &self.with(Call::post(action).form(&fields))).await;
        self.take(&reply);
        reply
    }

    /// Signs in, as a person does.
    pub(crate) async fn sign_in(&mut self, address: SocketAddr, key: &str) -> Reply {
        let page = self.get(address, SIGN_IN).await;
        assert_eq!(page.status, 200, "{page:?}");
        self.post(address, SIGN_IN, &[("key", key)]).await
    }

    /// A person who has signed in.
    pub(crate) async fn of(address: SocketAddr, key: &str) -> Self {
        let mut browser = Self::default();
        let told = browser.sign_in(address, key).await;
        assert_eq!((told.status, told.header("location")), (303, Some(PAGE)), "{told:?}");
        browser
    }

    /// Whether a page is shown, and not the sign-in.
    async fn is_in(&self, address: SocketAddr) -> bool {
        let reply = self.clone().get(address, PAGE).await;
        match reply.status {
            200 => true,
            303 => {
                assert!(reply.header("location").unwrap().starts_with(SIGN_IN), "{reply:?}");
                false
            }
            _ => panic!("{reply:?}"),
        }
    }

    fn session(&self) -> String {
        self.kept.iter().find(|(name, _)| name.ends_with("session")).unwrap().1.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_sees_pages_and_signs_out() {
    let ring = KeyRing::new();
    let key = ring.add("ana", "operate", &[]);
    let world = ring.world().await;
    let address = world.server.address;
    let mut browser = Cookies::default();
    let led = browser.get(address, "/console/sagas?step=vente").await;
    let place = "/console/sign-in?next=%2Fconsole%2Fsagas%3Fstep%3Dvente";
    assert_eq!((led.status, led.header("location")), (303, Some(place)), "{led:?}");
    let page = browser.get(address, place).await;
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    assert!(page.text.contains("type=\"password\""), "{}", page.text);
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    assert_eq!(page.header("content-security-policy"), Some(policy));
    assert!(!page.text.contains(" style=") && !page.text.contains("<style"), "{}", page.text);
    let next = "/console/sagas?step=vente";
    let told = browser.post(address, SIGN_IN, &[("key", &format!(" {key}\n")), ("next", next)]).await;
    assert_eq!((told.status, told.header("location")), (303, Some(next)));
    let set = told.headers("set-cookie").find(|set| set.contains("session")).unwrap();
    assert!(set.starts_with("orchestrateur-session="), "{set}");
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    assert!(browser.is_in(address).await);
    let page = browser.get(address, PAGE).await;
    assert!(page.text.contains("ana"), "the page says who is signed in: {}", page.text);
    assert_eq!(page.headers("set-cookie").count(), 0);
    // Signing in again makes another cookie, and the one before is worth nothing.
    let before = browser.clone();
    browser.sign_in(address, &key).await;
    assert_ne!(browser.session(), before.session());
    assert!(browser.is_in(address).await && !before.is_in(address).await);
    let stays = browser.clone();
    browser.get(address, PAGE).await;
    let told = browser.post(address, SIGN_OUT, &[]).await;
    assert_eq!((told.status, told.header("location")), (303, Some(SIGN_IN)));
    assert!(!browser.kept.contains_key("orchestrateur-session"));
    assert!(!stays.is_in(address).await, "the cookie is worth nothing, either");
    for said in ["ana has signed in to the console", "ana has signed out of the console"] {
        until(said, async || world.server.said().contains(said)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_browsers_of_a_name_are_signed_out_together() {
    let ring = KeyRing::new();
    let (ana, bo) = (ring.add("ana", "read", &[]), ring.add("bo", "read", &[]));
    let world = ring.world().await;
    let address = world.server.address;
    let (mut one, other, bo) =
        (Cookies::of(address, &ana).await, Cookies::of(address, &ana).await, Cookies::of(address, &bo).await);
    one.get(address, SIGN_IN).await;
    let token = one.token(SIGN_OUT);
    let call = Call::post(SIGN_OUT).form(&[("token", &token), ("everywhere", "1")]);
    assert_eq!(send(address, &one.with(call)).await.status, 303);
    assert!(!one.is_in(address).await && !other.is_in(address).await && bo.is_in(address).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_decide_and_a_page_that_is_not_for_them_says_for_whom_it_is() {
    let ring = KeyRing::new();
    let keys = ["start", "signal", "read", "operate", "admin"].map(|role| {
        let flags: &[&str] = if role == "signal" { &["--signal", "paid"] } else { &[] };
        (role, ring.add(&format!("a-{role}"), role, flags))
    });
    let world = ring.world().await;
    let address = world.server.address;
    for (role, key) in &keys {
        let mut browser = Cookies::of(address, key).await;
        let page = browser.get(address, PAGE).await;
        let sees = !["start", "signal"].contains(role);
        assert_eq!(page.status, if sees { 200 } else { 403 }, "{role}: {page:?}");
        if !sees {
            let kind = page.header("content-type").unwrap();
            assert!(kind.starts_with("text/html") && page.text.contains("read"), "{page:?}");
            assert!(page.text.contains(role), "{page:?}");
        }
        // An action that nobody has told for whom it is.
        browser.get(address, SIGN_IN).await;
        let token = browser.token(SIGN_OUT);
        let call = Call::post("/console/no-such-action").form(&[("token", &token)]);
        let acts = ["operate", "admin"].contains(role);
        let told = send(address, &browser.with(call)).await;
        assert_eq!(told.status, if acts { 404 } else { 403 }, "{role}: {told:?}");
    }
    // The same page for programs, by the key itself; nobody has to sign in then.
    let told = world.send(&bearing(Call::get(PAGE), &keys[2].1)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(world.send(&bearing(Call::get(PAGE), "ork_wrong")).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_pages_and_streams_are_told_401_and_actions_too() {
    let ring = KeyRing::new();
    ring.add("ana", "read", &[]);
    let world = ring.world().await;
    for call in [
        Call::get(PAGE).header("sec-fetch-mode", "cors").header("sec-fetch-site", "same-origin"),
        Call::get(PAGE).header("accept", "text/event-stream"),
        Call::get(PAGE).header("accept", "*/*"),
    ] {
        world.send(&call).await.problem(401, "signed_out");
    }
    let told = world.send(&Call::post("/console/sagas/x/try").form(&[("token", "x")])).await;
    assert_eq!((told.status, told.header("location")), (401, None));
    let unknown = world.get("/console/no/such/page").await;
    assert_eq!(unknown.status, 303, "nobody learns which pages there are: {unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key_at_every_process_and_outlives_a_restart() {
    let ring = KeyRing::new();
    let (ana, bo) = (ring.add("ana", "read", &[]), ring.add("bo", "operate", &[]));
    let shop = Shop::open().await;
    let database = saga_testkit::postgres::shared().create_database();
    let keys = ring.file();
    let serve = async |name: &str| {
        let flags = ["--api-keys-file", &keys, "--database-url", &database, "--replica", name];
        Server::start(&shop, Path::new("/nowhere"), &flags).await
    };
    let (one, mut two) = (serve("one").await, serve("two").await);
    let (a, b) = (one.address, two.address);
    let (ana_s, bo_s) = (Cookies::of(a, &ana).await, Cookies::of(b, &bo).await);
    for address in [a, b] {
        assert!(ana_s.is_in(address).await && bo_s.is_in(address).await);
    }
    // Signed out at one process, at both.
    let mut gone = Cookies::of(b, &ana).await;
    let copy = gone.clone();
    gone.get(a, PAGE).await;
    gone.post(a, SIGN_OUT, &[]).await;
    assert!(!copy.is_in(b).await && !copy.is_in(a).await);
    two.kill();
    let two = serve("two").await;
    assert!(ana_s.is_in(two.address).await, "a session outlives a restart");
    // Another role counts at once.
    let text = std::fs::read_to_string(&keys).unwrap();
    std::fs::write(&keys, text.replace("\"operate\"", "\"start\"")).unwrap();
    let reload = || [&one, &two].iter().for_each(|server| server.reload());
    reload();
    for address in [a, two.address] {
        until("the role is another", async || bo_s.clone().get(address, PAGE).await.status == 403).await;
        assert!(ana_s.is_in(address).await);
    }
    assert!(ring.keys(&["revoke", "ana"]).status.success());
    assert!(ana_s.is_in(a).await, "not before SIGHUP");
    reload();
    for address in [a, two.address] {
        until("the session is over", async || !ana_s.is_in(address).await).await;
    }
    // The same name with another key does not bring it back.
    let other = ring.add("ana", "read", &[]);
    reload();
    let call = bearing(Call::get("/api/sagas"), &other);
    until("the other key is known", async || one.send(&call).await.status == 200).await;
    assert!(!ana_s.is_in(a).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_time_and_when_its_key_does() {
    let ring = KeyRing::new();
    let soon = saga_core::Timestamp::from_micros(
        i64::try_from(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros(),
        )
        .unwrap(),
    )
    .plus(Duration::from_secs(8));
    let brief = ring.add("brief", "read", &["--expires", &soon.to_string()]);
    let key = ring.add("ana", "read", &[]);
    let world = ring.world().await;
    let address = world.server.address;
    let file = world.data.path().join("orchestrateur.db");
    let change = |set: &str| {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        let changed = connection.execute(&format!("UPDATE console_session SET {set}"), []).unwrap();
        assert_eq!(changed, 1);
    };
    let number = |column: &str| -> i64 {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.query_row(&format!("SELECT {column} FROM console_session"), [], |row| row.get(0)).unwrap()
    };
    let hour_us = 3_600_000_000_i64;
    let browser = Cookies::of(address, &key).await;
    assert_eq!(number("ends_us - created_us"), 7 * 24 * hour_us);
    change(&format!("used_us = used_us - {}", 11 * hour_us));
    let before = number("used_us");
    // Parts of pages, which a script asks for, do not keep it alive.
    let part = browser.with(Call::get(PAGE)).header("sec-fetch-mode", "cors");
    assert_eq!(send(address, &part).await.status, 200);
    assert_eq!(number("used_us"), before);
    assert!(browser.is_in(address).await);
    assert!(number("used_us") > before + 10 * hour_us, "a person's use does");
    change(&format!("used_us = used_us - {}", 12 * hour_us));
    assert!(!browser.is_in(address).await);
    // Its row goes with the next sign-in.
    let browser = Cookies::of(address, &key).await;
    assert_eq!(number("count(*)"), 1);
    assert!(browser.is_in(address).await);
    change(&format!("ends_us = ends_us - {}", 7 * 24 * hour_us));
    assert!(!browser.is_in(address).await);

    let browser = Cookies::of(address, &brief).await;
    assert!(browser.is_in(address).await);
    until("the key has ended", async || !browser.is_in(address).await).await;
}

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
        let path = action.replace('{', "x").replace('}', "x");
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
async fn tries_in_vain_are_told_counted_and_slowed_down() {
    let ring = KeyRing::new();
    let key = ring.add("boss", "admin", &[]);
    let world = ring.world().await;
    let address = world.server.address;
    let mut browser = Cookies::default();
    browser.get(address, SIGN_IN).await;
    let wrong = format!("ork_{}", "7".repeat(64));
    let token = format!("{0}.{0}.{0}", "e".repeat(20));
    for number in 0..10 {
        let shown = if number == 3 { &token } else { &wrong };
        let told = browser.post(address, SIGN_IN, &[("key", shown), ("next", "/console/inbox")]).await;
        assert_eq!(told.status, 401, "{number}: {told:?}");
        assert!(told.header("www-authenticate").is_some());
        let said = if number == 3 { "signs nobody in" } else { "is not known here" };
        assert!(told.text.contains(said), "{told:?}");
        assert!(told.text.contains("value=\"/console/inbox\""), "the form keeps where to go on to");
        assert!(!told.text.contains(&wrong[4..]), "the key is not on the page");
        assert!(!browser.kept.contains_key("orchestrateur-session"));
    }
    for shown in [&wrong, &key] {
        let told = browser.post(address, SIGN_IN, &[("key", shown)]).await;
        assert_eq!(told.status, 429, "{told:?}");
        let seconds: u32 = told.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert!(told.text.contains("too many tries"), "{told:?}");
    }
    let metrics = world.send(&bearing(Call::get("/metrics"), &key)).await.text;
    let count = |why: &str| {
        let sample = format!("requests_denied_total{{why=\"{why}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&*sample)).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!((count("bad_key"), count("bad_token"), count("rate")), (9.0, 1.0, 2.0));
    let said = world.server.said();
    assert_eq!(said.matches("a request was refused").count(), 10, "{said}");
    assert!(!said.contains(&wrong[4..]) && !said.contains(&key[4..]));
    let large = Call::post(SIGN_IN).form(&[("key", &"x".repeat(20_000))]);
    assert_eq!(send(address, &browser.with(large)).await.status, 413);
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
async fn the_cookie_is_for_this_host_and_tls_alone_where_there_is_tls() {
    let ring = KeyRing::new();
    let key = ring.add("ana", "read", &[]);
    let authority = Authority::new();
    let files = authority.server().files(ring.folder.path(), "server");
    let keys = ring.file();
    let flags = [&files.flags()[..], &["--api-keys-file", &keys]].concat();
    let world = World::with(Shop::open().await, &flags).await;
    let client = Client::trusting(&authority);
    let mut browser = Cookies::default();
    let page = client.send(world.server.address, &browser.with(Call::get(SIGN_IN))).await;
    browser.take(&page);
    let token = browser.token(SIGN_IN);
    let call = browser.with(Call::post(SIGN_IN).form(&[("token", &token), ("key", &key)]));
    let told = client.send(world.server.address, &call).await;
    assert_eq!(told.status, 303, "{told:?}");
    browser.take(&told);
    for set in page.headers("set-cookie").chain(told.headers("set-cookie")) {
        assert!(set.starts_with("__Host-orchestrateur-") && set.ends_with("; Secure"), "{set}");
        assert!(set.contains("; Path=/; HttpOnly; SameSite="), "{set}");
    }
    assert_eq!(client.send(world.server.address, &browser.with(Call::get(PAGE))).await.status, 200);

    // A proxy speaks TLS in front of it.
    for (public_url, is_secure) in [("https://sagas.internal", true), ("http://sagas.internal", false)] {
        let flags = ["--api-keys-file", &ring.file(), "--public-url", public_url];
        let world = World::with(Shop::open().await, &flags).await;
        let browser = Cookies::of(world.server.address, &key).await;
        assert!(
            browser.kept.keys().all(|name| name.starts_with("__Host-") == is_secure),
            "{:?}",
            browser.kept
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
        let path = action.replace('{', "x").replace('}', "x");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_lets_its_holder_see_pages_without_signing_in() {
    let ring = KeyRing::new();
    let authority = Authority::new();
    let made = ring.keys(&["add", "ana", "--role", "operate", "--san", "dns:ana.internal"]);
    assert!(made.status.success());
    let key = ring.add("bo", "read", &[]);
    let (keys, folder) = (ring.file(), ring.folder.path());
    let files = authority.server().files(folder, "server");
    let client_ca = authority.file(folder);
    let flags = [&files.flags()[..], &["--tls-client-ca", &client_ca, "--api-keys-file", &keys]].concat();
    let world = World::with(Shop::open().await, &flags).await;
    let address = world.server.address;
    let (holder, without) =
        (Client::showing(&authority, &authority.client("ana.internal")), Client::trusting(&authority));
    let mut browser = Cookies::default();
    assert_eq!(without.send(address, &browser.with(Call::get(PAGE))).await.status, 303);
    let page = holder.send(address, &browser.with(Call::get(PAGE))).await;
    assert!(page.status == 200 && page.text.contains("ana") && !page.text.contains(SIGN_OUT), "{page:?}");
    browser.take(&page);
    // Its forms need a token all the same: a browser shows a certificate without being asked.
    let call = Call::post("/console/no-such-action");
    assert_eq!(holder.send(address, &browser.with(call.form(&[]))).await.status, 403);
    // A session decides where there is one.
    let page = holder.send(address, &browser.with(Call::get(SIGN_IN))).await;
    browser.take(&page);
    let token = browser.token(SIGN_IN);
    let call = Call::post(SIGN_IN).form(&[("token", &token), ("key", &key)]);
    browser.take(&holder.send(address, &browser.with(call)).await);
    let page = holder.send(address, &browser.with(Call::get(PAGE))).await;
    assert!(page.text.contains("bo") && page.text.contains(SIGN_OUT), "{page:?}");
}
