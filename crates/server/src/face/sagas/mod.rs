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

use utoipa::OpenApi;

pub(crate) use self::commands::{BY, FINDING, REASON, output_of};
pub(crate) use self::events::LiveFeed;
pub(crate) use self::events::events;
pub(crate) use self::line::SagaLine;
pub(crate) use self::list::{ListAsked, SAGAS_MAX};
pub(crate) use self::saga::unknown;
pub(crate) use self::signals::SIGNAL_BYTES_MAX;
pub(crate) use self::start::loaded;
use crate::api::route::{RouteGroup, route};

/// This face's part of the document: what the handlers do not name themselves.
#[derive(OpenApi)]
#[openapi(
    tags((name = "sagas", description = "Any saga")),
    components(schemas(saga::SagaShown, line::SagaLine, events::CloudEvent<'_>))
)]
struct SagasDocument;

/// Its routes.
pub(crate) const ROUTES: RouteGroup = RouteGroup {
    document: SagasDocument::openapi,
    routes: &[
        route!(list::sagas),
        route!(saga::saga),
        route!(start::start),
        route!(history::history),
        route!(commands::cancel),
        route!(commands::resume),
        route!(commands::resolve),
        route!(signals::signal),
        route!(callbacks::callback),
        route!(definitions::definitions),
        route!(definitions::definition),
    ],
};

/// Those of its routes that need the [`LiveFeed`] of all streams.
pub(crate) const STREAMS: RouteGroup =
    RouteGroup { document: Default::default, routes: &[route!(events::events)] };
