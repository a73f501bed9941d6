//! The errors of this face's handlers, and the core's refusals in the words of this face.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use saga_core::saga::Rejected;
use saga_engine::Refusal;
use saga_journal::Unavailable;
use utoipa::IntoResponses;

use crate::api::documented::{Responses, problems};
use crate::api::problem::Problem;

/// A problem in the words of this face.
pub(crate) struct Error(Problem);

impl Error {
    /// There is no such order.
    pub(crate) fn unknown() -> Self {
        Self(unknown())
    }

    /// The same with other words.
    pub(crate) fn saying(self, detail: impl Into<String>) -> Self {
        Self(self.0.saying(detail))
    }
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "commande_inconnue", "Commande non trouvée")
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejected) => Self(Problem::refused(refusal, unknown).saying(detail(rejected))),
            _ => Self(Problem::refused(refusal, unknown)),
        }
    }
}

/// The core's reason for a refusal, in the words of this face's requests.
fn detail(rejected: Rejected) -> &'static str {
    match rejected {
        Rejected::Stale => "nobody waits for that call any more",
        Rejected::Completed => "the order is confirmed; it cannot be cancelled any more",
        Rejected::Failing => "the order has failed already; what was done is undone without being asked",
        Rejected::Over => "the order is over",
        Rejected::NotBlocked => "the order is not blocked; there is nothing to resolve",
        Rejected::OtherStep => "the order is blocked at another step",
        Rejected::GoingForward => {
            "the order was going forward when its task failed: resume it, or cancel it to have it rolled back"
        }
        Rejected::InDoubt => {
            "nobody can know whether the last call took effect, and its participant promises nothing about repeated calls: \
             find out there, and say so with `resoudre`"
        }
        Rejected::CallUnderWay => {
            "a call to the participant is under way and may change what was found; look again when it has ended"
        }
        Rejected::BeingUndone => {
            "that cannot be said of a step that is being undone: say EXECUTEE if its effect is still there (it is undone \
             then), or ANNULEE if its effect is gone"
        }
        Rejected::ToBeDone => {
            "there is no way back, so nothing is undone: say EXECUTEE, or NON_EXECUTEE to have the step called again"
        }
        Rejected::NoWayBack => {
            "a step after which there is no way back is done; the order goes on to its end"
        }
        Rejected::NothingToHurry => {
            "the order waits for a time or for a signal alone; there is no call that could be made earlier"
        }
        Rejected::NoSuchSignal => "no step of the order takes a signal of that name",
        Rejected::TakesNoSignals => "the order takes no signals any more: it is over, or is undone",
        Rejected::SignalsEnough => "no step is left that could take another signal of that name",
        Rejected::SignalKeyReused => "a signal of that name and key was sent before, with another body",
        Rejected::OutputNeeded => "undoing the step needs what its action's answer gave: add it as `sortie`",
        Rejected::OutputUnfit => {
            "undoing the step cannot be made from that `sortie`: look up what its compensation reads"
        }
    }
}

impl From<Unavailable> for Error {
    fn from(error: Unavailable) -> Self {
        Self(error.into())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        error.0
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// `404`: there is no such order.
pub(crate) struct UnknownOrder;

impl IntoResponses for UnknownOrder {
    fn responses() -> Responses {
        problems([("There is no such order.", unknown())])
    }
}

/// `500`: the order cannot be read.
pub(crate) struct UnreadableOrder;

impl IntoResponses for UnreadableOrder {
    fn responses() -> Responses {
        problems([(
            "The order's history cannot be read. The order is parked for a person.",
            Error::from(Refusal::Damaged("frame 1 is not JSON".into())).0,
        )])
    }
}
