//! The request with which a participant lists the effects that it has had, page by page. What its answers list: `effects_page.rs`.
//!
//! No saga sends it: `orchestrateur reconcile` does, when an operator asks whether the journal and the services agree.

use super::path::RequestPath;
use super::program::EvalError;
use super::template::{Scope, Template};
use crate::json::Json;

/// How a participant lists its effects.
#[derive(Debug)]
pub struct EffectsListing {
    /// Reads `.after`: what `next` gave for the page before, and null at first.
    pub(super) path: RequestPath,
    /// The effects in an answer.
    pub(crate) list: Template,
    /// What the next page begins after; `None`: there is one page.
    pub(crate) next: Option<Template>,
}

impl EffectsListing {
    /// The path of a page; `after`: what the page before has as its `next`.
    pub fn path_after(&self, after: Option<&Json>) -> Result<String, EvalError> {
        self.path.render_path(&Scope::default().with("after", after.map_or("null", Json::text)))
    }

    /// Whether an expression about the answer reads its headers.
    pub fn reads_headers(&self) -> bool {
        self.list.reads("headers") || self.next.as_ref().is_some_and(|next| next.reads("headers"))
    }
}

#[cfg(test)]
impl EffectsListing {
    /// A listing of pages of two.
    pub(crate) fn of(list: &str) -> Self {
        let inputs = super::InputForm::Members(Vec::new());
        let spelling = super::path::Spelling { inputs: &inputs, steps: &[] };
        let path = RequestPath::parse(r"/ledger?after=\(.after // 0)&limit=2", super::Format::Two, &spelling);
        Self {
            path: path.ok().unwrap(),
            list: Template::parse(list).unwrap(),
            next: Some(Template::parse(".body[-1].seq").unwrap()),
        }
    }
}
