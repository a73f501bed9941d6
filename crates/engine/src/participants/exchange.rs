//! A connection, with one request and one answer over it in HTTP/1.1, in the task of the call.
//!
//! A connection has no task of its own: nobody but the call reads from it, and a connection without a call is looked at before it is used
//! again.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use saga_core::reply::Answer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use super::answer::Wanted;
use super::answer_head::{AnswerHead, BodyForm, parse};
use super::chunks::{Chunk, Chunks};
use super::trust;

/// An answer's status line and headers, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes that one read from a connection takes.
const READ_BYTES_MAX: usize = 16 * 1024;
/// Bytes that an answer may have beyond twice its largest body: heads, 1xx answers, chunk sizes, trailers.
const FRAMING_BYTES_MAX: u64 = 256 * 1024;

/// A request in the form that is sent.
pub(super) type Message = http::Request<Bytes>;

/// An open connection.
pub(super) struct Connection {
    wire: Wire,
    /// Bytes that have been read, and belong to no answer yet.
    read: Vec<u8>,
    /// Bytes that may still be read for this call.
    allowance: u64,
    /// Whether no call may follow: one is under way, or has ended badly, or its answer says so.
    is_spent: bool,
    pub(super) born: Instant,
    pub(super) address: SocketAddr,
}

/// The bytes' way to the participant.
pub(super) enum Wire {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// Why an exchange failed.
pub(super) enum Failed {
    /// The connection took nothing of the request: certainly not sent.
    NotTaken(Box<Message>),
    /// The participant does not let us in, by an alert of TLS. On a new connection: certainly not read.
    Unwelcome(String),
    /// The request may have arrived.
    Lost(String),
    /// The same, because no answer came in time.
    Silent(String),
}

/// A request on its way.
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    is_flushed: bool,
    failure: Option<io::Error>,
}

impl Connection {
    pub(super) fn new(wire: Wire, address: SocketAddr) -> Self {
        Self { wire, read: Vec::new(), allowance: 0, is_spent: false, born: Instant::now(), address }
    }

    /// Whether a call may use it: the participant has neither closed it, nor sent anything that no request has asked for.
    pub(super) fn is_ready(&mut self) -> bool {
        self.look().is_ok()
    }

    /// The same; an error of the connection, if it has one.
    fn look(&mut self) -> Result<(), Option<io::Error>> {
        if self.is_spent {
            return Err(None);
        }
        self.allowance = FRAMING_BYTES_MAX;
        match self.poll_read(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Ok(()),
            Poll::Ready(read) => {
                self.is_spent = true;
                Err(read.err())
            }
        }
    }

    /// Whether the answer to its last call lets another call follow.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Sends `message` and reads the answer to its end, within `limit` from now.
    pub(super) async fn exchange(
        &mut self,
        message: Message,
        wanted: Wanted,
        limit: Duration,
    ) -> Result<Answer, Failed> {
        match self.look() {
            Ok(()) => {}
            Err(Some(error)) if trust::is_unwelcome(&error) => {
                return Err(Failed::Unwelcome(trust::explained(&error)));
            }
            Err(_) => return Err(Failed::NotTaken(Box::new(message))),
        }
        self.is_spent = true;
        self.allowance = 2 * wanted.bytes_max as u64 + FRAMING_BYTES_MAX;
        let mut request = Outgoing::of(&message);
        match timeout(limit, self.converse(&mut request, wanted)).await {
            Ok(Err(_)) if request.sent == 0 => Err(Failed::NotTaken(Box::new(message))),
            Ok(ended) => ended,
            Err(_) => Err(Failed::Silent(format!("no answer within {limit:?}"))),
        }
    }

    async fn converse(&mut self, request: &mut Outgoing, wanted: Wanted) -> Result<Answer, Failed> {
        let head = self.head(request, wanted).await?;
        let body = self.body(request, head.body, wanted.bytes_max).await.map_err(Failed::Lost)?;
        self.is_spent = !head.is_kept || !request.is_sent() || !self.read.is_empty();
        // A connection without a call keeps no memory.
        self.read = Vec::new();
        let AnswerHead { status, retry_after, headers, .. } = head;
        Ok(Answer { status, retry_after, headers, body })
    }

