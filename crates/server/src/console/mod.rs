//! The console: pages for people, at `/console/`. The crate `saga_console` has the pages; here requests are read, the values that a
//! page shows are gathered, and what its forms ask for is done.
//!
//! - `guard.rs`: the one way in. `sign_in.rs`, `tries.rs`, `next.rs`: people who sign in; `api/access/session` has their sessions.
//! - `visit.rs`: the reader of a page, and its roles; `preferences.rs`: the reader's language and colours. `answer.rs`: pages as answers.
//! - `assets.rs`: the style sheet and the scripts.
//! - One file for each page.

mod actions;
mod answer;
mod assets;
mod definitions;
mod elsewhere;
mod guard;
mod inbox;
mod next;
mod overview;
mod participants;
mod preferences;
mod saga;
mod saga_act;
mod saga_raw;
mod sagas;
mod search;
mod sign_in;
mod tries;
mod visit;

use axum::routing::{any, get, post};
use axum::{Extension, Router};
pub(crate) use saga_console::ROOT;
use std::sync::Arc;

pub(crate) use self::guard::{CONSOLE_ROUTE, guard};
use self::tries::SignInTries;
use crate::api::Api;
use crate::face::sagas::{LiveFeed, events};

/// Where somebody signs in.
const SIGN_IN: &str = "/console/sign-in";
/// Where somebody signs out.
const SIGN_OUT: &str = "/console/sign-out";

/// The addresses of all forms, those about one thing with an example. The tests send each of them forms that are not of its page.
pub const ACTIONS: [&str; 6] = [
    SIGN_IN,
    SIGN_OUT,
    "/console/inbox/try",
    "/console/inbox/say",
    "/console/actions/01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21/take-back",
    "/console/sagas/01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21/act",
];

/// Its routes. They are pages, and not in the document.
pub(crate) fn routes(feed: LiveFeed) -> Router<Api> {
    Router::new()
        // The same stream as elsewhere, for those who are signed in.
        .route("/console/events", get(events))
        .layer(Extension(feed))
        .route("/console", get(overview::to_root))
        .route("/console/", get(overview::overview))
        .route(SIGN_IN, get(sign_in::page).post(sign_in::sign_in))
        .layer(Extension(Arc::new(SignInTries::default())))
        .route(SIGN_OUT, post(sign_in::sign_out))
        .route("/console/sagas", get(sagas::sagas))
        .route("/console/inbox", get(inbox::inbox))
        .route("/console/inbox/try", post(inbox::try_now))
        .route("/console/inbox/say", post(inbox::say))
        .route("/console/actions", get(actions::actions))
        .route("/console/actions/{id}", get(actions::action))
        .route("/console/actions/{id}/take-back", post(actions::take_back))
        .route("/console/search", get(search::search))
        .route("/console/sagas/{saga}", get(saga::saga))
        .route("/console/sagas/{saga}/act", get(saga::saga).post(saga_act::act))
        .route("/console/definitions", get(definitions::definitions))
        .route("/console/definitions/{name}", get(definitions::definition))
        .route("/console/participants", get(participants::participants))
        .route("/console/assets/{hash}/{name}", get(assets::asset))
        .route("/console/{*rest}", any(elsewhere::no_such_page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_actions_are_listed() {
        let (source, _) = include_str!("mod.rs").split_once("#[cfg(test)]").unwrap();
        let posts = source.matches("post(").count();
        assert_eq!(
            posts,
            ACTIONS.len(),
            "a route that takes a form is missing in ACTIONS, or one that is gone is there"
        );
    }
}
