//! What tests need around them. For tests only: whatever goes wrong here panics with a sentence.

pub mod browser;
pub mod newman;
pub mod postgres;
