//! The real binary: killed, stopped, starved of its disk and its database, and started again on the same data.
//!
//! The shop runs in the test's process and answers over HTTP; its own ledgers judge the orchestrator, never the
//! orchestrator's tables (`judge.rs`). Every random choice comes from one seed, which is printed; `PROCESS_SEED` sets
//! another.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]
#![expect(clippy::disallowed_methods, reason = "real processes run in real time, and tasks load them")]

use saga_endurance::{client, load, serve as server, shop, store};

use saga_testkit::dice::{Dice, seed};

mod judge;

mod crash;
mod damage;
mod database;
mod definitions;
mod disk;
mod durability;
mod events;
mod failover;
mod formats;
mod hostile;
mod lost_answers;
mod names;
mod observability;
mod outages;
mod probes;
mod reconcile;
mod releases;
mod replicas;
mod restored;
mod retention;
mod shutdown;
mod tls;
mod traces;
mod upgrade;
mod voisins;

/// The seed of all random choices in these tests.
const SEED: u64 = 20_260_720;

/// The dice of the test that asks.
fn dice() -> Dice {
    Dice::new(seed("PROCESS_SEED", SEED, "cargo test -p orchestrateur --test process"))
}
