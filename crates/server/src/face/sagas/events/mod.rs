//! `GET /api/events`: what happens to sagas, while it happens, as server-sent events.
//!
//! ```text
//!   journal ── feed ──▶ live: one reader for all streams ── the last events ──▶ stream: one for each client
//!      └────────────── what a client missed, or is too slow for ────────────────────▶ ┘
//! ```
//!
//! `changes.rs` is a client that wants to hear that something has changed, and not each event.
//!
//! `listener.rs` is a client and whether it may still listen, `told.rs` an event as it is sent, `place.rs` its id, `wanted.rs` the filters.

mod changes;
mod listener;
mod live;
mod place;
mod stream;
mod told;
mod wanted;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use self::changes::ChangeStream;
use self::listener::Listener;
pub(crate) use self::live::LiveFeed;
use self::stream::EventStream;
pub(super) use self::told::CloudEvent;
use self::wanted::{EventsAsked, read_place};
use super::labels::LabelQuery;
use crate::api::Api;
use crate::api::documented::JournalUnavailable;
use crate::api::problem::Problem;

/// The header with which a browser goes on after a break.
const LAST_EVENT_ID: &str = "last-event-id";

/// Which events are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the parameters as the document shows them")]
struct EventsQuery {
    /// Only events of sagas of this definition.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "checkout")]
    saga: Option<String>,
    /// Only events of this saga.
    #[param(format = "uuid", example = "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21")]
    id: Option<String>,
    /// Only events with which a saga entered this state.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "COMPLETED")]
    state: Option<String>,
    /// Only events of this kind.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "blocked")]
    event: Option<String>,
    /// Only events about this step.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "payment")]
    step: Option<String>,
    /// Only events about steps of this participant.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "client")]
    participant: Option<String>,
    /// Not each event, but that something has changed: at once, and then in this time at most once (`1s` to `60s`). With `id`, or without
    /// a filter.
    #[param(pattern = r"^[0-9]{1,9}(ms|s|m|h|d)$", example = "2s")]
    every: Option<String>,
    /// Behind the event with this id, where `Last-Event-ID` does not say; `0`: from the first one that is kept.
    #[param(
        pattern = r"^(0|[0-9]{1,18}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,18})$",
        example = "0"
    )]
    after: Option<String>,
}

/// What happens to sagas, while it happens
///
/// Server-sent events: each message's `data` is a CloudEvent 1.0 as JSON, and its `id` the place to go on from. Each event is told at
/// least once, and those of one saga in their order. A client that goes on with `Last-Event-ID` misses none, also after a restart, or
/// at another process. Without it, and without `after`, it is told what happens from now on. A message without `data` says that
/// the stream is alive. Inputs, outputs and bodies are not in it: `GET /api/sagas/{saga}` has them.
#[utoipa::path(
    get,
    path = "/api/events",
    security(("key" = ["read", "operate", "admin"])),
    tag = "sagas",
    params(
        EventsQuery,
        LabelQuery,
        (
            "Last-Event-ID" = Option<String>,
            Header,
            description = "The id of the last event that the client has had; `0`: from the first one that is kept.",
            example = "0"
        )
    ),
    responses(
        (
            status = 200,
            description = "The stream. It has no end.",
            content_type = "text/event-stream",
            body = String,
            example = "id: 4711.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21.1\ndata: {\"specversion\":\"1.0\",\"type\":\"orchestrateur.saga.started\"}\n\n"
        ),
        (
            status = 422,
            description = "A parameter is wrong or unknown.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(EventsAsked::read("after=x").err())
        ),
        JournalUnavailable
    )
)]
pub(crate) async fn events(
    State(api): State<Api>,
    Extension(feed): Extension<LiveFeed>,
    request: Parts,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let EventsAsked { wanted, after, every } = EventsAsked::read(&query.unwrap_or_default())?;
    let from = match request.headers.get(LAST_EVENT_ID) {
        Some(id) => Some(read_place("Last-Event-ID", id.to_str().unwrap_or_default())?),
        None => after,
    };
    let Some(place) = feed.enter() else {
        let detail = "There are STREAMS_MAX streams already; close one, or ask another process";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "streams_max", detail));
    };
    let listener = Listener::of(&request);
    let body = match (every, from) {
        (Some(every), _) => ChangeStream::new(api, listener, feed, (wanted.id(), every), place).body(),
        (None, from) => {
            let from = match from {
                Some(from) => from,
                None => api.engine.journal().feed_end().await?,
            };
            EventStream::new(api, listener, feed, wanted, from, place).body()
        }
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // A proxy that collects an answer before it passes it on would hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}
