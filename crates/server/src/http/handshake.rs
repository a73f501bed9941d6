//! TLS on a connection that has been accepted: in the connection's own task, so that a slow client holds up itself alone.
//!
//! The phase `Handshake` limits the time, and the connection has its place among all others from its first byte on.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::CallerAddress;
use super::activity::{Activity, ConnectionPhase};
use super::stream::Stream;
use crate::metrics::{HandshakeFailed, TlsCounts};
use crate::tls::{PeerCertificate, ServerTls};

/// The log has a line about failed handshakes this often at most.
const HANDSHAKE_FAILURES_TOLD_EVERY: Duration = Duration::from_secs(60);
/// How long a client whose handshake failed may send on, until it has read why.
const LAST_WORD_WAIT: Duration = Duration::from_secs(1);
/// Bytes that such a client may send.
const LAST_WORD_BYTES_MAX: u64 = 65_536;

/// Makes connections secure.
pub(crate) struct Handshaker {
    tls: Arc<ServerTls>,
    counts: TlsCounts,
    /// The answer to a client that speaks HTTP without TLS.
    without_tls: String,
    told: Mutex<FailuresTold>,
}

/// What the log has about failures.
#[derive(Default)]
struct FailuresTold {
    at: Option<Instant>,
    /// Failures since then.
    untold: u64,
}

/// A connection after its handshake.
pub(super) struct Secured {
    pub(super) stream: TlsStream<Stream>,
    /// The client, if it showed a certificate.
    pub(super) peer: Option<Arc<PeerCertificate>>,
}

impl Handshaker {
    /// `problem`: the body of the answer to a client that speaks HTTP without TLS.
    pub(crate) fn new(tls: Arc<ServerTls>, counts: TlsCounts, problem: &str) -> Self {
        let length = problem.len();
        let without_tls = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{problem}"
        );
        Self { tls, counts, without_tls, told: Mutex::default() }
    }

    /// Shakes hands. `None`: the connection is over, and why is counted.
    ///
    /// *Cancel point:* dropping it closes the connection.
    pub(super) async fn secure(
        &self,
        mut socket: TcpStream,
        caller: CallerAddress,
        activity: Arc<Activity>,
    ) -> Option<Secured> {
        let mut first = [0];
        match socket.peek(&mut first).await {
            // Load balancers look whether a port is open.
            Ok(0) => return None,
            Ok(_) if first[0].is_ascii_alphabetic() => {
                self.failed(HandshakeFailed::PlainHttp, caller, &"it speaks HTTP without TLS");
                let _ = timeout(LAST_WORD_WAIT, send_away(&mut socket, &self.without_tls)).await;
                return None;
            }
            Ok(_) => {}
            Err(error) => {
                self.failed(HandshakeFailed::BrokenOff, caller, &error);
                return None;
            }
        }
        let handshakes = self.tls.handshakes();
        let acceptor = TlsAcceptor::from(handshakes.config());
        let stream = match acceptor.accept(Stream::new(socket, activity.clone())).into_fallible().await {
            Ok(stream) => stream,
            Err((error, mut stream)) => {
                let why = why(&error);
                self.failed(why, caller, &error);
                // TLS has told the client why.
                if why != HandshakeFailed::BrokenOff {
                    let _ = timeout(LAST_WORD_WAIT, end(&mut stream)).await;
                }
                return None;
            }
        };
        let peer = match handshakes.peer(stream.get_ref().1.peer_certificates()) {
            Ok(peer) => peer.map(Arc::new),
            // Verified and unreadable: the connection stays, and its client is without a name.
            Err(error) => {
                tracing::debug!(%caller, "a client's certificate names nobody: {error:#}");
                None
            }
        };
        activity.is(ConnectionPhase::Head);
        Some(Secured { stream, peer })
    }

    fn failed(&self, why: HandshakeFailed, caller: CallerAddress, error: &dyn std::fmt::Display) {
        self.counts.failed(why);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.at.is_some_and(|at| at.elapsed() < HANDSHAKE_FAILURES_TOLD_EVERY) {
            told.untold += 1;
            return;
        }
        let untold = std::mem::take(&mut told.untold);
        told.at = Some(Instant::now());
        drop(told);
        tracing::warn!(
            %caller,
            why = <&str>::from(why),
            untold,
            "a handshake failed: {error}; {untold} others failed since the last such line, and tls_handshake_failures_total counts \
             all"
        );
    }
}

/// The reason, by the side that ended the handshake.
fn why(error: &io::Error) -> HandshakeFailed {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => HandshakeFailed::ClientCertificate,
        Some(rustls::Error::AlertReceived(_)) => HandshakeFailed::ByClient,
        Some(_) => HandshakeFailed::Protocol,
        None => HandshakeFailed::BrokenOff,
    }
}

async fn send_away(socket: &mut TcpStream, answer: &str) -> io::Result<()> {
    socket.write_all(answer.as_bytes()).await?;
    end(socket).await
}

/// Sends no more, and reads what the client still sends: closed with unread bytes, a connection is reset, and the last word with it.
async fn end(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(LAST_WORD_BYTES_MAX), &mut tokio::io::sink()).await.map(drop)
}
