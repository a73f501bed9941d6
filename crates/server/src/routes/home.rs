//! `GET /`: a short page that says that the server works, with links into the faces.

use axum::extract::State;
use axum::response::Html;

use crate::api::Api;
use crate::face;

/// A short "it works"
#[utoipa::path(
    get,
    path = "/",
    security(()),
    tag = "exploitation",
    responses((
        status = 200,
        description = "A page for people.",
        body = String,
        content_type = "text/html",
        example = "<!doctype html><h1>orchestrateur</h1>"
    ))
)]
pub(crate) async fn home(State(api): State<Api>) -> Html<String> {
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
}