    /// The head of the answer; those of interim answers are dropped.
    async fn head(&mut self, request: &mut Outgoing, wanted: Wanted) -> Result<AnswerHead, Failed> {
        let lost = |why: &dyn std::fmt::Display| Failed::Lost(format!("no answer: {why}"));
        let mut parsed = 0;
        loop {
            // A head that comes byte by byte is not read anew with each.
            if self.read.len() >= 2 * parsed || has_empty_line(&self.read[parsed.saturating_sub(2)..]) {
                match parse(&self.read, wanted).map_err(|why| lost(&why))? {
                    Some(head) => {
                        self.read.drain(..head.length);
                        if !head.is_interim() {
                            return Ok(head);
                        }
                        parsed = 0;
                        if !self.read.is_empty() {
                            continue;
                        }
                    }
                    None => parsed = self.read.len(),
                }
            }
            if self.read.len() >= HEAD_BYTES_MAX {
                return Err(lost(&format_args!(
                    "its head has more than HEAD_BYTES_MAX ({HEAD_BYTES_MAX}) bytes"
                )));
            }
            match self.more(request).await {
                Ok(true) => {}
                Ok(false) => {
                    let closed = || io::Error::other("the connection was closed");
                    return Err(lost(&request.failure.take().unwrap_or_else(closed)));
                }
                Err(error) => {
                    let first = request.failure.take().unwrap_or(error);
                    return Err(if trust::is_unwelcome(&first) {
                        Failed::Unwelcome(trust::explained(&first))
                    } else {
                        lost(&first)
                    });
                }
            }
        }
    }

    /// The body of the answer, to its end.
    async fn body(
        &mut self,
        request: &mut Outgoing,
        form: BodyForm,
        bytes_max: usize,
    ) -> Result<Vec<u8>, String> {
        let too_large = || format!("the answer is larger than answer_bytes_max ({bytes_max} bytes)");
        let broke_off = |why: &dyn std::fmt::Display| format!("the answer broke off: {why}");
        let early = || broke_off(&"the connection was closed before the answer's end");
        match form {
            BodyForm::Length(length) => {
                let length = usize::try_from(length)
                    .ok()
                    .filter(|length| *length <= bytes_max)
                    .ok_or_else(too_large)?;
                while self.read.len() < length {
                    if !self.more(request).await.map_err(|error| broke_off(&error))? {
                        return Err(early());
                    }
                }
                let behind = self.read.split_off(length);
                Ok(std::mem::replace(&mut self.read, behind))
            }
            BodyForm::UntilClose => loop {
                if self.read.len() > bytes_max {
                    return Err(too_large());
                }
                if !self.more(request).await.map_err(|error| broke_off(&error))? {
                    return Ok(std::mem::take(&mut self.read));
                }
            },
            BodyForm::Chunked => {
                let (mut chunks, mut body) = (Chunks::default(), Vec::new());
                loop {
                    let mut rest = &self.read[..];
                    while !rest.is_empty() && !chunks.is_over() {
                        let chunk = chunks.read(rest).map_err(|why| broke_off(&why))?;
                        let (Chunk::Framing(many) | Chunk::Data(many)) = chunk;
                        let (piece, behind) = rest.split_at(many);
                        if matches!(chunk, Chunk::Data(_)) {
                            if many > bytes_max - body.len() {
                                return Err(too_large());
                            }
                            body.extend_from_slice(piece);
                        }
                        rest = behind;
                    }
                    let used = self.read.len() - rest.len();
                    self.read.drain(..used);
                    if chunks.is_over() {
                        return Ok(body);
                    }
                    if !self.more(request).await.map_err(|error| broke_off(&error))? {
                        return Err(early());
                    }
                }
            }
        }
    }

    /// Reads more of the answer, and meanwhile writes the rest of the request: a participant may answer before it has read all of
    /// it. `false`: there is no more.
    async fn more(&mut self, request: &mut Outgoing) -> io::Result<bool> {
        poll_fn(|cx| {
            request.poll_send(&mut self.wire, cx);
            self.poll_read(cx)
        })
        .await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut room = [const { MaybeUninit::uninit() }; READ_BYTES_MAX];
        let mut piece = ReadBuf::uninit(&mut room);
        ready!(self.wire.poll_read(cx, &mut piece))?;
        let piece = piece.filled();
        self.allowance =
            self.allowance.checked_sub(piece.len() as u64).ok_or_else(|| io::Error::other(TOO_LONG))?;
        self.read.extend_from_slice(piece);
        Poll::Ready(Ok(!piece.is_empty()))
    }
}

/// Interim answers, chunk sizes and extensions could otherwise continue for the whole time of a call.
const TOO_LONG: &str = "the answer with its heads, 1xx answers and chunk sizes has more bytes than twice answer_bytes_max and \
     FRAMING_BYTES_MAX";

/// Whether there is an empty line, as behind a head.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

