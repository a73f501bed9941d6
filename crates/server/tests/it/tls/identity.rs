//! Clients' certificates as identities (promise P9): every role at every route, and certificates that are none, no longer one, or
//! not one yet.

use std::time::Duration;

use rcgen::SanType;
use tokio::sync::Mutex;

use super::authority::{Authority, Client, Issued, Kept, dns, ended, ending_in};
use crate::access::{INVALID_TOKEN, KeyRing, PROMISED, ROLES, bearing, flags_of, is_denied, request};
use crate::harness::{Shop, World, until};
use crate::http::Call;

/// Says who the holder of a certificate is.
fn add_certificate(ring: &KeyRing, name: &str, role: &str, san: &str, more: &[&str]) {
    let made = ring.keys(&[&["add", name, "--role", role, "--san", san], more].concat());
    assert!(made.status.success() && made.stdout.is_empty(), "{made:?}");
}

/// A server that asks for certificates, which this authority makes.
async fn world_with_tls(ring: &KeyRing, authority: &Authority) -> World {
    let (folder, keys) = (ring.folder.path(), ring.file());
    let files = authority.server().files(folder, "server");
    let client_ca = authority.file(folder);
    let flags = [&files.flags()[..], &["--tls-client-ca", &client_ca, "--api-keys-file", &keys]].concat();
    World::with(Shop::open().await, &flags).await
}

