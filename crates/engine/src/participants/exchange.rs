//! A connection, with one request and one answer over it.
//!
//! No task of its own serves a connection: whoever has a call on it reads and writes, within the same task, so a call
//! needs no message to another task and no switch to it. An idle connection is looked at when it is taken, and by the
//! pool's sweeper.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
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
    // Dropped before the wire, which then closes in good order.
    sender: SendRequest<Full<Bytes>>,
    wire: Wire,
    allowance: Arc<Allowance>,
    pub(super) born: Instant,
    pub(super) address: SocketAddr,
}

/// Reads and writes, when it is polled: hyper's side of a connection.
struct Wire {
    /// `None`: the connection is over. It is dropped then, which tells a call that it has not taken.
    serving: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
    turns: Arc<Turns>,
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

impl Wire {
    fn poll(&mut self, cx: &mut Context<'_>) {
        // An error is told to the call, if there is one.
        if let Some(serving) = &mut self.serving
            && serving.as_mut().poll(cx).is_ready()
        {
            self.serving = None;
        }
    }

    /// Does all that can be done without waiting.
    fn look(&mut self) {
        self.poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Reads and writes until `call` has ended.
    async fn serve<T>(&mut self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        let waker = Waker::from(self.turns.clone());
        poll_fn(|cx| {
            self.turns.task.register(cx.waker());
            let mut within = Context::from_waker(&waker);
            for _ in 0..TURNS_MAX {
                self.turns.begin();
                if let Poll::Ready(ended) = call.as_mut().poll(&mut within) {
                    return Poll::Ready(ended);
                }
                self.poll(&mut within);
                if self.turns.end() {
                    return Poll::Pending;
                }
            }
            self.turns.stop();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

impl Drop for Wire {
    /// Sends TLS' closing message, as far as that needs no waiting.
    fn drop(&mut self) {
        self.look();
    }
}

/// A call and its wire wake each other while they are polled, and then they are polled again at once. Only what comes from
/// outside wakes their task.
#[derive(Default)]
struct Turns {
    state: AtomicU8,
    task: AtomicWaker,
}

/// Turns before other tasks get theirs: tokio makes whoever has read for too long wait, and wakes it at once.
const TURNS_MAX: usize = 16;
/// Both are being polled.
const POLLING: u8 = 1;
/// One of them has been woken since.
const WOKEN: u8 = 2;

impl Turns {
    fn begin(&self) {
        self.state.store(POLLING, Ordering::Release);
    }

    fn stop(&self) {
        self.state.store(0, Ordering::Release);
    }

    /// Whether neither was woken since the turn began.
    fn end(&self) -> bool {
        self.state.compare_exchange(POLLING, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) & POLLING == 0 {
            self.task.wake();
        }
    }
}

impl Connection {
    /// Whether a call can be made at once: the peer has neither closed the connection nor sent anything since.
    pub(super) fn is_ready(&mut self) -> bool {
        self.wire.look();
        self.sender.is_ready()
    }

    pub(super) fn is_closed(&mut self) -> bool {
        self.wire.look();
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
        match timeout(limit, self.wire.serve(exchange)).await {
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
    let wire = Wire { serving: Some(Box::pin(connection)), turns: Arc::default() };
    Ok(Connection { sender, wire, allowance, born: Instant::now(), address })
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// The peer closes the connection after it was taken, and before the call is polled for the first time.
    #[tokio::test(start_paused = true)]
    async fn a_call_on_a_connection_that_is_over_by_then_is_not_taken() {
        let (ours, theirs) = duplex(1_024);
        let mut connection = open(ours, SocketAddr::from(([127, 0, 0, 1], 1))).await.unwrap();
        assert!(connection.is_ready());
        drop(theirs);
        let message = Message::new(Full::new(Bytes::new()));
        let wanted = Wanted { bytes_max: 1, headers: false };
        let failed = connection.exchange(message, wanted, Duration::from_secs(5)).await;
        assert!(matches!(failed, Err(Failed::NotTaken(_))), "{}", told(failed));
        assert!(connection.is_closed() && !connection.is_ready());
    }

    fn told(failed: Result<Answer, Failed>) -> String {
        match failed {
            Ok(_) => "an answer".to_owned(),
            Err(Failed::NotTaken(_)) => "not taken".to_owned(),
            Err(Failed::Unwelcome(why) | Failed::Lost(why) | Failed::Silent(why)) => why,
        }
    }
}
