//! TLS of the server and of the command line, with certificates that each test makes.
//!
//! - `authority.rs`: authorities, certificates and clients.
//! - `serving.rs`: handshakes; `renewal.rs`: files that change; `identity.rs`: the rights of clients' certificates;
//!   `command_line.rs`: `orchestrateur` as a client.

pub(crate) mod authority;
mod command_line;
mod identity;
mod renewal;
mod serving;
