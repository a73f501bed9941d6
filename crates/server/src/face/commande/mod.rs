//! The checkout's face: orders of a shop, in French, as the callers of the first system know them.
//!
//! `words.rs` has the words of the wire for what the core has in English, `error.rs` those for what cannot be done;
//! nothing outside this folder knows that an order has a `client_id` and a `magasin_id`. One file for each resource.

mod blocage;
mod checkout;
#[expect(clippy::module_inception, reason = "the resource `/api/commande/{id}`, beside `/api/commandes`")]
mod commande;
mod commandes;
mod demandes;
mod error;
mod historique;
mod input;
mod words;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use self::input::{labelled, suits};
use crate::api::Api;

/// Its routes.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/commande/checkout", post(checkout::checkout))
        .route("/api/commande/{id}", get(commande::commande))
        .route("/api/commande/{id}/annuler", post(demandes::annuler))
        .route("/api/commande/{id}/historique", get(historique::historique))
        .route("/api/commande/{id}/reprendre", post(demandes::reprendre))
        .route("/api/commande/{id}/resoudre", post(demandes::resoudre))
        .route("/api/commandes", get(commandes::commandes))
}
