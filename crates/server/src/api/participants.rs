//! `GET /api/participants`: the services that orders call, and how they stand.

use axum::Json;
use axum::extract;
use saga_core::definition::Safety;
use saga_engine::breaker::{self, BreakerState};
use saga_engine::participants::{AccessTrouble, CallTrouble, FailedCall, ParticipantState};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;

/// Names as in definitions.
#[derive(Serialize, ToSchema)]
#[schema(as = Participant)]
pub(crate) struct ParticipantShown {
    nom: String,
    url: String,
    #[schema(inline)]
    safety: Promise,
    timeout_ms: u128,
    calls_max: usize,
    /// How long it keeps its promise for one order.
    horizon_ms: u128,
    breaker: BreakerShown,
    /// Calls of this process that ended badly since the last one that did not.
    echecs_de_suite: u64,
    /// The last call of this process that ended badly, however long ago.
    #[schema(required)]
    dernier_echec: Option<FailedCallShown>,
    /// Why there is no access to it, or none that is new; null: all is well.
    #[schema(required)]
    acces: Option<AccessShown>,
}

/// What calls need before they leave is missing, or could not be renewed: the credential (`auth`), or the files of `tls`.
#[derive(Serialize, ToSchema)]
#[schema(as = AccesManquant)]
struct AccessShown {
    raison: Box<str>,
    /// For how long it has been so.
    depuis_ms: u128,
    /// Whether calls wait. If not, they go on with what there was before.
    retient: bool,
}

impl From<AccessTrouble> for AccessShown {
    fn from(trouble: AccessTrouble) -> Self {
        Self { raison: trouble.reason, depuis_ms: trouble.lasted.as_millis(), retient: trouble.holds_calls }
    }
}

/// A call that ended badly.
#[derive(Serialize, ToSchema)]
#[schema(as = EchecAppel)]
struct FailedCallShown {
    #[schema(format = DateTime)]
    le: String,
    #[schema(inline)]
    genre: TroubleShown,
    /// The HTTP status, where there was an answer.
    #[schema(required)]
    statut: Option<u16>,
    raison: Box<str>,
}

/// not_accepted: it takes no such calls (a token, a path). unreachable: no connection. unavailable: it said that it is away
/// or overloaded. unanswered: no whole answer. unclear: an answer that does not say what became of the call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TroubleShown {
    NotAccepted,
    Unreachable,
    Unavailable,
    Unanswered,
    Unclear,
}

impl From<CallTrouble> for TroubleShown {
    fn from(trouble: CallTrouble) -> Self {
        match trouble {
            CallTrouble::NotAccepted => Self::NotAccepted,
            CallTrouble::Unreachable => Self::Unreachable,
            CallTrouble::Unavailable => Self::Unavailable,
            CallTrouble::Unanswered => Self::Unanswered,
            CallTrouble::Unclear => Self::Unclear,
        }
    }
}

impl From<FailedCall> for FailedCallShown {
    fn from(failure: FailedCall) -> Self {
        Self {
            le: failure.at.to_string(),
            genre: failure.trouble.into(),
            statut: failure.status,
            raison: failure.reason,
        }
    }
}

/// Whether calls are let through.
#[derive(Serialize, ToSchema)]
#[schema(as = Breaker)]
struct BreakerShown {
    #[schema(inline)]
    etat: Position,
    /// For how long it has been so.
    depuis_ms: u128,
    /// Calls that wait to be let through.
    en_attente: usize,
    /// Calls that ended within its window.
    appels: u32,
    /// Those of them that failed.
    echecs: u32,
    /// In how long a call is let through again, to see; null while it is not OUVERT.
    #[schema(required)]
    essai_dans_ms: Option<u128>,
}

/// OUVERT: calls are suspended. MI_OUVERT: a few are let through, to see.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Position {
    Ferme,
    Ouvert,
    MiOuvert,
}

impl From<breaker::BreakerKind> for Position {
    fn from(kind: breaker::BreakerKind) -> Self {
        match kind {
            breaker::BreakerKind::Closed => Self::Ferme,
            breaker::BreakerKind::HalfOpen => Self::MiOuvert,
            breaker::BreakerKind::Open => Self::Ouvert,
        }
    }
}

impl From<BreakerState> for BreakerShown {
    fn from(state: BreakerState) -> Self {
        Self {
            etat: state.kind.into(),
            depuis_ms: state.lasted.as_millis(),
            en_attente: state.waiting,
            appels: state.calls,
            echecs: state.failures,
            essai_dans_ms: state.tried_in.map(|wait| wait.as_millis()),
        }
    }
}

/// What it promises about repeated calls.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Promise {
    None,
    Idempotent,
    Barrier,
}

impl From<Safety> for Promise {
    fn from(safety: Safety) -> Self {
        match safety {
            Safety::None => Self::None,
            Safety::Idempotent => Self::Idempotent,
            Safety::Barrier => Self::Barrier,
        }
    }
}

impl From<ParticipantState> for ParticipantShown {
    fn from(state: ParticipantState) -> Self {
        Self {
            nom: state.name.to_string(),
            url: state.url.trim_end_matches('/').to_owned(),
            safety: state.safety.into(),
            timeout_ms: state.timeout.as_millis(),
            calls_max: state.calls_max,
            horizon_ms: state.horizon.as_millis(),
            breaker: state.breaker.into(),
            echecs_de_suite: state.standing.failures,
            dernier_echec: state.standing.last_failure.map(FailedCallShown::from),
            acces: state.access.map(AccessShown::from),
        }
    }
}

/// The services that orders call, and how they stand
#[utoipa::path(
    get,
    path = "/api/participants",
    security(("key" = ["read", "operate", "admin"])),
    tag = "exploitation",
    responses((
        status = 200,
        description = "Those of the definition that new orders run.",
        body = Vec<ParticipantShown>,
        example = json!([{
            "nom": "stock",
            "url": "http://stock-service:8000",
            "safety": "barrier",
            "timeout_ms": 5_000,
            "calls_max": 256,
            "horizon_ms": 604_800_000,
            "breaker": {
                "etat": "FERME", "depuis_ms": 86_400_000, "en_attente": 0, "appels": 12, "echecs": 0,
                "essai_dans_ms": null
            },
            "echecs_de_suite": 3,
            "dernier_echec": {
                "le": "2026-11-27T12:00:00Z", "genre": "not_accepted", "statut": 401, "raison": "the token has expired"
            },
            "acces": null
        }])
    ))
)]
pub(crate) async fn participants(extract::State(api): extract::State<Api>) -> Json<Vec<ParticipantShown>> {
    Json(api.engine.participants().into_iter().map(ParticipantShown::from).collect())
}
