//! Participants over HTTP/1.1: pooled keep-alive connections, TLS, no redirects.
//!
//! What matters here is telling "certainly not sent" from "lost": the first may always be repeated, the second
//! only where the participant promises that it does no harm. A call counts as lost from the moment that hyper has
//! taken the request for writing.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use saga_core::definition::{Participant, Safety};
use saga_core::reply::{Answer, Reply};
use saga_core::saga::Request;
use saga_core::{Definition, Direction};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::{Calling, Participants};

/// An idle connection is not used again after this. Common servers close theirs after 5 s (uvicorn, Node), and a
/// request that meets the close is lost from sight.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Idle connections kept for one participant.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// An answer's headers that expressions can see.
const ANSWER_HEADERS_MAX: usize = 64;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SAGA_ID: HeaderName = HeaderName::from_static("saga-id");
const SAGA_STEP: HeaderName = HeaderName::from_static("saga-step");
const SAGA_ATTEMPT: HeaderName = HeaderName::from_static("saga-attempt");
const SAGA_EPOCH: HeaderName = HeaderName::from_static("saga-epoch");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("orchestrateur/", env!("CARGO_PKG_VERSION")));

/// Connections to all participants.
pub struct HttpParticipants {
    tls: TlsConnector,
    endpoints: RwLock<HashMap<Uri, Arc<Endpoint>>>,
}

/// The TLS side cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("set up TLS: {0}")]
pub struct SetupError(#[from] rustls::Error);

/// One participant's address.
struct Endpoint {
    host: Box<str>,
    port: u16,
    /// `Some`: speak TLS to this name.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    host_header: HeaderValue,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

type Connection = SendRequest<Full<Bytes>>;

impl HttpParticipants {
    /// Trusts the certificates that the machine trusts, and those in `SSL_CERT_FILE`.
    pub fn new() -> Result<Self, SetupError> {
        let mut roots = rustls::RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::warn!(error = %error, "cannot read some of the trusted certificates");
        }
        roots.add_parsable_certificates(found.certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), endpoints: RwLock::default() })
    }

    fn endpoint(&self, participant: &Participant) -> io::Result<Arc<Endpoint>> {
        let known =
            self.endpoints.read().unwrap_or_else(PoisonError::into_inner).get(&participant.base).cloned();
        if let Some(endpoint) = known {
            return Ok(endpoint);
        }
        let endpoint = Arc::new(Endpoint::new(participant, &self.tls)?);
        let mut endpoints = self.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        Ok(endpoints.entry(participant.base.clone()).or_insert(endpoint).clone())
    }
}

impl Participants for HttpParticipants {
    fn call(&self, definition: &Arc<Definition>, step: usize, request: Request, limit: Duration) -> Calling {
        let endpoint = self.endpoint(definition.participant(step));
        let definition = definition.clone();
        Box::pin(async move {
            match endpoint {
                Ok(endpoint) => endpoint.call(&definition, step, request, limit).await,
                Err(error) => Reply::NotSent { reason: format!("set up the connection: {error}") },
            }
        })
    }
}

impl Endpoint {
    fn new(participant: &Participant, tls: &TlsConnector) -> io::Result<Self> {
        let base = &participant.base;
        let host = base.host().unwrap_or_default();
        let secure = base.scheme_str() == Some("https");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let tls = if secure {
            let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
            Some((tls.clone(), name))
        } else {
            None
        };
        let authority = base.authority().map_or(host, |authority| authority.as_str());
        Ok(Self {
            host: bare.into(),
            port: base.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            tls,
            host_header: HeaderValue::from_str(authority).map_err(io::Error::other)?,
            idle: Mutex::default(),
        })
    }

    async fn call(&self, definition: &Definition, step: usize, request: Request, limit: Duration) -> Reply {
        let participant = definition.participant(step);
        // Where a lost call cannot be repeated, no connection is used that may be closing at the other end.
        let with_headers = definition.call(step, request.direction).is_some_and(|call| call.reads_headers());
        let may_reuse = participant.safety != Safety::None || definition.steps[step].is_read();
        let mut message = match message(participant, &self.host_header, &request) {
            Ok(message) => message,
            Err(error) => return Reply::NotSent { reason: format!("write the request: {error}") },
        };
        let mut pooled = if may_reuse { self.idle_connection() } else { None };
        loop {
            let reused = pooled.is_some();
            let mut connection = match pooled.take() {
                Some(connection) => connection,
                None => match timeout(participant.connect_timeout, self.connect()).await {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(error)) => return Reply::NotSent { reason: format!("connect: {error}") },
                    Err(_) => {
                        let waited = participant.connect_timeout;
                        return Reply::NotSent {
                            reason: format!("connect: no connection within {waited:?}"),
                        };
                    }
                },
            };
            let exchange = async {
                let response = connection.try_send_request(message).await.map_err(Exchange::from)?;
                read(response, participant.answer_bytes_max, with_headers).await
            };
            match timeout(limit, exchange).await {
                Ok(Ok(answer)) => {
                    if may_reuse {
                        self.keep(connection);
                    }
                    return Reply::Answered(answer);
                }
                // The connection was closed before it took the request: certainly not sent.
                Ok(Err(Exchange::NotTaken(untouched))) if reused => message = *untouched,
                Ok(Err(Exchange::NotTaken(_))) => {
                    return Reply::NotSent { reason: "the connection was closed at once".into() };
                }
                Ok(Err(Exchange::Lost(reason))) => return Reply::Lost { reason },
                Err(_) => return Reply::Lost { reason: format!("no answer within {limit:?}") },
            }
        }
    }

    fn idle_connection(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((connection, since)) = idle.pop() {
            if since.elapsed() > IDLE_MAX {
                // The ones below have been idle for longer still.
                idle.clear();
                return None;
            }
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push((connection, Instant::now()));
        }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect((&*self.host, self.port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => open(stream).await,
            Some((tls, name)) => open(tls.connect(name.clone(), stream).await?).await,
        }
    }
}

