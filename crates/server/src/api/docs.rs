//! `GET /docs` (Swagger UI, from this binary alone) and `GET /openapi.json`.

use axum::Router;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::Api;

/// The OpenAPI 3.1 document. Written by hand; tests hold it against the routes and their answers.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Both routes.
pub(crate) fn swagger() -> Router<Api> {
    let document: serde_json::Value = serde_json::from_str(OPENAPI).expect("a test reads the document");
    SwaggerUi::new("/docs")
        .external_url_unchecked("/openapi.json", document)
        .config(Config::from("/openapi.json").try_it_out_enabled(true))
        .into()
}
