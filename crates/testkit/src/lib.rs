//! What tests need around them, and a participant that says anything ([`hostile`]). For tests only: whatever goes wrong here panics with a sentence.

pub mod browser;
pub mod hostile;
pub mod newman;
pub mod postgres;
