//! `GET /console/search`: what was found, where that is more than one thing, or nothing.

use askama::Template;
use saga_journal::KeptRow;

use super::filters::ListFilters;
use super::saga_rows::ListedSaga;
use crate::frame::{PageFrame, PageName};
use crate::shown::excerpt;
use crate::words::{RowWords, SearchWords};

/// Characters of the wanted text that are shown.
const WANTED_CHARS_SHOWN_MAX: usize = 120;

/// The page.
#[derive(Debug, Template)]
#[template(path = "search.html")]
pub struct SearchPage {
    /// The frame.
    pub frame: PageFrame,
    /// The wanted text.
    pub wanted: String,
    /// Filters that the text is the value of.
    pub filters: Vec<FoundFilter>,
    /// Sagas that have it as the value of a label.
    pub rows: Vec<ListedSaga>,
    /// Why nothing was found.
    pub nothing: Option<NothingFound>,
}

/// A filter that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFilter {
    /// `step=vente`.
    pub text: String,
    /// The list.
    pub href: String,
}

/// Why nothing was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NothingFound {
    /// It is an id, and no saga has it.
    Id,
    /// It is a label's name without a value.
    Value,
    /// It is no name, and none of these labels has it.
    Text {
        /// The names of the labels.
        labels: Vec<String>,
    },
}

impl FoundFilter {
    /// The filter of this name.
    pub fn of(name: &str, value: &str) -> Self {
        let text = format!("{name}={}", excerpt(value, WANTED_CHARS_SHOWN_MAX));
        Self { text, href: ListFilters::one(name, value).address() }
    }
}

impl SearchPage {
    /// The page of what was found.
    pub fn new(frame: PageFrame, wanted: &str, filters: Vec<FoundFilter>, rows: &[KeptRow]) -> Self {
        let (now, lang) = (frame.at, frame.lang());
        let rows = rows.iter().map(|row| ListedSaga::of(row, now, lang)).collect();
        Self { frame, wanted: excerpt(wanted, WANTED_CHARS_SHOWN_MAX), filters, rows, nothing: None }
    }

    /// The page of nothing found.
    pub fn nothing(frame: PageFrame, wanted: &str, nothing: NothingFound) -> Self {
        Self { nothing: Some(nothing), ..Self::new(frame, wanted, Vec::new(), &[]) }
    }

    fn words(&self) -> &'static SearchWords {
        SearchWords::of(self.frame.lang())
    }

    fn row_words(&self) -> &'static RowWords {
        RowWords::of(self.frame.lang())
    }

    /// Why nothing was found, in sentences.
    fn why(&self) -> String {
        let words = self.words();
        match &self.nothing {
            None => String::new(),
            Some(NothingFound::Id) => words.no_id.to_owned(),
            Some(NothingFound::Value) => words.no_value.to_owned(),
            Some(NothingFound::Text { labels }) if labels.is_empty() => format!("{}.", words.no_labels),
            Some(NothingFound::Text { labels }) => {
                let names: Vec<_> = labels.iter().map(|name| excerpt(name, WANTED_CHARS_SHOWN_MAX)).collect();
                format!("{} {}.", words.looked_in, names.join(", "))
            }
        }
    }

    /// Whether the text looks like the end of an id, as pages show it.
    fn is_end_of_id(&self) -> bool {
        let is_text = matches!(self.nothing, Some(NothingFound::Text { .. }));
        let end = self.wanted.strip_prefix('…').unwrap_or(&self.wanted);
        is_text && end.len() >= 6 && end.len() <= 12 && end.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}
