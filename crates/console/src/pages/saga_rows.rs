//! Sagas as the rows of a table: of the list, and of what was found.

use std::time::Duration;

use saga_core::Timestamp;
use saga_core::definition::Label;
use saga_core::saga::WaitingFor;
use saga_journal::{KeptRow, StateFamily};

use super::filters::{LABEL, ListFilters};
use crate::Lang;
use crate::shown::{Amount, Badge, When, excerpt, short_id};
use crate::words::RowWords;

/// Labels of a saga that a row shows; how many more there are is told.
const LABELS_SHOWN_MAX: usize = 3;
/// Characters of a label's name or value, or of a step's name, that a row shows.
const NAME_CHARS_SHOWN_MAX: usize = 40;
/// The end of the names of labels that are amounts in cents.
const CENTS: &str = "_cents";

/// One saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSaga {
    /// The whole id.
    pub id: String,
    /// The family of its state, and what it means.
    pub badge: Badge,
    /// The definition's own name of its state.
    pub state: String,
    /// The definition's name.
    pub definition: String,
    /// Its labels.
    pub labels: Vec<ShownLabel>,
    /// Labels that are not shown.
    pub more_labels: usize,
    /// Where it is, or where it failed.
    pub place: Option<SagaPlace>,
    /// Since when it is there.
    pub since: When,
    /// When it started.
    pub started: When,
}

/// A label, as a link to the sagas that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownLabel {
    /// The label's name.
    pub name: String,
    /// Its value; an amount as such.
    pub value: String,
    /// The sagas that have it.
    pub href: String,
}

/// A step at which a saga is, or at which it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaPlace {
    /// The step, and whether it is being undone.
    pub step: String,
    /// What it waits for.
    pub waits: &'static str,
    /// Until when.
    pub until: Option<When>,
    /// Further steps in progress.
    pub more: usize,
}

impl ShownLabel {
    /// The label of that name.
    pub fn of(name: &str, label: &Label, lang: Lang) -> Self {
        let value = label.to_string();
        let shown = match label {
            Label::Integer(cents) if name.ends_with(CENTS) => Amount(*cents).text(lang),
            Label::Integer(_) | Label::Text(_) => excerpt(&value, NAME_CHARS_SHOWN_MAX),
        };
        let href = ListFilters::link(&[LABEL, name].concat(), &value);
        Self { name: excerpt(name, NAME_CHARS_SHOWN_MAX), value: shown, href }
    }
}

impl ListedSaga {
    /// A saga as its row has it, with what it waits for.
    pub fn of(row: &KeptRow, now: Timestamp, lang: Lang) -> Self {
        let labels: Vec<_> = row.row.labels.iter().collect();
        let since = row.row.summary.waiting.iter().filter_map(|waiting| waiting.since).min();
        let since = match row.family() {
            StateFamily::Person => row.row.blocked_since,
            StateFamily::Waiting | StateFamily::Running => since,
            StateFamily::Done | StateFamily::Failed => None,
        };
        Self {
            id: row.saga.to_string(),
            badge: Badge::of_row(row, lang),
            state: excerpt(&row.row.state, NAME_CHARS_SHOWN_MAX),
            definition: row.row.definition.to_string(),
            labels: labels
                .iter()
                .take(LABELS_SHOWN_MAX)
                .map(|(name, label)| ShownLabel::of(name, label, lang))
                .collect(),
            more_labels: labels.len().saturating_sub(LABELS_SHOWN_MAX),
            place: SagaPlace::of(row, now, lang),
            since: When::of(since.unwrap_or(row.row.updated), now, lang),
            started: When::of(row.row.created, now, lang),
        }
    }

    /// The definition's name, as it is shown.
    pub(crate) fn definition_shown(&self) -> String {
        excerpt(&self.definition, NAME_CHARS_SHOWN_MAX)
    }

    pub(crate) fn short(&self) -> &str {
        short_id(&self.id)
    }

    pub(crate) fn href(&self) -> String {
        format!("{}/{}", super::filters::LIST, self.id)
    }

    /// The sagas of its definition.
    pub(crate) fn definition_href(&self) -> String {
        ListFilters::link("saga", &self.definition)
    }
}

impl SagaPlace {
    fn of(row: &KeptRow, now: Timestamp, lang: Lang) -> Option<Self> {
        let (words, summary) = (RowWords::of(lang), &row.row.summary);
        let at = |step: &str| excerpt(step, NAME_CHARS_SHOWN_MAX);
        let undone = |step: &str| match (summary.failure.is_some(), lang) {
            (true, Lang::En) => format!("undo {}", at(step)),
            (true, Lang::Fr) => format!("défaire {}", at(step)),
            (false, _) => at(step),
        };
        match row.family() {
            StateFamily::Person => {
                let blocked = summary.blocked.as_ref().filter(|_| row.parked.is_none());
                let step = match blocked.and_then(|blocked| blocked.step.as_ref()) {
                    Some(step) => undone(step),
                    None => words.whole.to_owned(),
                };
                Some(Self { step, waits: "", until: None, more: 0 })
            }
            StateFamily::Waiting | StateFamily::Running => {
                // Those first that wait for something else than an answer.
                let is_call = |waiting: &&saga_core::saga::Waiting| waiting.cause == WaitingFor::Call;
                let first = summary.waiting.iter().min_by_key(is_call)?;
                let until = first.until.filter(|until| until.since(now) > Duration::ZERO);
                Some(Self {
                    step: undone(&first.step),
                    waits: words.does(first.cause),
                    until: until.map(|until| When::of(until, now, lang)),
                    more: summary.waiting.len() - 1,
                })
            }
            StateFamily::Done => None,
            StateFamily::Failed => {
                let step = summary.failure.as_ref()?.step.as_ref()?;
                Some(Self { step: at(step), waits: "", until: None, more: 0 })
            }
        }
    }
}
