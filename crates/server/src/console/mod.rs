//! The console: pages for people, at `/console/`. The crate `saga_console` has the pages; here requests are read, the values that a
//! page shows are gathered, and what its forms ask for is done.
//!
//! - `visit.rs`: the reader of a page: language, colours, roles. `answer.rs`: pages as answers.
//! - `assets.rs`: the style sheet and the scripts.
//! - One file for each page.

mod answer;
mod assets;
mod overview;
mod visit;

use axum::routing::get;
use axum::{Extension, Router};

use crate::api::Api;
use crate::face::sagas::{self, LiveFeed};

/// Where the console is.
pub(crate) const ROOT: &str = "/console/";

/// Its routes. They are pages, and not in the document.
pub(crate) fn routes(feed: LiveFeed) -> Router<Api> {
    Router::new()
        // The same stream as elsewhere, for those who are signed in.
        .route("/console/events", get(sagas::events))
        .layer(Extension(feed))
        .route("/console", get(overview::to_root))
        .route("/console/", get(overview::overview))
        .route("/console/assets/{hash}/{name}", get(assets::asset))
}

/// Whether a path is the console's.
pub(crate) fn is_at(path: &str) -> bool {
    path == "/console" || path.starts_with(ROOT)
}
