//! The raw history of a saga: each event as it is kept.

use askama::Template;

use crate::frame::{PageFrame, PageName};
use crate::shown::short_id;
use crate::words::SagaWords;

/// The page.
#[derive(Debug, Template)]
#[template(path = "saga_raw.html")]
pub struct SagaRawPage {
    /// The frame.
    pub frame: PageFrame,
    /// The saga's id.
    pub id: String,
    /// Each event's number, and its JSON: made visible, and cut.
    pub lines: Vec<(u64, String)>,
    /// Why there are none.
    pub unread: Option<String>,
    /// The address of the next lines.
    pub next: Option<String>,
}

impl SagaRawPage {
    fn words(&self) -> &'static SagaWords {
        SagaWords::of(self.frame.lang())
    }

    fn short(&self) -> &str {
        short_id(&self.id)
    }
}
