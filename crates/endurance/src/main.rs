//! The command `endurance`: real processes under faults, for as long as one likes. Exits with 1 if anything was violated.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use saga_endurance::store::StoreEngine;
use saga_endurance::{Between, Fault, Length, Ordeal, Rolling, StandbyKind};

/// Several orchestrators on one store, a shop, callers, and a fault every so often. In the end the shop's ledgers judge.
#[derive(Debug, Parser)]
#[command(name = "endurance")]
struct Flags {
    /// Where orders are kept.
    #[arg(long, value_enum, default_value = "postgres")]
    store: StoreFlag,
    /// Processes that share the store; 1 with SQLite.
    #[arg(long, value_name = "N")]
    replicas: Option<usize>,
    /// How long there is trouble, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    seconds: u64,
    /// Make trouble until there are so many orders, however long that takes.
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    orders: Option<u64>,
    /// Make trouble until there were so many faults.
    #[arg(long, value_name = "N", conflicts_with_all = ["seconds", "orders"])]
    times: Option<u64>,
    /// A standby of PostgreSQL beside its primary, for the fault `failover`. An asynchronous one loses orders, which the judge finds.
    #[arg(long, value_enum)]
    standby: Option<StandbyFlag>,
    /// PgBouncer between the processes and PostgreSQL, in transaction mode, with a pool of two.
    #[arg(long)]
    pooler: bool,
    /// HAProxy between the processes and PostgreSQL, which looks itself which server takes writes.
    #[arg(long, conflicts_with = "pooler")]
    balancer: bool,
    /// Replace the processes one after the other by those of this release, and by those of the release before again, and so on.
    #[arg(long)]
    rolling: bool,
    /// The program of the release before. Without it, this one takes both parts, and a step is made that a later release could bring.
    #[arg(long, value_name = "FILE", requires = "rolling")]
    before: Option<PathBuf>,
    /// Upgrade only, once, and never start the release before again: one that cannot use a journal of this release.
    #[arg(long, requires = "before")]
    one_way: bool,
    /// The seed of all random choices; without it, one by chance.
    #[arg(long)]
    seed: Option<u64>,
    /// The faults that may happen, separated by commas; without this, all of them.
    #[arg(long, value_name = "FAULTS", value_delimiter = ',')]
    faults: Vec<Fault>,
    /// A fault so often, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    every: f64,
    /// Callers, each of which waits for one order at a time.
    #[arg(long, value_name = "N", default_value_t = 64)]
    callers: usize,
    /// How many of a hundred sagas are errands: graphs with conditions, a signal, pauses and a pivot. The others are the shop's
    /// checkout.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(0..=100))]
    errands: u64,
    /// Let everybody in, over plain HTTP. Without this, callers need keys or tokens, over TLS, and those change.
    #[arg(long)]
    open: bool,
    /// Without faults, everything has to be over within this, in seconds: an order's deadline, and the longest wait
    /// between two tries of a compensation, twice.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    tail: u64,
    /// Write the report there, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StoreFlag {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StandbyFlag {
    Synchronous,
    Asynchronous,
}

impl Flags {
    fn ordeal(&self) -> anyhow::Result<Ordeal> {
        let (store, replicas, faults) = match self.store {
            StoreFlag::Sqlite => {
                (StoreEngine::Sqlite, 1, [Fault::WITHOUT_A_SERVER, Fault::OF_DOORS].concat())
            }
            StoreFlag::Postgres => (StoreEngine::Postgres, 3, Fault::drawn()),
        };
        let faults = if self.open { Fault::without_doors(&faults) } else { faults };
        let faults = if self.standby.is_some() { faults } else { Fault::without_a_standby(&faults) };
        Ok(Ordeal {
            store,
            replicas: self.replicas.unwrap_or(replicas),
            standby: self.standby.map(|standby| match standby {
                StandbyFlag::Synchronous => StandbyKind::Synchronous,
                StandbyFlag::Asynchronous => StandbyKind::Asynchronous,
            }),
            between: match (self.pooler, self.balancer) {
                (true, _) => Some(Between::Pooler),
                (_, true) => Some(Between::Balancer),
                _ => None,
            },
            rolling: self.rolling.then(|| Rolling { before: self.before.clone(), is_one_way: self.one_way }),
            length: match (self.orders, self.times) {
                (Some(orders), _) => Length::Orders(orders),
                (None, Some(faults)) => Length::Faults(faults),
                (None, None) => Length::Time(Duration::from_secs(self.seconds)),
            },
            seed: self.seed.unwrap_or_else(|| RandomState::new().hash_one("endurance") >> 16),
            faults: if self.faults.is_empty() { faults } else { self.faults.clone() },
            every: Duration::try_from_secs_f64(self.every).context("--every")?,
            callers: self.callers,
            errands_percent: self.errands,
            is_guarded: !self.open,
            tail: Duration::from_secs(self.tail),
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    let ordeal = flags.ordeal()?;
    println!("endurance: {ordeal:?}");
    let report = ordeal.run().await?;
    println!("{report}");
    if let Some(path) = &flags.json {
        std::fs::write(path, format!("{:#}\n", report.json()))
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
