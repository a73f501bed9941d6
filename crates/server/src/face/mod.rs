//! Faces: sagas as one kind of caller sees them. Each is a folder with routes, a vocabulary and errors of its own:
//!
//! - [`commande`]: the checkout, in French.
//! - [`sagas`]: any saga, in English.
//!
//! A face translates and knows no other face. The parts that all of them share are in `crate::api`; `crate::routes`
//! puts them beside each other.

pub mod commande;
pub mod sagas;
