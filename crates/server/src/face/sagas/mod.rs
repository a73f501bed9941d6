//! The face for any saga, in English. One file for each resource.
//!
//! `words.rs` has the words of the wire that are not the core's own, `blocked.rs` and `labels.rs` the parts that several
//! resources share.

mod blocked;
mod callbacks;
mod commands;
mod definitions;
mod events;
mod examples;
mod history;
mod labels;
mod line;
mod list;
mod saga;
mod signals;
mod start;
mod words;

use axum::Extension;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::commands::{BY, FINDING, REASON, output_of};
pub(crate) use self::events::LiveFeed;
pub(crate) use self::events::events;
pub(crate) use self::line::SagaLine;
pub(crate) use self::list::{ListAsked, SAGAS_MAX};
pub(crate) use self::saga::unknown;
pub(crate) use self::signals::SIGNAL_BYTES_MAX;
pub(crate) use self::start::loaded;
use crate::api::Api;

/// This face's part of the document: what the handlers do not name themselves.
#[derive(OpenApi)]
#[openapi(
    tags((name = "sagas", description = "Any saga")),
    components(schemas(saga::SagaShown, line::SagaLine, events::CloudEvent<'_>))
)]
struct SagasDocument;

/// Its routes. `feed` is the reader of all streams.
pub(crate) fn routes(feed: LiveFeed) -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(SagasDocument::openapi())
        .routes(routes!(list::sagas))
        .routes(routes!(saga::saga, start::start))
        .routes(routes!(history::history))
        .routes(routes!(commands::cancel))
        .routes(routes!(commands::resume))
        .routes(routes!(commands::resolve))
        .routes(routes!(signals::signal))
        .routes(routes!(callbacks::callback))
        .routes(routes!(definitions::definitions))
        .routes(routes!(definitions::definition))
        .merge(OpenApiRouter::new().routes(routes!(events::events)).layer(Extension(feed)))
}
