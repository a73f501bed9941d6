//! `GET /console/`: must somebody act, does it flow, what recovers alone?

use axum::extract::State;
use axum::response::{Redirect, Response};
use saga_console::PageName;
use saga_console::pages::NoticePage;

use super::answer;
use super::visit::Visit;
use crate::api::Api;

/// The overview.
pub(super) async fn overview(State(_api): State<Api>, visit: Visit) -> Response {
    let frame = visit.frame(PageName::Overview, None);
    answer::page(&NoticePage { title: "Overview".to_owned(), detail: String::new(), frame })
}

/// To the root's one address.
pub(super) async fn to_root() -> Redirect {
    Redirect::permanent(super::ROOT)
}
