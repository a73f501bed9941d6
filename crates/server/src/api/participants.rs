//! `GET /api/participants`: the services that orders call, and how they stand.

use axum::Json;
use axum::extract;
use saga_engine::breaker::{Kind, State};
use saga_engine::participants::{Failure, ParticipantState};
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
    breaker: Breaker,
    /// Calls of this process that ended badly since the last one that did not.
    echecs_de_suite: u64,
    /// The last call of this process that ended badly, however long ago.
    dernier_echec: Option<Echec>,
}

/// A call that ended badly.
#[derive(Serialize)]
struct Echec {
    le: String,
    /// `not_accepted`, `unreachable`, `unavailable`, `unanswered`, `unclear`.
    genre: &'static str,
    statut: Option<u16>,
    raison: Box<str>,
}

impl From<Failure> for Echec {
    fn from(failure: Failure) -> Self {
        Self {
            le: failure.at.to_string(),
            genre: failure.trouble.as_str(),
            statut: failure.status,
            raison: failure.reason,
        }
    }
}

/// Whether calls are let through.
#[derive(Serialize)]
struct Breaker {
    etat: &'static str,
    /// For how long it has been so.
    depuis_ms: u128,
    /// Calls that wait to be let through.
    en_attente: usize,
    /// Calls that ended within its window, and how many of them failed.
    appels: u32,
    echecs: u32,
    /// In how long a call is let through again, to see.
    essai_dans_ms: Option<u128>,
}

impl From<State> for Breaker {
    fn from(state: State) -> Self {
        Self {
            etat: match state.kind {
                Kind::Closed => "FERME",
                Kind::HalfOpen => "MI_OUVERT",
                Kind::Open => "OUVERT",
            },
            depuis_ms: state.lasted.as_millis(),
            en_attente: state.waiting,
            appels: state.calls,
            echecs: state.failures,
            essai_dans_ms: state.tried_in.map(|wait| wait.as_millis()),
        }
    }
}

impl From<ParticipantState> for Participant {
    fn from(state: ParticipantState) -> Self {
        Self {
            nom: state.name.to_string(),
            url: state.url.trim_end_matches('/').to_owned(),
            safety: state.safety.as_str(),
            timeout_ms: state.timeout.as_millis(),
            calls_max: state.calls_max,
            horizon_ms: state.horizon.as_millis(),
            breaker: state.breaker.into(),
            echecs_de_suite: state.standing.failures,
            dernier_echec: state.standing.last_failure.map(Echec::from),
        }
    }
}

/// `GET /api/participants`.
pub(crate) async fn participants(extract::State(api): extract::State<Api>) -> Json<Vec<Participant>> {
    Json(api.engine.participants().into_iter().map(Participant::from).collect())
}
