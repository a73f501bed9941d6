//! Calls to participants over real sockets, through the real [`HttpParticipants`]: what each answer means,
//! which address is called, whose certificate is believed.
//!
//! [`HttpParticipants`]: saga_engine::participants::HttpParticipants
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests run in real time, panic where they have failed, and are seen by this binary alone"
)]

mod addresses;
mod auth;
mod desk;
mod documents;
mod hostile;
mod messages;
mod support;
mod tls;
