//! A closed loop: each connection places an order, waits for the answer, and places the next one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use uuid::Builder;

use crate::client::Connection;
use crate::clients::Clients;
use crate::tally::Tally;

/// A connection that failed is not tried again before this.
const AGAIN_AFTER: Duration = Duration::from_millis(10);

/// The orders of a run.
#[derive(Debug, Clone)]
pub struct Orders {
    /// The path of each request.
    pub path: String,
    /// Whose orders they are: each client in turn.
    pub clients: Clients,
    /// The shop in each order.
    pub shop: i64,
    /// Whether each order has an `Idempotency-Key` of its own, as callers should send one.
    pub keys: bool,
    /// Whether the caller asks for the answer that comes before the order is over.
    pub respond_async: bool,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// When a run ends, for all connections together.
#[derive(Debug)]
pub struct Course {
    placed: AtomicU64,
    orders_max: Option<u64>,
    end: Option<Instant>,
    is_stopped: AtomicBool,
}

impl Course {
    /// Until so many orders are placed, or until then, or until [`Course::stop`].
    pub fn new(orders_max: Option<u64>, end: Option<Instant>) -> Self {
        Self { placed: AtomicU64::new(0), orders_max, end, is_stopped: AtomicBool::new(false) }
    }

    /// Ends the run once the orders under way have their answers.
    pub fn stop(&self) {
        self.is_stopped.store(true, Relaxed);
    }

    /// The number of the next order.
    fn next(&self) -> Option<u64> {
        if self.is_stopped.load(Relaxed) || self.end.is_some_and(|end| Instant::now() >= end) {
            return None;
        }
        let number = self.placed.fetch_add(1, Relaxed);
        self.orders_max.is_none_or(|max| number < max).then_some(number)
    }
}

impl Orders {
    /// Places orders at that address over one connection.
    pub async fn place(&self, server: SocketAddr, course: Arc<Course>) -> Tally {
        let mut tally = Tally::default();
        let mut idle = None;
        let mut request = String::new();
        while let Some(number) = course.next() {
            self.write(&mut request, server, number);
            let begun = Instant::now();
            match timeout(self.timeout, send(server, idle.take(), request.as_bytes())).await {
                Ok(Ok((status, connection))) => {
                    tally.answer(status, connection.body(), begun.elapsed());
                    idle = Some(connection).filter(Connection::is_reusable);
                }
                Ok(Err(error)) => {
                    tally.error(format!("{:?}", error.kind()));
                    sleep(AGAIN_AFTER).await;
                }
                Err(_) => tally.error("timeout".to_owned()),
            }
        }
        tally
    }

    /// Replaces the text by the request of the order with that number.
    fn write(&self, request: &mut String, server: SocketAddr, number: u64) {
        use std::fmt::Write;
        let Self { path, clients, shop, .. } = self;
        let body = format!(r#"{{"client_id":{},"magasin_id":{shop}}}"#, clients.of_order(number));
        let length = body.len();
        request.clear();
        // Writing to a text does not fail.
        let _ =
            write!(request, "POST {path} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\n");
        if self.keys {
            let key = Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
            let _ = write!(request, "idempotency-key: {key}\r\n");
        }
        if self.respond_async {
            request.push_str("prefer: respond-async\r\n");
        }
        let _ = write!(request, "content-length: {length}\r\n\r\n{body}");
    }
}

async fn send(server: SocketAddr, idle: Option<Connection>, request: &[u8]) -> io::Result<(u16, Connection)> {
    let mut connection = match idle {
        Some(connection) => connection,
        None => Connection::open(server).await?,
    };
    let status = connection.exchange(request).await?;
    Ok((status, connection))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(keys: bool) -> String {
        let clients = "10-11".parse().unwrap();
        let path = "/api/commande/checkout".to_owned();
        let orders =
            Orders { path, clients, shop: 3, keys, respond_async: true, timeout: Duration::from_secs(1) };
        let mut text = String::new();
        orders.write(&mut text, "127.0.0.1:80".parse().unwrap(), 1);
        text
    }

    #[test]
    fn an_order_is_a_whole_request() {
        let text = request(false);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, r#"{"client_id":11,"magasin_id":3}"#);
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert!(head.contains("prefer: respond-async") && !head.contains("idempotency-key"));
    }

    #[test]
    fn no_two_orders_have_one_key() {
        let key = || request(true).split_once("idempotency-key: ").unwrap().1[..36].to_owned();
        assert_ne!(key(), key());
    }

    #[test]
    fn a_course_ends() {
        let course = Course::new(Some(2), None);
        assert_eq!([course.next(), course.next(), course.next()], [Some(0), Some(1), None]);
        assert_eq!(Course::new(None, Some(Instant::now())).next(), None);
        let course = Course::new(None, None);
        assert_eq!(course.next(), Some(0));
        course.stop();
        assert_eq!(course.next(), None);
    }
}
