//! The sagas of one cause, as rows.

use saga_core::Timestamp;
use saga_core::definition::Label;
use saga_journal::KeptRow;

use crate::Lang;
use crate::pages::filters::LIST;
use crate::pages::saga_rows::ShownLabel;
use crate::shown::{Amount, When, excerpt, short_id};

/// Characters of an answer that a row shows.
const ANSWER_CHARS_SHOWN_MAX: usize = 80;
/// Characters of an answer that its title has.
const ANSWER_CHARS_MAX: usize = 600;
/// The end of the names of labels that are amounts in cents.
const CENTS: &str = "_cents";

/// One saga that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberLine {
    pub(crate) id: String,
    pub(crate) amount: String,
    pub(crate) since: When,
    pub(crate) label: Option<ShownLabel>,
    pub(crate) next: Option<When>,
    pub(crate) answer: String,
    pub(crate) answer_whole: String,
}

impl MemberLine {
    pub(crate) fn of(row: &KeptRow, now: Timestamp, lang: Lang) -> Self {
        let (mut cents, mut first): (Option<i64>, _) = (None, None);
        for (name, label) in row.row.labels.iter() {
            match label {
                Label::Integer(amount) if name.ends_with(CENTS) => {
                    cents = Some(cents.unwrap_or(0).saturating_add(*amount));
                }
                Label::Integer(_) | Label::Text(_) => {
                    first = first.or_else(|| Some(ShownLabel::of(name, label, lang)));
                }
            }
        }
        let blocked = row.row.summary.blocked.as_ref().map(|blocked| blocked.reason.clone());
        let answer = row.parked.clone().or(blocked).unwrap_or_default();
        let next = row.row.due.filter(|due| *due > now && row.parked.is_none());
        Self {
            id: row.saga.to_string(),
            amount: cents.map(|cents| Amount(cents).text(lang)).unwrap_or_default(),
            since: When::of(row.row.blocked_since.unwrap_or(row.row.updated), now, lang),
            label: first,
            next: next.map(|due| When::of(due, now, lang)),
            answer: excerpt(&answer, ANSWER_CHARS_SHOWN_MAX),
            answer_whole: excerpt(&answer, ANSWER_CHARS_MAX),
        }
    }

    pub(crate) fn short(&self) -> &str {
        short_id(&self.id)
    }

    pub(crate) fn href(&self) -> String {
        format!("{LIST}/{}", self.id)
    }
}
