//! `GET /metrics`: what is counted, under which names, and in which text.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::World;
use crate::http::{Call, Reply};

const ETATS: [&str; 9] = [
    "INITIEE",
    "STOCK_RESERVE",
    "PAIEMENT_EFFECTUE",
    "COMMANDE_ENREGISTREE",
    "CONFIRMEE",
    "ECHEC_STOCK",
    "ECHEC_PAIEMENT",
    "ECHEC_ENREGISTREMENT",
    "ANNULEE",
];

/// A family of metrics: its type, and its samples' values by name and labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    samples: BTreeMap<String, f64>,
}

/// Reads the text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats), strictly: every family is
/// described before its samples, once and in one piece, and every sample's name is one that its type allows.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut described, mut current) = (None, None::<String>);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            described = rest.split_once(' ').map(|(name, _)| name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(described.take().as_deref(), Some(name), "no HELP before {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let family = Family { kind: kind.to_owned(), ..Family::default() };
            assert!(families.insert(name.to_owned(), family).is_none(), "{name} stands twice");
            current = Some(name.to_owned());
        } else {
            assert!(!line.starts_with('#') && !line.is_empty(), "{line:?} is not of this format");
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let family_name = current.as_deref().unwrap();
            let family = families.get_mut(family_name).unwrap();
            let allowed = match family.kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|suffix| name.strip_suffix(suffix) == Some(family_name)),
                _ => name == family_name,
            };
            assert!(allowed, "{sample} does not belong to the {} {family_name}", family.kind);
            let counter = family.kind == "counter";
            assert_eq!(counter, name.ends_with("_total"), "counters, and only they, end in _total: {name}");
            assert!(family.samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{sample}");
        }
    }
    families
}

async fn families(world: &World) -> BTreeMap<String, Family> {
    parse(&world.get("/metrics").await.text)
}

