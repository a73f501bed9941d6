//! The console: pages for people, at `/console/`. The crate `saga_console` has the pages; here requests are read, the values that a
//! page shows are gathered, and what its forms ask for is done.
//!
//! - `guard.rs`: the one way in. `session.rs`, `cookie.rs`, `sign_in.rs`, `tries.rs`, `next.rs`: people who sign in.
//! - `visit.rs`: the reader of a page: language, colours, roles. `answer.rs`: pages as answers.
//! - `assets.rs`: the style sheet and the scripts.
//! - One file for each page.

mod answer;
mod assets;
mod cookie;
mod guard;
mod next;
mod overview;
mod session;
mod sign_in;
mod tries;
mod visit;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use self::guard::{CONSOLE_ROUTE, guard};
pub(crate) use self::tries::SignInTries;
use crate::api::Api;

/// Where the console is.
pub(crate) const ROOT: &str = "/console/";
/// Where somebody signs in.
const SIGN_IN: &str = "/console/sign-in";
/// Where somebody signs out.
const SIGN_OUT: &str = "/console/sign-out";

/// The addresses of all forms. The tests send each of them forms that are not of its page.
pub const ACTIONS: [&str; 2] = [SIGN_IN, SIGN_OUT];

/// Its routes. They are pages, and not in the document.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/console", get(overview::to_root))
        .route("/console/", get(overview::overview))
        .route(SIGN_IN, get(sign_in::page).post(sign_in::sign_in))
        .route(SIGN_OUT, post(sign_in::sign_out))
        .route("/console/assets/{hash}/{name}", get(assets::asset))
}

/// Whether a path is the console's.
pub(crate) fn is_at(path: &str) -> bool {
    path == "/console" || path.starts_with(ROOT)
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
