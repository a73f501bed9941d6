//! A connection, with one request and one answer over it.

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
use super::metered::{Allowance, MeteredStream};
use super::trust;

/// An answer's status line and headers, and separately its trailers, in bytes. (hyper limits their number to 100.)
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes that are read ahead from one connection.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes that an answer may have beyond twice its largest body: heads, 1xx answers, chunk sizes, trailers.
const FRAMING_BYTES_MAX: u64 = 256 * 1024;

/// A request in the form that is sent.
pub(super) type Message = http::Request<Full<Bytes>>;

/// An open connection without a call.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    allowance: Arc<Allowance>,
    pub(super) born: Instant,
    pub(super) address: SocketAddr,
}

/// Why an exchange failed.
pub(super) enum Failed {
    /// The connection was closed before it took the request: certainly not sent.
    NotTaken(Box<Message>),
    /// The participant does not let us in, by an alert of TLS. On a new connection: certainly not read.
    Unwelcome(String),
    /// The request may have arrived.
    Lost(String),
    /// The same, because no answer came in time.
    Silent(String),
}

impl Connection {
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends `message` and reads the answer to its end, within `limit` from now.
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
        None => match unwelcome(error.error()) {
            Some(reason) => Failed::Unwelcome(reason),
            None => Failed::Lost(format!("no answer: {}", chain(error.error()))),
        },
    }
}

/// The participant's word that it does not let us in, if the error is that.
fn unwelcome(error: &hyper::Error) -> Option<String> {
    let io: &io::Error = std::error::Error::source(error)?.downcast_ref()?;
    trust::is_unwelcome(io).then(|| trust::explained(io))
}

/// Begins HTTP/1.1 on `stream`.
pub(super) async fn open<S>(stream: S, address: SocketAddr) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let allowance = Arc::new(Allowance::default());
    let stream = MeteredStream::new(stream, allowance.clone());
    let (sender, connection) = Builder::new()
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(READ_AHEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // Ends when the sender is dropped or the peer closes; it also notices a close while the connection is idle.
    #[expect(clippy::disallowed_methods, reason = "one task for each connection")]
    tokio::spawn(connection);
    Ok(Connection { sender, allowance, born: Instant::now(), address })
}
