//! The load generator of the benchmark.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{ArgAction, Parser};
use saga_bench_kit::clients::Clients;
use saga_bench_kit::orders::{Course, Orders};
use saga_bench_kit::tally::Tally;
use tokio::signal::unix::{SignalKind, signal};

/// Places orders in a closed loop, and prints the answers and their times as one line of JSON.
///
/// Each connection waits for an answer before it places the next order. SIGTERM ends the run early, with its
/// line.
#[derive(Debug, Parser)]
struct Flags {
    /// The server, such as http://127.0.0.1:8023; may be repeated: the connections are shared out among them.
    #[arg(long, value_name = "URL", required = true)]
    url: Vec<String>,
    /// The path of each request.
    #[arg(long, value_name = "PATH", default_value = "/api/commande/checkout")]
    path: String,
    /// Connections, each with one order under way.
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// How long orders are placed; without this and --requests, for 5 seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// How many orders are placed.
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// Whose orders they are: each client in turn.
    #[arg(long, value_name = "IDS", default_value = "10-1000")]
    clients: Clients,
    /// The shop in each order.
    #[arg(long, value_name = "ID", default_value_t = 1)]
    magasin: i64,
    /// Whether each order has an `Idempotency-Key`, a random UUID, as callers should send one: true or false.
    #[arg(long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1, action = ArgAction::Set)]
    keys: bool,
    /// Ask for answers before the orders are over (`Prefer: respond-async`).
    #[arg(long)]
    respond_async: bool,
    /// How long an answer may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    timeout_ms: u64,
}

impl Flags {
    fn servers(&self) -> anyhow::Result<Vec<SocketAddr>> {
        let server = |url: &String| {
            let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
            address.parse().with_context(|| format!("`{url}` is not http://, an IP address and a port"))
        };
        self.url.iter().map(server).collect()
    }
}

// One thread: it shares the machine with all that is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let servers = flags.servers()?;
    let orders = Orders {
        path: flags.path,
        clients: flags.clients,
        shop: flags.magasin,
        keys: flags.keys,
        respond_async: flags.respond_async,
        timeout: Duration::from_millis(flags.timeout_ms),
    };
    let begun = Instant::now();
    let seconds = flags.seconds.or_else(|| flags.requests.is_none().then_some(5.0));
    let end = seconds.map(|seconds| begun + Duration::from_secs_f64(seconds));
    let course = Arc::new(Course::new(flags.requests, end));
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    tokio::spawn({
        let course = Arc::clone(&course);
        async move {
            terminate.recv().await;
            course.stop();
        }
    });
    let connections: Vec<_> = servers
        .iter()
        .cycle()
        .take(flags.connections)
        .map(|&server| {
            let (orders, course) = (orders.clone(), Arc::clone(&course));
            tokio::spawn(async move { orders.place(server, course).await })
        })
        .collect();
    let mut tally = Tally::default();
    for connection in connections {
        tally.add(connection.await?);
    }
    println!("{}", tally.report(flags.connections, begun.elapsed().as_secs_f64()));
    Ok(())
}
