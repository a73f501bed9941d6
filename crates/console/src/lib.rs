//! The console's pages: from what is known of sagas to HTML. Nothing here reads a clock, a journal or a request; the server's
//! module `console` does, and hands over the values that a page shows.
//!
//! - `frame.rs`: the parts that every page has: navigation, search, language, theme.
//! - `pages`: one file for each page; each has its template in `templates/`, and its words in `words/`.
//! - `words`: every text, in English and French. A text that lacks a language does not compile.
//! - `shown`: how times, amounts, numbers and states are written.
//! - `graph`: a definition's steps as a graph. `timeline`: a saga's history as a drawing. `history`: its attempts. `sentence.rs`: why a
//!   saga stands where it does.
//! - `hour.rs`: the last hour, from the journal's figures of its minutes.
//! - `assets.rs`: the style sheet and the scripts.
//!
//! *Invariant:* no page has an inline script, an inline style or an external address, and each value that is not this crate's own is
//! escaped: `|safe` stands in no template but for drawings that are made of numbers and escaped texts.

pub mod assets;
mod frame;
pub mod graph;
mod history;
mod hour;
pub mod pages;
pub mod sentence;
pub mod shown;
pub mod timeline;
mod words;

pub use self::frame::{May, PageFrame, PageName, Preferences, Theme};
pub use self::hour::{Flow, Hour, MINUTES_SHOWN};
pub use self::words::Lang;

/// Where the console is.
pub const ROOT: &str = "/console/";

/// Whether a path is the console's.
pub fn is_at(path: &str) -> bool {
    path.strip_prefix("/console").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
