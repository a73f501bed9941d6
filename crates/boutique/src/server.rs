//! The HTTP side of a service: sockets, limits, the common endpoints, and the execution of faults.
//!
//! This module accepts connections itself, without a framework, because a fault must be able to close a connection
//! without a single byte of answer: the handler then returns [`ConnectionDropped`], and hyper closes the connection.
//!
//! Endpoints of every service: `GET /` (the service's name and endpoints), `GET /ledger`, and `GET`, `POST`, `DELETE
//! /fautes` (`DELETE /fautes/{id}` for one rule). Faults do not apply to these.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    Facon, Service,
    call::{CallRequest, CallerHeaders, JsonAnswer, whole_number},
    client,
    fault::{self, FaultBook, FaultPlan, Instead},
    ledger,
    operation::{Read, Task},
    panier, stock,
    store::FileStore,
    ventes,
};

/// Connections that the kernel may hold before they are accepted; tokio's own 128 is too few for a burst.
const BACKLOG_CONNECTIONS_MAX: u32 = 4_096;
/// Connections open at once; further ones wait in the backlog.
const CONNECTIONS_MAX: usize = 16_384;
/// Largest request body, in bytes: a cart of a thousand lines fits.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Largest head of a request, in bytes; also hyper's buffer for a connection.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a request's head may take to arrive. It also ends idle connections, so it is longer than the 90 s for
/// which common clients keep theirs: otherwise a request could arrive while its connection is being closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stop waits for the requests under way.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a failed accept (no file descriptor left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds and listens.
pub(crate) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a restart can take the port while old connections linger; Linux still refuses a port with a live
    // listener.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG_CONNECTIONS_MAX)
}

/// One listening service.
#[derive(Debug)]
pub(crate) struct ListeningService {
    addr: SocketAddr,
    handler: Arc<Handler>,
    /// Dropping the sender also stops the accept loop and every connection.
    stop: watch::Sender<Stop>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    Drain,
}

impl ListeningService {
    pub(crate) fn start(listener: TcpListener, handler: Arc<Handler>) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(Stop::No);
        #[expect(clippy::disallowed_methods, reason = "one accept loop for each service")]
        let accepting = tokio::spawn(accept(listener, Arc::clone(&handler), stopped));
        Ok(Self { addr, handler, stop, accepting })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn handler(&self) -> &Handler {
        &self.handler
    }

    /// Requests a stop without waiting for it.
    pub(crate) fn begin_stop(self) -> Self {
        self.stop.send_replace(Stop::Drain);
        self
    }

    /// Waits until connections are drained (or their time is over), then closes the file.
    pub(crate) async fn finish(self) {
        if let Err(error) = self.accepting.await {
            tracing::error!(%error, "accept loop ended badly");
        }
        self.handler.store.close().await;
    }
}

async fn accept(listener: TcpListener, handler: Arc<Handler>, mut stop: watch::Receiver<Stop>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
            (slot, listener.accept().await)
        };
        // Dropping the waiting branch loses nothing: a connection that is not yet accepted stays in the backlog.
        let (slot, accepted) = tokio::select! {
            accepted = accepted => accepted,
            _ = stop.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (handler, watcher, mut stop) = (Arc::clone(&handler), graceful.watcher(), stop.clone());
                #[expect(clippy::disallowed_methods, reason = "one task for each connection")]
                tokio::spawn(async move {
                    tokio::select! {
                        () = serve_connection(stream, handler, watcher) => {}
                        // The server was dropped without a stop: end as a crash would.
                        () = abandoned(&mut stop) => {}
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accept connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if *stop.borrow() == Stop::Drain && timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            drain_s = DRAIN_TIMEOUT.as_secs(),
            "stop: requests are still under way, closing anyway"
        );
    }
}

async fn abandoned(stop: &mut watch::Receiver<Stop>) {
    while stop.changed().await.is_ok() {}
}

async fn serve_connection(stream: TcpStream, handler: Arc<Handler>, watcher: Watcher) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "set TCP_NODELAY");
    }
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { handler.handle(request).await.map(response) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended");
    }
}

/// The connection must be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a fault rule dropped the connection")]
pub(crate) struct ConnectionDropped;

/// The data that a connection needs to answer.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(crate) service: Service,
    pub(crate) facon: Facon,
    pub(crate) store: FileStore,
    pub(crate) faults: FaultBook,
}

/// One of the common endpoints, or a task of the service.
enum Route {
    Now(JsonAnswer),
    Ledger(Read),
    Task(Task),
}

