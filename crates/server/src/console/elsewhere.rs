//! The page for an address of the console that there is no page at.

use axum::response::Response;
use saga_console::PageName;

use super::answer;
use super::visit::Visit;
use crate::api::problem::Problem;

/// It says so.
pub(super) async fn no_such_page(visit: Visit) -> Response {
    answer::notice(&Problem::no_such_path(), visit.frame(PageName::Elsewhere))
}