impl Drop for Connection {
    /// Takes leave as TLS wants it, if that needs no waiting.
    fn drop(&mut self) {
        if let Wire::Secure(stream) = &mut self.wire {
            let _ = Pin::new(&mut **stream).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl Wire {
    fn poll_read(&mut self, cx: &mut Context<'_>, piece: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, piece),
            Self::Secure(stream) => Pin::new(&mut **stream).poll_read(cx, piece),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Secure(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Secure(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }
}

impl Outgoing {
    /// The bytes of a request: target, headers and body, with the body's length where the method has one (RFC 9110, 8.6).
    fn of(message: &Message) -> Self {
        let body = message.body();
        let headers: usize =
            message.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let target = message.uri().path_and_query().map_or("/", |target| target.as_str());
        let mut bytes = Vec::with_capacity(64 + target.len() + headers + body.len());
        for part in [message.method().as_str(), " ", target, " HTTP/1.1\r\n"] {
            bytes.extend_from_slice(part.as_bytes());
        }
        for (name, value) in message.headers() {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        if !body.is_empty() || matches!(*message.method(), Method::POST | Method::PUT | Method::PATCH) {
            bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        Self { bytes, sent: 0, is_flushed: false, failure: None }
    }

    fn is_sent(&self) -> bool {
        self.is_flushed
    }

    /// Writes as much as the wire takes now. A failure is kept: there may be an answer all the same.
    fn poll_send(&mut self, wire: &mut Wire, cx: &mut Context<'_>) {
        while self.failure.is_none() && !self.is_flushed {
            let polled = match &self.bytes[self.sent..] {
                [] => wire.poll_flush(cx).map_ok(|()| self.is_flushed = true),
                rest => wire.poll_write(cx, rest).map(|written| match written {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    Ok(many) => {
                        self.sent += many;
                        Ok(())
                    }
                    Err(error) => Err(error),
                }),
            };
            match polled {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => self.failure = Some(error),
                Poll::Pending => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const WANTED: Wanted = Wanted { bytes_max: 1_000, headers: false };
    const SOON: Duration = Duration::from_secs(10);

    /// Both ends of a connection.
    async fn connected() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Connection::new(Wire::Plain(ours.unwrap()), address), theirs.unwrap().0)
    }

    fn post(body: Vec<u8>) -> Message {
        let mut message = Message::new(body.into());
        *message.method_mut() = Method::POST;
        message
    }

    #[tokio::test]
    async fn an_answer_counts_that_comes_before_the_request_has_been_read() {
        let (mut ours, mut theirs) = connected().await;
        let answering = async {
            let mut some = [0; 64];
            theirs.read_exact(&mut some).await.unwrap();
            theirs.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        };
        // More than both ends hold back: it cannot be written to its end.
        let (answer, ()) = tokio::join!(ours.exchange(post(vec![b' '; 64 << 20]), WANTED, SOON), answering);
        let answer = answer.unwrap_or_else(|_| panic!("an answer"));
        assert_eq!((answer.status, &answer.body[..]), (413, &b"no"[..]));
        assert!(ours.is_spent(), "the rest of the request would be the next one's head");
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_or_has_bytes_behind_its_answer_takes_no_further_request() {
        for (behind, closes) in [(&b""[..], true), (b"HTTP/1.1 200 OK\r\n", false)] {
            let (mut ours, mut theirs) = connected().await;
            let answering = async {
                theirs.read_exact(&mut [0; 16]).await.unwrap();
                theirs.write_all(b"HTTP/1.1 204 None\r\n\r\n").await.unwrap();
            };
            let (answer, ()) = tokio::join!(ours.exchange(post(Vec::new()), WANTED, SOON), answering);
            assert!(answer.is_ok() && ours.is_ready());
            theirs.write_all(behind).await.unwrap();
            let open = (!closes).then_some(theirs);
            tokio::time::sleep(Duration::from_millis(50)).await;
            let untouched = ours.exchange(post(b"x".to_vec()), WANTED, SOON).await;
            assert!(matches!(untouched, Err(Failed::NotTaken(message)) if message.body() == "x"));
            drop(open);
        }
    }

    #[tokio::test]
    async fn bytes_that_come_with_an_answer_and_are_not_of_it_end_the_connection() {
        let (mut ours, mut theirs) = connected().await;
        let answering = async {
            theirs.read_exact(&mut [0; 16]).await.unwrap();
            theirs.write_all(b"HTTP/1.1 204 None\r\n\r\nHTTP/1.1 204 None\r\n\r\n").await.unwrap();
        };
        let (answer, ()) = tokio::join!(ours.exchange(post(Vec::new()), WANTED, SOON), answering);
        assert!(answer.is_ok() && ours.is_spent());
    }

    #[test]
    fn a_request_is_written_with_its_length_where_its_method_has_one() {
        let written = |message: &Message| String::from_utf8(Outgoing::of(message).bytes).unwrap();
        assert_eq!(written(&post(Vec::new())), "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
        let mut message = post(b"{}".to_vec());
        *message.uri_mut() = "/a?b=c".parse().unwrap();
        message.headers_mut().insert("host", http::HeaderValue::from_static("shop"));
        assert_eq!(written(&message), "POST /a?b=c HTTP/1.1\r\nhost: shop\r\ncontent-length: 2\r\n\r\n{}");
        let mut message = post(Vec::new());
        *message.method_mut() = Method::GET;
        assert_eq!(written(&message), "GET / HTTP/1.1\r\n\r\n");
    }
}
