//! The binary `orchestrateur`: configuration, the HTTP API, metrics, the demo, the command line.
//!
//! The only crate of the orchestrator that knows axum. It holds no saga rules: it turns requests into commands for
//! the engine, and rows of the journal into answers.

// They panic when the output is closed: `cli/output.rs` prints.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod api;
mod archive;
pub mod cli;
pub mod console;
pub mod definitions;
pub mod face;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod reconcile;
mod release;
pub mod routes;
pub mod store;
pub mod tls;
pub mod traces;
mod whole;
