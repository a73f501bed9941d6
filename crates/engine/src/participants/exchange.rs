//! A connection, and one request and one answer over it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use saga_core::reply::Answer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::answer::{Wanted, chain, read};
use super::metered::{Allowance, Metered};

/// An answer's status line and headers, and apart from them its trailers, in bytes. (Their number is bounded
/// by hyper: 100.)
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// What is read ahead of one connection, in bytes.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// What an answer may have beside twice its largest body, in bytes: heads, 1xx answers, chunk sizes,
/// trailers.
const FRAMING_BYTES_MAX: u64 = 256 * 1024;

/// A request as it goes out.
pub(super) type Message = http::Request<Full<Bytes>>;

/// An open connection that no call uses.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    allowance: Arc<Allowance>,
    pub(super) born: Instant,
    pub(super) address: SocketAddr,
}

/// How an exchange failed.
pub(super) enum Failed {
    /// The connection was closed before it took the request: certainly not sent.
    NotTaken(Box<Message>),
    /// The request may have arrived.
    Lost(String),
    /// The same, and nothing was heard of it in time.
    Silent(String),
}

impl Connection {
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends `message` and reads the answer to its end, within `limit` from here.
    pub(super) async fn exchange(
        &mut self,
        message: Message,
        wanted: Wanted,
        limit: Duration,
    ) -> Result<Answer, Failed> {
        self.allowance.set(2 * wanted.bytes_max as u64 + FRAMING_BYTES_MAX);
        let exchange = async {
            let response = self.sender.try_send_request(message).await.map_err(not_taken)?;
            read(response, wanted).await.map_err(Failed::Lost)
        };
        match timeout(limit, exchange).await {
            Ok(ended) => ended,
            Err(_) => Err(Failed::Silent(format!("no answer within {limit:?}"))),
        }
    }
}

fn not_taken(mut error: TrySendError<Message>) -> Failed {
    match error.take_message() {
        Some(message) => Failed::NotTaken(Box::new(message)),
        None => Failed::Lost(format!("no answer: {}", chain(error.error()))),
    }
}

/// Begins to speak HTTP/1.1 over `stream`.
pub(super) async fn open<S>(stream: S, address: SocketAddr) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let allowance = Arc::new(Allowance::default());
    let stream = Metered::new(stream, allowance.clone());
    let (sender, connection) = Builder::new()
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(READ_AHEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Ends when the sender is dropped or the peer closes, which it notices while the connection is idle, too.
    #[expect(clippy::disallowed_methods, reason = "one task for each connection")]
    tokio::spawn(connection);
    Ok(Connection { sender, allowance, born: Instant::now(), address })
}
