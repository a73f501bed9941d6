//! Documents of servers that are no participants: within limits of bytes and time, and from the right server alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use saga_engine::participants::Fetcher;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Long enough on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers each request with these bytes; without any, it says nothing and stays. Tells what it was asked for.
async fn answering(bytes: impl Into<Vec<u8>>) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let bytes = bytes.into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4_096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let _ = asked.send(String::from_utf8_lossy(&request[..length]).into_owned());
            let _ = stream.write_all(&bytes).await;
            if bytes.is_empty() {
                silent.push(stream);
            }
        }
    });
    (address, heard)
}

fn answer(status: &str, head: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{head}\r\n{body}", body.len())
}

async fn fetch(address: SocketAddr, within: Duration) -> Result<String, String> {
    let fetcher = Fetcher::trusting("--oidc-ca", None).unwrap();
    let url = format!("http://{address}/keys?of=all").parse().unwrap();
    let fetched = fetcher.fetch(&url, 100, within).await;
    fetched.map(|bytes| String::from_utf8(bytes).unwrap()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_document_is_asked_for_as_its_url_says() {
    let (address, mut heard) = answering(answer("200 OK", "", "{}")).await;
    assert_eq!(fetch(address, PATIENCE).await.as_deref(), Ok("{}"));
    let asked = heard.recv().await.unwrap().to_ascii_lowercase();
    assert!(asked.starts_with("get /keys?of=all http/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {address}\r\n")), "{asked}");
}

#[tokio::test]
async fn only_a_whole_answer_of_the_right_size_and_status_is_a_document() {
    let elsewhere = answering(answer("200 OK", "", "elsewhere")).await;
    let location = format!("location: http://{}/keys\r\n", elsewhere.0);
    let endless =
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", "a\r\n0123456789\r\n".repeat(100));
    for (bytes, why) in [
        (answer("200 OK", "", &"x".repeat(101)), "answer_bytes_max (100 bytes)"),
        (endless, "answer_bytes_max (100 bytes)"),
        (answer("302 Found", &location, ""), "redirects are not followed"),
        (answer("404 Not Found", "", "{}"), "it answers 404"),
        (answer("204 No Content", "", ""), "it answers 204"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{".to_owned(), "broke off"),
        ("hello\r\n\r\n".to_owned(), "no answer"),
    ] {
        let (address, _heard) = answering(bytes.clone()).await;
        let told = fetch(address, PATIENCE).await.unwrap_err();
        assert!(told.contains(why) && told.starts_with("GET http://127.0.0.1:"), "{bytes}: {told}");
    }
    let (_, mut heard) = elsewhere;
    assert!(heard.try_recv().is_err(), "a redirect was followed");
    assert_eq!(
        fetch(answering(answer("200 OK", "", &"x".repeat(100))).await.0, PATIENCE).await.unwrap().len(),
        100
    );
}

#[tokio::test]
async fn a_server_that_is_silent_or_not_there_is_told_in_time() {
    let (silent, _heard) = answering("").await;
    let begun = Instant::now();
    let told = fetch(silent, Duration::from_millis(300)).await.unwrap_err();
    assert!(told.contains("no answer within"), "{told}");
    assert!(begun.elapsed() < PATIENCE);
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    assert!(fetch(gone, PATIENCE).await.unwrap_err().contains("connect"));
    let wrong = Fetcher::trusting("--oidc-ca", Some("no-such-file.pem".as_ref())).unwrap_err().to_string();
    assert!(wrong.contains("--oidc-ca no-such-file.pem: "), "{wrong}");
}
