//! TLS of the server, with certificates that each test makes.
//!
//! - `authority.rs`: authorities, certificates and clients.
//! - `serving.rs`: handshakes; `renewal.rs`: files that change; `identity.rs`: the rights of clients' certificates.

mod authority;
mod identity;
mod renewal;
mod serving;
