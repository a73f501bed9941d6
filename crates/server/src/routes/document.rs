//! The document (OpenAPI 3.1): what the router has collected from the handlers, and what is true of every route.

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Ref, RefOr, Response};

use crate::api::documented::problem;
use crate::api::problem::Problem;
use crate::api::{access, browser, hosts};
use crate::http::Crowded;
use crate::metrics::Denied;

/// The document before it has any routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "orchestrateur",
        description = "Runs each order as a saga: reads the cart, reserves the stock, takes the payment, records the sale; \
                       undoes what was done when a step fails. Every error is `application/problem+json` (RFC 9457), and \
                       its `detail` says what to do."
    ),
    servers((url = "/"))
)]
pub(super) struct BaseDocument;

/// One sentence about all of it.
const SUMMARY: &str = "Orders as sagas over panier, stock, client and ventes.";

/// The answers that [`super::around`] gives whatever the route is: status, name, when, and an example.
fn everywhere() -> [(&'static str, &'static str, &'static str, Problem); 6] {
    [
        (
            "400",
            "HoteIllisible",
            "The `Host` header is missing, stands more than once, or cannot be read.",
            hosts::unnamed(),
        ),
        (
            "401",
            "SansCle",
            "Keys or an issuer of tokens are configured, and the request presents none that may be used. Nothing was done.",
            access::unauthenticated(Denied::NoKey),
        ),
        (
            "403",
            "PageAilleurs",
            "A browser sends it for a page of another site (`Sec-Fetch-Site`, `Origin`); or the caller's role does not reach \
             (`role`), or not to this saga or signal. Nothing was done.",
            browser::cross_site(),
        ),
        ("405", "MethodeRefusee", "The path does not take this method.", Problem::method_not_allowed()),
        (
            "421",
            "HoteInconnu",
            "It is sent to a host that this server does not answer for; see `--allowed-host`.",
            hosts::foreign("orders.example.com"),
        ),
        (
            "503",
            "Plein",
            "A limit is reached, or the token cannot be checked, because its issuer does not give its keys (`issuer_unreachable`). \
             `Retry-After` says when to try again.",
            Problem::crowded(Crowded::Full),
        ),
    ]
}

/// Adds the common answers to each operation that does not say more of that status itself.
pub(super) fn complete(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let components = document.components.get_or_insert_default();
    for (_, name, description, example) in everywhere() {
        let response: RefOr<Response> = problem(description, &example).build().into();
        components.responses.insert(name.to_owned(), response);
    }
    let mut bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    bearer.description = Some(
        "A key that `orchestrateur keys add` has made, or an access token (JWT) of the issuer of `--oidc-issuer`. Each operation names the \
         roles that it is for. Where neither is configured, none is asked for."
            .to_owned(),
    );
    components.security_schemes.insert("key".to_owned(), SecurityScheme::Http(bearer).into());
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            add_common(operation);
        }
    }
    document
}

fn add_common(operation: &mut Operation) {
    for (status, name, ..) in everywhere() {
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| Ref::from_response_name(name).into());
    }
}

/// The document's text.
pub(super) fn text(document: &utoipa::openapi::OpenApi) -> String {
    let mut document = serde_json::to_value(document).expect("a document is plain JSON");
    // `info.summary` is new in OpenAPI 3.1, and utoipa has no field for it.
    document["info"]["summary"] = SUMMARY.into();
    document.to_string()
}
