//! What a handler of this face answers when it cannot do what it was asked for.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use saga_engine::Refusal;
use saga_journal::Unavailable;

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

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}
