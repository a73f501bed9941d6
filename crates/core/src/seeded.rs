//! Breaks one of the [rules](crate::rules) on purpose, so that tests can show that their checks notice.
//!
//! Only in builds with debug assertions: a release has neither this module nor a place that asks it. (As fault injection
//! for mutation testing: DeMillo, Lipton and Sayward, "Hints on test data selection", 1978.)

use std::cell::Cell;

/// A rule that can be broken; each is a function of `rules.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described where it is")]
pub enum Rule {
    MayHaveAnEffect,
    MayBeUndone,
    MayHaveLeft,
    MayHaveRunAhead,
    WaitAfterTakeOver,
    MayEndItsProcess,
    IsDurable,
    WasApplied,
    MayBeTaken,
    IsLate,
    MayHaveRun,
    IsNotDone,
    MayBeCancelled,
    AwakeBy,
}

thread_local! {
    static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
}

/// Whether this rule is broken in this thread.
pub(crate) fn is_broken(rule: Rule) -> bool {
    BROKEN.get() == Some(rule)
}

/// Breaks one rule in this thread, and mends any other.
pub fn break_rule(rule: Option<Rule>) {
    BROKEN.set(rule);
}
