//! Helpers of tests, and a hostile participant ([`hostile`]). For tests only: errors panic with a message.

pub mod balancer;
pub mod browser;
pub mod collector;
pub mod definition;
pub mod dice;
mod guarded;
pub mod hostile;
pub mod newman;
pub mod pooler;
pub mod postgres;
pub mod schema;
pub mod tokens;
pub mod trace_picture;
