//! Headers on every answer that tell a browser what it must not do with it.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::browser;
use crate::console;

/// An answer that is no page loads nothing and stands in no frame.
const DATA_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Pages load what this server has, and nothing else; scripts stand in files of their own. Swagger UI sets
/// styles of elements, and has its images in them.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// Pages of the console have neither scripts nor styles in them, and send forms.
const CONSOLE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// The kind of an answer: what a browser may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    /// For programs.
    Data,
    /// A page that shows no orders, or one of its parts.
    Page,
    /// A page of the console.
    Console,
    /// A style sheet or a script of the console.
    Asset,
}

impl AnswerKind {
    /// The kind of the answers at a path.
    pub(crate) fn at(path: &str) -> Self {
        match path {
            _ if browser::is_page(path) => Self::Page,
            _ if path.starts_with(saga_console::assets::FOLDER) => Self::Asset,
            _ if console::is_at(path) => Self::Console,
            _ => Self::Data,
        }
    }
}

/// Adds them to an answer.
pub(crate) fn protect(kind: AnswerKind, headers: &mut HeaderMap) {
    let (policy, cache) = match kind {
        AnswerKind::Data => (DATA_POLICY, "no-store"),
        // Its parts are the program's: asked for again after an update, and not sent again without one.
        AnswerKind::Page => (PAGE_POLICY, "no-cache"),
        AnswerKind::Console => (CONSOLE_POLICY, "no-store"),
        // Its address changes with its content.
        AnswerKind::Asset => (DATA_POLICY, "public, max-age=31536000, immutable"),
    };
    headers.reserve(7);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, SAME_ORIGIN);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if matches!(kind, AnswerKind::Page | AnswerKind::Console) {
        headers.insert(OPENER_POLICY, SAME_ORIGIN);
    }
}
