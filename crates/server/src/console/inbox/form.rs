//! The inbox's form, as it was sent.

use saga_console::pages::{InboxView, TypedTexts, finding_word};
use saga_core::event::Finding;
use saga_core::{BulkActionId, SagaId, Timestamp};

use crate::api::problem::Problem;
use crate::api::query::time;

/// The form.
pub(super) struct InboxForm {
    /// The view that it stood on.
    pub(super) view: InboxView,
    /// When its page was made: sagas that came later are not covered.
    pub(super) seen: Timestamp,
    /// Its page's idempotency key.
    pub(super) key: BulkActionId,
    /// The button.
    pub(super) what: String,
    /// The texts, and the ticked sagas.
    pub(super) typed: TypedTexts,
}

impl InboxForm {
    /// Reads it. An error means that it is of no page of ours; its texts are read even then.
    pub(super) fn read(body: &[u8], now: Timestamp) -> (Result<Self, Problem>, InboxView, TypedTexts) {
        let (mut view, mut typed) = (InboxView::default(), TypedTexts::default());
        let (mut seen, mut key, mut what) = (None, None, String::new());
        for (name, value) in form_urlencoded::parse(body) {
            let some = || Some(value.to_string()).filter(|value| !value.is_empty());
            match &*name {
                "group" => view.group = some(),
                "order" => view.order = value.parse().unwrap_or_default(),
                "definition" => view.definition = some(),
                "after" => view.after = some(),
                "seen" => seen = some(),
                "key" => key = value.parse().ok(),
                "what" => what = value.into_owned(),
                "reason" => typed.reason = value.into_owned(),
                "by" => typed.by = value.into_owned(),
                "said" => typed.said = value.into_owned(),
                "finding" => typed.finding = finding(&value),
                "saga" => typed.ticked.extend(value.parse::<SagaId>().ok()),
                // The token is looked at before.
                _ => {}
            }
        }
        let form = || {
            let seen = seen.ok_or_else(|| missing("seen"))?;
            // A page is not made later than now: whatever a form says, it covers no saga that is still to come.
            let seen = time("seen", &seen)?.min(now);
            let key = key.ok_or_else(|| missing("key"))?;
            Ok(Self { view: view.clone(), seen, key, what, typed: typed.clone() })
        };
        (form(), view.clone(), typed.clone())
    }
}

fn missing(name: &str) -> Problem {
    Problem::invalid(format!("`{name}` is missing; load the page again, and send its form anew"))
}

fn finding(word: &str) -> Option<Finding> {
    [Finding::Ran, Finding::NotRun, Finding::Undone]
        .into_iter()
        .find(|finding| finding_word(*finding) == word)
}