impl Handler {
    async fn handle(
        self: Arc<Self>,
        request: http::Request<Incoming>,
    ) -> Result<JsonAnswer, ConnectionDropped> {
        let request = match read(request, self.facon).await {
            Ok(request) => request,
            Err(answer) => return Ok(answer),
        };
        let task = match self.route(&request) {
            Route::Now(answer) => return Ok(answer),
            Route::Ledger(query) => return Ok(self.store.read(query).await),
            Route::Task(task) => task,
        };
        let plan = self.faults.plan(&request.method, &request.path, task.subject(), request.caller.saga_id());
        if plan == FaultPlan::default() {
            return Ok(self.perform(request, task).await);
        }
        // A task of its own, so that a slow request continues after its caller has disconnected.
        #[expect(
            clippy::disallowed_methods,
            reason = "a delayed request is carried out whether its caller waits or not"
        )]
        let carried_out = tokio::spawn(async move { self.perform_with(plan, request, task).await });
        carried_out.await.unwrap_or(Err(ConnectionDropped))
    }

    fn route(&self, request: &CallRequest) -> Route {
        let common = match (request.method.as_str(), request.segments().as_slice()) {
            ("GET", [""]) => Some(Ok(self.about())),
            ("GET", ["ledger"]) => return ledger::read(request).map_or_else(Route::Now, Route::Ledger),
            ("GET", ["fautes"]) => Some(Ok(JsonAnswer::json(200, &self.faults.list()))),
            ("POST", ["fautes"]) => Some(self.add_fault(request)),
            ("DELETE", ["fautes"]) => {
                self.faults.clear();
                Some(Ok(JsonAnswer::json(200, &self.faults.list())))
            }
            ("DELETE", ["fautes", id]) => Some(self.remove_fault(id)),
            (_, ["" | "ledger"]) => Some(Err(method_not_allowed(&["GET"]))),
            (_, ["fautes"]) => Some(Err(method_not_allowed(&["GET", "POST", "DELETE"]))),
            _ => None,
        };
        if let Some(answer) = common {
            return Route::Now(answer.unwrap_or_else(|refusal| refusal));
        }
        let task = match self.service {
            Service::Panier => panier::route(self.facon, request),
            Service::Stock => stock::route(self.facon, request),
            Service::Client => client::route(self.facon, request),
            Service::Ventes => ventes::route(self.facon, request),
        };
        match task {
            Some(Ok(task)) => Route::Task(task),
            Some(Err(answer)) => Route::Now(answer),
            None => Route::Now(match fault::methods_of(self.service, self.facon, &request.path).as_slice() {
                [] => JsonAnswer::detail(404, "Route inconnue"),
                methods => method_not_allowed(methods),
            }),
        }
    }

    async fn perform(&self, request: CallRequest, task: Task) -> JsonAnswer {
        match task {
            Task::Read(_, read) => self.store.read(read).await,
            Task::Write(_, operation) => self.store.write(request, operation).await,
        }
    }

    async fn perform_with(
        &self,
        plan: FaultPlan,
        request: CallRequest,
        task: Task,
    ) -> Result<JsonAnswer, ConnectionDropped> {
        sleep(plan.delay_before).await;
        match plan.instead {
            Some(Instead::Drop) => return Err(ConnectionDropped),
            Some(Instead::Answer(status)) => return Ok(JsonAnswer::detail(status, "Panne provoquée")),
            None => {}
        }
        let answer = self.perform(request, task).await;
        sleep(plan.delay_after).await;
        if plan.drop_answer { Err(ConnectionDropped) } else { Ok(answer) }
    }

    fn about(&self) -> JsonAnswer {
        let routes: Vec<_> = fault::routes(self.service, self.facon)
            .iter()
            .chain(&[("GET", "/ledger"), ("GET", "/fautes"), ("POST", "/fautes"), ("DELETE", "/fautes")])
            .map(|(method, path)| format!("{method} {path}"))
            .collect();
        JsonAnswer::json(
            200,
            &json!({ "service": self.service.to_string(), "facon": self.facon.to_string(), "routes": routes }),
        )
    }

    fn add_fault(&self, request: &CallRequest) -> Result<JsonAnswer, JsonAnswer> {
        #[derive(Deserialize)]
        struct Body {
            regle: String,
        }
        let Body { regle } = request.parse_body()?;
        match self.faults.add_text(&regle) {
            Ok(id) => Ok(JsonAnswer::json(201, &json!({ "id": id, "regle": regle }))),
            Err(error) => Err(JsonAnswer::detail(422, &error.to_string())),
        }
    }

    fn remove_fault(&self, id: &str) -> Result<JsonAnswer, JsonAnswer> {
        let number = whole_number("id", id)?;
        match u64::try_from(number).is_ok_and(|id| self.faults.remove(id)) {
            true => Ok(JsonAnswer::json(200, &self.faults.list())),
            false => Err(JsonAnswer::detail(404, "Règle inconnue")),
        }
    }
}

fn method_not_allowed(methods: &[&str]) -> JsonAnswer {
    JsonAnswer::detail(405, "Méthode non permise").with_header("allow", methods.join(", "))
}

/// Reads head and body into a [`CallRequest`], or returns the error's answer.
async fn read(request: http::Request<Incoming>, facon: Facon) -> Result<CallRequest, JsonAnswer> {
    let (head, body) = request.into_parts();
    let caller = CallerHeaders::read(&head.headers, facon)?;
    let body = match timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(closing(JsonAnswer::detail(
                413,
                &format!("Corps trop grand (limite : {BODY_BYTES_MAX} octets)"),
            )));
        }
        Ok(Err(error)) => {
            return Err(closing(JsonAnswer::detail(400, &format!("Corps de requête illisible : {error}"))));
        }
        Err(_) => {
            let detail = format!("Corps de requête non reçu en {} s", BODY_TIMEOUT.as_secs());
            return Err(closing(JsonAnswer::detail(408, &detail)));
        }
    };
    Ok(CallRequest {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        caller,
        body,
    })
}

/// The rest of the body is unread, so the connection cannot carry another request.
fn closing(answer: JsonAnswer) -> JsonAnswer {
    answer.with_header("connection", "close")
}

fn response(answer: JsonAnswer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
