//! The shop as its callers see it: through HTTP, and through its binary.

#![expect(clippy::disallowed_methods, reason = "tests spawn the callers that they need")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ancienne;
mod barriere;
mod binaire;
mod fautes;
mod moderne;
mod shop;
