//! A participant's `effects`: the request that lists them, and what its answers mean.

use super::super::path::{PathError, RequestPath, Spelling};
use super::super::yaml::{EffectsIn, Spanned};
use super::super::{EffectsListing, InputForm, Template};
use super::answers::is_of_an_answer;
use super::{Checker, line};

impl Checker<'_> {
    /// `None`: a mistake has been reported.
    pub(super) fn effects(&mut self, given: &Spanned<EffectsIn>) -> Option<EffectsListing> {
        let EffectsIn { get, list, next } = &given.value;
        let path = get.as_ref().and_then(|get| self.effects_path(get, next.as_ref()));
        let list = list.as_ref().and_then(|list| self.of_a_page(list));
        let next = next.as_ref().map(|next| self.of_a_page(next));
        Some(EffectsListing {
            path: path?,
            list: list?,
            next: match next {
                None => None,
                Some(next) => Some(next?),
            },
        })
    }

    fn effects_path(
        &mut self,
        given: &Spanned<String>,
        next: Option<&Spanned<String>>,
    ) -> Option<RequestPath> {
        let (at, text) = (line(given), &given.value);
        if !text.starts_with('/') {
            self.mistake(at, format!("the path `{text}` must start with `/`"));
            return None;
        }
        let quoted = format!("\"{text}\"");
        self.bounded(&quoted, at);
        let references = Template::references(&quoted);
        let mut reads_after = false;
        for path in references.as_ref().map(|(paths, _)| &paths[..]).unwrap_or_default() {
            reads_after |= path[0] == "after";
            if path[0] != "after" {
                let message = format!(
                    "`.{}` does not exist here: `effects` are listed for no saga; there is .after, what `next` gave for the page before",
                    path[0]
                );
                self.mistake(at, message);
            }
        }
        if let (Some(next), false) = (next, reads_after) {
            self.mistake(
                line(next),
                "every page would be the first one again: the path does not read `.after`, which `next` gives; write \
                 `get: /effects?after=\\(.after // 0)`",
            );
        }
        let spelling = Spelling { inputs: &InputForm::Members(Vec::new()), steps: &[] };
        match RequestPath::parse(text, self.format, &spelling) {
            Ok(path) => Some(path),
            Err(PathError::Syntax(error)) => self.syntax(at, text, Err(error)),
            Err(PathError::Mistaken(message)) => {
                self.mistake(at, message);
                None
            }
        }
    }

    fn of_a_page(&mut self, given: &Spanned<String>) -> Option<Template> {
        self.answer_readable(&given.value, line(given), &is_of_an_answer);
        self.syntax(line(given), &given.value, Template::parse(&given.value))
    }
}
