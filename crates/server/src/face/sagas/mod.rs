//! The face for any saga, in English. One file for each resource.

mod signals;

use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;

/// This face's part of the document: what the handlers do not name themselves.
#[derive(OpenApi)]
#[openapi(tags((name = "sagas", description = "Any saga")))]
struct SagasDocument;

/// Its routes.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(SagasDocument::openapi()).routes(routes!(signals::signal))
}
