//! Runs worlds.
fn main() {}
