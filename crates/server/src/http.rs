//! Accepting connections: an address, a backlog, timeouts, and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

/// Connections that wait to be accepted; a burst of clients must not wait for TCP's retransmission.
const BACKLOG: u32 = 4096;
/// A client must have sent its request's head within this, or is cut off (slowloris).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A request's head may have this many bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Answers under way may take this long once the process goes down.
const LAST_ANSWERS_WAIT: Duration = Duration::from_secs(5);

/// Listens on `address`; port 0 takes a free one.
pub(crate) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bind = || -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().with_context(|| match address.port() {
        0 => format!("listen on {address}"),
        port => format!("listen on {address}: is port {port} taken? Choose another with --listen"),
    })
}

/// Serves until `stop` says so, then waits for answers under way. `stop` changing means: take no more requests.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    loop {
        let stream = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, mostly: wait for some to come back instead of spinning.
                    tracing::warn!(error = %error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        #[expect(clippy::disallowed_methods, reason = "one task for each connection")]
        tokio::spawn(async move {
            // A connection that breaks off is its client's business.
            let _ = connection.await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST_ANSWERS_WAIT, graceful.shutdown()).await;
}
