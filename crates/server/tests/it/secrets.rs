//! What a run leaves behind (log, journal, answers, metrics, arguments) has none of the secrets that the run was given.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use saga_testkit::definition::change;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Shop, World, orchestrateur, until};
use crate::http::Call;
use crate::sessions::Cookies;

const CHECKOUT: &str = include_str!("../../../../sagas/checkout.yaml");

/// All files below a folder, as bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

fn has(text: &[u8], secret: &str) -> bool {
    text.windows(secret.len()).any(|part| part == secret.as_bytes())
}

/// The client's secret, and the token that it gets for it.
const CLIENT_SECRET: &str = "s3cret-of-the-client-at-the-token-endpoint";
const ACCESS_TOKEN: &str = "s3cret-access-token";

/// A token endpoint that at first repeats what it was sent as its error.
fn token_endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let echo = format!(r#"{{"error":"{CLIENT_SECRET}","error_description":"{CLIENT_SECRET}"}}"#);
        give(listener.accept().unwrap().0, 400, &echo);
        for stream in listener.incoming().map_while(Result::ok) {
            give(stream, 200, &format!(r#"{{"access_token":"{ACCESS_TOKEN}","token_type":"Bearer"}}"#));
        }
    });
    address
}

/// Reads a request, but for its body, and answers it.
fn give(stream: TcpStream, status: u16, body: &str) {
    let mut lines = BufReader::new(&stream).lines();
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = (&stream).write_all(answer.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_run_leaves_behind_has_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let (keys, secret_file, definition) = (place("keys"), place("secret"), place("checkout.yaml"));
    let in_file = "s3cret-of-a-participant-in-a-file";
    std::fs::write(&secret_file, in_file).unwrap();
    let signing_key = place("signing.pem");
    let made = orchestrateur().args(["signing-keys", "new", "--file", &signing_key]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    // The first characters say which kind of key it is; the others are of the key.
    let signing_secret =
        std::fs::read_to_string(&signing_key).unwrap().lines().nth(1).unwrap()[24..].to_owned();
    let headers = format!("headers: {{ X-Api-Key: '${{file:{secret_file}}}' }}, sign: true, safety: barrier");
    let source = change(CHECKOUT).swap(
        "\"${CLIENT_URL:-http://client-service:8000}\", safety: barrier",
        &format!("\"${{CLIENT_URL:-http://client-service:8000}}\", {headers}"),
    );
    let [token, password, client] = ["token", "password", "client"].map(|name| {
        std::fs::write(place(name), format!("s3cret-of-the-file-{name}\n")).unwrap();
        place(name)
    });
    std::fs::write(&client, CLIENT_SECRET).unwrap();
    let oauth2 = format!(
        "{{ oauth2: {{ token_url: 'http://{}/', client_id: shop, client_secret: '${{file:{client}}}' }} }}",
        token_endpoint()
    );
    let source = source
        .add("participants.stock.auth", &format!("{{ bearer: '${{file:{token}}}' }}"))
        .add(
            "participants.ventes.auth",
            &format!("{{ basic: {{ user: shop, password: '${{file:{password}}}' }} }}"),
        )
        .add("participants.panier.auth", &oauth2);
    std::fs::write(&definition, source.text()).unwrap();
    let made = |name: &str, role: &str| {
        let command = ["keys", "add", name, "--role", role, "--file", &keys];
        String::from_utf8(orchestrateur().args(command).output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let (shop, ops) = (made("shop", "start"), made("ops", "admin"));
    let wrong = format!("ork_{}", "5".repeat(64));
    let flags = [
        "--definition",
        &definition,
        "--api-keys-file",
        &keys,
        "--signing-key",
        &signing_key,
        "--log",
        "trace",
    ];
    let world = World::with(Shop::open().await, &flags).await;
    let bearing = |call: Call, key: &str| call.header("authorization", format!("Bearer {key}"));

    // A payment that is refused and cannot be undone: its call is shown, and its service's words are.
    world.shop.fault("POST /api/ventes status=500");
    world.shop.fault("POST /api/clients/*/rembourser status=500");
    let order = bearing(Call::checkout(4).prefer("respond-async"), &shop);
    let saga = world.send(&order).await.expect(202)["saga_id"].as_str().unwrap().to_owned();
    let mut answers = Vec::new();
    until("it is blocked", async || {
        let shown = world.send(&bearing(Call::get(&format!("/api/sagas/{saga}")), &ops)).await;
        shown.json()["rollback"] == "blocked"
    })
    .await;
    for path in [
        format!("/api/sagas/{saga}"),
        format!("/api/sagas/{saga}/history?detail=steps"),
        format!("/api/commande/{saga}"),
        format!("/api/commande/{saga}/historique?detail=etapes"),
        "/api/sagas".to_owned(),
        "/api/commandes?rollback=BLOQUE".to_owned(),
        "/api/definitions".to_owned(),
        "/api/definitions/checkout".to_owned(),
        "/api/participants".to_owned(),
        "/metrics".to_owned(),
        "/openapi.json".to_owned(),
        "/readyz".to_owned(),
        "/.well-known/jwks.json".to_owned(),
    ] {
        for key in [&ops, &wrong] {
            answers.push(world.send(&bearing(Call::get(&path), key)).await.text);
        }
    }
    // A person signs in to the console, in vain and then not; the key and the cookie are in nothing but what the browser has.
    let address = world.server.address;
    let mut browser = Cookies::default();
    for key in [&wrong, &ops] {
        answers.push(browser.sign_in(address, key).await.text);
        answers.push(browser.get(address, "/console/").await.text);
        answers.push(browser.get(address, "/console/sign-in").await.text);
    }
    let cookies: Vec<String> = browser.kept.values().cloned().collect();
    assert_eq!(cookies.len(), 2, "of a session, and of forms");
    let resume = Call::post(&format!("/api/sagas/{saga}/resume")).json(&json!({ "reason": "try" }));
    answers.push(world.send(&bearing(resume.clone(), &ops)).await.text);
    answers.push(world.send(&bearing(resume, &wrong)).await.text);
    let process = world.server.id();
    let arguments = std::fs::read(format!("/proc/{process}/cmdline")).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let of_dumps = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(of_dumps.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "a core dump has secrets");
    let mut left = files(world.data.path());
    left.push(("the log".to_owned(), world.server.said().into_bytes()));
    left.push(("the arguments".to_owned(), arguments));
    left.push(("the answers".to_owned(), answers.concat().into_bytes()));
    left.push(("the keys file".to_owned(), std::fs::read(&keys).unwrap()));
    for secret in [&shop, &ops, &wrong] {
        for (place, bytes) in &left {
            assert!(!has(bytes, &secret[4..]), "{place} has a key");
        }
    }
    for cookie in &cookies {
        let bits = BASE64_URL_SAFE_NO_PAD.decode(cookie).unwrap();
        let digits: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
        for (place, bytes) in &left {
            let has_bits = bytes.windows(bits.len()).any(|part| part == bits);
            assert!(!has(bytes, cookie) && !has(bytes, &digits) && !has_bits, "{place} has a cookie");
        }
    }
    let basic = |user: &str, password: &str| BASE64_STANDARD.encode(format!("{user}:{password}"));
    let secrets = [
        in_file.to_owned(),
        "s3cret-of-the-file-token".to_owned(),
        "s3cret-of-the-file-password".to_owned(),
        basic("shop", "s3cret-of-the-file-password"),
        CLIENT_SECRET.to_owned(),
        basic("shop", CLIENT_SECRET),
        ACCESS_TOKEN.to_owned(),
    ];
    for (place, bytes) in &left {
        for secret in &secrets {
            assert!(!has(bytes, secret), "{place} has a participant's secret, {secret}");
        }
        assert!(!has(bytes, &signing_secret), "{place} has the signing key");
    }
    assert!(
        left.iter().any(|(_, bytes)| has(bytes, "a credential is there again")),
        "the log tells of the endpoint"
    );
    // The search finds what is there.
    let session = BASE64_URL_SAFE_NO_PAD.decode(&browser.kept["orchestrateur-session"]).unwrap();
    let hash = Sha256::digest(&session);
    assert!(
        left.iter().any(|(_, bytes)| bytes.windows(32).any(|part| part == &hash[..])),
        "the journal has the session"
    );
    assert!(left.iter().any(|(_, bytes)| has(bytes, "\"shop\"")), "the journal has the caller's name");
}