/// Asks on an open connection until it is told `401`, and gives the answer's body.
async fn refused(connection: Kept) -> String {
    let told = Mutex::new((connection, String::new()));
    until("it is refused", async || {
        let (connection, words) = &mut *told.lock().await;
        let (status, body) = connection.get("/api/sagas").await.unwrap();
        *words = body;
        status == 401
    })
    .await;
    told.into_inner().1
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_by_certificate_reaches_the_routes_that_are_for_it_and_no_others() {
    let (ring, authority, other) = (KeyRing::new(), Authority::new(), Authority::new());
    let holders = ROLES.map(|role| {
        let name = format!("{role}.internal");
        add_certificate(&ring, &format!("a-{role}"), role, &format!("dns:{name}"), flags_of(role));
        (role, Client::showing(&authority, &authority.client(&name)))
    });
    add_certificate(&ring, "late", "admin", "dns:late.internal", &["--expires", "2020-01-01T00:00:00Z"]);
    let key = ring.add("a-key", "read", &[]);
    let world = world_with_tls(&ring, &authority).await;
    let address = world.server.address;
    let showing = |issued: &Issued| Client::showing(&authority, issued);
    let strangers = [
        ("its line has ended", showing(&authority.client("late.internal"))),
        ("its name is not in the file", showing(&authority.client("stranger.internal"))),
        ("it has no name", showing(&authority.issue(&[], |_| {}))),
        ("its name is a wildcard", showing(&authority.issue(&[dns("*.internal")], |_| {}))),
    ];
    // These do not get as far as a request.
    let ended = authority.issue(&[dns("admin.internal")], ended);
    for refused in [&ended, &other.client("admin.internal")] {
        let call = Call::get("/livez");
        assert_eq!(showing(refused).try_send(address, &call).await, None, "it is told in the handshake");
    }
    let without = Client::trusting(&authority);
    for (method, path, roles) in PROMISED {
        let call = request(method, path);
        let is_open = roles.is_empty();
        let told = without.send(address, &call).await;
        assert_eq!(is_denied(&told), !is_open, "{method} {path} without a certificate");
        for (why, stranger) in &strangers {
            let told = stranger.send(address, &call).await;
            if is_open {
                assert!(!is_denied(&told), "{method} {path}: {why}: {told:?}");
            } else {
                told.problem(401, "unauthenticated");
                assert_eq!(told.header("www-authenticate"), Some(INVALID_TOKEN));
            }
        }
        for (role, holder) in &holders {
            let told = holder.send(address, &call).await;
            let allowed = is_open || roles.contains(role);
            assert_eq!(is_denied(&told), !allowed, "{role} at {method} {path}: {told:?}");
            if !allowed {
                told.problem(403, "role");
            }
        }
        // A key decides, where there are both.
        let (starter, admin) = (&holders[0].1, &holders[4].1);
        let told = starter.send(address, &bearing(call.clone(), &key)).await;
        assert_eq!(is_denied(&told), !is_open && !roles.contains(&"read"), "{method} {path}: {told:?}");
        let told = admin.send(address, &bearing(call.clone(), "ork_wrong")).await;
        assert_eq!(is_denied(&told), !is_open, "{method} {path}: {told:?}");
    }
    let denied = holders[4].1.send(address, &Call::get("/metrics")).await.text;
    for why in ["no_key", "bad_key", "role"] {
        let sample = format!("requests_denied_total{{why=\"{why}\"}} ");
        let value = denied.lines().find_map(|line| line.strip_prefix(&sample)).unwrap();
        assert!(value.parse::<f64>().unwrap() > 0.0, "{why}");
    }
    assert!(denied.contains("tls_handshake_failures_total{why=\"client_certificate\"} 2"), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_judged_at_every_request_of_an_open_connection() {
    let (ring, authority) = (KeyRing::new(), Authority::new());
    for name in ["revoked", "short"] {
        add_certificate(&ring, name, "read", &format!("dns:{name}.internal"), &[]);
    }
    let spiffe = "uri:spiffe://example.org/shop";
    add_certificate(&ring, "shop", "start", spiffe, &["--saga", "another", "--requests-per-second", "1000"]);
    let world = world_with_tls(&ring, &authority).await;
    let address = world.server.address;
    let mut revoked = Client::showing(&authority, &authority.client("REVOKED.internal")).keep(address).await;
    let brief = ending_in(Duration::from_secs(6));
    let brief = authority.issue(&[dns("short.internal")], brief);
    let mut brief = Client::showing(&authority, &brief).keep(address).await;
    assert_eq!(revoked.get("/api/sagas").await.unwrap().0, 200);
    assert_eq!(brief.get("/api/sagas").await.unwrap().0, 200);
    assert!(ring.keys(&["revoke", "revoked", "--san", "dns:Revoked.internal"]).status.success());
    assert_eq!(revoked.get("/api/sagas").await.unwrap().0, 200, "not before SIGHUP");
    world.server.reload();
    let of_revoked = refused(revoked).await;
    assert_eq!(refused(brief).await, of_revoked, "the same words");
    let unknown = Client::trusting(&authority).send(address, &bearing(Call::get("/api/sagas"), "x")).await;
    assert_eq!(unknown.text, of_revoked, "the same words as for any bad key");
    // The other members of a line mean the same.
    let san = SanType::URI("spiffe://example.org/shop".try_into().unwrap());
    let shop = Client::showing(&authority, &authority.issue(&[dns("x.org"), san], |_| {}));
    let told = shop.send(address, &Call::checkout(4)).await;
    told.problem(403, "not_this_saga");
    assert_eq!(told.header("ratelimit-policy"), Some("\"key\";q=1000;w=1"));
    world.server.says("a request was refused").await;
}

#[test]
fn the_names_of_certificates_are_added_listed_and_revoked() {
    let ring = KeyRing::new();
    for san in ["dns:Shop.internal", "uri:spiffe://example.org/shop"] {
        add_certificate(&ring, "shop", "start", san, &[]);
    }
    let listed = String::from_utf8(ring.keys(&["list"]).stdout).unwrap();
    assert!(listed.contains("dns:shop.internal") && listed.contains("spiffe://example.org/shop"), "{listed}");
    let text = std::fs::read_to_string(ring.file()).unwrap();
    assert!(text.starts_with(r#"{"name":"shop","role":"start","san":"dns:shop.internal"}"#), "{text}");
    for (arguments, why) in [
        (&["add", "x", "--role", "read", "--san", "dns:SHOP.internal"][..], "this `san` stands here already"),
        (&["revoke", "shop", "--san", "dns:x"], "there is no line of `shop` with the `san` dns:x"),
    ] {
        let refused = ring.keys(arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{arguments:?}: {said}");
    }
    assert!(ring.keys(&["revoke", "shop", "--san", "dns:shop.INTERNAL"]).status.success());
    let kept = std::fs::read_to_string(ring.file()).unwrap();
    assert_eq!(kept.lines().count(), 1, "{kept}");
    let wildcard = ring.keys(&["add", "x", "--role", "read", "--san", "dns:*.internal"]);
    assert!(String::from_utf8_lossy(&wildcard.stderr).contains("without a wildcard"), "{wildcard:?}");
}
