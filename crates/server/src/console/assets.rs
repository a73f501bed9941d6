//! `GET /console/assets/{hash}/{name}`: the style sheet and the scripts. An address names one content for ever.

use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::api::problem::Problem;

/// One of them.
pub(super) async fn asset(uri: Uri) -> Response {
    let Some(asset) = saga_console::assets::at(uri.path()) else {
        return Problem::no_such_path().into_response();
    };
    ([(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type))], asset.content).into_response()
}
