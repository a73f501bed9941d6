//! A client with one request per connection, which distinguishes a refused connection from a lost answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Long enough for anything on a loaded machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The interval of polling.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Waits until `look` returns a value.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for this in vain: {what}");
        sleep(POLL).await;
    }
}

/// Watches for `this_long` whether something happens that should not.
pub async fn within<T>(this_long: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    while begun.elapsed() < this_long {
        if let Some(found) = look().await {
            return Some(found);
        }
        sleep(POLL).await;
    }
    None
}

/// A process that listens, and how a caller is let in there.
#[derive(Clone)]
pub struct ProcessEndpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// `None`: over plain HTTP, without a key.
    pub(crate) entry: Option<Arc<dyn WayIn>>,
}

/// How a caller is let in.
pub(crate) trait WayIn: Send + Sync {
    /// The value of `Authorization`, now.
    fn authorization(&self) -> String;
    /// What the caller trusts.
    fn connector(&self) -> &TlsConnector;
}

impl From<SocketAddr> for ProcessEndpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address, entry: None }
    }
}

impl std::fmt::Display for ProcessEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.address.fmt(f)
    }
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoResponse {
    /// No process listens at the address.
    NotReached,
    /// There was no answer in time.
    Silent,
    /// The connection broke off.
    Lost(String),
}

impl Response {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are text"))
    }

    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// Sends one request and reads the whole answer, which must come within [`PATIENCE`] or break off.
pub async fn send(
    to: impl Into<ProcessEndpoint>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Response, NoResponse> {
    match send_within(PATIENCE, to, method, path, headers, body).await {
        Err(NoResponse::Silent) => panic!("{method} {path}: no answer within {PATIENCE:?}"),
        result => result,
    }
}

/// Sends one request and reads the whole answer, or gives up.
pub async fn send_within(
    patience: Duration,
    to: impl Into<ProcessEndpoint>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Result<Response, NoResponse> {
    let to = to.into();
    let mut request = Request::builder().method(method).uri(path).header("host", to.address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(entry) = &to.entry {
        request = request.header("authorization", entry.authorization());
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Bytes::new, |value| value.to_string().into());
    let request = request.body(Full::new(body)).expect("the request can be written");
    let exchange = async { exchange(connected(&to).await?, request).await };
    timeout(patience, exchange).await.unwrap_or(Err(NoResponse::Silent))
}

/// A connection to a process, under TLS where it speaks that.
pub(crate) async fn connected(to: &ProcessEndpoint) -> Result<Box<dyn AnyStream>, NoResponse> {
    let stream = TcpStream::connect(to.address).await.map_err(|_| NoResponse::NotReached)?;
    match &to.entry {
        None => Ok(Box::new(stream)),
        Some(entry) => Ok(Box::new(encrypted(entry.connector(), to.address, stream).await?)),
    }
}

/// A connection with or without TLS.
pub(crate) trait AnyStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> AnyStream for T {}

/// A connection under TLS. A certificate that the caller does not trust is no accident of the network.
pub(crate) async fn encrypted(
    connector: &TlsConnector,
    address: SocketAddr,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, NoResponse> {
    let connected = connector.connect(ServerName::IpAddress(address.ip().into()), stream).await;
    connected.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            panic!("{address} has a certificate that nobody trusts: {why}")
        }
        _ => NoResponse::Lost(error.to_string()),
    })
}

async fn exchange(stream: Box<dyn AnyStream>, request: Request<Full<Bytes>>) -> Result<Response, NoResponse> {
    let lost = |error: hyper::Error| NoResponse::Lost(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    #[expect(clippy::disallowed_methods, reason = "moves this connection's bytes, and ends with it")]
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(lost)?.into_parts();
    let body = body.collect().await.map_err(lost)?.to_bytes();
    let text = String::from_utf8(body.to_vec()).expect("answers are UTF-8");
    Ok(Response { status: head.status.as_u16(), headers: head.headers, text })
}

/// `GET`, which must be answered with 200.
pub async fn get(address: SocketAddr, path: &str) -> Response {
    let answer = send(address, "GET", path, &[], None).await;
    match answer {
        Ok(answer) if answer.status == 200 => answer,
        other => panic!("GET {path}: {other:?}"),
    }
}
