//! Access tokens of an identity provider as credentials: the real binary, an issuer on this machine with real keys, and one by
//! others.
//!
//! The unit tests of `api/access/oidc` tell apart what can be wrong with a token; here, all of it gets the same answer.

mod issuer;
mod provider;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use saga_testkit::tokens::{TokenKey, hmac_signed, unsigned};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use self::issuer::{Issuer, Manner, now_s};
use self::provider::Provider;
use crate::access::{INVALID_TOKEN, KeyRing, PROMISED, ROLES, bearing, is_denied, request};
use crate::harness::{Shop, World, database_in, orchestrateur, until};
use crate::http::{Call, PATIENCE};
use crate::sessions::Cookies;

async fn status(world: &World, token: &str) -> u16 {
    world.send(&bearing(Call::get("/api/sagas"), token)).await.status
}

/// Waits until a token is taken: the first fetch of the keys is over.
async fn taken(world: &World, token: &str) {
    until("the token is taken", async || status(world, token).await == 200).await;
}

/// Waits until the log says why a token was refused: lines are written a little after the answer.
async fn logged(world: &World, why: &str) {
    let is_told = |line: &str| {
        serde_json::from_str::<Value>(line)
            .is_ok_and(|line| line["token"].as_str().is_some_and(|said| said == why))
    };
    until(why, async || world.server.said().lines().any(is_told)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_of_a_token_reaches_the_routes_that_are_for_it_and_no_others() {
    let (rsa, edwards, stranger) = (TokenKey::rsa("r"), TokenKey::ed25519("e"), TokenKey::rsa("r"));
    let issuer = Issuer::open(&[&rsa, &edwards]).await;
    let world = issuer.world(&[]).await;
    let boss = issuer.claims("boss", &["admin"]);
    let with = |name: &str, value: Value| rsa.token(&issuer.claims_with(name, value));
    let header = |algorithm: &str, kind: &str| json!({ "alg": algorithm, "kid": "r", "typ": kind });
    let bad = [
        ("wrong_issuer", with("iss", "https://other.example.com".into())),
        ("wrong_audience", with("aud", "others".into())),
        ("expired", with("exp", (now_s() - 61).into())),
        ("not_yet_valid", with("nbf", (now_s() + 3_600).into())),
        ("wrong_type", rsa.signed(&header("RS256", "JWT"), &boss)),
        ("algorithm", unsigned(&header("none", "at+jwt"), &boss)),
        // The public key as the secret of an HMAC; then a name of another kind's algorithm.
        ("algorithm", hmac_signed(&header("HS256", "at+jwt"), &boss, &rsa.public_bytes())),
        ("wrong_signature", rsa.signed(&header("EdDSA", "at+jwt"), &boss)),
        ("wrong_signature", stranger.token(&boss)),
        ("no_name", with("sub", "".into())),
        ("malformed", with("exp", "soon".into())),
    ];
    let good = ROLES.map(|role| (vec![role], edwards.token(&issuer.claims(&format!("a-{role}"), &[role]))));
    let several = [vec!["start", "signal"], vec!["signal", "read"], vec!["director"], vec![]];
    let several = several.map(|roles| (roles.clone(), rsa.token(&issuer.claims("several", &roles))));
    taken(&world, &rsa.token(&boss)).await;
    let unknown =
        world.send(&bearing(Call::get("/api/sagas"), "ork_unknown")).await.problem(401, "unauthenticated");
    for (method, path, roles) in PROMISED {
        let call = request(method, path);
        let is_open = roles.is_empty();
        assert_eq!(is_denied(&world.send(&call).await), !is_open, "{method} {path} without a token");
        for (why, token) in &bad {
            let told = world.send(&bearing(call.clone(), token)).await;
            assert_eq!(is_denied(&told), !is_open, "{why} at {method} {path}: {told:?}");
            if !is_open {
                assert_eq!(told.problem(401, "unauthenticated"), unknown, "{why}");
                assert_eq!(told.header("www-authenticate"), Some(INVALID_TOKEN));
            }
        }
        for (has, token) in good.iter().chain(&several) {
            let told = world.send(&bearing(call.clone(), token)).await;
            let allowed = is_open || roles.iter().any(|role| has.contains(role));
            assert_eq!(is_denied(&told), !allowed, "{has:?} at {method} {path}: {told:?}");
            if !allowed {
                told.problem(403, "role");
            }
        }
    }
    for (why, _) in &bad {
        logged(&world, why).await;
    }
    let said = world.server.said();
    for (_, token) in &bad {
        assert!(!said.contains(token.split('.').nth(1).unwrap()), "no token is in the log");
    }
    let metrics = world.send(&bearing(Call::get("/metrics"), &rsa.token(&boss))).await.text;
    let denied =
        metrics.lines().find_map(|line| line.strip_prefix("requests_denied_total{why=\"bad_token\"} "));
    assert!(denied.unwrap().parse::<f64>().unwrap() >= 100.0, "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_signs_nobody_in_to_the_console_and_lets_programs_see_its_pages() {
    let rsa = TokenKey::rsa("r");
    let issuer = Issuer::open(&[&rsa]).await;
    let world = issuer.world(&[]).await;
    let address = world.server.address;
    let token = rsa.token(&issuer.claims("boss", &["admin"]));
    taken(&world, &token).await;
    let mut browser = Cookies::default();
    let page = browser.get(address, "/console/sign-in").await;
    let needed = "A key is needed to sign in, and this server has no file of keys";
    assert!(page.status == 200 && page.text.contains(needed), "{page:?}");
    let told = browser.sign_in(address, &token).await;
    assert!(told.status == 401 && told.text.contains(needed), "{told:?}");
    assert!(!told.text.contains(&token));
    let page = world.send(&bearing(Call::get("/console/"), &token)).await;
    assert!(page.status == 200 && page.text.contains("oidc:boss"), "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_and_a_key_of_the_same_name_are_two_callers() {
    let signer = TokenKey::p256("k");
    let issuer = Issuer::open(&[&signer]).await;
    let ring = KeyRing::new();
    let key = ring.add("shop", "start", &[]);
    let world = issuer.world(&["--api-keys-file", &ring.file(), "--log", "trace"]).await;
    let of = |name: &str, roles: &[&str]| signer.token(&issuer.claims(name, roles));
    let (shop, other, eyes) =
        (of("shop", &["start"]), of("other", &["start"]), of("eyes", &["start", "read"]));
    taken(&world, &eyes).await;
    let order = Call::checkout(4).key("the same");
    let saga_of = async |credential: &str| {
        let told = world.send(&bearing(order.clone(), credential)).await.expect(200);
        told["saga_id"].as_str().unwrap().to_owned()
    };
    let (of_key, of_token, of_other) = (saga_of(&key).await, saga_of(&shop).await, saga_of(&other).await);
    assert!(of_key != of_token && of_token != of_other, "one idempotency key, and three callers");
    // Another token of the same holder is the same caller.
    let mut later = issuer.claims("shop", &["start"]);
    later["jti"] = "another".into();
    assert_eq!(saga_of(&signer.token(&later)).await, of_token);
    for path in ["/api/commande/{}", "/api/sagas/{}", "/api/sagas/{}/history"] {
        let seen = async |saga: &str, credential: &str| {
            world.send(&bearing(Call::get(&path.replace("{}", saga)), credential)).await.status
        };
        assert_eq!((seen(&of_token, &shop).await, seen(&of_key, &shop).await), (200, 404), "{path}");
        assert_eq!((seen(&of_key, &key).await, seen(&of_token, &key).await), (200, 404), "{path}");
        assert_eq!((seen(&of_key, &eyes).await, seen(&of_token, &eyes).await), (200, 200), "{path}");
    }
    // A reader that may start sees every saga, and cancels its own alone.
    let cancel = Call::post(&format!("/api/sagas/{of_token}/cancel"));
    assert_eq!(world.send(&bearing(cancel.clone(), &eyes)).await.status, 404);
    assert_eq!(world.send(&bearing(cancel, &shop)).await.status, 409, "it is over");
    let shown = world.send(&bearing(Call::get(&format!("/api/sagas/{of_token}")), &eyes)).await.expect(200);
    assert_eq!(shown["started_by"], "oidc:shop");
    // The longest name, too, stands with all that it did.
    let longest = "é".repeat(255);
    let of_longest = saga_of(&of(&longest, &["start"])).await;
    for (name, saga) in
        [("shop", &of_key), ("oidc:shop", &of_token), (&format!("oidc:{longest}"), &of_longest)]
    {
        let path = format!("/api/audit?name={}", name.replace('é', "%C3%A9"));
        let deeds = world.send(&bearing(Call::get(&path), &of("ops", &["operate"]))).await.expect(200);
        let deeds = deeds.as_array().unwrap();
        let started = deeds.iter().map(|deed| (&deed["deed"], &deed["saga_id"])).collect::<Vec<_>>();
        assert_eq!(started, [(&json!("start"), &json!(saga))], "{name}");
    }
    let said = world.server.said();
    for token in [&shop, &other, &eyes] {
        let [_, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
        assert!(!said.contains(claims) && !said.contains(signature), "no token is in the log");
        for file in std::fs::read_dir(world.data.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(
                !bytes.windows(claims.len()).any(|part| part == claims.as_bytes()),
                "no token is in the journal"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_the_issuer_come_and_go_while_the_server_runs() {
    let [old, new] = ["old", "new"].map(TokenKey::ed25519);
    let issuer = Issuer::open(&[&old]).await;
    let world = issuer.world(&[]).await;
    let [by_old, by_new] = [&old, &new].map(|key| key.token(&issuer.claims("ops", &["operate"])));
    taken(&world, &by_old).await;
    issuer.publish(&[&old, &new]);
    // Its first token has the keys fetched: the next regular fetch would be minutes away.
    taken(&world, &by_new).await;
    assert_eq!(status(&world, &by_old).await, 200);
    issuer.publish(&[&new]);
    world.server.reload();
    until("the old key is gone", async || status(&world, &by_old).await == 401).await;
    assert_eq!(status(&world, &by_new).await, 200);
    logged(&world, "unknown_key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_holds_up_its_new_keys_alone() {
    let signer = TokenKey::ed25519("k");
    let mut issuer = Issuer::away(&[&signer]);
    let ring = KeyRing::new();
    let key = ring.add("ops", "operate", &[]);
    let world = issuer.world(&["--api-keys-file", &ring.file()]).await;
    let token = signer.token(&issuer.claims("eyes", &["read"]));
    let ask = async |credential: &str| world.send(&bearing(Call::get("/api/sagas"), credential)).await;
    // Without its keys, a token is neither good nor bad.
    let told = ask(&token).await;
    told.problem(503, "issuer_unreachable");
    assert_eq!(told.header("retry-after"), Some("10"));
    assert_eq!((ask(&key).await.status, world.get("/readyz").await.status), (200, 200));
    ask(&signer.token(&issuer.claims_with("aud", "others"))).await.problem(401, "unauthenticated");
    world.server.says("its tokens get 503 until they can").await;
    issuer.comes();
    world.server.reload();
    taken(&world, &token).await;

    issuer.goes().await;
    world.server.reload();
    world.server.says("its last ones are used further").await;
    let another = signer.token(&issuer.claims("others", &["read"]));
    assert_eq!((ask(&token).await.status, ask(&another).await.status), (200, 200));
    let stranger = TokenKey::ed25519("new").token(&issuer.claims("eyes", &["read"]));
    ask(&stranger).await.problem(503, "issuer_unreachable");
    assert_eq!(world.get("/readyz").await.status, 200);
    let metrics = ask_metrics(&world, &key).await;
    let sample = |name: &str| {
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{name}: {metrics}")).parse::<f64>().unwrap()
    };
    assert_eq!(sample("oidc_keys"), 1.0);
    assert!(sample("oidc_key_fetches_total{result=\"failed\"}") >= 2.0);
    assert!(sample("oidc_key_fetches_total{result=\"fetched\"}") >= 1.0);
    assert!(sample("oidc_keys_fetched_timestamp_seconds") <= now_s() as f64 + 60.0);
    assert!(sample("requests_denied_total{why=\"issuer_unreachable\"}") >= 2.0);
    issuer.comes();
    world.server.reload();
    until("it is there again", async || ask(&stranger).await.status == 401).await;
    let times = || world.server.said().matches("the issuer gives its keys again").count();
    until("it is told, both times", async || times() == 2).await;
}

async fn ask_metrics(world: &World, credential: &str) -> String {
    world.send(&bearing(Call::get("/metrics"), credential)).await.text
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_misbehaves_changes_nothing_and_the_log_says_what_is_wrong() {
    let signer = TokenKey::ed25519("k");
    let issuer = Issuer::open(&[&signer]).await;
    let world = issuer.world(&[]).await;
    let fresh = |number: usize| signer.token(&issuer.claims(&format!("reader-{number}"), &["read"]));
    taken(&world, &fresh(0)).await;
    let wrong = [
        (Manner::AsAnother, "both must be the same letter by letter"),
        (Manner::Huge, "answer_bytes_max (65536 bytes)"),
        (Manner::Redirecting, "redirects are not followed"),
        (Manner::Unreadable, "it is no document of an issuer"),
        (Manner::Failing, "it answers 500"),
        (Manner::KeysElsewhere, "is not https"),
        (Manner::TooManyKeys, "the limit ISSUER_KEYS_MAX is 64"),
    ];
    for (number, (manner, words)) in (1..).zip(wrong) {
        issuer.behave(manner);
        world.server.reload();
        world.server.says(words).await;
        assert_eq!(status(&world, &fresh(number)).await, 200, "{manner:?}");
    }
    // A silent issuer holds up tokens of unknown keys alone, and not for long.
    issuer.behave(Manner::Silent);
    let begun = Instant::now();
    let stranger = TokenKey::ed25519("new").token(&issuer.claims("eyes", &["read"]));
    let waiting = bearing(Call::get("/api/sagas"), &stranger);
    let known = fresh(99);
    let (told, known) = tokio::join!(world.send(&waiting), status(&world, &known));
    told.problem(503, "issuer_unreachable");
    assert!(known == 200 && begun.elapsed() < PATIENCE / 2, "{known}, {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_whose_keys_are_secrets_has_none() {
    let signer = TokenKey::ed25519("k");
    let issuer = Issuer::open(&[&signer]).await;
    let world = issuer.world(&[]).await;
    let claims = issuer.claims("boss", &["admin"]);
    taken(&world, &signer.token(&claims)).await;
    issuer
        .publish_as(vec![json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256", "use": "sig" })]);
    world.server.reload();
    world.server.says("the issuer has no key that signs tokens").await;
    let forged = hmac_signed(&json!({ "alg": "HS256", "kid": "s", "typ": "at+jwt" }), &claims, b"secret");
    for token in [&forged, &signer.token(&claims)] {
        until("it is refused", async || status(&world, token).await == 401).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holders_of_tokens_may_make_so_many_requests_a_second() {
    let signer = TokenKey::ed25519("k");
    let issuer = Issuer::open(&[&signer]).await;
    let world = issuer.world(&["--oidc-requests-per-second", "2"]).await;
    let of = |name: &str, id: &str| {
        let mut claims = issuer.claims(name, &["read"]);
        claims["jti"] = id.into();
        signer.token(&claims)
    };
    taken(&world, &of("quiet", "1")).await;
    let mut statuses = Vec::new();
    for number in 0..40 {
        // The name counts, and not the token.
        let told = world.send(&bearing(Call::get("/api/sagas"), &of("busy", &number.to_string()))).await;
        assert_eq!(told.header("ratelimit-policy"), Some("\"key\";q=2;w=1"));
        if told.status == 429 {
            told.problem(429, "requests_per_second");
        }
        statuses.push(told.status);
    }
    assert!(statuses[..2] == [200, 200] && statuses.contains(&429), "{statuses:?}");
    until("each name has its own", async || status(&world, &of("quiet", "2")).await == 200).await;
    until("it may go on", async || status(&world, &of("busy", "x")).await == 200).await;
}

/// A TLS server for `localhost` in front of `target`, and the PEM text of the authority that vouches for it.
async fn behind_tls(target: SocketAddr) -> (String, u16) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let signing = rcgen::Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&server_key, &signing).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(mut secure) = tls.accept(stream).await else { return };
                let Ok(mut plain) = TcpStream::connect(target).await else { return };
                let _ = copy_bidirectional(&mut secure, &mut plain).await;
            });
        }
    });
    (authority, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_is_asked_over_https_if_its_authority_is_trusted_and_not_otherwise() {
    let signer = TokenKey::p384("k");
    let issuer = Issuer::open(&[&signer]).await;
    let (authority, port) = behind_tls(issuer.address()).await;
    issuer.is_called(&format!("https://localhost:{port}"));
    let token = signer.token(&issuer.claims("eyes", &["read"]));
    let world = issuer.world(&[]).await;
    world.server.says("(--oidc-ca, if it is an issuer)").await;
    world.send(&bearing(Call::get("/api/sagas"), &token)).await.problem(503, "issuer_unreachable");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, authority).unwrap();
    let world = issuer.world(&["--oidc-ca", &file.display().to_string()]).await;
    taken(&world, &token).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_that_would_take_too_much_are_refused_and_an_issuer_alone_is_enough_for_other_addresses() {
    let data = tempfile::tempdir().unwrap();
    let id = "https://id.example.com";
    for (flags, why) in [
        (&["--oidc-issuer", id][..], "--oidc-audience"),
        (&["--oidc-audience", "orders"], "--oidc-issuer"),
        (&["--oidc-role", "a=read"], "--oidc-issuer"),
        (&["--oidc-issuer", "http://id.example.com", "--oidc-audience", "a"], "is not https"),
        (&["--oidc-issuer", "id.example.com", "--oidc-audience", "a"], "no https address"),
        (
            &["--oidc-issuer", id, "--oidc-audience", "a", "--oidc-role", "boss"],
            "--oidc-role boss: write VALUE=ROLE",
        ),
        (&["--oidc-issuer", id, "--oidc-audience", "a", "--oidc-role", "boss=root"], "`root` is no role"),
        (&["--oidc-issuer", id, "--oidc-audience", "a", "--oidc-ca", "/nowhere"], "--oidc-ca /nowhere"),
        (&["--oidc-issuer", id, "--oidc-audience", "a", "--oidc-token-type", "any"], "--oidc-token-type"),
        (&["--oidc-issuer", id, "--oidc-audience", "a", "--oidc-clock-skew-s", "601"], "--oidc-clock-skew-s"),
        (&["--oidc-issuer", id, "--oidc-audience", "a", "--oidc-roles-claim", "a..b"], "--oidc-roles-claim"),
    ] {
        let mut serve = orchestrateur();
        let serve = serve.args(["serve", "--listen", "127.0.0.1:0"]).args(flags);
        let refused = serve.env("DATABASE_URL", database_in(data.path())).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{flags:?}: {said}");
    }
    let signer = TokenKey::ed25519("k");
    let issuer = Issuer::open(&[&signer]).await;
    // Only a process that knows its callers starts at another address than this machine's own.
    let mut serve = orchestrateur();
    let url = issuer.url();
    let serve =
        serve.args(["serve", "--listen", "0.0.0.0:0", "--oidc-issuer", &url, "--oidc-audience", "orders"]);
    let serve =
        serve.env("DATABASE_URL", database_in(data.path())).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut serving = serve.spawn().unwrap();
    let mut log = BufReader::new(serving.stderr.take().unwrap()).lines().map_while(Result::ok);
    let listens = log.any(|line| line.contains("listening on http://0.0.0.0:"));
    let _ = serving.kill();
    let _ = serving.wait();
    assert!(listens);
    let mapped =
        ["--oidc-roles-claim", "realm_access.roles", "--oidc-role", "shop=start", "--oidc-role", "eyes=read"];
    let world = issuer.world(&[&mapped[..], &["--oidc-token-type", "jwt"]].concat()).await;
    let mut claims = issuer.claims("a", &["admin"]);
    claims["realm_access"] = json!({ "roles": ["eyes", "admin"] });
    let token = signer.signed(&json!({ "alg": "EdDSA", "typ": "JWT" }), &claims);
    taken(&world, &token).await;
    let told = world.send(&bearing(request("post", "/api/sagas/{saga}/resume"), &token)).await;
    told.problem(403, "role");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_issuer_by_others_are_taken() {
    let provider = Provider::start();
    let flags = [
        "--oidc-issuer",
        &provider.url,
        "--oidc-audience",
        "orders",
        "--oidc-roles-claim",
        "realm_access.roles",
    ];
    let world = World::with(Shop::open().await, &flags).await;
    taken(&world, &provider.token("read", "urn:orders:RS256").await).await;
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        let resource = format!("urn:orders:{algorithm}");
        let [start, read, none] = ["start", "read", "none"].map(|client| provider.token(client, &resource));
        let (start, read, none) = (start.await, read.await, none.await);
        let saga = world.send(&bearing(Call::checkout(4), &start)).await.expect(200)["saga_id"].clone();
        let path = format!("/api/sagas/{}", saga.as_str().unwrap());
        let shown = world.send(&bearing(Call::get(&path), &read)).await.expect(200);
        assert_eq!(shown["started_by"], "oidc:start", "{algorithm}");
        world.send(&bearing(Call::checkout(4), &read)).await.problem(403, "role");
        world.send(&bearing(Call::checkout(4), &none)).await.problem(403, "role");
    }
    for foreign in ["urn:others:RS256", ""] {
        let token = provider.token("read", foreign).await;
        world.send(&bearing(Call::get("/api/sagas"), &token)).await.problem(401, "unauthenticated");
    }
}
