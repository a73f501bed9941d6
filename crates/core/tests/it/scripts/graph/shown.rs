//! What the steps in progress wait for, as it is shown. (Rule 28)

use std::sync::Arc;

use saga_core::Definition;

use super::{between, diamond};
use crate::support::{Kind, Run};

/// Runs the script, and tells each step in progress with what it waits for, and until when, in seconds.
fn waits(definition: &Arc<Definition>, script: &str) -> String {
    let mut run = Run::start(definition);
    script.split(';').map(str::trim).filter(|line| !line.is_empty()).for_each(|line| run.step(line));
    let told = run.saga.waits_for().into_iter().map(|waiting| {
        let cause: &str = waiting.cause.into();
        let until = waiting.until.map(|until| format!(" until {}s", until.as_micros() / 1_000_000));
        format!("{} {cause}{}", waiting.step, until.unwrap_or_default())
    });
    told.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_call_is_waited_for_then_its_next_attempt() {
    let definition = between("");
    assert_eq!(waits(&definition, ""), "a call");
    assert_eq!(waits(&definition, "unknown"), "a retry until 0s");
    assert_eq!(waits(&definition, "ok; refused"), "a call", "undone");
    assert_eq!(waits(&definition, "ok; ok"), "", "over");
}

#[test]
fn steps_at_the_same_time_are_told_in_the_order_of_the_file_in_either_direction() {
    let definition = diamond(Kind::Barrier);
    assert_eq!(waits(&definition, "ok"), "b call, c call");
    assert_eq!(waits(&definition, "ok; b: ok; c: ok; refused"), "b call, c call");
}

#[test]
fn a_step_waits_for_its_signal_until_it_is_too_late() {
    let definition =
        between("  - { step: go, signal: { name: go, within: 2s }, success: GO, failure: NO_GO }");
    assert_eq!(waits(&definition, "ok"), "go signal until 2s");
}

#[test]
fn a_pause_waits_for_a_time() {
    let definition = between("  - { step: rest, pause: 3h }");
    assert_eq!(waits(&definition, "ok"), "rest time until 10800s");
    let definition = between("  - { step: rest, pause: '\"90s\"' }");
    assert_eq!(waits(&definition, "ok"), "", "its end is being evaluated");
    assert_eq!(waits(&definition, "ok; decide"), "rest time until 90s");
}

/// A step whose action is accepted, with these further keys.
fn accepted(more: &str) -> Arc<Definition> {
    between(&format!(
        "  - step: b
    participant: p
    action: {{ post: /b, pending: .status == 202, {more} }}
    compensation: {{ post: /b/undo }}
    success: B
    failure: NO_B"
    ))
}

#[test]
fn an_accepted_action_waits_for_its_next_poll() {
    let definition = accepted("poll: { get: /jobs, every: 5s, within: 12s }");
    assert_eq!(waits(&definition, "ok; accepted"), "b retry until 5s");
    assert_eq!(waits(&definition, "ok; accepted; wait"), "b call");
    assert_eq!(waits(&definition, "ok; accepted; cancel"), "b call", "a rollback asks at once");
}

#[test]
fn an_accepted_action_waits_for_its_signal_if_it_has_one() {
    let definition = accepted("await: { signal: done, within: 9s }");
    assert_eq!(waits(&definition, "ok; accepted"), "b signal until 9s");
    let both = accepted("poll: { get: /jobs, every: 5s, within: 12s }, await: { signal: done, within: 12s }");
    assert_eq!(waits(&both, "ok; accepted"), "b signal until 12s");
    assert_eq!(waits(&both, "ok; accepted; cancel"), "b call", "a rollback takes no signal");
    assert_eq!(waits(&definition, "ok; accepted; cancel"), "b person");
}

#[test]
fn a_blocked_step_waits_for_a_person() {
    let definition = between("");
    assert_eq!(waits(&definition, "ok; park"), "z person");
}

#[test]
fn how_long_a_step_has_not_got_any_further_is_told_from_its_first_attempt_on() {
    let since = |script: &str| {
        let mut run = Run::start(&between(""));
        run.steps(script);
        let waits = run.saga.waits_for();
        (run.now_ms, waits[0].since.map(|since| since.as_micros() / 1_000))
    };
    assert_eq!(since("pass 5s"), (5_000, None), "a first call began with the last event");
    assert_eq!(since("pass 5s; unknown"), (5_000, Some(0)));
    assert_eq!(
        since("pass 5s; unknown; wait; pass 2s; unknown").1,
        Some(0),
        "a further attempt is no progress"
    );
    assert_eq!(since("pass 5s; unknown; wait").1, Some(0), "neither is its call");
    let (now, since_undo) = since("pass 5s; ok; refused; pass 1s; unknown");
    assert_eq!((now, since_undo), (6_000, Some(5_000)), "the compensation's own first attempt counts");
}
