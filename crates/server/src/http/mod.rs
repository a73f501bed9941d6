//! Accepts connections and limits their use of the process: an address, a backlog, limits, and an orderly end.
//!
//! - `limits.rs`: every limit; `files.rs`: the limit that the operating system sets.
//! - `connections.rs`: the connections, and which one is closed; `activity.rs`: the state of each.
//! - `handshake.rs`: TLS, before the first request of a connection.
//! - `stream.rs`, `service.rs`: a socket and its requests, which record that state.
//! - `caller.rs`: the caller.
//! - `lanes.rs`: the threads on which connections are served.
//!
//! One task accepts connections, and checks all of them every `sweep`. Each connection has its own task, on a lane; ending the
//! task closes the connection.

mod accept_errors;
mod activity;
mod caller;
mod connections;
mod files;
mod handshake;
mod lanes;
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
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use self::accept_errors::AcceptErrors;
use self::activity::ConnectionPhase;
pub use self::caller::CallerAddress;
use self::connections::{ConnectionSlot, Connections};
pub(crate) use self::files::CallFiles;
pub(crate) use self::handshake::Handshaker;
use self::handshake::Secured;
pub(crate) use self::lanes::Lanes;
pub use self::limits::ConnectionLimits;
use self::service::RequestService;
use self::stream::Stream;
use crate::metrics;

/// Connections that wait to be accepted: a burst of clients must not wait for TCP's retransmission.
const BACKLOG: u32 = 4096;
/// Hyper's smallest buffer for heads.
const HEAD_BYTES_MIN: usize = 8_192;

/// Marks a request of a connection beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// `connections_max` connections are at work.
    Full,
    /// The caller has as many connections as one caller may have.
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

/// The same limits, with as many connections as the operating system leaves room for beside calls.
pub(crate) fn fit(limits: ConnectionLimits, calls: CallFiles) -> anyhow::Result<ConnectionLimits> {
    let files = files::limit();
    let connections_max = files::connections(limits.connections_max, files, Lanes::number(), calls)?;
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
    Ok(ConnectionLimits { connections_max, ..limits })
}

/// Serves until `stop` changes, then waits for answers under way. After the change of `stop` it takes no more
/// requests. With a `handshaker`, each connection begins with TLS.
pub(crate) async fn serve(
    listener: TcpListener,
    lanes: &Lanes,
    router: Router,
    (limits, counts): (ConnectionLimits, metrics::ConnectionCounts),
    handshaker: Option<Handshaker>,
    mut stop: watch::Receiver<bool>,
) {
    let front = Front {
        lanes,
        graceful: GracefulShutdown::new(),
        builder: builder(&limits),
        connections: Connections::new(limits, counts.clone()),
        router,
        handshaker: handshaker.map(Arc::new),
        stop: stop.clone(),
    };
    let mut errors = AcceptErrors::new(counts);
    let mut sweeps = interval(limits.sweep);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // An accepted connection for which there is no place yet.
    let mut waiting = None;
    loop {
        waiting = waiting.and_then(|(socket, peer)| front.admit(socket, peer));
        // Meanwhile the next connection waits in the kernel's backlog.
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
    // A client that does not take its answer is still disconnected.
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

fn builder(limits: &ConnectionLimits) -> Builder {
    let mut builder = Builder::new();
    // Hyper's own timeout of heads also counts idle time: `Connections::sweep` distinguishes the two.
    builder.header_read_timeout(None).max_buf_size(limits.head_bytes_max.max(HEAD_BYTES_MIN));
    builder
}

/// Runs a connection on a lane. It has its place until it ends. Ending the task closes the connection.
fn run(
    lane: &Handle,
    place: ConnectionSlot,
    connection: impl Future<Output = ()> + Send + 'static,
) -> AbortHandle {
    let task = lane.spawn(async move {
        let _place = place;
        connection.await;
    });
    task.abort_handle()
}

/// The socket, for which the runtime of this task waits from now on, instead of the one that has accepted it.
fn settle(socket: TcpStream) -> Option<TcpStream> {
    let settled = socket.into_std().and_then(TcpStream::from_std);
    settled.inspect_err(|error| tracing::warn!(%error, "a connection is lost before its first request")).ok()
}

/// The state that accepted connections share.
struct Front<'lanes> {
    lanes: &'lanes Lanes,
    graceful: GracefulShutdown,
    builder: Builder,
    connections: Arc<Connections>,
    router: Router,
    handshaker: Option<Arc<Handshaker>>,
    stop: watch::Receiver<bool>,
}

impl Front<'_> {
    /// Serves a connection from now on; returns it if there is no place for it.
    fn admit(&self, socket: TcpStream, peer: SocketAddr) -> Option<(TcpStream, SocketAddr)> {
        let caller = CallerAddress::from(peer.ip());
        let Some(place) = self.connections.enter(caller) else { return Some((socket, peer)) };
        let _ = socket.set_nodelay(true);
        let crowded = place.crowded;
        let activity = place.activity.clone();
        let router = self.router.clone();
        let requests = RequestService { router, caller, peer: None, crowded, activity: activity.clone() };
        let mut builder = self.builder.clone();
        builder.keep_alive(crowded.is_none());
        let id = place.id();
        // A broken connection concerns only its client.
        let (lane, watcher) = (self.lanes.next(), self.graceful.watcher());
        let task = match &self.handshaker {
            None => run(lane, place, async move {
                let Some(socket) = settle(socket) else { return };
                let stream = TokioIo::new(Stream::new(socket, activity));
                drop(watcher.watch(builder.serve_connection(stream, requests)).await);
            }),
            Some(handshaker) => {
                activity.is(ConnectionPhase::Handshake);
                let (handshaker, mut stop) = (handshaker.clone(), self.stop.clone());
                run(lane, place, async move {
                    let Some(socket) = settle(socket) else { return };
                    let secured = tokio::select! {
                        secured = handshaker.secure(socket, caller, activity) => secured,
                        // A client without TLS has asked for nothing yet.
                        _ = stop.wait_for(|stopped| *stopped) => None,
                    };
                    let Some(Secured { stream, peer }) = secured else { return };
                    let requests = RequestService { peer, ..requests };
                    drop(watcher.watch(builder.serve_connection(TokioIo::new(stream), requests)).await);
                })
            }
        };
        self.connections.runs(id, task);
        None
    }
}
