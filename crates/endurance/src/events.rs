//! A client of `GET /api/events`.

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{AnyStream, NoResponse, PATIENCE, ProcessEndpoint, connected};

/// A stream of events.
pub struct EventListener {
    body: Incoming,
    received: ReceivedText,
}

/// The bytes of a stream that no message was made of yet. They come in pieces that end anywhere, in the middle of a character, too.
#[derive(Default)]
struct ReceivedText(BytesMut);

/// A message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The place from which a client goes on.
    pub id: String,
    /// The event; `None`: the message says that the stream is alive.
    pub event: Option<Value>,
}

impl EventListener {
    /// A stream at this path, behind the event with this id.
    pub async fn open(
        to: impl Into<ProcessEndpoint>,
        path: &str,
        last_event_id: Option<&str>,
    ) -> Result<Self, NoResponse> {
        let to = to.into();
        let authorization = to.entry.as_ref().map(|entry| entry.authorization());
        let mut request = Request::get(path).header("host", to.address.to_string());
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Empty::new()).expect("the request can be written");
        Self::begin(connected(&to).await?, request).await
    }

    /// The same over a connection that is there.
    pub async fn over(stream: TcpStream, path: &str) -> Result<Self, NoResponse> {
        let request = Request::get(path).header("host", "test").body(Empty::new());
        Self::begin(Box::new(stream), request.expect("the request can be written")).await
    }

    async fn begin(stream: Box<dyn AnyStream>, request: Request<Empty<Bytes>>) -> Result<Self, NoResponse> {
        let lost = |error: hyper::Error| NoResponse::Lost(error.to_string());
        let exchange = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
            #[expect(clippy::disallowed_methods, reason = "moves this connection's bytes, and ends with it")]
            tokio::spawn(connection);
            sender.send_request(request).await.map_err(lost)
        };
        let answer = timeout(PATIENCE, exchange).await.unwrap_or(Err(NoResponse::Silent))?;
        if answer.status() != 200 {
            return Err(NoResponse::Lost(format!("the stream's status is {}", answer.status())));
        }
        Ok(Self { body: answer.into_body(), received: ReceivedText::default() })
    }

    /// The next message; `None`: the stream has ended, or broke off.
    pub async fn message(&mut self) -> Option<EventMessage> {
        loop {
            if let Some(message) = self.received.message() {
                let line = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
                let id = line("id: ").expect("each message has an id").to_owned();
                let event = line("data: ").map(|data| serde_json::from_str(data).expect("an event is JSON"));
                return Some(EventMessage { id, event });
            }
            let frame = self.body.frame().await?.ok()?;
            let Ok(bytes) = frame.into_data() else { continue };
            self.received.0.extend_from_slice(&bytes);
        }
    }

    /// The next event; the stream must have one before long.
    pub async fn event(&mut self) -> Value {
        let next = async {
            loop {
                let message = self.message().await.expect("the stream has no end");
                if let Some(event) = message.event {
                    assert_eq!(event["id"], *message.id);
                    return event;
                }
            }
        };
        timeout(PATIENCE, next).await.expect("there is another event")
    }

    /// The events up to and with the one that ends a saga.
    pub async fn until_over(&mut self, saga: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            let is_last = event["subject"] == saga
                && ["completed", "rolled_back"].iter().any(|word| event["data"]["event"] == *word);
            events.push(event);
            if is_last {
                return events;
            }
        }
    }
}

impl ReceivedText {
    /// Takes the first whole message out.
    fn message(&mut self) -> Option<String> {
        const END: &[u8] = b"\n\n";
        let length = self.0.windows(END.len()).position(|bytes| bytes == END)?;
        let message = self.0.split_to(length);
        self.0.advance(END.len());
        Some(String::from_utf8(message.to_vec()).expect("a message is UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_come_in_any_pieces() {
        let sent = "id: 1\ndata: {\"reason\":\"panier épuisé\"}\n\nid: 2\n\n";
        for at in 0..=sent.len() {
            let mut received = ReceivedText::default();
            let mut messages = Vec::new();
            for piece in [&sent.as_bytes()[..at], &sent.as_bytes()[at..]] {
                received.0.extend_from_slice(piece);
                messages.extend(std::iter::from_fn(|| received.message()));
            }
            assert_eq!(messages.join("|"), sent.trim_end().replace("\n\n", "|"), "in two pieces at {at}");
        }
    }
}
