//! The real engine, driver and core in a world made from one seed: several replicas on one journal, with clocks that
//! disagree, on machines that crash and pause, over a network that loses, doubles and delays, to participants that
//! keep exactly the promise that they declare and no more.
//!
//! ```text
//!   dice ──▶ world: replicas (fleet.rs), journal (disk.rs), network and participants (shop.rs, watched by watch.rs),
//!              │    callers (world/callers.rs), an operator (person.rs)
//!              │  faults for a while, then none (ending.rs): everything has to come to its end
//!              ▼
//!            judge.rs: do the participants' ledgers, the histories and what callers were told agree?
//! ```
//!
//! The same seed gives the same run: one thread, tokio's paused clock, and no other source of chance than [`Dice`](saga_testkit::dice::Dice).

mod bugs;
mod callback;
mod definition;
mod disk;
mod ending;
mod fate;
mod fleet;
mod judge;
mod ledger;
mod person;
mod process;
mod record;
mod scene;
mod script;
mod sending;
mod shop;
mod signal;
mod small;
mod watch;
mod world;

pub use self::bugs::Bug;
pub use self::definition::StepKind;
pub use self::fate::Fate;
pub use self::record::{FAULT_POINTS, Hits, RunReport};
pub use self::script::{Crash, ScriptedFault};
pub use self::small::{Case, Counted, StepOrder, Timing, small_worlds};
pub use self::world::{Plan, run};
