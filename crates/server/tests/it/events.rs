//! `GET /api/events`: what happens to sagas, while it happens.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::World;
use crate::http::{Call, PATIENCE};

/// A client of a stream.
struct Listener {
    stream: TcpStream,
    /// The rest of the answer, without its head, as it came.
    chunks: Vec<u8>,
    /// The same without the lengths of its chunks.
    text: String,
}

/// A message of a stream.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    id: String,
    /// The event; `None`: the message says that the stream is alive.
    event: Option<Value>,
}

impl Listener {
    async fn open(address: SocketAddr, call: &Call) -> Self {
        Self::over(TcpSocket::new_v4().unwrap(), address, call).await
    }

    async fn over(socket: TcpSocket, address: SocketAddr, call: &Call) -> Self {
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(&call.bytes()).await.unwrap();
        let mut listener = Self { stream, chunks: Vec::new(), text: String::new() };
        let head = loop {
            if let Some(end) = listener.chunks.windows(4).position(|four| four == b"\r\n\r\n") {
                break listener.chunks.drain(..end + 4).collect::<Vec<u8>>();
            }
            assert!(listener.receive().await, "the stream has a head");
        };
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
        listener
    }

    /// `false`: the server has closed the connection.
    async fn receive(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.chunks));
        read.await.expect("the stream goes on").unwrap() > 0
    }

    /// The next message; `None`: the stream has ended.
    async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
                let event = line("data: ").map(|data| serde_json::from_str(data).unwrap());
                let found = Message { id: line("id: ").unwrap().to_owned(), event };
                self.text = rest.to_owned();
                return Some(found);
            }
            while !self.take_chunk() {
                if !self.receive().await {
                    return None;
                }
            }
        }
    }

    fn take_chunk(&mut self) -> bool {
        let Some(end) = self.chunks.windows(2).position(|two| two == b"\r\n") else { return false };
        let length = usize::from_str_radix(std::str::from_utf8(&self.chunks[..end]).unwrap(), 16).unwrap();
        let (from, to) = (end + 2, end + 2 + length);
        if self.chunks.len() < to + 2 {
            return false;
        }
        self.text.push_str(std::str::from_utf8(&self.chunks[from..to]).unwrap());
        self.chunks.drain(..to + 2);
        true
    }

    /// The next event.
    async fn event(&mut self) -> Value {
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
    async fn until_over(&mut self, saga: &str) -> Vec<Value> {
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

fn from(id: &str) -> Call {
    Call::get("/api/events").header("last-event-id", id)
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["data"]["event"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_while_they_happen_and_a_client_goes_on_where_it_was() {
    let mut world = World::open().await;
    let before = world.order(4, "CONFIRMEE").await;
    let mut now = Listener::open(world.server.address, &Call::get("/api/events")).await;
    let saga = world.order(2, "ECHEC_PAIEMENT").await;
    let told = now.until_over(&saga).await;
    assert!(told.iter().all(|event| event["subject"] == *saga), "{before} was over before");
    assert_eq!(
        kinds(&told),
        [
            "started",
            "attempt_started",
            "attempt_ended",
            "attempt_started",
            "attempt_ended",
            "attempt_started",
            "attempt_ended",
            "rollback_decided",
            "attempt_started",
            "attempt_ended",
            "rolled_back"
        ]
    );
    let positions: Vec<u64> = told.iter().map(|event| event["data"]["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=11).collect::<Vec<_>>());
    let refused = &told[6];
    assert_eq!(
        [&refused["specversion"], &refused["type"], &refused["source"], &refused["datacontenttype"]],
        [
            &json!("1.0"),
            &json!("orchestrateur.saga.attempt_ended"),
            &json!("/api/sagas"),
            &json!("application/json")
        ]
    );
    assert_eq!(refused["time"], refused["data"]["at"]);
    let data = &refused["data"];
    assert_eq!(
        (&data["saga"], &data["step"], &data["outcome"], &data["status"], &data["reason"]),
        (&json!("checkout"), &json!("paiement"), &json!("refused"), &json!(402), &json!("Solde insuffisant"))
    );
    assert_eq!(told[7]["data"]["state"], "ECHEC_PAIEMENT");

    // From any event on, the same ones follow: now, and of a process that was not there.
    for place in [0, 4, 9] {
        let id = told[place]["id"].as_str().unwrap();
        let mut later = Listener::open(world.server.address, &from(id)).await;
        assert_eq!(later.until_over(&saga).await, told[place + 1..]);
    }
    world.restart().await;
    assert_eq!(now.message().await, None, "the stream ends with its process");
    let mut all = Listener::open(world.server.address, &from("0")).await;
    let (first, second) = (all.until_over(&before).await, all.until_over(&saga).await);
    assert!(first.iter().all(|event| event["subject"] == *before));
    assert_eq!(second, told);
    let last = told.last().unwrap()["id"].as_str().unwrap();
    let mut next =
        Listener::open(world.server.address, &Call::get(&format!("/api/events?after={last}"))).await;
    let third = world.order(4, "CONFIRMEE").await;
    let told = next.until_over(&third).await;
    assert!(told.iter().all(|event| event["subject"] == *third));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_what_it_wants_alone() {
    let world = World::open().await;
    let refused = world.order(2, "ECHEC_PAIEMENT").await;
    let done = world.order(4, "CONFIRMEE").await;
    for (filter, first) in [
        (format!("id={done}"), (&done, "started")),
        ("state=ECHEC_PAIEMENT".into(), (&refused, "rollback_decided")),
        ("event=completed".into(), (&done, "completed")),
        ("step=vente".into(), (&done, "attempt_started")),
        ("participant=ventes&event=attempt_ended".into(), (&done, "attempt_ended")),
        ("label.client_id=4".into(), (&done, "started")),
        ("saga=checkout&label.client_id=2&event=rolled_back".into(), (&refused, "rolled_back")),
    ] {
        let call = Call::get(&format!("/api/events?after=0&{filter}"));
        let event = Listener::open(world.server.address, &call).await.event().await;
        let (saga, kind) = first;
        assert_eq!((&event["subject"], &event["data"]["event"]), (&json!(saga), &json!(kind)), "{filter}");
    }
    for (wrong, why) in [
        ("after=x", "must be the id of an event"),
        ("id=x", "`id` must be"),
        ("sagas=checkout", "no filter `sagas`"),
        ("saga=a&saga=b", "more than once"),
    ] {
        let problem = world.get(&format!("/api/events?{wrong}")).await.problem(422, "invalid_field");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    let problem = world.send(&from("1.2.3")).await.problem(422, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("Last-Event-ID"), "{problem}");
}

/// A client that does not read costs no more than some events in memory; it is told all of them all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_misses_nothing() {
    const ORDERS: usize = 1_000;
    let world = World::open().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut slow = Listener::over(socket, world.server.address, &Call::get("/api/events")).await;
    let mut quick = Listener::open(world.server.address, &Call::get("/api/events?event=completed")).await;
    let order = Call::checkout(4).prefer("respond-async");
    let ordering = async {
        for _ in 0..ORDERS {
            world.send(&order).await.expect(202);
        }
    };
    let watching = async {
        for _ in 0..ORDERS {
            quick.event().await;
        }
    };
    tokio::join!(ordering, watching);
    let mut positions = std::collections::HashMap::<String, u64>::new();
    let mut completed = 0;
    while completed < ORDERS {
        let event = slow.event().await;
        let last = positions.entry(event["subject"].as_str().unwrap().to_owned()).or_default();
        *last += 1;
        assert_eq!(event["data"]["position"], *last, "each event of a saga, in their order, once");
        completed += usize::from(event["data"]["event"] == "completed");
    }
}
