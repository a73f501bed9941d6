//! The shop: four services in this process, each of which can be closed and opened separately.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use boutique::{Boutique, Config, Facon, RunningShop, Seed, Service};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::client;

/// Lines of a ledger per page.
const LINES_PAGE: usize = 20_000;

/// The four services, with one folder for their files.
pub struct Shop {
    folder: TempDir,
    facon: Facon,
    seed: Seed,
    addresses: BTreeMap<Service, SocketAddr>,
    open: BTreeMap<Service, RunningShop>,
}

/// One line of a ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct ShopLine {
    /// Its position in the ledger.
    pub seq: i64,
    /// The operation: `reserver`, `payer`, ...
    pub operation: String,
    /// `effect`, or the result of a call without an effect.
    pub result: String,
    /// The saga, if the service knows it.
    pub saga_id: Option<String>,
    /// The client.
    pub client_id: Option<i64>,
    /// The products.
    pub produits: Option<Vec<Value>>,
    /// The amount.
    pub montant: Option<f64>,
}

impl Shop {
    /// A shop with the demo's data.
    pub async fn open(facon: Facon) -> Self {
        let mut shop = Self {
            folder: tempfile::tempdir().unwrap(),
            facon,
            seed: Seed::demo(),
            addresses: Service::ALL
                .iter()
                .map(|service| (*service, SocketAddr::from(([127, 0, 0, 1], 0))))
                .collect(),
            open: BTreeMap::new(),
        };
        for &service in Service::ALL {
            shop.reopen(service).await;
        }
        shop
    }

    /// Closes a service: connections to it are refused.
    pub async fn close(&mut self, service: Service) {
        self.open.remove(&service).expect("the service is open").stop().await;
    }

    /// Opens a service again, at the same address.
    pub async fn reopen(&mut self, service: Service) {
        let config = Config {
            facon: self.facon,
            listen: [(service, self.addresses[&service])].into(),
            seed: self.seed.clone(),
            ..Config::new(self.folder.path())
        };
        let running = Boutique::start(config).await.unwrap();
        self.addresses.insert(service, running.addr(service).unwrap());
        self.open.insert(service, running);
    }

    /// The address on which a service listens.
    pub fn address(&self, service: Service) -> SocketAddr {
        self.addresses[&service]
    }

    /// The environment variables with the services' addresses.
    pub fn urls(&self) -> Vec<(&'static str, String)> {
        let url = |service| format!("http://{}", self.addresses[&service]);
        vec![
            ("PANIER_URL", url(Service::Panier)),
            ("STOCK_URL", url(Service::Stock)),
            ("CLIENT_URL", url(Service::Client)),
            ("VENTES_URL", url(Service::Ventes)),
        ]
    }

    /// Adds a fault rule (see the shop's `fault.rs`).
    pub fn fault(&self, rule: &str) {
        let rule = rule.parse().unwrap();
        self.open.values().for_each(|running| running.add_fault(&rule).unwrap());
    }

    /// Removes every fault but those of the demo's scenarios.
    pub fn mend(&self) {
        self.open.values().for_each(RunningShop::clear_faults);
        let scenarios = &self.seed.fautes;
        scenarios.iter().for_each(|rule| self.fault(&rule.to_string()));
    }

    /// All effects at a service, in order.
    pub async fn ledger(&self, service: Service) -> Vec<ShopLine> {
        self.lines(service, "/ledger").await
    }

    /// All calls to a service that could have had an effect, in order.
    pub async fn calls(&self, service: Service) -> Vec<ShopLine> {
        self.lines(service, "/ledger?all=true").await
    }

    /// Reads page by page, because there are many lines after hours.
    async fn lines(&self, service: Service, path: &str) -> Vec<ShopLine> {
        let mut lines: Vec<ShopLine> = Vec::new();
        let sign = if path.contains('?') { '&' } else { '?' };
        loop {
            let after = lines.last().map_or(0, |line| line.seq);
            let path = format!("{path}{sign}after={after}&limit={LINES_PAGE}");
            let text = client::get(self.addresses[&service], &path).await.text;
            let page: Vec<ShopLine> = serde_json::from_str(&text).unwrap();
            let is_last = page.len() < LINES_PAGE;
            lines.extend(page);
            if is_last {
                return lines;
            }
        }
    }

    /// The number of effects so far, in all services.
    pub async fn effects(&self) -> usize {
        let mut effects = 0;
        for service in self.open.keys() {
            effects += self.ledger(*service).await.len();
        }
        effects
    }

    /// The number of effects of `operation` for `saga`.
    pub async fn effects_of(&self, saga: &str, operation: &str) -> usize {
        let mut effects = 0;
        for service in self.open.keys() {
            let lines = self.ledger(*service).await;
            effects += lines
                .iter()
                .filter(|line| line.operation == operation && line.saga_id.as_deref() == Some(saga))
                .count();
        }
        effects
    }

    /// A client's cart as (product, quantity), and its price, in cents.
    pub async fn cart(&self, client_id: i64) -> (Vec<(i64, i64)>, i64) {
        let path = format!("/api/paniers/client/{client_id}");
        let lines = client::get(self.addresses[&Service::Panier], &path).await.json();
        let lines = lines.as_array().unwrap();
        let cost = lines
            .iter()
            .map(|line| cents(line["prix"].as_f64().unwrap()) * line["quantite"].as_i64().unwrap());
        (products(lines), cost.sum())
    }
}

/// Lines of a cart or an order as (product, quantity).
pub fn products(lines: &[Value]) -> Vec<(i64, i64)> {
    let number = |value: &Value| value.as_i64().unwrap();
    lines.iter().map(|line| (number(&line["produit_id"]), number(&line["quantite"]))).collect()
}

/// An amount as the services write it, in cents.
pub fn cents(amount: f64) -> i64 {
    (amount * 100.0).round() as i64
}
