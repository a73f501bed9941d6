//! One request and its whole answer, over plain HTTP, on a connection of its own.
//!
//! The caller sets all headers, `Host` among them, limits the time, and has the words for each [`ExchangeFailure`].

use std::io;

use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

/// Why there is no answer.
pub(super) enum ExchangeFailure {
    /// There is no connection: nothing was sent.
    NotConnected(io::Error),
    /// The connection ended: the server may have received the request.
    BrokenOff(hyper::Error),
    /// The answer began, and its body broke off or is too long.
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// Sends the request to the server at `authority`, and reads at most `answer_bytes_max` bytes of the answer's body.
pub(super) async fn exchange(
    authority: &Authority,
    request: Request<Body>,
    answer_bytes_max: usize,
) -> Result<Answer, ExchangeFailure> {
    let port = authority.port_u16().unwrap_or(80);
    // An IPv6 address is in brackets in a URL, and without them in a socket's address.
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, port)).await.map_err(ExchangeFailure::NotConnected)?;
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
        _ = connection => exchange.await,
    }
}
