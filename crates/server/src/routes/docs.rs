//! `GET /docs` (Swagger UI, from this binary alone) and `GET /openapi.json`.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
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
    page.layer(middleware::from_fn(answer))
}

/// Swagger UI's own answer about a file that it does not have is empty, and it answers its files compressed to every client.
async fn answer(request: Request, next: Next) -> Response {
    let takes_gzip = takes_gzip(request.headers());
    let mut response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        return Problem::no_such_path().into_response();
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if takes_gzip || response.headers().get(header::CONTENT_ENCODING).is_none_or(|coding| coding != "gzip") {
        return response;
    }
    unpacked(response).await
}

/// Whether a client says that it takes gzip (RFC 9110, 12.5.3). A client that says nothing may be a program that saves what it gets.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let is_refused = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()) == Some(0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

/// The files that were asked for by clients that do not take gzip, by what they are packed: each is unpacked once, or asking for them would
/// be a way to keep this process busy. Swagger UI has a dozen files, of 4 MB together.
static UNPACKED: Mutex<BTreeMap<Bytes, Bytes>> = Mutex::new(BTreeMap::new());

/// The answer, which has a file of this binary, without its compression.
async fn unpacked(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_ENCODING);
    // No more than the binary has.
    let packed = to_bytes(body, usize::MAX).await.expect("the file is in memory");
    let files = || UNPACKED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = files().get(&packed).cloned();
    let file = known.unwrap_or_else(|| {
        let mut file = Vec::new();
        GzDecoder::new(&packed[..]).read_to_end(&mut file).expect("the build packed the file");
        files().entry(packed).or_insert(file.into()).clone()
    });
    Response::from_parts(parts, Body::from(file))
}
