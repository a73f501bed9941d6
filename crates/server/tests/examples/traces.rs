//! One trace through a caller and four services in FastAPI, each under OpenTelemetry's own agent, and through a `kill -9` of the
//! orchestrator between them.

#![expect(clippy::disallowed_methods, reason = "a real process is killed, in real time")]

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use saga_testkit::collector::{Collector, KeptSpan};
use saga_testkit::trace_picture;
use serde_json::json;

use crate::client;
use crate::client::until;
use crate::world::TracedWorld;

/// Kinds of spans, as OTLP numbers them.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_trip_is_one_trace_from_its_caller_to_each_service_through_a_kill() {
    let collector = Collector::start();
    let mut world = TracedWorld::start(&collector.endpoint());
    let trip = json!({ "customer": 8, "city": "Lisbon", "nights": 3, "insured": true });
    let answer = client::send(world.agency(), "POST", "/trips", &[], Some(&trip)).await.unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let saga = answer.json()["id"].as_str().unwrap().to_owned();
    until("the payment is accepted", async || {
        let ledger = client::send(world.service("payments"), "GET", "/ledger", &[], None).await.ok()?;
        (!ledger.json().as_array()?.is_empty()).then_some(())
    })
    .await;
    let killed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    world.kill_and_start_again();
    let path = format!("/api/sagas/{saga}");
    until("the trip is booked", async || {
        let answer = client::send(world.orders(), "GET", &path, &[], None).await.ok()?;
        (answer.json()["state"] == "BOOKED").then_some(())
    })
    .await;

    let is_whole = |spans: &[KeptSpan]| {
        let has = |service: &str, kind| {
            spans
                .iter()
                .any(|span| span.service == service && span.span.kind == kind && !is_of_the_test(span))
        };
        let services = ["flights", "hotels", "insurances", "payments", "agency", "orders"];
        services.iter().all(|service| has(service, SERVER))
            && has("agency", CLIENT)
            && calls_of(spans).iter().all(|call| answered(spans, call) || was_cut(call))
    };
    let spans: Vec<KeptSpan> = collector
        .wait_for("the whole trace", is_whole)
        .into_iter()
        .filter(|span| !is_of_the_test(span))
        .filter(|span| span.service == "orders" || span.span.kind != INTERNAL)
        .collect();
    let traces: BTreeSet<&str> = spans.iter().map(|span| &*span.trace).collect();
    assert_eq!(traces.len(), 1, "{spans:#?}");
    let above = |span: &KeptSpan| spans.iter().find(|above| above.id == span.parent);
    let roots: Vec<&KeptSpan> = spans.iter().filter(|span| above(span).is_none()).collect();
    assert_eq!(roots.len(), 1, "{roots:#?}");
    assert_eq!((&*roots[0].service, roots[0].span.kind), ("agency", SERVER));
    // The saga is below the caller's call, and each service's work below the attempt that asked for it.
    for span in spans.iter().filter(|span| span.span.kind == SERVER && span.parent != roots[0].parent) {
        let caller = above(span).unwrap();
        let expected = if span.service == "orders" { "agency" } else { "orders" };
        assert_eq!((&*caller.service, caller.span.kind), (expected, CLIENT), "{span:#?}");
    }
    // For docs/images/trace-services.svg: TRACE_SERVICES_PICTURE=docs/images/trace-services.svg, and this test alone.
    if let Ok(path) = std::env::var("TRACE_SERVICES_PICTURE") {
        let first = spans.iter().map(|span| span.span.start_time_unix_nano).min().unwrap();
        let cut_ms = (killed.as_nanos() as f64 - first as f64) / 1e6;
        std::fs::write(path, trace_picture::drawn(&spans, cut_ms, "orders")).unwrap();
    }
}

/// The questions of this test for a ledger are traces of their own.
fn is_of_the_test(span: &KeptSpan) -> bool {
    span.span.name.contains("/ledger")
}

fn calls_of(spans: &[KeptSpan]) -> Vec<&KeptSpan> {
    spans.iter().filter(|span| span.service == "orders" && span.span.kind == CLIENT).collect()
}

fn answered(spans: &[KeptSpan], call: &KeptSpan) -> bool {
    spans.iter().any(|span| span.parent == call.id && span.span.kind == SERVER)
}

/// The kill may have come before the call had left.
fn was_cut(call: &KeptSpan) -> bool {
    call.attribute("saga.outcome").is_some_and(|outcome| outcome != "ok" && outcome != "accepted")
}
