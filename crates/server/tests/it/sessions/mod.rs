//! Signing in to the console: what a session may do, what ends it, and that no other site's page can use it.

mod elsewhere;
mod ends;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::access::{KeyRing, bearing};
use crate::harness::{Shop, World};
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
    // The other language is chosen before somebody is signed in, too.
    let french = browser.get(address, &format!("{place}&lang=fr")).await;
    assert_eq!((french.status, french.header("location")), (303, Some(place)));
    assert!(browser.get(address, place).await.text.contains("Se connecter"));
    assert!(
        browser.page.contains("sign-in?again=1&#38;next=%2Fconsole%2Fsagas%3Fstep%3Dvente&#38;lang=en"),
        "{}",
        browser.page
    );
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
        world.server.says(said).await;
    }
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
