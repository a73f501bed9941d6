//! Pages as answers.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saga_console::pages::NoticePage;
use saga_console::{May, PageFrame, PageName, Preferences};
use saga_core::Timestamp;

use crate::api::problem::Problem;

/// A page.
pub(super) fn page(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => {
            let html_type = HeaderValue::from_static("text/html; charset=utf-8");
            ([(header::CONTENT_TYPE, html_type)], html).into_response()
        }
        // Templates are written to memory.
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page about a problem of a reader who is not known.
pub(super) fn problem(problem: &Problem, preferences: Preferences, now: Timestamp) -> Response {
    notice(problem, frame_for_nobody(preferences, now))
}

/// The frame of a page whose reader is not known.
pub(super) fn frame_for_nobody(preferences: Preferences, now: Timestamp) -> PageFrame {
    PageFrame {
        preferences,
        page: PageName::Elsewhere,
        reader: None,
        signed_in: false,
        may: May::default(),
        token: String::new(),
        person: None,
        here: super::ROOT.to_owned(),
        at: now,
    }
}

/// A page about a problem, with the problem's status.
pub(super) fn notice(problem: &Problem, frame: PageFrame) -> Response {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = status.canonical_reason().unwrap_or("Error").to_owned();
    let mut response = page(&NoticePage { frame, title, detail: problem.detail().to_owned() });
    *response.status_mut() = status;
    response
}
