//! A small HTTP server: a token endpoint or a participant of a test, which remembers what it was sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Gives the answer to a request, of which it sees the head and the body.
type Answering = dyn Fn(&str) -> Vec<u8> + Send + Sync;

pub struct Desk {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    pub async fn open(answering: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, answering): (Arc<Mutex<Vec<String>>>, Arc<Answering>) =
            (Arc::default(), Arc::new(answering));
        let shared = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone(), answering.clone()));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>, answering: Arc<Answering>) {
    let mut bytes = Vec::new();
    loop {
        let request = loop {
            if let Some(request) = whole(&bytes) {
                break request;
            }
            match stream.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        bytes.drain(..request.len());
        seen.lock().unwrap().push(request.clone());
        let answer = answering(&request);
        // Nothing to say: it is never answered.
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// A request with its body, if all of it has come.
fn whole(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok()?;
    let head = text.find("\r\n\r\n")? + 4;
    let length = header(&text[..head], "content-length").map_or(0, |length| length.parse().unwrap());
    text.get(..head + length).map(str::to_owned)
}

/// A header of a request.
pub fn header<'r>(request: &'r str, name: &str) -> Option<&'r str> {
    request.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

pub fn answer(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
