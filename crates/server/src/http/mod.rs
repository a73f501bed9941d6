//! Accepting connections, and what each may take: an address, a backlog, limits, and an orderly end.
//!
//! - `limits.rs`: every limit; `files.rs`: what the operating system leaves room for.
//! - `connections.rs`: which connections there are, and which has to go; `activity.rs`: what each is doing.
//! - `stream.rs`, `service.rs`: a socket and its requests, which note that.
//! - `caller.rs`: who calls.
//!
//! One task accepts, and looks at all connections every `sweep`; each connection has a task of its own.
//! Closing one is ending its task.

mod accept_errors;
mod activity;
mod caller;
mod connections;
mod files;
mod limits;
mod service;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use self::accept_errors::AcceptErrors;
pub use self::caller::Caller;
use self::connections::Connections;
pub(crate) use self::files::Calls;
pub use self::limits::Limits;
use self::service::Requests;
use self::stream::Stream;
use crate::metrics;

/// Connections that wait to be accepted; a burst of clients must not wait for TCP's retransmission.
const BACKLOG: u32 = 4096;
/// Hyper's smallest buffer for heads.
const HEAD_BYTES_MIN: usize = 8_192;

/// Marks a request that came over a connection for which there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// `connections_max` are at work.
    Full,
    /// Its caller has as many as one caller may have.
    Share,
}

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

/// The same limits with as many connections as the operating system has room for beside calls.
pub(crate) fn fit(limits: Limits, calls: Calls) -> anyhow::Result<Limits> {
    let files = files::limit();
    let connections_max = files::connections(limits.connections_max, files, calls)?;
    if connections_max < limits.connections_max {
        tracing::warn!(
            connections_max,
            files_max = files,
            "connections_max is {connections_max} instead of {}: the process may open {} files, and calls to \
             participants need some; allow more with ulimit -n, or LimitNOFILE= in a systemd unit",
            limits.connections_max,
            files.unwrap_or_default(),
        );
    }
    Ok(Limits { connections_max, ..limits })
}

/// Serves until `stop` says so, then waits for answers under way. `stop` changing means: take no more
/// requests.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    counts: metrics::Connections,
    mut stop: watch::Receiver<bool>,
) {
    let front = Front {
        graceful: GracefulShutdown::new(),
        builder: builder(&limits),
        connections: Connections::new(limits, counts.clone()),
        router,
    };
    let mut errors = AcceptErrors::new(counts);
    let mut sweeps = interval(limits.sweep);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A connection that was accepted, and for which there is no place yet.
    let mut waiting = None;
    loop {
        waiting = waiting.and_then(|(socket, peer)| front.admit(socket, peer));
        // While there is none for the next one, that waits in the kernel's backlog.
        let has_room = waiting.is_none() && front.connections.has_room();
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => break,
            _ = sweeps.tick() => front.connections.sweep(),
            () = front.connections.one_less(), if !has_room => {}
            accepted = listener.accept(), if has_room => match accepted {
                Ok((socket, peer)) => {
                    errors.over();
                    waiting = Some((socket, peer));
                }
                Err(error) => {
                    let wait = errors.met(&error);
                    if !wait.is_zero() {
                        front.connections.make_room();
                        tokio::time::sleep(wait).await;
                    }
                }
            },
        }
    }
    drop(listener);
    // A client that does not take its answer is still cut off.
    let Front { graceful, connections, .. } = front;
    let sweeping = async {
        loop {
            sweeps.tick().await;
            connections.sweep();
        }
    };
    tokio::select! {
        _ = tokio::time::timeout(limits.last_answers_wait, graceful.shutdown()) => {}
        () = sweeping => {}
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    // Hyper's own timeout of heads counts idle time as well: `Connections::sweep` tells the two apart.
    builder.header_read_timeout(None).max_buf_size(limits.head_bytes_max.max(HEAD_BYTES_MIN));
    builder
}

/// What accepted connections are given.
struct Front {
    graceful: GracefulShutdown,
    builder: Builder,
    connections: Arc<Connections>,
    router: Router,
}

impl Front {
    /// Serves a connection from now on; gives it back if there is no place for it.
    fn admit(&self, socket: TcpStream, peer: SocketAddr) -> Option<(TcpStream, SocketAddr)> {
        let caller = Caller::from(peer.ip());
        let Some(place) = self.connections.enter(caller) else { return Some((socket, peer)) };
        let _ = socket.set_nodelay(true);
        let crowded = place.crowded;
        let activity = place.activity.clone();
        let requests = Requests { router: self.router.clone(), caller, crowded, activity: activity.clone() };
        let stream = TokioIo::new(Stream::new(socket, activity));
        let mut builder = self.builder.clone();
        builder.keep_alive(crowded.is_none());
        let connection = self.graceful.watch(builder.serve_connection(stream, requests));
        let id = place.id();
        #[expect(clippy::disallowed_methods, reason = "one task for each connection")]
        let task = tokio::spawn(async move {
            let _place = place;
            // A connection that breaks off is its client's business.
            let _ = connection.await;
        });
        self.connections.runs(id, task.abort_handle());
        None
    }
}
