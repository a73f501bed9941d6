//! Steps that wait: signals, pauses, actions that are accepted and done later. And what may fail, and what may not.

use std::sync::Arc;

use saga_core::Definition;

use super::super::check;
use crate::support::{parse, tell};

/// `a`, then these steps, then `z`; all calls are to a participant that keeps its keys.
fn with(steps: &str) -> Arc<Definition> {
    parse(&format!(
        "saga: essai
input: {{ n: integer }}
states: {{ started: DEBUT, completed: FINI, cancelled: ANNULEE }}
deadline: 100d
participants: {{ p: {{ url: 'http://p/api', safety: idempotent }} }}
steps:
  - {{ step: a, participant: p, action: {{ post: /a }}, compensation: {{ post: /a/undo }}, success: A, failure: ECHEC_A }}
{steps}
  - {{ step: z, participant: p, action: {{ post: /z, body: {{ n: .input.n }} }}, compensation: {{ post: /z/undo }}, success: Z, failure: ECHEC_Z, retry: {{ attempts: 1 }}, persist: {{ attempts: 2 }} }}"
    ))
}

fn signal() -> Arc<Definition> {
    with(
        "  - { step: go, signal: { name: go, within: 2s, refused: .body.no == true, output: .body.x }, success: GO, failure: ECHEC_GO }",
    )
}

