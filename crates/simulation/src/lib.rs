//! The real engine, driver and core in a world made from one seed: several replicas on one journal, with clocks that
//! disagree, on machines that crash and pause, over a network that loses, doubles and delays, to participants that
//! keep exactly the promise that they declare and no more.
//!
//! ```text
//!   dice ──▶ world: replicas (process.rs), journal (disk.rs), network and participants (shop.rs), callers, people
//!              │  faults for a while, then none: everything has to come to its end
//!              ▼
//!            judge.rs: do the participants' ledgers, the histories and what callers were told agree?
//! ```
//!
//! The same seed gives the same run: one thread, tokio's paused clock, and no other source of chance than [`Dice`].

mod bugs;
mod definition;
mod dice;
mod disk;
mod judge;
mod ledger;
mod process;
mod record;
mod shop;
mod small;
mod world;

pub use self::bugs::Bug;
pub use self::definition::Kind;
pub use self::dice::Dice;
pub use self::record::{FAULT_POINTS, Hits, Report};
pub use self::shop::Fate;
pub use self::small::{Case, Counted, Crash, Fault, small_worlds};
pub use self::world::{Plan, run};
