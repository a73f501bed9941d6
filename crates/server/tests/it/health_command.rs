//! `orchestrateur health`, as a container's supervisor runs it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Output;

use crate::harness::{World, orchestrateur, until};

fn health(arguments: &[&str]) -> Output {
    orchestrateur().arg("health").args(arguments).output().unwrap()
}

#[track_caller]
fn complaint(arguments: &[&str]) -> String {
    let output = health(arguments);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A server that reads one request and answers it with these bytes.
fn answering(answer: impl AsRef<[u8]> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        // The client may have gone before the end of a long answer.
        let _ = stream.write_all(answer.as_ref());
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_well_while_orders_are_taken_and_not_once_it_stops() {
    let world = World::open().await;
    let address = world.server.address.to_string();
    for arguments in [vec!["--listen", &address], vec!["--url", &format!("http://{address}/livez")]] {
        let output = health(&arguments);
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said == "ok\n" || said.contains("\"ready\":true"), "{said}");
    }
    // The variable is the one that `serve` has, so that a container needs to be told once.
    let output = orchestrateur().arg("health").env("ORCHESTRATEUR_LISTEN", &address).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // An address alone asks whether it is ready: `/` answers in any case.
    for url in [format!("http://{address}"), format!("http://{address}/")] {
        let output = health(&["--url", &url]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("\"ready\":true"), "{url}: {said}");
    }
    // An order that keeps the process from ending, so that its last moments can be looked at.
    world.shop.fault("POST /api/clients/*/payer latency=15000");
    world.begin(4).await;
    until("it is under way", async || world.metric("sagas_active").await == 1.0).await;
    world.server.terminate();
    until("it stops", async || world.get("/readyz").await.status == 503).await;
    for arguments in [["--listen", &address], ["--url", &format!("http://{address}")]] {
        let said = complaint(&arguments);
        assert!(said.contains("/readyz: it answers 503") && said.contains("\"stopping\":true"), "{said}");
    }
}

#[test]
fn it_says_what_is_wrong() {
    // A port that is ours, and without a listener.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = silent.local_addr().unwrap().to_string();
    let said = complaint(&["--listen", &closed]);
    assert!(
        said.starts_with(&format!("orchestrateur: ask http://{closed}/readyz: there is no answer")),
        "{said}"
    );

    // Listening everywhere is no address to ask.
    let port = silent.local_addr().unwrap().port();
    for (everywhere, asked) in [("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")] {
        let said = complaint(&["--listen", &format!("{everywhere}:{port}")]);
        assert!(said.contains(&format!("ask http://{asked}:{port}/readyz: ")), "{said}");
    }

    for url in ["ftp://127.0.0.1/readyz", "/readyz", "127.0.0.1:8023"] {
        assert!(complaint(&["--url", url]).contains("this is no HTTP address; write e.g. http://"), "{url}");
    }

    let ask = |address: SocketAddr| complaint(&["--url", &format!("http://{address}")]);
    let said = ask(answering("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops"));
    assert!(said.contains("it answers 500 Internal Server Error: oops"), "{said}");
    let said = ask(answering("this is not HTTP\r\n\r\n"));
    assert!(said.contains("the connection broke off: "), "{said}");
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{}", "x".repeat(100_000));
    let said = ask(answering(long));
    assert!(said.contains("read the answer, of 65536 bytes at most: "), "{said}");
}

/// The kernel accepts the connection and says nothing, for a listener that no program serves.
#[test]
fn it_does_not_wait_for_ever() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let said = complaint(&["--listen", &mute.local_addr().unwrap().to_string()]);
    assert!(said.contains("no answer within 3 s"), "{said}");
}
