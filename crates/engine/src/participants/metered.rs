//! A stream that reads so many bytes and no more: whatever an answer is made of, its bytes on the wire are
//! bounded.
//!
//! The parser bounds heads and bodies, but interim answers (1xx), chunk sizes and extensions could go on for
//! as long as a call may take. Counting costs no system call and no allocation per call.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes may still be read: set before each call, counted down by the connection's task.
#[derive(Debug, Default)]
pub(super) struct Allowance(AtomicU64);

impl Allowance {
    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// The answer has more bytes than it may have.
#[derive(Debug, thiserror::Error)]
#[error(
    "the answer with its heads, 1xx answers and chunk sizes has more bytes than twice answer_bytes_max and \
     FRAMING_BYTES_MAX"
)]
struct TooLong;

/// A stream whose reading is bounded by an [`Allowance`].
pub(super) struct Metered<S> {
    stream: S,
    allowance: Arc<Allowance>,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, allowance: Arc<Allowance>) -> Self {
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = polled {
            let read = (buf.filled().len() - before) as u64;
            let left = self.allowance.0.load(Ordering::Relaxed);
            if read > left {
                return Poll::Ready(Err(io::Error::other(TooLong)));
            }
            self.allowance.0.store(left - read, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Does not wait: a peer that reads nothing would keep TLS' last words, and so the connection, for ever.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => Poll::Ready(Ok(())),
            ended => ended,
        }
    }
}
