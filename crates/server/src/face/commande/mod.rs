//! The checkout's face: orders of a shop, in French, as the callers of the first system know them.
//!
//! `words.rs` has the words of the wire for what the core has in English, `error.rs` those for what cannot be done;
//! nothing outside this folder knows that an order has a `client_id` and a `magasin_id`. One file for each resource.

mod answer;
mod blocage;
mod bodies;
mod checkout;
#[expect(clippy::module_inception, reason = "the resource `/api/commande/{id}`, beside `/api/commandes`")]
mod commande;
mod commandes;
mod demandes;
mod error;
mod examples;
mod historique;
mod input;
mod words;

use std::sync::Arc;

use saga_core::{Definition, SagaId};
use saga_engine::Refusal;
use utoipa::OpenApi;

use self::error::Error;
pub(crate) use self::input::{labelled, suits};
pub(crate) use self::words::Constat;
use crate::api::Api;
use crate::api::route::{RouteGroup, route};

/// This face's part of the document: what the handlers do not name themselves.
#[derive(OpenApi)]
#[openapi(
    tags((name = "commandes", description = "Orders")),
    components(schemas(answer::EnCours, commande::Commande, historique::Ligne))
)]
struct FaceDocument;

/// The definition that this face's orders run.
pub(crate) fn definition(api: &Api) -> Arc<Definition> {
    api.engine.definition_named(&api.commande_saga).expect("no definitions are served without that of orders")
}

/// Whether the saga with this id, if there is one, is an order: others are unknown to this face. Asked before a command, so nothing
/// was done where that cannot be told.
async fn is_order(api: &Api, id: SagaId) -> Result<bool, Error> {
    let name = api.engine.name_of(id).await.map_err(Refusal::Unavailable)?;
    Ok(name.is_none_or(|name| name == api.commande_saga))
}

/// Its routes.
pub(crate) const ROUTES: RouteGroup = RouteGroup {
    document: FaceDocument::openapi,
    routes: &[
        route!(checkout::checkout),
        route!(commande::commande),
        route!(demandes::annuler),
        route!(historique::historique),
        route!(demandes::reprendre),
        route!(demandes::resoudre),
        route!(commandes::commandes),
    ],
};
