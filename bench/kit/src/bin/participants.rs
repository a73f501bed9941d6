//! The participants of the benchmark: panier, stock, client and ventes in one process, answering from memory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use saga_bench_kit::clients::Clients;
use saga_bench_kit::ledger::Ledger;
use saga_bench_kit::patience::Patience;
use saga_bench_kit::server;
use saga_bench_kit::shop::Shop;

/// The four services of a checkout in one process, answering from memory.
///
/// Prints its address as one line of JSON. `GET /ledger` has the effects, `POST /ledger/clear` forgets them,
/// and `POST /delay` with milliseconds as its body changes the delay, also that of answers which wait.
#[derive(Debug, Parser)]
struct Flags {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Time before each answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay_ms: u64,
    /// Clients whose payments are refused, such as 2000-2999.
    #[arg(long, value_name = "IDS")]
    refuse: Option<Clients>,
    /// Threads that answer.
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(flags.threads).enable_all().build()?;
    runtime.block_on(async {
        let shop = Arc::new(Shop {
            ledger: Ledger::default(),
            patience: Patience::new(Duration::from_millis(flags.delay_ms)),
            without_money: flags.refuse,
        });
        let answer = move |request| {
            let shop = Arc::clone(&shop);
            async move { shop.answer(request).await }
        };
        // A task, so that connections are accepted on the threads that answer.
        tokio::spawn(server::serve(server::listen(flags.listen)?, answer)).await?
    })
}
