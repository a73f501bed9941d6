//! A client of HTTP/1.1 that runs inside its caller's task.
//!
//! hyper's client has a task and two channels for each connection, which cost the sketches a fifth of their
//! throughput. A limit must not have that cost, and a load generator that shares the machine should be small.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Header lines of an answer that are read.
const HEADERS_MAX: usize = 32;

/// A connection that is kept, with one request under way at a time.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    body: Range<usize>,
    is_reusable: bool,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4096), body: 0..0, is_reusable: true })
    }

    /// Sends a whole request and reads the whole answer; returns its status. [`Connection::body`] has the
    /// body.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.is_reusable = false;
        self.stream.write_all(request).await?;
        self.received.clear();
        let head = loop {
            self.receive().await?;
            if let Some(head) = Head::of(&self.received)? {
                break head;
            }
        };
        self.body = head.bytes..head.bytes + head.body_bytes;
        while self.received.len() < self.body.end {
            self.receive().await?;
        }
        self.is_reusable = head.keeps_connection;
        Ok(head.status)
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.received[self.body.clone()]
    }

    /// Whether another request can be sent: the last answer came whole, and the server keeps the connection.
    pub fn is_reusable(&self) -> bool {
        self.is_reusable
    }

    async fn receive(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The head of an answer, as far as it matters here.
struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
    keeps_connection: bool,
}

impl Head {
    /// `None`: it has not all come yet.
    fn of(received: &[u8]) -> io::Result<Option<Self>> {
        let invalid = |error: httparse::Error| io::Error::new(ErrorKind::InvalidData, error);
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(bytes) = answer.parse(received).map_err(invalid)? else {
            return Ok(None);
        };
        let mut head =
            Self { status: answer.code.unwrap_or(0), bytes, body_bytes: 0, keeps_connection: true };
        for header in answer.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
                head.body_bytes =
                    length.ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a bad length"))?;
            } else if header.name.eq_ignore_ascii_case("connection") {
                head.keeps_connection = !header.value.eq_ignore_ascii_case(b"close");
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                // Nothing that is measured here sends its answers in chunks.
                return Err(io::Error::new(ErrorKind::Unsupported, "an answer in chunks"));
            }
        }
        Ok(Some(head))
    }
}

/// The idle connections to one address. The last one that was used comes first, so that no more are open than
/// are needed.
#[derive(Debug)]
pub struct Pool {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// A pool without connections.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::new(Vec::new()) }
    }

    /// Sends a request over an idle connection, or over a new one. The connection that is returned has the
    /// body; give it back.
    pub async fn exchange(&self, request: &[u8]) -> io::Result<(u16, Connection)> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let status = connection.exchange(request).await?;
        Ok((status, connection))
    }

    /// Keeps the connection for the next request.
    pub fn give_back(&self, connection: Connection) {
        if connection.is_reusable() {
            self.idle().push(connection);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        assert!(Head::of(&text[..30]).unwrap().is_none());
        let head = Head::of(text).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes, head.keeps_connection), (201, 2, false));
        assert_eq!(&text[head.bytes..], b"{}");
    }

    #[test]
    fn a_head_that_cannot_be_trusted_is_an_error() {
        assert!(Head::of(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n").is_err());
        assert!(Head::of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(Head::of(b"SSH-2.0-x\r\n\r\n").is_err());
    }
}
