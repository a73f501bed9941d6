//! Traces across a `kill -9`: the caller's trace goes on in the process that goes on with the order, and a collector that
//! misbehaves costs spans alone.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use boutique::{Facon, Service};
use saga_testkit::collector::{Collector, CollectorManner, KeptSpan};
use saga_testkit::trace_picture;
use serde_json::json;

use crate::client::{self, Response, until};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A service's address, and the headers of each request to it.
struct Wire {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    /// Passes on what comes to `service`, and keeps it.
    fn to(service: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(service) else { continue };
                let place = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(String::new());
                    kept.len() - 1
                };
                let kept = kept.clone();
                let note = move |bytes: &[u8]| {
                    let text = String::from_utf8_lossy(bytes);
                    kept.lock().unwrap()[place].push_str(&text);
                };
                let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || pass(client, server, note));
                thread::spawn(move || pass(back, forth, |_| {}));
            }
        });
        Self { address, seen }
    }

    /// The values of this header, in the order in which they have come.
    fn values(&self, name: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let lines = seen.iter().flat_map(|sent| sent.lines());
        let values = lines
            .filter_map(|line| line.split_once(": ").filter(|(known, _)| known.eq_ignore_ascii_case(name)));
        values.map(|(_, value)| value.trim().to_owned()).collect()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut(&[u8])) {
    let mut bytes = [0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        note(&bytes[..read]);
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// Wires to the four services, through which the processes of `setup` call them.
fn wires(shop: &Shop, setup: &mut Setup) -> Vec<Wire> {
    let services = [
        ("PANIER_URL", Service::Panier),
        ("STOCK_URL", Service::Stock),
        ("CLIENT_URL", Service::Client),
        ("VENTES_URL", Service::Ventes),
    ];
    services
        .map(|(variable, service)| {
            let wire = Wire::to(shop.address(service));
            setup.variable(variable, format!("http://{}", wire.address));
            wire
        })
        .into()
}

async fn checkout(serve: &ServeProcess, client: i64, headers: &[(&str, &str)]) -> Response {
    let body = json!({ "client_id": client, "magasin_id": 1 });
    client::send(serve.address, "POST", "/api/commande/checkout", headers, Some(&body)).await.unwrap()
}

fn is_over(spans: &[KeptSpan]) -> bool {
    spans.iter().any(|span| span.parent == CALLER)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_after_a_kill_with_sqlite() {
    a_trace_goes_on_after_a_kill(StoreEngine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_at_another_replica_with_postgres() {
    a_trace_goes_on_after_a_kill(StoreEngine::Postgres).await;
}

async fn a_trace_goes_on_after_a_kill(engine: StoreEngine) {
    let (shop, collector) = (Shop::open(Facon::Moderne).await, Collector::start());
    let mut setup = Setup::new(&shop, engine);
    let wires = wires(&shop, &mut setup);
    setup.variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    setup.variable("OTEL_SERVICE_NAME", "orders".to_owned());
    // The first process does not come to send a span.
    setup.variable("OTEL_BSP_SCHEDULE_DELAY", "600000".to_owned());
    let serve = setup.start().await;
    setup.variable("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned());
    let other = match engine {
        StoreEngine::Sqlite => None,
        StoreEngine::Postgres => Some(setup.start_as("replique-2").await),
    };
    serve.quiet().await;
    shop.fault("POST /api/clients/*/payer latency-after=1500 times=1");
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let headers = [
        ("traceparent", &*parent),
        ("tracestate", "vendor=1"),
        ("baggage", "shop=7"),
        ("x-request-id", "r-1"),
        ("prefer", "respond-async"),
    ];
    let answer = checkout(&serve, 4, &headers).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (202, Some("r-1")), "{answer:?}");
    let saga = answer.json()["saga_id"].as_str().unwrap().to_owned();
    until("the client has paid", async || (shop.effects_of(&saga, "payer").await == 1).then_some(())).await;
    until("the reservation is on disk", async || {
        (serve.commande(&saga).await["etat_actuel"] == "STOCK_RESERVE").then_some(())
    })
    .await;
    let killed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    serve.kill();
    assert_eq!(collector.spans(), [], "no span came from the first process");
    let serve = match other {
        Some(other) => other,
        None => setup.start().await,
    };
    let order = serve.settled(&saga).await;
    assert_eq!(order["etat_actuel"], "CONFIRMEE", "{order}");
    assert_eq!(serve.commande(&saga).await["trace_id"], TRACE);
    let spans = collector.wait_for("the saga's span", is_over);

    // One trace, the caller's, and its state; every span but the first has the one above it.
    for span in &spans {
        assert_eq!((&*span.trace, &*span.span.trace_state, &*span.service), (TRACE, "vendor=1", "orders"));
        let is_known = spans.iter().any(|above| above.id == span.parent);
        assert_eq!(is_known, span.parent != CALLER, "{span:?}");
        assert_eq!(span.attribute("saga.id").as_deref(), Some(&*saga));
    }
    // Each call that a service has seen, from either process, is a span's.
    let sent: Vec<String> = wires.iter().flat_map(|wire| wire.values("traceparent")).collect();
    assert!(sent.len() > 4, "{sent:?}");
    for header in &sent {
        let parts: Vec<_> = header.split('-').collect();
        let span = spans.iter().find(|span| span.id == parts[2]);
        let span = span.unwrap_or_else(|| panic!("nobody has told of the call {header}"));
        assert_eq!((parts[1], parts[3], span.span.kind), (TRACE, "01", 3), "{span:?}");
    }
    for wire in &wires {
        for (name, value) in [("tracestate", "vendor=1"), ("baggage", "shop=7"), ("x-request-id", "r-1")] {
            let values = wire.values(name);
            assert!(!values.is_empty() && values.iter().all(|known| known == value), "{name}: {values:?}");
        }
    }
    // For docs/images/trace.svg: TRACE_PICTURE=docs/images/trace.svg, and this test with SQLite alone.
    if let Ok(path) = std::env::var("TRACE_PICTURE") {
        let first = spans.iter().map(|span| span.span.start_time_unix_nano).min().unwrap();
        let cut_ms = (killed.as_nanos() as f64 - first as f64) / 1e6;
        std::fs::write(path, trace_picture::drawn(&spans, cut_ms, "orders")).unwrap();
    }
    // The call during which its process was killed, and the one after it.
    let paid: Vec<_> = spans.iter().filter(|span| span.span.name.contains("/payer")).collect();
    let outcomes: Vec<_> = paid.iter().filter_map(|span| span.attribute("saga.outcome")).collect();
    assert!(
        outcomes.contains(&"interrupted".to_owned()) && outcomes.contains(&"ok".to_owned()),
        "{outcomes:?}"
    );
    let root = spans.iter().find(|span| span.parent == CALLER).unwrap();
    assert_eq!((&*root.span.name, root.span.kind), ("saga checkout", 2));
    assert_eq!(root.attribute("saga.outcome").as_deref(), Some("completed"));
    let again = paid.iter().find(|span| span.attribute("saga.outcome").as_deref() == Some("ok")).unwrap();
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("url.template", "/api/clients/{.input.client_id}/payer"),
        ("server.address", "127.0.0.1"),
        ("saga.step", "paiement"),
        ("saga.direction", "action"),
    ] {
        assert_eq!(again.attribute(key).as_deref(), Some(value), "{key}");
    }
    let port = wires[2].address.port();
    let url = format!("http://127.0.0.1:{port}/api/clients/REDACTED/payer");
    assert_eq!(again.attribute("url.full"), Some(url), "a client's number goes to no collector");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_its_caller_does_not_record_is_not_exported_and_passed_on_as_such() {
    let (shop, collector) = (Shop::open(Facon::Moderne).await, Collector::start());
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    let wires = wires(&shop, &mut setup);
    setup.variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    setup.variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20k".to_owned());
    setup.variable("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned());
    let serve = setup.start().await;
    let parent = format!("00-{TRACE}-{CALLER}-00");
    assert_eq!(checkout(&serve, 4, &[("traceparent", &parent)]).await.status, 200);
    assert_eq!(checkout(&serve, 5, &[]).await.status, 200);
    let spans = collector.wait_for("the other saga's spans", |spans| {
        spans.iter().any(|span| span.span.name == "saga checkout")
    });
    assert!(spans.iter().all(|span| span.trace != TRACE), "{spans:?}");
    let stock = wires[1].values("traceparent");
    assert!(stock[0].contains(TRACE) && stock[0].ends_with("-00") && stock[1].ends_with("-01"), "{stock:?}");
    assert!(collector.heads().iter().all(|head| head.to_lowercase().contains("authorization: bearer k")));
    // The last spans are sent at the end.
    assert_eq!(checkout(&serve, 6, &[]).await.status, 200);
    serve.signal("TERM");
    assert_eq!(serve.exit().await.code(), Some(0));
    let roots = collector.spans().into_iter().filter(|span| span.span.name == "saga checkout");
    assert_eq!(roots.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_collector_does_orders_go_on_and_the_process_ends() {
    for manner in [
        CollectorManner::Answers(503, "retry-after: 3600"),
        CollectorManner::Answers(429, ""),
        CollectorManner::Answers(400, ""),
        CollectorManner::Answers(307, "location: http://127.0.0.1:9/"),
        CollectorManner::Silent,
        CollectorManner::Endless,
        CollectorManner::Closes,
        CollectorManner::Babbles,
    ] {
        let (shop, collector) = (Shop::open(Facon::Moderne).await, Collector::start());
        collector.behave(manner.clone());
        let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "200".to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned()),
            ("OTEL_BSP_EXPORT_TIMEOUT", "300".to_owned()),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16".to_owned()),
        ] {
            setup.variable(name, value);
        }
        let serve = setup.start().await;
        for client in 4..24 {
            let answer = checkout(&serve, client, &[]).await;
            assert_eq!(answer.json()["etat_final"], "CONFIRMEE", "{manner:?}: {answer:?}");
        }
        until("spans that were lost are counted", async || {
            let lost = serve.metric("trace_spans_total{result=\"not_taken\"").await;
            (lost > 0).then_some(())
        })
        .await;
        assert_eq!(serve.metric("trace_spans_total{result=\"exported\"").await, 0, "{manner:?}");
        serve.signal("TERM");
        assert_eq!(serve.exit().await.code(), Some(0), "{manner:?}");
        assert!(setup.logs().contains("spans of orders were lost"), "{manner:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_cannot_be_followed_ends_the_start_and_says_why() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317".to_owned());
    setup.variable("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned());
    let Err((status, log)) = setup.try_start().await else { panic!("it starts") };
    assert!(!status.success());
    assert!(log.contains("OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`; write http/protobuf"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_are_sent_compressed_where_the_settings_say_so() {
    let (shop, collector) = (Shop::open(Facon::Moderne).await, Collector::start());
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    setup.variable("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned());
    setup.variable("OTEL_BSP_SCHEDULE_DELAY", "20".to_owned());
    let serve = setup.start().await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    assert_eq!(checkout(&serve, 4, &[("traceparent", &parent)]).await.status, 200);
    let spans = collector.wait_for("the saga's span", |spans| spans.iter().any(|span| span.parent == CALLER));
    assert!(spans.iter().all(|span| span.trace == TRACE));
    assert!(collector.heads().iter().all(|head| head.contains("content-encoding: gzip")));
}

/// A scrape that asks for OpenMetrics gets a trace with the duration of a call; the older format has no room for it.
#[tokio::test(flavor = "multi_thread")]
async fn the_duration_of_calls_has_traces_as_examples() {
    let (shop, collector) = (Shop::open(Facon::Moderne).await, Collector::start());
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    let serve = setup.start().await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    assert_eq!(checkout(&serve, 4, &[("traceparent", &parent)]).await.status, 200);
    let scrape = async |accept: &str| {
        let headers = [("accept", accept)];
        client::send(serve.supervised_at, "GET", "/metrics", &headers, None).await.unwrap().text
    };
    let open = scrape("application/openmetrics-text; version=1.0.0").await;
    let example = format!(" # {{trace_id=\"{TRACE}\",span_id=\"");
    let is_example =
        |line: &&str| line.starts_with("saga_call_duration_seconds_bucket{") && line.contains(&example);
    assert!(open.lines().any(|line| is_example(&line)), "{open}");
    let plain = scrape("text/plain").await;
    assert!(plain.contains("saga_call_duration_seconds_bucket{") && !plain.contains("trace_id"), "{plain}");
}
