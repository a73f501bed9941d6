//! The words of the journal that the release before can read, pinned: this release writes no others.
//!
//! Of two releases that share a journal, either takes over the sagas of the other. A word that the release before does not know makes a
//! history, a definition or a command unreadable to it. So a new word is read one release before it is written: it is added to `READ_FIRST` here
//! and written nowhere; in the release after that, it moves to the list of its kind. (An exception is a word that only definitions with a new
//! key bring about: `docs/upgrades.md`.) A new member needs no entry: a release that does not know it steps over it, so nothing may
//! hang on it.

use saga_core::definition::Format;
use saga_core::event::{Cause, Finding, Stuck};
use saga_core::{CommandKind, Direction, Event, Outcome};
use serde::de::DeserializeOwned;

/// Words that this release reads, and does not write yet.
const READ_FIRST: &[&str] = &[];

/// The words that a type's JSON can begin with.
fn words_of<T: DeserializeOwned>() -> Vec<String> {
    let error = serde_json::from_str::<T>(r#""no word""#).err().expect("that is no word").to_string();
    let (_, expected) = error.split_once("expected").expect("the error names what it expected");
    let words = expected.split('`').skip(1).step_by(2).map(str::to_owned);
    words.filter(|word| !READ_FIRST.contains(&&**word)).collect()
}

#[test]
fn the_release_before_can_read_what_this_one_writes() {
    assert_eq!(
        words_of::<Event>(),
        [
            "started",
            "skipped",
            "waits",
            "pause_ended",
            "signalled",
            "signal_taken",
            "passed_over",
            "output_made",
            "attempt_started",
            "attempt_ended",
            "rollback_decided",
            "blocked",
            "completed",
            "rolled_back",
            "resumed",
            "resolved",
            "taken_over"
        ]
    );
    assert_eq!(words_of::<Outcome>(), ["ok", "refused", "unknown", "accepted", "not_sent"]);
    assert_eq!(words_of::<Direction>(), ["action", "compensation", "probe", "poll"]);
    assert_eq!(words_of::<Cause>(), ["step_failed", "cancelled", "cancelled_by", "deadline_passed"]);
    assert_eq!(words_of::<Finding>(), ["ran", "not_run", "undone"]);
    assert_eq!(
        words_of::<Stuck>(),
        [
            "action_failing",
            "action_unknown",
            "compensation_unknown",
            "compensation_failing",
            "action_unsettled",
            "horizon_passed",
            "nothing_to_undo",
            "task_failed"
        ]
    );
    assert_eq!(words_of::<CommandKind>(), ["cancel", "cancel_by", "resume", "signal", "resolve"]);
    // The number that new definitions are kept with; a later one is read first, too.
    assert_eq!(Format::CURRENT.number(), 2);
}
