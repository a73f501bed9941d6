//! The ends of sessions: by hand, by time, and with their keys, at every process.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Cookies, PAGE, SIGN_IN, SIGN_OUT};
use crate::access::{KeyRing, bearing};
use crate::harness::{Server, Shop, until};
use crate::http::{Call, PATIENCE, send};

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
async fn an_open_stream_of_the_console_ends_with_its_session() {
    let ring = KeyRing::new();
    let (ana, bo) = (ring.add("ana", "read", &[]), ring.add("bo", "read", &[]));
    let world = ring.world().await;
    let address = world.server.address;
    let mut browsers =
        [Cookies::of(address, &ana).await, Cookies::of(address, &ana).await, Cookies::of(address, &bo).await];
    let mut streams = Vec::new();
    for browser in &browsers {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let call = browser.with(Call::get("/console/events")).header("accept", "text/event-stream");
        stream.write_all(&call.bytes()).await.unwrap();
        let mut head = vec![0; 15];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(head, b"HTTP/1.1 200 OK");
        streams.push(stream);
    }
    let mut rest = Vec::new();
    // Longer than it takes to look whether the client may still listen.
    for stream in &mut streams {
        let more = timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await;
        assert!(more.is_err(), "it goes on while its session does");
    }
    browsers[0].get(address, SIGN_IN).await;
    browsers[0].post(address, SIGN_OUT, &[]).await;
    timeout(PATIENCE, streams[0].read_to_end(&mut rest)).await.expect("signed out").unwrap();
    assert!(
        timeout(Duration::from_secs(3), streams[1].read_to_end(&mut rest)).await.is_err(),
        "another browser"
    );
    assert!(ring.keys(&["revoke", "ana"]).status.success());
    world.server.reload();
    timeout(PATIENCE, streams[1].read_to_end(&mut rest)).await.expect("its key is gone").unwrap();
    assert!(timeout(Duration::from_secs(3), streams[2].read_to_end(&mut rest)).await.is_err(), "another key");
}
