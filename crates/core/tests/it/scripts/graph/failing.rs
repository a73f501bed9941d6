//! What may fail without failing the saga, and what may not fail any more: optional steps, pivots, conditions of
//! compensations.

use std::sync::Arc;

use saga_core::Definition;

use super::super::check;
use super::between;
use crate::support::parse;

#[test]
fn an_optional_step_that_fails_is_passed_over() {
    let optional = between(
        "  - { step: b, participant: p, action: { post: /b }, compensation: { post: /b/undo }, optional: true, retry: { attempts: 1 }, persist: { attempts: 1 } }",
    );
    check!(&optional, "ok; refused; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 8640000s
    > refused
      5 +b#1 refused
      6 b passed over (why)
      7 +z#1
      = call +z#1 needs 7, wake at 8640000s
    > ok
      8 +z#1 ok [Z]
      9 completed [FINI]
      = answer needs 9
    FINI None over
    ");
    check!(&optional, "ok; unknown | refused; ok", @r"
    ...
    > refused
      8 +z#1 refused
      9 rollback: z failed (why) [ECHEC_Z]
      10 +b#2
      = call +b#2 needs 10
    > ok
      11 +b#2 ok
      12 -b#1
      = call -b#1 needs 12
    ECHEC_Z Running under way
    ");
    check!(&optional, "ok; unknown; refused | unknown; ok", @r"
    ...
    > unknown
      11 +b#2 unknown, again at 100ms
      12 b passed over (it cannot be found out whether it ran, and it is optional)
      13 -a#1
      = call -a#1 needs 13
    > ok
      14 -a#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_Z Done over
    ");
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
    check!(pivot(), "ok; ok; refused; wait; refused; wait 20s; cancel; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok
      6 +c#1
      = call +c#1 needs 6
    > refused
      7 +c#1 refused, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 8
    > refused
      9 +c#2 refused, again at 300ms
      10 blocked: c ActionFailing
      = wake at 300ms, answer needs 10
    > wait 20s
      11 +c#3
      = call +c#3 needs 11, answer needs 10
    > cancel
      rejected: a step after which there is no way back is done; the saga goes on until it completes
    > ok
      12 +c#3 ok
      13 completed [FINI]
      = answer needs 13
    FINI None over
    ");
}

#[test]
fn behind_a_pivot_a_person_may_have_done_the_step() {
    check!(pivot(), "ok; ok; refused; wait; refused | resolve c undone; resolve c ran", @r"
    ...
    > resolve c undone
      rejected: there is no way back, so nothing is undone: the finding is `ran`, or `not_run` to have it called again
    > resolve c ran
      11 resolved by Ana: c Ran
      12 completed [FINI]
      = answer needs 12
    FINI None over
    ");
}

#[test]
fn behind_a_pivot_no_step_may_have_been_called_before_the_history_shows_it() {
    let barriers = parse(
        "saga: essai
input: { n: integer }
deadline: 10d
participants:
  remembers: { url: 'http://p', safety: barrier }
  forgets: { url: 'http://q', safety: barrier, horizon: 5s }
steps:
  - { step: a, participant: remembers, action: { post: /a }, compensation: { post: /a/undo }, pivot: true }
  - { step: b, participant: forgets, action: { post: /b }, compensation: none }",
    );
    check!(barriers, "crash 2 | wait 6s; ok; ok", @r"
    ...
    > wait 6s
      = call +a#2 needs 4, wake at 864000s
    > ok
      5 +a#2 ok
      6 +b#1
      = call +b#1 needs 6
    > ok
      7 +b#1 ok
      8 completed [COMPLETED]
      = answer needs 8
    COMPLETED None over
    ");
}

#[test]
fn behind_a_pivot_a_finding_about_one_step_is_taken_while_another_has_the_task_fail() {
    let two = parse(
        "saga: essai
input: { n: integer }
deadline: 10d
participants: { p: { url: 'http://p', safety: idempotent }, q: { url: 'http://q' } }
steps:
  - { step: a, participant: p, action: { post: /a }, compensation: { post: /a/undo }, pivot: true }
  - { step: b, participant: p, action: { post: /b }, compensation: none, after: [a] }
  - { step: c, participant: q, action: { post: /c }, compensation: none, after: [a] }",
    );
    check!(two, "ok; c: unknown; park | resolve b ran; resolve c ran; resume; ok", @r"
    ...
    > resolve b ran
      rejected: the order was going forward when its task failed: resume it, or cancel it to have it rolled back
    > resolve c ran
      9 resolved by Ana: c Ran
      = answer needs 8
    > resume
      10 resumed by Ana
      11 +b#2
      = call +b#2 needs 11
    > ok
      12 +b#2 ok
      13 completed [COMPLETED]
      = answer needs 13
    COMPLETED None over
    ");
}

#[test]
fn before_its_pivot_a_saga_fails_as_any_other() {
    check!(pivot(), "ok; refused | ok", @r"
    ...
    > ok
      8 -a#1 ok
      9 rolled back
      = answer needs 9
    ECHEC_B Done over
    ");
}

#[test]
fn a_compensation_is_called_if_there_is_anything_to_undo() {
    let undo = |when: &str| {
        between(&format!(
            "  - {{ step: b, participant: p, action: {{ post: /b, output: .body }}, compensation: {{ post: /b/undo, when: '{when}' }}, failure: ECHEC_B }}"
        ))
    };
    check!(undo(".b.x == 2"), "ok; ok; refused | decide; ok", @r"
    ...
    > decide
      9 b skipped
      10 -a#1
      = call -a#1 needs 10
    > ok
      11 -a#1 ok
      12 rolled back
      = answer needs 12
    ECHEC_Z Done over
    ");
    check!(undo(".b.x == 1"), "ok; ok; refused | decide; ok; ok", @r"
    ...
    > decide
      9 -b#1
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 -a#1
      = call -a#1 needs 11
    > ok
      12 -a#1 ok
      13 rolled back
      = answer needs 13
    ECHEC_Z Done over
    ");
    check!(undo(".b.x.y"), "ok; ok; refused | decide; resume; decide; resolve b undone; ok", @r"
    ...
    > decide
      9 blocked: b CompensationFailing
      = answer needs 9
    > resume
      10 resumed by Ana
      = decide b
    > decide
      11 blocked: b CompensationFailing
      = answer needs 11
    > resolve b undone
      12 resolved by Ana: b Undone
      13 -a#1
      = call -a#1 needs 13
    > ok
      14 -a#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_Z Done over
    ");
}

#[test]
fn a_step_whose_effect_an_operator_has_found_is_undone_whatever_its_condition_says() {
    let undo = between(
        "  - { step: b, participant: p, action: { post: /b, output: .body }, compensation: { post: /b/undo, when: .b.x.y }, failure: ECHEC_B }",
    );
    check!(undo, "ok; ok; refused; decide | resolve b ran; ok; ok", @r"
    ...
    > resolve b ran
      10 resolved by Ana: b Ran
      11 -b#1
      = call -b#1 needs 11
    > ok
      12 -b#1 ok
      13 -a#1
      = call -a#1 needs 13
    > ok
      14 -a#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_Z Done over
    ");
}

#[test]
fn behind_a_pivot_an_action_that_a_signal_refuses_is_called_again() {
    let awaited = parse(
        "saga: essai
input: { n: integer }
deadline: 10s
participants: { p: { url: 'http://p', safety: idempotent } }
steps:
  - { step: a, participant: p, action: { post: /a }, compensation: { post: /a/undo }, pivot: true }
  - { step: b, participant: p, action: { post: /b, pending: .status == 202, await: { signal: paid, within: 1h, refused: .body == 0 } }, compensation: none }",
    );
    check!(awaited, "ok; accepted; signal paid 0 | decide; accepted; signal paid 1; decide", @r"
    ...
    > decide
      7 b takes signal 1: refused
      8 +b#2
      = call +b#2 needs 8
    > accepted
      9 +b#2 accepted
      = wake at 3600s
    > signal paid 1
      10 signal paid
      = decide b
    > decide
      11 b takes signal 2: ok
      12 completed [COMPLETED]
      = answer needs 12
    COMPLETED None over
    ");
}

#[test]
fn no_barrier_is_called_before_the_result_that_it_waits_for_is_on_disk() {
    let barrier = |between: &str| {
        parse(&format!(
            "saga: essai
input: {{ n: integer }}
deadline: 10d
participants: {{ p: {{ url: 'http://p', safety: barrier }} }}
steps:
  - {{ step: a, participant: p, action: {{ post: /a }}, compensation: {{ post: /a/undo }} }}
  - {{ step: b, {between} }}
  - {{ step: c, participant: p, action: {{ post: /c }}, compensation: {{ post: /c/undo }} }}"
        ))
    };
    let optional = "participant: p, action: { post: /b }, compensation: { post: /b/undo }, optional: true";
    check!(barrier(optional), "ok | refused", @r"
    ...
    > refused
      5 +b#1 refused
      6 b passed over (why)
      7 +c#1
      = call +c#1 needs 6, wake at 864000s
    STARTED None under way
    ");
    check!(barrier("pause: 1h"), "ok | wait", @r"
    ...
    > wait
      5 b is over
      6 +c#1
      = call +c#1 needs 5, wake at 864000s
    STARTED None under way
    ");
}
