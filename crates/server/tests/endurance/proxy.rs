//! The proxy itself: what it cuts is cut, and what it stalls comes later.

use std::net::{Ipv4Addr, SocketAddr};

use saga_endurance::proxy::{Proxy, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers everything with the same bytes, for each connection in turn.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a server for this test")]
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
    });
    address
}

async fn through(proxy: &Proxy, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; bytes.len()];
    let mut read = 0;
    while read < answer.len() {
        match stream.read(&mut answer[read..]).await {
            Ok(more) if more > 0 => read += more,
            _ => break,
        }
    }
    answer.truncate(read);
    answer
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes_once() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    assert_eq!(through(&proxy, b"whole").await, b"whole");
    proxy.cut_after(Way::Answer, 3);
    assert_eq!(through(&proxy, b"broken").await, b"bro");
    assert_eq!(through(&proxy, b"whole").await, b"whole");
    proxy.cut_after(Way::Request, 2);
    assert!(through(&proxy, b"broken").await.len() <= 2);
    assert_eq!(proxy.cuts(), 2);
    proxy.cut_after(Way::Answer, 1);
    proxy.forget();
    assert_eq!(through(&proxy, b"whole").await, b"whole");
}

#[tokio::test]
async fn what_is_stalled_comes_later_and_what_is_cut_never() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    proxy.stall(true);
    let mut waiting = Box::pin(through(&proxy, b"late"));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "a stalled connection carries bytes");
    proxy.stall(false);
    assert_eq!(waiting.await, b"late");
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
    proxy.cut();
    assert!(!matches!(stream.read(&mut [0]).await, Ok(read) if read > 0), "it was not cut");
}