async fn open<S>(stream: S) -> io::Result<Connection>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Ends when the sender is dropped or the peer closes, which it notices while the connection is idle, too.
    #[expect(clippy::disallowed_methods, reason = "one task for each connection")]
    tokio::spawn(connection);
    Ok(sender)
}

/// How an exchange over a connection failed.
enum Exchange {
    NotTaken(Box<http::Request<Full<Bytes>>>),
    Lost(String),
}

impl From<hyper::client::conn::TrySendError<http::Request<Full<Bytes>>>> for Exchange {
    fn from(mut error: hyper::client::conn::TrySendError<http::Request<Full<Bytes>>>) -> Self {
        match error.take_message() {
            Some(message) => Self::NotTaken(Box::new(message)),
            None => Self::Lost(format!("no answer: {}", chain(error.error()))),
        }
    }
}

fn message(
    participant: &Participant,
    host: &HeaderValue,
    request: &Request,
) -> Result<http::Request<Full<Bytes>>, http::Error> {
    let prefix = participant.base.path().trim_end_matches('/');
    let target: Uri = if prefix.is_empty() {
        request.path.parse()?
    } else {
        format!("{prefix}{}", request.path).parse()?
    };
    let body = request.body.as_ref().map(|json| Bytes::copy_from_slice(json.text().as_bytes()));
    let mut message = http::Request::builder()
        .method(&request.method)
        .uri(target)
        .header(HOST, host)
        .header(ACCEPT, JSON)
        .header(USER_AGENT, AGENT)
        // A structured-field string, as draft-ietf-httpapi-idempotency-key-header has it.
        .header(IDEMPOTENCY_KEY, format!("\"{}\"", request.idempotency_key()))
        .header(SAGA_ID, request.saga.to_string())
        .header(SAGA_STEP, &*request.step)
        .header(SAGA_ATTEMPT, request.attempt.get())
        .header(SAGA_EPOCH, request.epoch.get())
        .header(TRACEPARENT, traceparent(request));
    if body.is_some() {
        message = message.header(CONTENT_TYPE, JSON);
    }
    if let Some(headers) = message.headers_mut() {
        for (name, value) in &participant.headers {
            headers.insert(name, value.clone());
        }
    }
    message.body(Full::new(body.unwrap_or_default()))
}

/// W3C Trace Context: the saga is the trace, the attempt is the span.
fn traceparent(request: &Request) -> String {
    let mut span: u64 = 0xcbf2_9ce4_8422_2325;
    let direction = u8::from(request.direction == Direction::Compensation);
    for byte in request.step.bytes().chain([direction]).chain(request.attempt.get().to_be_bytes()) {
        span = (span ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("00-{}-{:016x}-01", request.saga.as_uuid().simple(), span.max(1))
}

async fn read(
    response: http::Response<Incoming>,
    bytes_max: usize,
    with_headers: bool,
) -> Result<Answer, Exchange> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, bytes_max).collect().await.map_err(|error| {
        Exchange::Lost(if error.is::<LengthLimitError>() {
            format!("the answer is larger than answer_bytes_max ({bytes_max} bytes)")
        } else {
            format!("the answer broke off: {}", chain(&*error))
        })
    })?;
    Ok(Answer {
        status: head.status.as_u16(),
        retry_after: retry_after(&head.headers),
        headers: head
            .headers
            .iter()
            .take(if with_headers { ANSWER_HEADERS_MAX } else { 0 })
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body: body.to_bytes().into(),
    })
}

/// `Retry-After` in either form (RFC 9110, 10.2.3): seconds, or a date. A date is taken relative to the answer's
/// own `Date`, so that no clock of ours is compared with one of theirs.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let date = httpdate::parse_http_date(headers.get(http::header::DATE)?.to_str().ok()?).ok()?;
    until.duration_since(date).ok()
}

/// An error with what caused it: hyper's own words alone say little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
