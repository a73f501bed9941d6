//! What a handler of this face answers when it cannot do what it was asked for.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
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
        Self(Problem::refused(refusal, unknown))
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
pub(crate) struct Unreadable;

impl IntoResponses for Unreadable {
    fn responses() -> Responses {
        problems([(
            "The order's history cannot be read. The order is parked for a person.",
            Error::from(Refusal::Damaged("frame 1 is not JSON".into())).0,
        )])
    }
}
