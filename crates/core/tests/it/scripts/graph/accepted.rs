//! Actions that are accepted and done later: asked about by a poll, or awaited.

use std::sync::Arc;
use std::time::Duration;

use saga_core::Definition;

use super::super::check;
use super::between;

/// A step whose action is accepted, with these further keys.
fn accepted(more: &str) -> Arc<Definition> {
    between(&format!(
        "  - step: b
    participant: p
    action: {{ post: /b, pending: .status == 202, {more} }}
    compensation: {{ post: /b/undo }}
    success: B
    failure: ECHEC_B
    persist: {{ attempts: 2 }}"
    ))
}

fn polled() -> Arc<Definition> {
    accepted("poll: { get: '/jobs/\\(.saga_id)', every: 5s, within: 12s, refused: .body.no == true }")
}

#[test]
fn rule_13_an_accepted_action_is_asked_about_until_it_is_done() {
    check!(polled(), "ok; accepted; wait; unknown; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 8640000s
    > accepted
      5 +b#1 accepted, again at 5s
      = wake at 5s
    > wait
      = call ~b#1 at once, wake at 12s
    > unknown
      = wake at 10s
    > wait
      = call ~b#1 at once, wake at 12s
    > ok
      6 ~b#1 ok [B]
      7 +z#1
      = call +z#1 needs 7, wake at 8640000s
    > ok
      8 +z#1 ok [Z]
      9 completed [FINI]
      = answer needs 9
    FINI None over
    ");
}

#[test]
fn rule_13_a_poll_that_refuses_says_that_the_action_had_no_effect() {
    check!(polled(), "ok; accepted; wait | refused; ok", @r"
    ...
    > refused
      6 ~b#1 refused
      7 rollback: b failed (why) [ECHEC_B]
      8 -a#1
      = call -a#1 needs 8
    > ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ECHEC_B Done over
    ");
}

#[test]
fn rule_12_an_accepted_action_that_is_late_is_asked_about_before_it_is_undone() {
    check!(polled(), "ok; accepted | wait 12s; ok; ok; ok", @r"
    ...
    > wait 12s
      6 rollback: b failed (it was accepted, and not done in time) [ECHEC_B]
      = call ~b#1 at once
    > ok
      7 ~b#1 ok
      8 -b#1
      = call -b#1 needs 8
    > ok
      9 -b#1 ok
      10 -a#1
      = call -a#1 needs 10
    > ok
      11 -a#1 ok
      12 rolled back
      = answer needs 12
    ECHEC_B Done over
    ");
}

#[test]
fn rule_12_after_many_polls_a_person_is_told() {
    check!(polled(), "ok; accepted; cancel | unknown; wait; unknown; resolve b undone; ok", @r"
    ...
    > unknown
      = wake at 100ms
    > wait
      = call ~b#1 at once
    > unknown
      7 blocked: b ActionUnsettled
      = wake at 300ms, answer needs 7
    > resolve b undone
      8 resolved by Ana: b Undone
      9 -a#1
      = call -a#1 needs 9
    > ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ANNULEE Done over
    ");
}

#[test]
fn a_new_owner_asks_on_about_an_accepted_action() {
    check!(polled(), "ok; accepted; wait; unknown | take-over; wait; ok", @r"
    ...
    > take-over
      6 taken over: epoch 2
      = wake at 10s
    > wait
      = call ~b#1 needs 6, wake at 12s
    > ok
      7 ~b#1 ok [B]
      8 +z#1
      = call +z#1 needs 8, wake at 8640000s
    B None under way
    ");
}

#[test]
fn an_accepted_action_may_be_completed_by_a_signal() {
    let awaited = accepted("await: { signal: paid, within: 3s, refused: .body == 0 }");
    check!(&awaited, "ok; accepted; signal paid 1; decide", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 8640000s
    > accepted
      5 +b#1 accepted
      = wake at 3s
    > signal paid 1
      6 signal paid
      = decide b, wake at 8640000s
    > decide
      7 b takes signal 1: ok [B]
      8 +z#1
      = call +z#1 needs 8, wake at 8640000s
    B None under way
    ");
    check!(&awaited, "ok; accepted; signal paid 0 | decide; ok", @r"
    ...
    > decide
      7 b takes signal 1: refused
      8 rollback: b failed (the signal means that it has failed) [ECHEC_B]
      9 -a#1
      = call -a#1 needs 9
    > ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
    check!(&awaited, "ok; accepted | wait 3s; resolve b ran; ok", @r"
    ...
    > wait 3s
      6 rollback: b failed (it was accepted, and not done in time) [ECHEC_B]
      7 blocked: b ActionUnsettled
      = answer needs 7
    > resolve b ran
      8 resolved by Ana: b Ran
      9 -b#1
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 -a#1
      = call -a#1 needs 11
    ECHEC_B Running under way
    ");
}

#[test]
fn an_answer_cannot_have_its_poll_asked_all_the_time_or_never() {
    let wait_after = |asked: Duration| {
        let definition = polled();
        let poll = &definition.steps[1].acceptance().expect("an end").poll.as_ref().expect("a poll");
        poll.wait(Some(asked))
    };
    for (asked, waits) in [(0, 500), (100, 500), (700, 700), (60_000, 60_000), (u64::MAX / 2, 60_000)] {
        assert_eq!(wait_after(Duration::from_millis(asked)), Duration::from_millis(waits), "{asked}");
    }
}

#[test]
fn a_new_owner_keeps_to_the_slow_pace_once_an_operator_has_been_told() {
    check!(polled(), "ok; accepted; cancel; unknown; wait; unknown | crash 7; unknown", @r"
    ...
    > crash 7
      8 taken over: epoch 2
      = call ~b#1 needs 8, answer needs 7
    > unknown
      = wake at 300ms, answer needs 7
    ANNULEE Blocked under way
    ");
}
