//! The examples: the sagas of `sagas/examples` on the real binary, against the services of `examples` in Python and Node.
//!
//! The services' ledgers say what happened, not the orchestrator. What the services need is installed below
//! `target/examples` by the first run.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]

use saga_endurance::client;

mod installed;
mod world;

mod definitions;
mod first_saga;
mod onboarding;
mod signed;
mod subscription;
mod traces;
mod travel;
