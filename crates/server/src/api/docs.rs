//! `GET /docs` (Swagger UI, from this binary alone) and `GET /openapi.json`.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::Api;
use super::problem::Problem;

/// The OpenAPI 3.1 document. Written by hand; tests hold it against the routes and their answers.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Both routes.
pub(crate) fn swagger() -> Router<Api> {
    let document: serde_json::Value = serde_json::from_str(OPENAPI).expect("a test reads the document");
    // Without this, the page sends the document's address to a validator on the Internet.
    let config = Config::from("/openapi.json").try_it_out_enabled(true).validator_url("none");
    let pages: Router<Api> =
        SwaggerUi::new("/docs").external_url_unchecked("/openapi.json", document).config(config).into();
    pages.layer(middleware::map_response(explain_missing))
}

/// Swagger UI's own answer about a file that it does not have is empty.
async fn explain_missing(response: Response) -> Response {
    if response.status() == StatusCode::NOT_FOUND {
        return Problem::no_such_path().into_response();
    }
    response
}
