//! One request and its whole answer, on a connection of its own, with TLS where the address says https.
//!
//! The caller sets all headers, `Host` among them, limits the time, and has the words for each [`ExchangeFailure`].

use std::io;

use anyhow::Context;
use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::trust::{Security, TrustFlags, explained, tls_reason};

/// Where a server is, and how it is reached.
pub(super) struct Destination {
    authority: Authority,
    /// `None`: plain HTTP.
    security: Option<Security>,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

/// Why there is no answer.
pub(super) enum ExchangeFailure {
    /// There is no connection: nothing was sent.
    NotConnected(io::Error),
    /// There is no secure connection, for this reason: the server has read no request.
    NotSecure(String),
    /// The connection ended: the server may have received the request.
    BrokenOff(hyper::Error),
    /// The answer began, and its body broke off or is too long.
    Body(Box<dyn std::error::Error + Send + Sync>),
}

impl Destination {
    /// The server of an address, whose scheme is `http` or `https`. An error: its TLS cannot be set up.
    pub(super) fn of(url: &Uri, trust: &TrustFlags) -> anyhow::Result<Self> {
        let authority = url.authority().context("an address has a host")?.clone();
        let is_secure = url.scheme_str() == Some("https");
        let security = is_secure.then(|| trust.security(host(&authority))).transpose()?;
        Ok(Self { authority, security })
    }

    /// The `Host` header.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }
}

/// The host as names and sockets have it: an IPv6 address is in brackets in a URL alone.
fn host(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

/// Sends the request to the server, and reads at most `answer_bytes_max` bytes of the answer's body.
pub(super) async fn exchange(
    server: &Destination,
    request: Request<Body>,
    answer_bytes_max: usize,
) -> Result<Answer, ExchangeFailure> {
    let port = server.authority.port_u16().unwrap_or(if server.security.is_some() { 443 } else { 80 });
    let stream = TcpStream::connect((host(&server.authority), port)).await;
    let stream = stream.map_err(ExchangeFailure::NotConnected)?;
    let Some(Security { connector, name }) = &server.security else {
        return exchange_on(stream, request, answer_bytes_max).await;
    };
    let secured = connector.connect(name.clone(), stream).await.map_err(|error| {
        let reason = match tls_reason(&error) {
            Some(reason) => explained(reason),
            None => format!("the connection ended during the handshake of TLS ({error}); does it speak TLS?"),
        };
        ExchangeFailure::NotSecure(reason)
    })?;
    // The server's word about the client's certificate may come with the answer.
    exchange_on(secured, request, answer_bytes_max).await.map_err(|failure| match failure {
        ExchangeFailure::BrokenOff(error) => match tls_reason(&error) {
            Some(reason @ rustls::Error::AlertReceived(_)) => ExchangeFailure::NotSecure(explained(reason)),
            _ => ExchangeFailure::BrokenOff(error),
        },
        other => other,
    })
}

async fn exchange_on(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
    answer_bytes_max: usize,
) -> Result<Answer, ExchangeFailure> {
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(ExchangeFailure::BrokenOff)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(ExchangeFailure::BrokenOff)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, answer_bytes_max).collect().await.map_err(ExchangeFailure::Body)?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Answer { status: head.status, headers: head.headers, text })
    };
    tokio::pin!(exchange);
    // The connection has no task of its own: it makes progress while the exchange waits. If it ends first, the bytes
    // that it has received are still to be read.
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => match (exchange.await, ended) {
            // The request was not sent, and the connection has the reason.
            (Err(ExchangeFailure::BrokenOff(error)), Err(reason)) if error.is_canceled() => {
                Err(ExchangeFailure::BrokenOff(reason))
            }
            (answer, _) => answer,
        },
    }
}
