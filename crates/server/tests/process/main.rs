//! The real binary: killed, stopped, starved of its disk and its database, and started again on the same data.
//!
//! The shop runs in the test's process and answers over HTTP; its own ledgers judge the orchestrator, never the
//! orchestrator's tables (`judge.rs`). Whatever is random comes from one seed, which is printed; `PROCESS_SEED`
//! sets it.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]
#![expect(clippy::disallowed_methods, reason = "real processes run in real time, and tasks load them")]

use saga_endurance::{client, dice, load, serve as server, shop, store};

mod judge;

mod crash;
mod damage;
mod database;
mod definitions;
mod disk;
mod durability;
mod formats;
mod hostile;
mod lost_answers;
mod observability;
mod outages;
mod probes;
mod replicas;
mod shutdown;
mod tls;
mod upgrade;
mod voisins;
