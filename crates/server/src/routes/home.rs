//! `GET /`: to the console for browsers; a short page that says that the server works for all others.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use utoipa::IntoResponses;
use utoipa::openapi::ResponseBuilder;

use crate::api::Api;
use crate::api::documented::{self, Responses};
use crate::console;
use crate::face;

/// `303`: to the console.
struct LedToConsole;

impl IntoResponses for LedToConsole {
    fn responses() -> Responses {
        let response = ResponseBuilder::new()
            .description("To the console: `Accept` names `text/html`, as browsers do.")
            .header("Location", documented::header("The console.", console::ROOT));
        Responses::from([("303".to_owned(), response.build().into())])
    }
}

/// A short "it works"; browsers are led to the console
#[utoipa::path(
    get,
    path = "/",
    security(()),
    tag = "exploitation",
    responses(
        (
            status = 200,
            description = "A page for people.",
            body = String,
            content_type = "text/html",
            example = "<!doctype html><h1>orchestrateur</h1>"
        ),
        LedToConsole
    )
)]
pub(crate) async fn home(State(api): State<Api>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|header| header.to_str().ok());
    let mut types = accepted.flat_map(|header| header.split(',')).filter_map(|part| part.split(';').next());
    if types.any(|accepted| accepted.trim().eq_ignore_ascii_case("text/html")) {
        return Redirect::to(console::ROOT).into_response();
    }
    let definition = face::commande::definition(&api);
    Html(format!(
        "<!doctype html><html lang=\"fr\"><meta charset=\"utf-8\"><title>orchestrateur</title>\
         <h1>orchestrateur</h1><p>It works: version {}, saga <code>{}</code>.</p>\
         <ul><li><a href=\"/docs/\">API (Swagger)</a><li><a href=\"/api/commandes\">Commandes</a>\
         <li><a href=\"/api/commandes?rollback=BLOQUE\">Commandes that wait for an operator</a>\
         <li><a href=\"/metrics\">Metrics</a><li><a href=\"/readyz\">Ready?</a></ul>\n",
        env!("CARGO_PKG_VERSION"),
        definition.name
    ))
    .into_response()
}
