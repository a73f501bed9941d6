//! One evaluation, and what it took.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use saga_core::Json;
use saga_core::budget::{Budget, Limit, within};
use saga_core::definition::{Scope, Template};

use crate::ALLOCATED;

/// Memory that an evaluation may really hold at one time, in bytes: what `EXPRESSION_BYTES_MAX` counts, and the text of
/// the rendered value.
pub(crate) const HELD_BYTES_MAX: usize = 72 << 20;

/// The result of an evaluation, and its cost.
pub(crate) struct Measured {
    pub(crate) result: Result<Json, String>,
    pub(crate) over: Option<Limit>,
    pub(crate) steps: u64,
    /// As charged.
    pub(crate) bytes: u64,
    /// As allocated, at its peak.
    pub(crate) held: usize,
    pub(crate) took: Duration,
}

/// The tests of this program take turns: what is allocated is counted for all threads together.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compiles a program.
pub(crate) fn template(code: &str) -> Template {
    Template::parse(code).unwrap_or_else(|error| panic!("{code}: {}", error.message))
}

/// Evaluates `template` on an answer with this body.
pub(crate) fn evaluate(template: &Template, body: &str, budget: Budget) -> Measured {
    let scope = Scope::default().with("status", "200").with("body", body);
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    #[expect(clippy::disallowed_methods, reason = "a test measures time")]
    let begin = Instant::now();
    let spent = within(budget, || template.render(&scope));
    let took = begin.elapsed();
    let held = ALLOCATED.peak_usage().saturating_sub(before);
    Measured {
        result: spent.value.map_err(|error| error.0),
        over: spent.over,
        steps: spent.steps,
        bytes: spent.bytes,
        held,
        took,
    }
}
