//! The binary `boutique`: flags and environment in, one line of JSON out when the shop answers.

use std::{collections::BTreeMap, io::Write, net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use boutique::{Boutique, Config, Facon, FaultRule, RunningShop, Seed, Service};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The four participants of the demo shop: panier, stock, client and ventes.
///
/// When they answer, one line of JSON with their URLs is printed. SIGTERM or Ctrl-C stops them cleanly.
#[derive(Debug, Parser)]
#[command(name = "boutique", version)]
struct Flags {
    /// Folder of the SQLite files; created when missing.
    #[arg(long, value_name = "DIR", env = "BOUTIQUE_DATA", default_value = "boutique-data")]
    data: PathBuf,
    /// Address of the cart service; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", env = "BOUTIQUE_LISTEN_PANIER", default_value = "127.0.0.1:0")]
    listen_panier: SocketAddr,
    /// Address of the stock service.
    #[arg(long, value_name = "ADDR", env = "BOUTIQUE_LISTEN_STOCK", default_value = "127.0.0.1:0")]
    listen_stock: SocketAddr,
    /// Address of the client service.
    #[arg(long, value_name = "ADDR", env = "BOUTIQUE_LISTEN_CLIENT", default_value = "127.0.0.1:0")]
    listen_client: SocketAddr,
    /// Address of the sales service.
    #[arg(long, value_name = "ADDR", env = "BOUTIQUE_LISTEN_VENTES", default_value = "127.0.0.1:0")]
    listen_ventes: SocketAddr,
    /// Start only this service, on `--listen`.
    #[arg(long, value_enum, env = "BOUTIQUE_ONLY")]
    only: Option<Only>,
    /// Address of the one service of `--only`; without it, that service's own address.
    #[arg(long, value_name = "ADDR", env = "BOUTIQUE_LISTEN", requires = "only")]
    listen: Option<SocketAddr>,
    /// How the services behave: as the contract's table says, or as old services do.
    #[arg(long, value_enum, env = "BOUTIQUE_FACON", default_value = "moderne")]
    facon: FaconFlag,
    /// A fault rule, such as "POST /api/ventes client=3 status=500". Repeatable; in the environment,
    /// separated by semicolons. Added to the one that is part of the demo's data.
    #[arg(long = "faute", value_name = "RULE", env = "BOUTIQUE_FAUTE", value_delimiter = ';')]
    fautes: Vec<FaultRule>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Only {
    Panier,
    Stock,
    Client,
    Ventes,
}

impl From<Only> for Service {
    fn from(only: Only) -> Self {
        match only {
            Only::Panier => Self::Panier,
            Only::Stock => Self::Stock,
            Only::Client => Self::Client,
            Only::Ventes => Self::Ventes,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaconFlag {
    Moderne,
    Ancienne,
}

impl Flags {
    fn into_config(self) -> Config {
        let mut listen = BTreeMap::from([
            (Service::Panier, self.listen_panier),
            (Service::Stock, self.listen_stock),
            (Service::Client, self.listen_client),
            (Service::Ventes, self.listen_ventes),
        ]);
        if let Some(only) = self.only.map(Service::from) {
            listen.retain(|&service, _| service == only);
            if let Some(addr) = self.listen {
                listen.insert(only, addr);
            }
        }
        let facon = match self.facon {
            FaconFlag::Moderne => Facon::Moderne,
            FaconFlag::Ancienne => Facon::Ancienne,
        };
        Config { data_dir: self.data, facon, listen, seed: Seed::demo(), faults: self.fautes }
    }
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    match run(flags.into_config()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("boutique: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(config: Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // Before the line is printed: a reader of the line may send the signal at once.
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let facon = config.facon;
    let running = Boutique::start(config).await?;
    announce(&running, facon).context("print the line of URLs")?;
    // Both signals have the same result, so the other signal may be lost.
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// `{"client":URL,"facon":"moderne","panier":URL,"pid":N,"stock":URL,"ventes":URL}`, one line; only
/// the services that were started.
fn announce(running: &RunningShop, facon: Facon) -> std::io::Result<()> {
    let mut line = serde_json::json!({ "facon": facon.to_string(), "pid": std::process::id() });
    for (service, url) in running.urls() {
        line[<&str>::from(service)] = url.into();
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