/// How often each state was entered.
async fn counted(world: &World) -> BTreeMap<String, f64> {
    let mut families = families(world).await;
    let samples = families.remove("commande_etat_total").unwrap().samples;
    let etat = |sample: &str| {
        sample.strip_prefix("commande_etat_total{etat=\"").unwrap().strip_suffix("\"}").unwrap().to_owned()
    };
    samples.iter().map(|(sample, value)| (etat(sample), *value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_there_from_zero_on() {
    let world = World::open().await;
    let expected: BTreeMap<String, f64> = ETATS.iter().map(|etat| ((*etat).to_owned(), 0.0)).collect();
    assert_eq!(counted(&world).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_counted_in_exactly_the_states_that_their_histories_have() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer client=8 latency=700");
    let mut sagas = Vec::new();
    for (client, etat) in [
        (4, "CONFIRMEE"),
        (5, "CONFIRMEE"),
        (1, "ECHEC_STOCK"),
        (2, "ECHEC_PAIEMENT"),
        (3, "ECHEC_ENREGISTREMENT"),
    ] {
        sagas.push(world.order(client, etat).await);
    }
    let cancelled = world.begin(8).await;
    world.send(&Call::post(&format!("/api/commande/{cancelled}/annuler"))).await.expect(200);
    sagas.push(cancelled);
    // A repeated request enters no state again, and a refused one none at all.
    let keyed = Call::checkout(6).key("k");
    sagas.push(world.send(&keyed).await.expect(200)["saga_id"].as_str().unwrap().to_owned());
    world.send(&keyed).await.expect(200);
    world.send(&Call::checkout(7).key("k")).await.problem(422, "idempotency_key_reused");
    let mut expected: BTreeMap<String, f64> = ETATS.iter().map(|etat| ((*etat).to_owned(), 0.0)).collect();
    for saga in &sagas {
        for etat in world.etats(saga).await {
            *expected.get_mut(&etat).unwrap() += 1.0;
        }
    }
    assert_eq!(expected["INITIEE"], 7.0);
    assert_eq!(counted(&world).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_method_and_class_of_status() {
    let world = World::open().await;
    let saga = world.order(4, "CONFIRMEE").await;
    world.commande(&saga).await;
    world.get("/api/commande/7").await;
    world.send(&Call::post("/api/commande/checkout").body("{}")).await;
    world.get("/docs/").await;
    let mut families = families(&world).await;
    let requests = families.remove("http_requests_total").unwrap();
    let count = |handler: &str, method: &str, status: &str| {
        let name =
            format!("http_requests_total{{handler=\"{handler}\",method=\"{method}\",status=\"{status}\"}}");
        requests.samples.get(&name).copied()
    };
    assert_eq!(count("/api/commande/checkout", "POST", "2xx"), Some(1.0), "{requests:#?}");
    assert_eq!(count("/api/commande/checkout", "POST", "4xx"), Some(1.0), "{requests:#?}");
    assert_eq!(count("/api/commande/{id}", "GET", "2xx"), Some(1.0), "{requests:#?}");
    assert_eq!(count("/api/commande/{id}", "GET", "4xx"), Some(1.0), "{requests:#?}");
    let durations = families.remove("http_request_duration_seconds").unwrap();
    let labels = "handler=\"/api/commande/checkout\",method=\"POST\"";
    let sample = |suffix: &str, labels: &str| {
        durations.samples[&format!("http_request_duration_seconds{suffix}{{{labels}}}")]
    };
    assert_eq!(sample("_count", labels), 2.0);
    assert!(sample("_sum", labels) > 0.0);
    assert_eq!(sample("_bucket", &format!("le=\"+Inf\",{labels}")), 2.0);
    for kind in ["saga_calls_total", "saga_call_duration_seconds", "saga_calls_in_flight", "sagas_active"] {
        assert!(families.contains_key(kind), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_paths_and_methods_do_not_make_new_series() {
    let world = World::open().await;
    let labels = async || -> BTreeSet<String> {
        let families = families(&world).await;
        families.values().flat_map(|family| family.samples.keys().cloned()).collect()
    };
    let strange = async |n: u32| {
        world.get(&format!("/nothing/{n}")).await;
        world.get(&format!("/api/commande/{n}")).await;
        world.get(&format!("/docs/{n}")).await;
        world.get(&format!("/api/commandes?filter{n}=1")).await;
        world.send(&Call::new(&format!("VERB{n}"), "/api/commandes")).await;
        world.send(&Call::new(&format!("verb-{n}"), &format!("/nothing/{n}"))).await;
    };
    strange(0).await;
    let before = labels().await;
    for n in 1..30 {
        strange(n).await;
    }
    let after = labels().await;
    let grown: Vec<_> = after.difference(&before).filter(|sample| !sample.contains("/metrics")).collect();
    assert!(grown.is_empty(), "{grown:?}");
    assert!(after.iter().any(|sample| sample.contains("method=\"OTHER\"")), "{after:?}");
    assert!(!after.iter().any(|sample| sample.contains("VERB") || sample.contains("nothing")), "{after:?}");
}

fn is_openmetrics(reply: &Reply) -> bool {
    let media = reply.header("content-type").unwrap();
    let open = media == "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(open || media == "text/plain; version=0.0.4; charset=utf-8", "{media}");
    // The end is marked in OpenMetrics, and there a counter's description lacks the `_total` of its samples.
    assert_eq!(reply.text.ends_with("# EOF\n"), open);
    assert_eq!(reply.text.contains("# TYPE commande_etat counter\n"), open);
    assert_eq!(reply.text.contains("# TYPE commande_etat_total counter\n"), !open);
    assert!(reply.text.contains("\ncommande_etat_total{etat=\"CONFIRMEE\"} 1\n"));
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_is_in_the_format_that_the_reader_asks_for() {
    let world = World::open().await;
    world.order(4, "CONFIRMEE").await;
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                      version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    for (accept, open) in [
        (prometheus, true),
        ("application/openmetrics-text", true),
        ("text/plain;version=0.0.4", false),
        ("*/*", false),
        ("text/html,application/xhtml+xml", false),
    ] {
        let reply = world.send(&Call::get("/metrics").header("accept", accept)).await;
        assert_eq!(is_openmetrics(&reply), open, "{accept}");
    }
    assert!(!is_openmetrics(&world.get("/metrics").await));
}
