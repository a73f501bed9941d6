//! Observability: the dashboard and the alert rules under `deploy/`, run by a real Prometheus that reads the real
//! binary while orders go well, fail and get stuck.
//!
//! Prometheus is Debian's; `scripts/setup` fetches it.

mod dashboard;
mod prometheus;
mod rules;
mod unfinished;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use boutique::Facon;

use self::dashboard::Dashboard;
use self::prometheus::Prometheus;
use self::rules::Rules;
use crate::client::{get, until};
use crate::load::{Book, Wish};
use crate::server::Setup;
use crate::shop::Shop;
use crate::store::StoreEngine;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Clients with a fate of their own: 1 to 3 are the known scenarios.
const STOCK: i64 = 1;
const BLOCKED: i64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_of_dashboard_and_rules_has_data() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.start().await;
    let prometheus = Prometheus::watch(serve.address).await;

    // A sale that is refused and a refund that fails: the order gets stuck. And a stock that is away now and then.
    shop.fault(&format!("POST /api/ventes client={BLOCKED} status=422"));
    shop.fault(&format!("POST /api/clients/*/rembourser client={BLOCKED} status=500"));
    shop.fault("POST /api/stock/reserver produit=1 status=503 probability=0.3 seed=1");
    let address = serve.address;
    let book = Arc::new(Book::default());
    let load = tokio::spawn(async move {
        Wish { manner: crate::load::Manner::Async, ..Wish::plain(0, BLOCKED) }.ask(address, &book).await;
        for number in 1.. {
            Wish::plain(number, STOCK + number % 9).ask(address, &book).await;
            get(address, "/api/commandes").await;
        }
    });

    let dashboard = Dashboard::read();
    let rules = Rules::read();
    let mut executed = 0;
    for (place, expr, instant) in dashboard.expressions() {
        until(&format!("{place} has data: {expr}"), async || prometheus.has_data(&expr, instant).await).await;
        executed += 1;
    }
    for (place, expr) in rules.signals() {
        until(&format!("{place} has data: {expr}"), async || prometheus.has_data(&expr, true).await).await;
        executed += 1;
    }
    // The rules as they are, evaluated by Prometheus itself.
    until("every rule was evaluated, without an error", async || {
        let (all, healthy) = prometheus.rules().await;
        (all == rules.count() && healthy == all).then_some(())
    })
    .await;
    until("the blocked order is noticed", async || {
        prometheus.alerts().await.contains(&"SagaBlocked".to_owned()).then_some(())
    })
    .await;
    assert!(!load.is_finished(), "the load went on all the time");
    load.abort();
    println!(
        "{executed} expressions, all with data: {} of the dashboard, {} of the rules",
        dashboard.expressions().len(),
        rules.signals().len()
    );
}

#[test]
fn an_expression_is_made_as_grafana_makes_it() {
    let made = dashboard::substitute("rate(x[$__rate_interval]) / y[${__interval}] * $__range_s");
    assert_eq!(made, "rate(x[2s]) / y[1s] * 30");
}
