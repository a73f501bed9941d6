//! An operator wants the saga to go on.

use std::sync::Arc;

use saga_core::Definition;

use super::check;
use crate::support::{Kind, Spec, definition};

fn two(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind), Spec::new(kind)])
}

fn probed(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).probed(), Spec::new(kind)])
}

/// Three steps at a participant that forgets after three seconds.
fn forgetful(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).horizon("3s"), Spec::new(kind).horizon("3s"), Spec::new(kind).horizon("3s")])
}

#[test]
fn a_waiting_action_is_made_at_once() {
    check!(two(Kind::Plain), "not_sent 30s; resume; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > not_sent 30s
      3 +a#1 not_sent, again at 30100ms
      = wake at 10s
    > resume
      4 resumed by Ana
      5 +a#2
      = call +a#2 needs 5, wake at 10s
    > ok
      6 +a#2 ok [A]
      7 +b#1
      = call +b#1 needs 7, wake at 10s
    > ok
      8 +b#1 ok [B]
      9 completed [FINI]
      = answer needs 9
    FINI None over
    ");
}

#[test]
fn a_failing_compensation_is_tried_at_once_and_stays_flagged() {
    check!(two(Kind::Barrier), "ok; refused | refused; wait; unknown; resume; not_sent 30s; resume; ok", @r"
    ...
    > refused
      8 -a#1 refused, again at 100ms
      = wake at 100ms
    > wait
      9 -a#2
      = call -a#2 needs 6
    > unknown
      10 -a#2 unknown, again at 300ms
      11 blocked: a CompensationFailing
      = wake at 300ms, answer needs 11
    > resume
      12 resumed by Ana
      13 -a#3
      = call -a#3 needs 6, answer needs 11
    > not_sent 30s
      14 -a#3 not_sent, again at 30200ms
      = wake at 30200ms, answer needs 11
    > resume
      15 resumed by Ana
      16 -a#4
      = call -a#4 needs 6, answer needs 11
    > ok
      17 -a#4 ok
      18 rolled back
      = answer needs 18
    ECHEC_B Done over
    ");
}

#[test]
fn what_is_under_way_need_not_be_told_to_go_on() {
    check!(two(Kind::Plain), "resume; ok; refused; resume; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > resume
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > refused
      5 +b#1 refused
      6 rollback: b failed (why) [ECHEC_B]
      7 -a#1
      = call -a#1 needs 7
    > resume
      = call -a#1 needs 7
    > ok
      8 -a#1 ok
      9 rolled back
      = answer needs 9
    ECHEC_B Done over
    ");
}

#[test]
fn what_is_over_cannot_go_on() {
    check!(two(Kind::Plain), "ok | ok; resume", @r"
    ...
    > ok
      5 +b#1 ok [B]
      6 completed [FINI]
      = answer needs 6
    > resume
      rejected: the order is over
    FINI None over
    ");
}

#[test]
fn without_a_probe_what_is_in_doubt_cannot_go_on() {
    check!(two(Kind::Plain), "unknown; resume; wait 60s; resume", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown
      4 rollback: a failed (why) [ECHEC_A]
      5 blocked: a ActionUnknown
      = answer needs 5
    > resume
      rejected: it is unknown whether the last call took effect, and its participant promises nothing about repeated calls: find out there, and resolve the step with the finding
    > wait 60s
      = answer needs 5
    > resume
      rejected: it is unknown whether the last call took effect, and its participant promises nothing about repeated calls: find out there, and resolve the step with the finding
    ECHEC_A Blocked under way
    ");
}

#[test]
fn with_a_probe_what_is_in_doubt_is_asked_again_at_once() {
    check!(probed(Kind::Plain), "unknown; wait; unknown 30s; resume; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown
      = wake at 2s
    > wait
      4 ?a#1
      = call ?a#1 at once, wake at 10s
    > unknown 30s
      5 ?a#1 unknown, again at 32100ms
      = wake at 10s
    > resume
      6 resumed by Ana
      7 ?a#2
      = call ?a#2 at once, wake at 10s
    > ok
      8 ?a#2 ok [A]
      9 +b#1
      = call +b#1 needs 9, wake at 10s
    > ok
      10 +b#1 ok [B]
      11 completed [FINI]
      = answer needs 11
    FINI None over
    ");
}

#[test]
fn a_question_is_not_asked_before_its_time_whoever_wants_it() {
    check!(probed(Kind::Plain), "unknown; resume; wait 1s; resume; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown
      = wake at 2s
    > resume
      4 resumed by Ana
      = wake at 2s
    > wait 1s
      = wake at 2s
    > resume
      5 resumed by Ana
      = wake at 2s
    > wait
      6 ?a#1
      = call ?a#1 at once, wake at 10s
    > ok
      7 ?a#1 ok [A]
      8 +b#1
      = call +b#1 needs 8, wake at 10s
    > ok
      9 +b#1 ok [B]
      10 completed [FINI]
      = answer needs 10
    FINI None over
    ");
}

#[test]
fn a_blocked_question_is_asked_again_at_once() {
    check!(probed(Kind::Plain), "unknown; wait; cancel; unknown; wait; unknown 30s; resume; refused", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown
      = wake at 2s
    > wait
      4 ?a#1
      = call ?a#1 at once, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      = call ?a#1 at once
    > unknown
      6 ?a#1 unknown, again at 2100ms
      = wake at 2100ms
    > wait
      7 ?a#2
      = call ?a#2 at once
    > unknown 30s
      8 ?a#2 unknown, again at 32200ms
      9 blocked: a ActionUnknown
      = wake at 32200ms, answer needs 9
    > resume
      10 resumed by Ana
      11 ?a#3
      = call ?a#3 at once, answer needs 9
    > refused
      12 ?a#3 refused
      13 rolled back
      = answer needs 13
    ANNULEE None over
    ");
}

#[test]
fn beyond_the_horizon_a_person_vouches_for_one_step_at_a_time() {
    check!(forgetful(Kind::Barrier), "ok | ok; wait 4s; refused; resume; ok; resume; ok", @r"
    ...
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 2, wake at 10s
    > wait 4s
      = call +c#1 needs 2, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 blocked: b HorizonPassed
      = answer needs 9
    > resume
      10 resumed by Ana
      11 -b#1
      = call -b#1 needs 11
    > ok
      12 -b#1 ok
      13 blocked: a HorizonPassed
      = answer needs 13
    > resume
      14 resumed by Ana
      15 -a#1
      = call -a#1 needs 15
    > ok
      16 -a#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_C Done over
    ");
}

#[test]
fn beyond_the_horizon_a_person_vouches_for_as_long_as_the_promise_holds_again() {
    check!(forgetful(Kind::Barrier), "ok | ok; wait 4s; refused; resume; unknown; wait; unknown; wait 4s; resume; ok", @r"
    ...
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 2, wake at 10s
    > wait 4s
      = call +c#1 needs 2, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 blocked: b HorizonPassed
      = answer needs 9
    > resume
      10 resumed by Ana
      11 -b#1
      = call -b#1 needs 11
    > unknown
      12 -b#1 unknown, again at 4100ms
      = wake at 4100ms
    > wait
      13 -b#2
      = call -b#2 needs 13
    > unknown
      14 -b#2 unknown, again at 4300ms
      15 blocked: b CompensationFailing
      = wake at 4300ms, answer needs 15
    > wait 4s
      16 blocked: b HorizonPassed
      = answer needs 16
    > resume
      17 resumed by Ana
      18 -b#3
      = call -b#3 needs 18
    > ok
      19 -b#3 ok
      20 blocked: a HorizonPassed
      = answer needs 20
    ECHEC_C Blocked under way
    ");
}

#[test]
fn beyond_the_horizon_an_idempotent_call_is_made_again() {
    check!(forgetful(Kind::Idempotent), "ok; ok; refused | unknown 5s; wait; resume; ok; ok", @r"
    ...
    > unknown 5s
      10 -b#1 unknown, again at 5100ms
      = wake at 5100ms
    > wait
      11 blocked: b HorizonPassed
      = answer needs 11
    > resume
      12 resumed by Ana
      13 -b#2
      = call -b#2 needs 13
    > ok
      14 -b#2 ok
      15 -a#1
      = call -a#1 needs 15
    > ok
      16 -a#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_C Done over
    ");
}

#[test]
fn beyond_the_horizon_a_person_may_ask_then_vouch() {
    check!(definition(&[Spec::new(Kind::Idempotent).probed().horizon("3s")]), "unknown; wait 4s; unknown 30s; resume; cancel; unknown; wait; unknown 30s; resume; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 100ms
    > wait 4s
      4 ?a#1
      = call ?a#1 at once, wake at 10s
    > unknown 30s
      5 ?a#1 unknown, again at 34100ms
      = wake at 10s
    > resume
      6 resumed by Ana
      7 ?a#2
      = call ?a#2 at once, wake at 10s
    > cancel
      8 rollback: cancelled [ANNULEE]
      = call ?a#2 at once
    > unknown
      9 ?a#2 unknown, again at 4100ms
      = wake at 4100ms
    > wait
      10 ?a#3
      = call ?a#3 at once
    > unknown 30s
      11 ?a#3 unknown, again at 34200ms
      12 blocked: a HorizonPassed
      = wake at 34200ms, answer needs 12
    > resume
      13 resumed by Ana
      14 +a#2
      = call +a#2 needs 14
    > ok
      15 +a#2 ok
      16 -a#1
      = call -a#1 needs 16
    > ok
      17 -a#1 ok
      18 rolled back
      = answer needs 18
    ANNULEE Done over
    ");
}

#[test]
fn a_person_vouches_even_where_the_promise_is_shorter_than_the_wait_before_asking() {
    check!(definition(&[Spec::new(Kind::Idempotent).probed().horizon("1s")]), "unknown; cancel; wait; unknown; wait; unknown; resume; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 2s
    > cancel
      4 rollback: cancelled [ANNULEE]
      = wake at 2s
    > wait
      5 ?a#1
      = call ?a#1 at once
    > unknown
      6 ?a#1 unknown, again at 2100ms
      = wake at 2100ms
    > wait
      7 ?a#2
      = call ?a#2 at once
    > unknown
      8 ?a#2 unknown, again at 2300ms
      9 blocked: a HorizonPassed
      = wake at 2300ms, answer needs 9
    > resume
      10 resumed by Ana
      11 +a#2
      = call +a#2 needs 11
    > ok
      12 +a#2 ok
      13 -a#1
      = call -a#1 needs 13
    > ok
      14 -a#1 ok
      15 rolled back
      = answer needs 15
    ANNULEE Done over
    ");
}

#[test]
fn a_resumed_saga_is_the_same_for_the_next_owner() {
    check!(forgetful(Kind::Barrier), "ok | ok; wait 4s; refused; resume; take-over; ok", @r"
    ...
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 2, wake at 10s
    > wait 4s
      = call +c#1 needs 2, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 blocked: b HorizonPassed
      = answer needs 9
    > resume
      10 resumed by Ana
      11 -b#1
      = call -b#1 needs 11
    > take-over
      12 taken over: epoch 2
      13 -b#2
      = call -b#2 needs 13
    > ok
      14 -b#2 ok
      15 blocked: a HorizonPassed
      = answer needs 15
    ECHEC_C Blocked under way
    ");
}
