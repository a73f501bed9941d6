//! `orchestrateur demo`: the shop's four services, the orchestrator and its store, in one process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use boutique::{Boutique, Config, RunningShop, Service};
use clap::Args;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::access::for_this_machine;
use super::listen::{LISTEN_DEFAULT, Listen};
use super::serve::{Listeners, Orchestrator};
use super::signals::Signals;
use super::sources::SourceFlags;
use super::table::{indented, table};
use super::timeline::{COMMANDE, Days, timeline};
use crate::cli::output::say_line;
use crate::definitions::Sources;
use crate::store::DatabaseUrl;
use crate::{definitions, http, logging};

/// The known scenarios, by client.
const SCENARIOS: [(&str, i64, &str); 4] = [
    ("Succès complet", 4, "CONFIRMEE"),
    ("ECHEC STOCK", 1, "ECHEC_STOCK"),
    ("ECHEC PAIEMENT", 2, "ECHEC_PAIEMENT"),
    ("ECHEC ENREGISTREMENT", 3, "ECHEC_ENREGISTREMENT"),
];

/// How long orders under way may go on when the demo is stopped.
const DRAIN: Duration = Duration::from_secs(2);

/// See it work: four orders through four services, in one process.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Address of the API.
    #[arg(long, value_name = "ADDR:PORT", env = "ORCHESTRATEUR_LISTEN", default_value = LISTEN_DEFAULT)]
    listen: Listen,
    /// Listen on other addresses than this machine's own, too: everybody who reaches the port may do everything.
    #[arg(long, env = "ORCHESTRATEUR_INSECURE_NO_AUTH")]
    insecure_no_auth: bool,
    /// Keep orders, stock and money in this folder; without it, a fresh one that is removed at the end.
    #[arg(long, value_name = "DIR", env = "ORCHESTRATEUR_DATA")]
    data: Option<PathBuf>,
    #[command(flatten)]
    definitions: SourceFlags,
    /// The lines to log, in the form of RUST_LOG.
    #[arg(long, value_name = "FILTER", env = "ORCHESTRATEUR_LOG", default_value = "warn")]
    log: String,
}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        logging::start(&self.log, false)?;
        for_this_machine(self.listen.0, self.insecure_no_auth)?;
        // From here on, before there is a folder that would have to be removed.
        let mut signals = Signals::of_a_terminal()?;
        let listener = http::listen(self.listen.0)?;
        let address = listener.local_addr().context("read the listener's address")?;
        let temporary = match &self.data {
            Some(_) => None,
            None => Some(tempfile::tempdir().context("make a folder for the demo's data")?),
        };
        let data = match (&self.data, &temporary) {
            (Some(data), _) => data.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => bail!("no folder for the demo's data"),
        };
        std::fs::create_dir_all(&data).with_context(|| format!("create the folder {}", data.display()))?;
        let sources = self.definitions.sources();
        let starting = async {
            let shop =
                Boutique::start(Config::new(data.join("boutique"))).await.context("start the boutique")?;
            let server = start(&shop, &data, &sources).await?;
            anyhow::Ok((shop, server))
        };
        let (shop, server) = tokio::select! {
            started = starting => started?,
            () = signals.next() => return Ok(()),
        };
        let router = server.router();
        let scenarios = async {
            say_line("Four orders through four services:\n")?;
            for (name, client, expected) in SCENARIOS {
                scenario(&router, name, client, expected).await?;
            }
            say_line(invitation(address, &shop, &data, self.data.is_some()))?;
            std::future::pending().await
        };
        let mut outcome = Ok(());
        let stop = async {
            tokio::select! {
                failed = scenarios => outcome = failed,
                () = signals.next() => {}
            }
        };
        let served = server.run(Listeners { api: listener, tls: None, ops: None }, stop, DRAIN).await;
        shop.stop().await;
        served.and(outcome)
    }
}

/// The orchestrator with the shop as its participants.
async fn start(shop: &RunningShop, data: &Path, sources: &Sources) -> anyhow::Result<Orchestrator> {
    let url = |service| shop.url(service).unwrap_or_default();
    let urls = [
        ("PANIER_URL", url(Service::Panier)),
        ("STOCK_URL", url(Service::Stock)),
        ("CLIENT_URL", url(Service::Client)),
        ("VENTES_URL", url(Service::Ventes)),
    ];
    let env = move |name: &str| match urls.iter().find(|(known, _)| *known == name) {
        Some((_, url)) => Some(url.clone()),
        None => std::env::var(name).ok(),
    };
    let loaded = definitions::load_with(sources, &env)?;
    Orchestrator::start_with_defaults(&loaded, env, &DatabaseUrl::Sqlite(data.join("orchestrateur.db"))).await
}

/// Runs one scenario through the API and prints its timeline.
async fn scenario(router: &Router, name: &str, client: i64, expected: &str) -> anyhow::Result<()> {
    let order = serde_json::json!({ "client_id": client, "magasin_id": 1 });
    let request = Request::post("/api/commande/checkout")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(order.to_string()))?;
    let answer = ask(router, request).await?;
    let (Some(id), Some(etat)) = (answer["saga_id"].as_str(), answer["etat_final"].as_str()) else {
        bail!("{name}: the answer was {answer}");
    };
    let get = |path: String| Request::get(path).header(header::HOST, "localhost").body(Body::empty());
    let commande = ask(router, get(format!("/api/commande/{id}"))?).await?;
    let history = ask(router, get(format!("/api/commande/{id}/historique?detail=etapes"))?).await?;
    let why = match commande["echec"]["raison"].as_str() {
        Some(raison) => format!(" ({raison})"),
        None => String::new(),
    };
    let rollback = commande["rollback"].as_str().unwrap_or("?");
    say_line(format_args!("{name}: client {client} -> {etat}, rollback {rollback}{why}"))?;
    say_line(indented(&table(&timeline(&history, &COMMANDE, Days::IfSeveral))))?;
    if etat != expected {
        bail!("{name} should end as {expected}, and ended as {etat}");
    }
    Ok(())
}

async fn ask(router: &Router, request: Request<Body>) -> anyhow::Result<Value> {
    let response = router.clone().oneshot(request).await?;
    let body = response.into_body().collect().await?.to_bytes();
    serde_json::from_slice(&body).context("read the answer")
}

/// The commands to try next.
fn invitation(address: SocketAddr, shop: &RunningShop, data: &Path, kept: bool) -> String {
    let url = |service| shop.url(service).unwrap_or_default();
    let kept = if kept { "kept" } else { "removed at the end; --data DIR keeps it" };
    format!(
        "The API is at http://{address} (Swagger: http://{address}/docs/). Try, in another terminal:\n\n    \
         curl -s -X POST http://{address}/api/commande/checkout -H 'content-type: application/json' \
         -d '{{\"client_id\": 7, \"magasin_id\": 1}}'\n    \
         curl -s http://{address}/api/commandes\n    \
         curl -s http://{address}/metrics | grep commande_etat\n    \
         curl -s {client}/ledger\n\n\
         The shop: panier {panier}, stock {stock}, client {client}, ventes {ventes}\n\
         Data: {data} ({kept})\n\nCtrl-C stops it.",
        panier = url(Service::Panier),
        stock = url(Service::Stock),
        client = url(Service::Client),
        ventes = url(Service::Ventes),
        data = data.display(),
    )
}
