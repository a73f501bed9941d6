//! The engine through its boundary: a journal that can be held, refuse and forget its answers, participants that
//! follow a script, and tokio's clock paused, so that every run is the same.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "helpers of tests panic where the test has failed, spawn callers, and are seen by this binary alone"
)]

mod access;
mod breaker;
mod bulk;
mod catalog;
mod clock;
mod commands;
mod driver;
mod evaluation;
mod figures;
mod graph;
mod harm;
mod names;
mod sleep;
mod support;
mod takeover;
mod vital;
mod waits;
mod watchdog;
