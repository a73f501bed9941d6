//! `GET /api/events`: what happens to sagas, while it happens.

use saga_endurance::events::EventListener;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::harness::World;
use crate::http::Call;

const STREAM: &str = "/api/events";

async fn listen(world: &World, path: &str, last_event_id: Option<&str>) -> EventListener {
    EventListener::open(world.server.address, path, last_event_id).await.unwrap()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["data"]["event"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_while_they_happen_and_a_client_goes_on_where_it_was() {
    let mut world = World::open().await;
    let before = world.order(4, "CONFIRMEE").await;
    let mut now = listen(&world, STREAM, None).await;
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
        let mut later = listen(&world, STREAM, Some(id)).await;
        assert_eq!(later.until_over(&saga).await, told[place + 1..]);
    }
    world.restart().await;
    assert_eq!(now.message().await, None, "the stream ends with its process");
    let mut all = listen(&world, STREAM, Some("0")).await;
    let (first, second) = (all.until_over(&before).await, all.until_over(&saga).await);
    assert!(first.iter().all(|event| event["subject"] == *before));
    assert_eq!(second, told);
    let last = told.last().unwrap()["id"].as_str().unwrap();
    let mut next = listen(&world, &format!("{STREAM}?after={last}"), None).await;
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
        let event = listen(&world, &format!("{STREAM}?after=0&{filter}"), None).await.event().await;
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
    let call = Call::get(STREAM).header("last-event-id", "1.2.3");
    let problem = world.send(&call).await.problem(422, "invalid_field");
    assert!(problem["detail"].as_str().unwrap().contains("Last-Event-ID"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_can_be_told_that_something_has_changed_instead_of_each_event() {
    let world = World::open().await;
    let saga = world.order(2, "ECHEC_PAIEMENT").await;
    let of_one = format!("{STREAM}?every=1s&id={saga}");
    let (mut one, mut all) =
        (listen(&world, &of_one, None).await, listen(&world, &format!("{STREAM}?every=1s"), None).await);
    let first = one.event().await;
    assert_eq!((&first["type"], &first["subject"]), (&json!("orchestrateur.sagas.changed"), &json!(saga)));
    assert_eq!(all.event().await["subject"], Value::Null, "the first one comes at once");
    for _ in 0..20 {
        world.order(4, "CONFIRMEE").await;
    }
    all.event().await;
    let silence = tokio::time::timeout(std::time::Duration::from_millis(2_500), one.event());
    assert!(silence.await.is_err(), "the one saga has not changed");
    // Its place is one of the stream of all events.
    let place = first["id"].as_str().unwrap();
    listen(&world, STREAM, Some(place)).await.event().await;
    for wrong in ["every=10ms", "every=2m", "every=soon", "every=1s&event=blocked", "every=1s&label.a=b"] {
        let problem = world.get(&format!("/api/events?{wrong}")).await.problem(422, "invalid_field");
        assert!(problem["detail"].as_str().unwrap().contains("`every`"), "{problem}");
    }
}

/// A client that does not read costs no more than some events in memory; it is told all of them all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_misses_nothing() {
    const ORDERS: usize = 1_000;
    let world = World::open().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(world.server.address).await.unwrap();
    let mut slow = EventListener::over(stream, STREAM).await.unwrap();
    let mut quick = listen(&world, &format!("{STREAM}?event=completed"), None).await;
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
