//! The console's pages: from what is known of sagas to HTML. Nothing here reads a clock, a journal or a request; the server's
//! module `console` does, and hands over the values that a page shows.
//!
//! - `frame.rs`: the parts that every page has: navigation, search, language, theme.
//! - `pages`: one file for each page; each has its template in `templates/`, and its words in `words/`.
//! - `words`: every text, in English and French. A text that lacks a language does not compile.
//! - `shown`: how times, amounts, numbers and states are written.
//! - `assets.rs`: the style sheet and the scripts.
//!
//! *Invariant:* no page has an inline script, an inline style or an external address, and each value that is not this crate's own is
//! escaped: `|safe` stands in no template but for drawings that are made of numbers and escaped texts.

pub mod assets;
mod frame;
pub mod pages;
pub mod shown;
mod words;

pub use self::frame::{Frame, May, PageName, Preferences, Theme};
pub use self::words::Lang;
