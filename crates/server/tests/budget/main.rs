//! The budget of an order: the work that one successful checkout is for the orchestrator's process, counted, and held against the
//! table in `docs/performance.md`, so that it cannot creep up unseen.
//!
//! ```text
//!   this program ── one order after the other, one kept connection ──▶ orchestrator's process ──▶ SQLite file or PostgreSQL
//!        │                                                               │        ▲
//!        │                                                               │        └── strace: its system calls; or
//!        └── the shop's four services ◀── calls ─────────────────────────┘            this program again, as `serve`: its
//!                                                                                     allocations, each with its stack
//! ```
//!
//! Nothing is timed. Counts of one order after the other are nearly the same on any machine; a few depend on how fast it is, and are
//! left out where they can be told: events that no effect waits for are written after 20 ms, so an order on a slow machine may take
//! a third entry of the journal, and a process does some work as time passes.
//!
//! - `page.rs`: the table, and what is said when a count is not in it.
//! - `orders.rs`: the caller.
//! - `allocations.rs`: from stacks to layers. `counted.rs`: the process that keeps the stacks.
//! - `system_calls.rs`: from strace's lines to layers.
//! - `kept.rs`, `statements.rs`: the bytes in the store, and the work of PostgreSQL.
//!
//! `BUDGET_DETAILS=FOLDER` writes each count by place there, in an order that `diff` can compare, and all figures; `bench/budget` reads those.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]
#![expect(clippy::disallowed_methods, reason = "strace tells real times, and a connection needs a task")]

mod allocations;
mod counted;
mod figures;
mod kept;
mod measured;
mod orders;
mod page;
mod statements;
mod system_calls;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use saga_endurance::store::StoreEngine;

/// Passes everything on to the system, except while [`counted`] has it count.
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return counted::serve();
    }
    let arguments = Arguments::from_args();
    let trials = vec![
        trial("an_order_on_sqlite_keeps_to_its_budget", || measured::holds(StoreEngine::Sqlite)),
        trial("an_order_on_postgres_keeps_to_its_budget", || measured::holds(StoreEngine::Postgres)),
        trial(
            "a_stack_belongs_to_the_layer_of_its_innermost_function_of_ours",
            allocations::layers_of_stacks,
        ),
        trial("a_system_call_belongs_to_the_layer_of_its_file_or_peer", system_calls::layers_of_lines),
        trial("a_count_that_is_not_as_the_table_says_is_told_with_what_to_do", page::differences_are_told),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, || {
        test();
        Ok(())
    })
}
