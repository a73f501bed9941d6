//! `GET /docs` (Swagger UI, from this binary alone) and `GET /openapi.json`.

use axum::Router;
use axum::extract::State;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{TEXT, inputs};
use crate::api::Api;
use crate::api::access::{Needs, Roles};
use crate::api::problem::Problem;

/// This document
///
/// With the input of each loaded definition: `NAME.input` under `components.schemas`. Where keys are configured, for those who present
/// one.
#[utoipa::path(
    get,
    path = "/openapi.json",
    security(()),
    tag = "exploitation",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, example = json!({ "openapi": "3.1.0" })))
)]
pub(super) async fn openapi(State(api): State<Api>, extensions: Extensions, headers: HeaderMap) -> Response {
    let anybody_known = Needs::AnyOf(Roles::all());
    let document = match api.access.admit(&headers, &extensions, anybody_known, api.clock.now()).await {
        Ok(_) if api.access.is_open() => {
            inputs::without_keys(&inputs::added_to(&TEXT, &api.engine.definitions()))
        }
        Ok(_) => inputs::added_to(&TEXT, &api.engine.definitions()),
        Err(_) => TEXT.clone(),
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], document).into_response()
}

/// The page, and the files that it is made of.
pub(super) fn page() -> Router<Api> {
    // Without this, the page sends the document's address to a validator on the Internet.
    let config = Config::from("/openapi.json").try_it_out_enabled(true).validator_url("none");
    let page: Router<Api> = SwaggerUi::new("/docs").config(config).into();
    page.layer(middleware::map_response(explain_missing))
}

/// Swagger UI's own answer about a file that it does not have is empty.
async fn explain_missing(response: Response) -> Response {
    if response.status() == StatusCode::NOT_FOUND {
        return Problem::no_such_path().into_response();
    }
    response
}
