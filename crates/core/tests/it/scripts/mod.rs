//! One saga, input by input: what is recorded (numbered), and what is wanted after it (`=`).
//!
//! `+stock#2` is the second attempt of doing the step `stock`, `-stock#1` the first of undoing it, `?stock#1` the first
//! question about it. Jitter is at its most, so waits are 100 ms, 200 ms, 400 ms, ... The script's words are explained
//! at [`Run::step`]; what comes before a `|` is how the saga got there, and not shown.
//!
//! [`Run::step`]: crate::support::Run::step

mod absent;
mod cancel;
mod checkout;
mod clock;
mod commands;
mod follows;
mod graph;
mod horizon;
mod hurry;
mod late;
mod parked;
mod pending;
mod probes;
mod resolve;
mod resume;
mod rollback;
mod since;
mod stands;
mod takeover;
mod unknown;

use crate::support::{Kind, Spec};

/// Runs `script` on the steps given, and compares what is told with the text that follows.
macro_rules! check {
    ($definition:expr, $script:expr, @$expected:literal) => {
        insta::assert_snapshot!(crate::support::tell(&$definition, $script), @$expected)
    };
}
use check;

const READ_AND_TWO: fn(Kind) -> [Spec; 3] = |kind| [Spec::new(Kind::Read), Spec::new(kind), Spec::new(kind)];
