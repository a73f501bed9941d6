//! `GET /api/participants`: the services that orders call, and how they stand.

use axum::Json;
use axum::extract::State;
use saga_engine::participants::{BreakerState, ParticipantState};
use serde::Serialize;

use super::Api;

/// A participant; names as in definitions.
#[derive(Serialize)]
pub(crate) struct Participant {
    nom: String,
    url: String,
    safety: &'static str,
    timeout_ms: u128,
    calls_max: usize,
    horizon_ms: u128,
    /// `null`: nobody watches whether it works.
    breaker: Option<Breaker>,
}

#[derive(Serialize)]
struct Breaker {
    etat: &'static str,
    /// When a call is let through again, to see.
    jusqu_a: Option<String>,
}

impl From<ParticipantState> for Participant {
    fn from(state: ParticipantState) -> Self {
        let breaker = state.breaker.map(|breaker| match breaker {
            BreakerState::Closed => Breaker { etat: "FERME", jusqu_a: None },
            BreakerState::Open { until } => Breaker { etat: "OUVERT", jusqu_a: Some(until.to_string()) },
            BreakerState::HalfOpen => Breaker { etat: "MI_OUVERT", jusqu_a: None },
        });
        Self {
            nom: state.name.to_string(),
            url: state.url.trim_end_matches('/').to_owned(),
            safety: state.safety.as_str(),
            timeout_ms: state.timeout.as_millis(),
            calls_max: state.calls_max,
            horizon_ms: state.horizon.as_millis(),
            breaker,
        }
    }
}

/// `GET /api/participants`.
pub(crate) async fn participants(State(api): State<Api>) -> Json<Vec<Participant>> {
    Json(api.engine.participants().into_iter().map(Participant::from).collect())
}
