//! The answer to a caller that waits for an order: its end, or its current state.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saga_core::SagaId;
use saga_core::saga::Failure;
use saga_engine::Snapshot;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::Ref;
use utoipa::{IntoResponses, ToSchema};

use super::examples;
use super::words::{Etat, Rollback};
use crate::api::documented::{self, Responses};

/// The answer once the order is over or blocked.
#[derive(Serialize, ToSchema)]
pub(crate) struct Fin {
    #[schema(value_type = String, format = "uuid")]
    saga_id: SagaId,
    etat_final: Etat,
    // The type says what it means: beside an inlined schema utoipa has no room for a field's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline, nullable = false)]
    rollback: Option<Bloque>,
    /// Only there when there is no order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    echec: Option<Echec>,
}

/// Only there when a person is needed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Bloque {
    Bloque,
}

/// Why there is no order, or why a person is needed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Echec {
    /// The step; `null` where the order as a whole was stopped.
    #[schema(required, value_type = Option<String>)]
    pub(crate) etape: Option<Arc<str>>,
    /// The participant's words where it gave any, cut to 300 bytes.
    #[schema(value_type = String)]
    pub(crate) raison: Arc<str>,
}

impl From<&Failure> for Echec {
    fn from(failed: &Failure) -> Self {
        Self { etape: failed.step.clone(), raison: failed.reason.clone() }
    }
}

/// The answer while the order goes on.
#[derive(Serialize, ToSchema)]
pub(crate) struct EnCours {
    #[schema(value_type = String, format = "uuid")]
    saga_id: SagaId,
    etat_actuel: Etat,
    rollback: Rollback,
}

/// `202`: the order goes on.
pub(crate) struct GoesOn;

impl IntoResponses for GoesOn {
    fn responses() -> Responses {
        goes_on(examples::under_way("STOCK_RESERVE", "AUCUN"))
    }
}

/// `202`: the order goes on being undone.
pub(crate) struct GoesBack;

impl IntoResponses for GoesBack {
    fn responses() -> Responses {
        goes_on(examples::under_way("ECHEC_ENREGISTREMENT", "EN_COURS"))
    }
}

fn goes_on(example: Value) -> Responses {
    let location = documented::header("Where the order is.", path_of(examples::ID));
    let applied = documented::header("The preference that was honoured.", "respond-async");
    let description = "The wait ran out first, or was not wanted: the order goes on. Ask at `Location`.";
    let response = documented::json(description, Ref::from_schema_name("EnCours"), example)
        .header("Location", location)
        .header("Preference-Applied", applied);
    Responses::from([("202".to_owned(), response.build().into())])
}

/// The answer about an order that a caller waited for. `applied`: the preference that was honoured.
pub(crate) fn answer(snapshot: &Snapshot, applied: Option<String>) -> Response {
    let (saga_id, etat) = (snapshot.saga, Etat::from(snapshot.state.clone()));
    let rollback = Rollback::from(snapshot.rollback);
    let mut response = if snapshot.settled {
        let rollback = (rollback == Rollback::Bloque).then_some(Bloque::Bloque);
        let echec = snapshot.failure.as_ref().map(Echec::from);
        (StatusCode::OK, Json(Fin { saga_id, etat_final: etat, rollback, echec })).into_response()
    } else {
        let body = Json(EnCours { saga_id, etat_actuel: etat, rollback });
        let mut response = (StatusCode::ACCEPTED, body).into_response();
        if let Ok(location) = HeaderValue::try_from(path_of(saga_id)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    };
    if let Some(applied) = applied.and_then(|applied| HeaderValue::try_from(applied).ok()) {
        response.headers_mut().insert("preference-applied", applied);
    }
    response
}

fn path_of(id: impl std::fmt::Display) -> String {
    format!("/api/commande/{id}")
}
