//! The order of compensations, and the ends of calls and waits once a rollback is decided.

use super::super::check;
use super::diamond;
use crate::support::{Kind, Spec, definition};

#[test]
fn rule_2_a_step_is_undone_once_all_that_wait_for_it_are_settled() {
    check!(diamond(Kind::Barrier), "ok; b: ok; c: ok; refused; b: ok; c: ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 2, call +c#1 needs 2, wake at 10s
    > b: ok
      6 +b#1 ok [B]
      = call +c#1 needs 2, wake at 10s
    > c: ok
      7 +c#1 ok [C]
      8 +d#1
      = call +d#1 needs 2, wake at 10s
    > refused
      9 +d#1 refused
      10 rollback: d failed (why) [ECHEC_D]
      11 -b#1
      12 -c#1
      = call -b#1 needs 10, call -c#1 needs 10
    > b: ok
      13 -b#1 ok
      = call -c#1 needs 10
    > c: ok
      14 -c#1 ok
      15 -a#1
      = call -a#1 needs 10
    > ok
      16 -a#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_D Done over
    ");
}

#[test]
fn rule_2_through_a_read_and_a_step_without_compensation() {
    let barrier = Spec::new(Kind::Barrier);
    let for_good = barrier.clone().for_good().after(&[1]);
    let steps = [barrier.clone(), Spec::new(Kind::Read), for_good, barrier.clone(), barrier.after(&[])];
    check!(definition(&steps), "a: ok; e: ok; b: ok; c: ok; d: refused; e: ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      3 +e#1
      = call +a#1 needs 2, call +e#1 needs 2, wake at 10s
    > a: ok
      4 +a#1 ok [A]
      5 +b#1
      = call +b#1 at once, call +e#1 needs 2, wake at 10s
    > e: ok
      6 +e#1 ok [E]
      = call +b#1 at once, wake at 10s
    > b: ok
      7 +b#1 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    > c: ok
      9 +c#1 ok [C]
      10 +d#1
      = call +d#1 needs 2, wake at 10s
    > d: refused
      11 +d#1 refused
      12 rollback: d failed (why) [ECHEC_D]
      13 -a#1
      14 -e#1
      = call -a#1 needs 12, call -e#1 needs 12
    > e: ok
      15 -e#1 ok
      = call -a#1 needs 12
    > a: ok
      16 -a#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_D Done over
    ");
}

#[test]
fn rule_4_no_state_is_entered_after_the_decision() {
    check!(diamond(Kind::Idempotent), "ok; b: refused; c: ok; c: ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > b: refused
      6 +b#1 refused
      7 rollback: b failed (why) [ECHEC_B]
      = call +c#1 needs 5
    > c: ok
      8 +c#1 ok
      9 -c#1
      = call -c#1 needs 9
    > c: ok
      10 -c#1 ok
      11 -a#1
      = call -a#1 needs 11
    > a: ok
      12 -a#1 ok
      13 rolled back
      = answer needs 13
    ECHEC_B Done over
    ");
}

#[test]
fn rule_7_the_first_failure_is_the_sagas() {
    check!(diamond(Kind::Idempotent), "ok; c: refused; b: refused; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > c: refused
      6 +c#1 refused
      7 rollback: c failed (why) [ECHEC_C]
      = call +b#1 needs 4
    > b: refused
      8 +b#1 refused
      9 -a#1
      = call -a#1 needs 9
    > ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_C Done over
    ");
}

#[test]
fn rule_8_a_wait_for_the_next_attempt_ends_with_the_decision() {
    check!(diamond(Kind::Barrier), "ok; b: not_sent; c: refused; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 2, call +c#1 needs 2, wake at 10s
    > b: not_sent
      6 +b#1 not_sent, again at 100ms
      = call +c#1 needs 2, wake at 100ms
    > c: refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -a#1
      = call -a#1 needs 8
    > ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_C Done over
    ");
}

#[test]
fn rule_8_a_call_in_flight_is_settled_before_its_step_is_undone() {
    check!(diamond(Kind::Idempotent), "ok; b: refused; c: unknown; wait; c: ok; c: ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > b: refused
      6 +b#1 refused
      7 rollback: b failed (why) [ECHEC_B]
      = call +c#1 needs 5
    > c: unknown
      8 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      9 +c#2
      = call +c#2 needs 9
    > c: ok
      10 +c#2 ok
      11 -c#1
      = call -c#1 needs 11
    > c: ok
      12 -c#1 ok
      13 -a#1
      = call -a#1 needs 13
    > a: ok
      14 -a#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_B Done over
    ");
}

#[test]
fn rule_8_a_step_without_compensation_is_settled_at_once() {
    let for_good = Spec::new(Kind::Plain).for_good().after(&[0]);
    let steps = [Spec::new(Kind::Barrier), for_good, Spec::new(Kind::Plain).after(&[0])];
    check!(definition(&steps), "a: ok; c: refused; b: old ok; b: old ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > a: ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > c: refused
      6 +c#1 refused
      7 rollback: c failed (why) [ECHEC_C]
      8 -a#1
      = call -a#1 needs 7, hear b
    > b: old ok
      9 +b#1 ok
      = call -a#1 needs 7
    > b: old ok
      rejected: the saga no longer waits for that call
    > a: ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_C Done over
    ");
}

#[test]
fn rule_8_a_late_answer_is_only_recorded_and_nothing_follows_from_it() {
    let for_good = Spec::new(Kind::Idempotent).for_good().after(&[0]);
    let steps = [Spec::new(Kind::Barrier), for_good, Spec::new(Kind::Plain).after(&[0])];
    // It is not called again, whatever its answer; and not known to the next owner, who does not call it either.
    check!(definition(&steps), "a: ok; c: refused; b: old unknown; wait 9s; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > a: ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > c: refused
      6 +c#1 refused
      7 rollback: c failed (why) [ECHEC_C]
      8 -a#1
      = call -a#1 needs 7, hear b
    > b: old unknown
      9 +b#1 unknown
      = call -a#1 needs 7
    > wait 9s
      = call -a#1 needs 7
    > a: ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_C Done over
    ");
    check!(definition(&steps), "a: ok; c: refused; crash 8; b: old ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > a: ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > c: refused
      6 +c#1 refused
      7 rollback: c failed (why) [ECHEC_C]
      8 -a#1
      = call -a#1 needs 7, hear b
    > crash 8
      9 taken over: epoch 2
      10 -a#2
      = call -a#2 needs 10
    > b: old ok
      rejected: the saga no longer waits for that call
    > a: ok
      11 -a#2 ok
      12 rolled back
      = answer needs 12
    ECHEC_C Done over
    ");
    check!(definition(&steps), "a: ok; c: refused; a: ok; b: old ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > a: ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > c: refused
      6 +c#1 refused
      7 rollback: c failed (why) [ECHEC_C]
      8 -a#1
      = call -a#1 needs 7, hear b
    > a: ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    > b: old ok
      rejected: the saga no longer waits for that call
    ECHEC_C Done over
    ");
}

#[test]
fn rule_9_blocked_is_the_step_blocked_first_and_the_rest_goes_on() {
    check!(diamond(Kind::Plain), "ok; b: ok; c: unknown; b: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > b: ok
      6 +b#1 ok [B]
      = call +c#1 needs 5, wake at 10s
    > c: unknown
      7 +c#1 unknown
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      10 blocked: c ActionUnknown
      = call -b#1 needs 9
    > b: ok
      11 -b#1 ok
      = answer needs 10
    ECHEC_C Blocked under way
    ");
}

#[test]
fn rule_9_any_blocked_step_is_resolved() {
    check!(diamond(Kind::Plain), "ok; b: unknown; c: unknown; resolve c not_run; resolve b ran; b: ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > b: unknown
      6 +b#1 unknown
      7 rollback: b failed (why) [ECHEC_B]
      8 blocked: b ActionUnknown
      = call +c#1 needs 5
    > c: unknown
      9 +c#1 unknown
      10 blocked: c ActionUnknown
      = answer needs 10
    > resolve c not_run
      11 resolved by Ana: c NotRun
      = answer needs 8
    > resolve b ran
      12 resolved by Ana: b Ran
      13 -b#1
      = call -b#1 needs 13
    > b: ok
      14 -b#1 ok
      15 -a#1
      = call -a#1 needs 15
    > a: ok
      16 -a#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_B Done over
    ");
}
