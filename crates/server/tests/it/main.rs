//! The API and the command line as their users meet them: the real binary over real sockets, the shop as its
//! neighbours, whose own ledgers are the judge of what happened.
//!
//! - `harness.rs`: a shop and an orchestrator of a test's own; `http.rs`: a client that can also misbehave.
//! - `routes.rs`: the document and its routes; `schema.rs`: whether a JSON value is what the OpenAPI document says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::disallowed_methods,
    reason = "real processes run in real time, and tests race their requests"
)]

mod harness;
mod http;
mod routes;
mod signals;

mod access;
mod annuler;
mod blocked;
mod browser;
mod bytes;
mod callbacks;
mod check;
mod checkout;
mod cli;
mod commande;
mod commandes;
mod commandes_command;
mod connections;
mod console;
mod demo;
mod events;
mod first_keys;
mod health;
mod health_command;
mod idempotency;
mod key_limits;
mod limits;
mod limits_page;
mod metrics;
mod openapi;
mod postman;
mod prefer;
mod raw_requests;
mod reconcile_command;
mod sagas;
mod sagas_command;
mod secrets;
mod sessions;
mod several;
mod signing;
mod tls;
mod tokens;
