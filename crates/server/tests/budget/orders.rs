//! The caller: orders with keys, one after the other on one kept connection, or by many callers.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A client whose orders are confirmed.
const CLIENT: i64 = 7;

/// A caller with a connection.
pub(crate) struct Caller {
    connection: SendRequest<Full<Bytes>>,
    host: String,
    name: String,
    orders: usize,
}

impl Caller {
    /// Connects. The name is part of the orders' keys: no two callers of a process may have the same.
    pub(crate) async fn connect(to: SocketAddr, name: &str) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        // As every client with kept connections does; without it, each request could wait for an acknowledgement.
        stream.set_nodelay(true).unwrap();
        let (connection, task) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(task);
        Self { connection, host: to.to_string(), name: name.to_owned(), orders: 0 }
    }

    /// Places one order, which must be confirmed.
    pub(crate) async fn order(&mut self) {
        self.orders += 1;
        // Of one length for all.
        let key = format!("{}-{:06}", self.name, self.orders);
        let body = format!("{{\"client_id\":{CLIENT},\"magasin_id\":1}}");
        let request = Request::post("/api/commande/checkout")
            .header("host", &self.host)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        self.connection.ready().await.unwrap();
        let answer = self.connection.send_request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(status == 200 && text.contains("CONFIRMEE"), "{status}: {text}");
    }

    /// Places so many orders, one after the other.
    pub(crate) async fn orders(&mut self, count: usize) {
        for _ in 0..count {
            self.order().await;
        }
    }
}

/// How long a process without orders is watched.
pub(crate) const IDLE: Duration = Duration::from_secs(2);

/// Orders that were counted together.
pub(crate) struct Orders {
    pub(crate) count: usize,
    /// Seconds that they took.
    pub(crate) seconds: f64,
    /// Entries of the journal that they took, of those that they need: a slow machine adds some.
    pub(crate) entries: f64,
}

impl Orders {
    /// How often each order does what was done so many `times`, and so often `by_itself` in a process without orders for [`IDLE`].
    pub(crate) fn each(&self, times: u64, by_itself: u64, is_of_entries: bool) -> f64 {
        let background = by_itself as f64 / IDLE.as_secs_f64() * self.seconds;
        let each = (times as f64 - background) / self.count as f64;
        if is_of_entries { each / self.entries } else { each }.round().max(0.0)
    }
}

/// Seconds since the epoch, by the clock that strace tells the times of.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}
