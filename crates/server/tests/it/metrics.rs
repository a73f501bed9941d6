//! `GET /metrics`: what is counted, under which names, and in which text.

use std::collections::{BTreeMap, BTreeSet};

use saga_testkit::definition::change;

use crate::harness::{Shop, World, until};
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
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_by_step_outcome_and_repetition() {
    let world = World::open().await;
    world.shop.fault("POST /api/ventes client=9 status=503 times=2");
    world.order(9, "CONFIRMEE").await;
    let vente = "participant=\"ventes\",saga=\"checkout\",step=\"vente\"";
    let count = async |name: &str, more: &str| world.metric(&format!("{name}{{{vente}{more}}}")).await;
    let action = ",direction=\"action\"";
    assert_eq!(count("saga_calls_total", &format!("{action},outcome=\"not_sent\"")).await, 2.0);
    assert_eq!(count("saga_calls_total", &format!("{action},outcome=\"ok\"")).await, 1.0);
    assert_eq!(count("saga_calls_total", &format!("{action},outcome=\"unknown\"")).await, 0.0);
    assert_eq!(count("saga_call_retries_total", action).await, 2.0);
    assert_eq!(count("saga_call_retries_total", ",direction=\"compensation\"").await, 0.0);
    assert_eq!(count("saga_call_duration_seconds_count", action).await, 3.0);
    assert_eq!(count("saga_calls_in_flight", "").await, 0.0);
    world.shop.fault("POST /api/ventes client=10 latency=700");
    world.begin(10).await;
    until("the sale is being recorded", async || count("saga_calls_in_flight", "").await == 1.0).await;
    until("it has been", async || count("saga_calls_in_flight", "").await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_by_cause_and_step_and_durations_by_the_last_state() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer client=8 latency=700");
    world.shop.fault("POST /api/stock/reserver produit=1 status=503 times=5");
    world.order(7, "ECHEC_STOCK").await;
    world.order(1, "ECHEC_STOCK").await;
    world.order(2, "ECHEC_PAIEMENT").await;
    world.order(3, "ECHEC_ENREGISTREMENT").await;
    world.order(4, "CONFIRMEE").await;
    let cancelled = world.begin(8).await;
    world.send(&Call::post(&format!("/api/commande/{cancelled}/annuler"))).await.expect(200);
    let mut families = families(&world).await;
    let happened = |family: Family| -> BTreeMap<String, f64> {
        family.samples.into_iter().filter(|(_, value)| *value > 0.0).collect()
    };
    let failure = |cause: &str, participant: &str, step: &str| {
        let labels =
            format!("cause=\"{cause}\",participant=\"{participant}\",saga=\"checkout\",step=\"{step}\"");
        (format!("saga_failures_total{{{labels}}}"), 1.0)
    };
    let expected = BTreeMap::from([
        failure("not_sent", "stock", "stock"),
        failure("refused", "stock", "stock"),
        failure("refused", "client", "paiement"),
        failure("unknown", "ventes", "vente"),
        failure("cancelled", "none", "none"),
    ]);
    assert_eq!(happened(families.remove("saga_failures_total").unwrap()), expected);
    let durations = families.remove("saga_duration_seconds").unwrap().samples;
    let sample = |suffix: &str, etat: &str| {
        durations[&format!("saga_duration_seconds_{suffix}{{etat=\"{etat}\",saga=\"checkout\"}}")]
    };
    for (etat, orders) in [
        ("CONFIRMEE", 1.0),
        ("ECHEC_STOCK", 2.0),
        ("ECHEC_PAIEMENT", 1.0),
        ("ECHEC_ENREGISTREMENT", 1.0),
        ("ANNULEE", 1.0),
    ] {
        assert_eq!(sample("count", etat), orders, "{etat}");
        assert!(sample("sum", etat) > 0.0, "{etat}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_orders_are_counted_in_the_journal_and_so_after_a_restart_too() {
    let shop = Shop::open().await;
    let folder = tempfile::tempdir().unwrap();
    let definition = folder.path().join("sans-promesse.yaml");
    let source =
        change(orchestrateur::definitions::CHECKOUT).set("participants.client.safety", "none").text();
    std::fs::write(&definition, source).unwrap();
    let mut world = World::with(shop, &["--definition", definition.to_str().unwrap()]).await;
    world.shop.fault("POST /api/clients/*/payer client=5 drop-after");
    world.shop.fault("POST /api/ventes client=6 latency=60000");
    let blocked = world.send(&Call::checkout(5)).await.expect(200);
    assert_eq!(blocked["rollback"], "BLOQUE");
    // Past the call that may not be repeated: a restart during that one would block this order, too.
    let waiting = world.begin(6).await;
    world.reaches(&waiting, "PAIEMENT_EFFECTUE").await;
    let stuck = "saga_blocked_total{participant=\"client\",saga=\"checkout\",step=\"paiement\",stuck=\"action_unknown\"}";
    assert_eq!(world.metric(stuck).await, 1.0);
    let counted = async |world: &World| {
        let unfinished = async |rollback: &str| {
            world.metric(&format!("sagas_unfinished{{rollback=\"{rollback}\",saga=\"checkout\"}}")).await
        };
        let older = async |name: &str| world.metric(name).await > 0.0;
        (unfinished("AUCUN").await, unfinished("EN_COURS").await, unfinished("BLOQUE").await)
            == (1.0, 0.0, 1.0)
            && older(r#"saga_oldest_due_age_seconds{saga="checkout"}"#).await
            && older(r#"saga_blocked_age_seconds{saga="checkout"}"#).await
    };
    until("both orders are counted", async || counted(&world).await).await;
    world.restart().await;
    until("both orders are counted again", async || counted(&world).await).await;
    assert_eq!(world.metric(stuck).await, 0.0, "what has happened since the start is another thing");
    assert_eq!(world.metric("saga_tally_failures_total").await, 0.0);
}

/// The metrics of `docs/metrics.md`, or of the server: names with their type and labels.
type Catalogue = BTreeMap<String, (String, BTreeSet<String>)>;

fn documented() -> Catalogue {
    let rows = include_str!("../../../../docs/metrics.md").lines().filter(|line| line.starts_with("| `"));
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut catalogue = Catalogue::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, _unit, meaning] = cells[..] else { panic!("five cells: {row}") };
        assert!(meaning.len() > 10, "what does it mean? {row}");
        let entry = (kind.to_owned(), words(labels).into_iter().collect());
        assert!(catalogue.insert(words(name).concat(), entry).is_none(), "{row} stands twice");
    }
    catalogue
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_names_every_metric_with_its_type_and_labels_and_no_other() {
    let world = World::open().await;
    world.order(4, "CONFIRMEE").await;
    // The series of a request is there once the request is answered.
    world.get("/metrics").await;
    let labels_of = |sample: &str| -> BTreeSet<String> {
        let inside = sample.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        let names = inside.split("\",").filter_map(|pair| Some(pair.split_once("=\"")?.0.to_owned()));
        names.filter(|name| name != "le").collect()
    };
    let mut shown = Catalogue::new();
    for (name, family) in families(&world).await {
        let mut labels: Vec<BTreeSet<String>> = family.samples.keys().map(|name| labels_of(name)).collect();
        labels.dedup();
        assert_eq!(labels.len(), 1, "{name}: {labels:?}");
        shown.insert(name, (family.kind, labels.remove(0)));
    }
    let mut documented = documented();
    // A file has no timeline; `process/failover.rs` reads it from PostgreSQL's.
    assert!(documented.remove("journal_database_timeline").is_some());
    assert_eq!(documented, shown);
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
    assert!(!after.iter().any(|sample| sample.contains("VERB") || sample.contains("/nothing")), "{after:?}");
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
