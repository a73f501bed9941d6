//! A page that says one thing: there is no such saga, the journal is away, a role is missing.

use askama::Template;

use crate::frame::{Frame, PageName};

/// The page.
#[derive(Debug, Template)]
#[template(path = "notice.html")]
pub struct NoticePage {
    /// The frame.
    pub frame: Frame,
    /// In a few words.
    pub title: String,
    /// The whole of it: what is wrong, and what to do.
    pub detail: String,
}
