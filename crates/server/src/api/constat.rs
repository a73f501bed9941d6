//! What a person can find of a step that is stuck, in the words of the wire.

use saga_core::event::Finding;

/// The word for a finding.
pub(crate) fn word(finding: Finding) -> &'static str {
    match finding {
        Finding::Ran => "EXECUTEE",
        Finding::NotRun => "NON_EXECUTEE",
        Finding::Undone => "ANNULEE",
    }
}

/// The finding that a word says.
pub(crate) fn named(text: &str) -> Option<Finding> {
    [Finding::Ran, Finding::NotRun, Finding::Undone].into_iter().find(|finding| word(*finding) == text)
}
