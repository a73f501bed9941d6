//! Listening and answering, with hyper's server.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait in the kernel. With the usual 128, some of 256 clients that connect at once
/// would wait for a second, until TCP tries again.
const BACKLOG: u32 = 4096;

/// A socket that listens. Prints the address as one line of JSON, which tells a starting program that it may
/// connect.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("listen on {address}"))?;
    let listener = socket.listen(BACKLOG)?;
    println!("{}", serde_json::json!({ "listen": listener.local_addr()?.to_string() }));
    Ok(listener)
}

/// Answers all requests of all connections, for ever.
pub async fn serve<Answering, Answer>(listener: TcpListener, answer: Answering) -> anyhow::Result<()>
where
    Answering: Fn(Request<Incoming>) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let answer = Arc::new(answer);
    loop {
        let (stream, _) = listener.accept().await.context("accept a connection")?;
        stream.set_nodelay(true)?;
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answered = answer(request);
                async move { Ok::<_, Infallible>(answered.await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            // A client that hangs up is no error of the server's: its answers are missing in the client's own
            // count.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