#[test]
fn rule_16_a_signal_is_taken_by_the_step_that_waits() {
    check!(signal(), r#"ok; signal go {"x":7}; decide; ok"#, @"");
}

#[test]
fn rule_16_a_signal_may_come_before_its_step() {
    check!(signal(), r#"signal go {"x":7}; ok; decide"#, @"");
}

#[test]
fn rule_18_a_signal_that_comes_too_late_has_failed_the_step() {
    check!(signal(), "ok | wait 2s; signal go; ok", @"");
}

#[test]
fn rule_18_a_signal_that_is_recorded_before_the_event_that_says_too_late_is_in_time() {
    check!(signal(), "ok; signal go | wait 3s; decide", @"");
}

#[test]
fn rule_16_a_refusal_fails_the_step() {
    check!(signal(), r#"ok; signal go {"no":true} | decide; ok"#, @"");
}

#[test]
fn rule_17_the_same_key_is_the_same_signal() {
    check!(signal(), r#"ok; signal go#k {"x":1} | signal go#k {"x":1}; signal go#k {"x":2}; signal go#l; signal other"#, @"");
}

#[test]
fn rule_17_the_same_key_is_known_when_the_saga_is_over() {
    check!(signal(), r#"ok; signal go#k {"x":1}; decide; ok | signal go#k {"x":1}; signal go#l"#, @"");
}

#[test]
fn rule_16_signals_of_a_name_are_taken_in_their_order_by_the_steps_in_theirs() {
    let two = with(
        "  - { step: one, signal: { name: go, within: 2s, output: .body }, after: [] }
  - { step: two, signal: { name: go, within: 2s, output: .body }, after: [] }",
    );
    check!(two, "signal go 1; signal go 2; signal go 3 | two: decide; one: decide; wait 2s", @"");
}

#[test]
fn rule_8_a_wait_ends_when_the_rollback_is_decided() {
    check!(signal(), "ok; cancel; signal go; ok", @"");
}

#[test]
fn a_signal_is_not_lost_at_a_take_over() {
    check!(signal(), "ok; signal go | crash 5; decide", @"");
}

#[test]
fn rule_20_there_is_nothing_to_hurry_while_a_saga_only_waits() {
    check!(signal(), "ok | resume", @"");
}

#[test]
fn a_pause_is_over_at_its_time_whoever_runs_the_saga() {
    let pause = with("  - { step: rest, pause: 14d, success: RESTED }");
    check!(pause, "ok | wait 5s; take-over; wait; ok", @"");
}

#[test]
fn rule_3_a_pause_ends_at_the_time_that_its_expression_gives() {
    let until = |code: &str| with(&format!("  - {{ step: rest, pause: '{code}' }}"));
    check!(until(r#""1970-01-01T00:00:07+00:00""#), "ok; decide; wait", @"");
    let past = tell(&until(r#""1969-12-31T23:00:00Z""#), "ok; decide");
    assert!(past.contains("rest is over"), "{past}");
    for (code, why) in [
        (".input.n", "needs a text"),
        (r#""tomorrow""#, "neither a time"),
        (r#""1970-01-01T00:00:07""#, "neither a time"),
        (r#""4000d""#, "neither a time"),
    ] {
        let told = tell(&until(code), "ok; decide");
        assert!(told.contains("rollback: rest failed") && told.contains(why), "{told}");
    }
}

/// A step whose action is accepted, with these further keys.
fn accepted(more: &str) -> Arc<Definition> {
    with(&format!(
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
    check!(polled(), "ok; accepted; wait; unknown; wait; ok; ok", @"");
}

#[test]
fn rule_13_a_poll_that_refuses_says_that_the_action_had_no_effect() {
    check!(polled(), "ok; accepted; wait | refused; ok", @"");
}

#[test]
fn rule_12_an_accepted_action_that_is_late_is_asked_about_before_it_is_undone() {
    check!(polled(), "ok; accepted | wait 12s; ok; ok; ok", @"");
}

#[test]
fn rule_12_after_many_polls_a_person_is_told() {
    check!(polled(), "ok; accepted; cancel | wait; unknown; wait; unknown; resolve b undone; ok", @"");
}

#[test]
fn a_new_owner_asks_on_about_an_accepted_action() {
    check!(polled(), "ok; accepted; wait; unknown | take-over; wait; ok", @"");
}

#[test]
fn an_accepted_action_may_be_completed_by_a_signal() {
    let awaited = accepted("await: { signal: paid, within: 3s, refused: .body == 0 }");
    check!(&awaited, "ok; accepted; signal paid 1; decide", @"");
    check!(&awaited, "ok; accepted; signal paid 0 | decide; ok", @"");
    check!(&awaited, "ok; accepted | wait 3s; resolve b ran; ok", @"");
}

#[test]
fn an_optional_step_that_fails_is_passed_over() {
    let optional = with(
        "  - { step: b, participant: p, action: { post: /b }, compensation: { post: /b/undo }, optional: true, retry: { attempts: 1 }, persist: { attempts: 1 } }",
    );
    check!(&optional, "ok; refused; ok", @"");
    check!(&optional, "ok; unknown | refused; ok", @"");
    check!(&optional, "ok; unknown; refused | unknown; ok", @"");
}

fn pivot() -> Arc<Definition> {
    parse(
        "saga: essai
input: { n: integer }
states: { started: DEBUT, completed: FINI, cancelled: ANNULEE }
deadline: 10s
participants: { p: { url: 'http://p', safety: idempotent } }
steps:
  - { step: a, participant: p, action: { post: /a }, compensation: { post: /a/undo }, failure: ECHEC_A }
  - { step: b, participant: p, action: { post: /b }, compensation: { post: /b/undo }, failure: ECHEC_B, pivot: true }
  - { step: c, participant: p, action: { post: /c }, compensation: none, persist: { attempts: 2 } }",
    )
}

#[test]
fn behind_a_pivot_a_step_is_tried_until_it_succeeds() {
    check!(pivot(), "ok; ok; refused; wait; refused; wait 20s; cancel; ok", @"");
}

#[test]
fn behind_a_pivot_a_person_may_have_done_the_step() {
    check!(pivot(), "ok; ok; refused; wait; refused | resolve c undone; resolve c ran", @"");
}

#[test]
fn before_its_pivot_a_saga_fails_as_any_other() {
    check!(pivot(), "ok; refused | ok", @"");
}

#[test]
fn a_compensation_is_called_if_there_is_anything_to_undo() {
    let undo = |when: &str| {
        with(&format!(
            "  - {{ step: b, participant: p, action: {{ post: /b, output: .body }}, compensation: {{ post: /b/undo, when: '{when}' }}, failure: ECHEC_B }}"
        ))
    };
    check!(undo(".b.x == 2"), "ok; ok; refused | decide; ok", @"");
    check!(undo(".b.x == 1"), "ok; ok; refused | decide; ok; ok", @"");
    check!(undo(".b.x.y"), "ok; ok; refused | decide; resume; decide; resolve b undone; ok", @"");
}
