//! Services that promise something are asked only once their promise has ended.

use super::super::check;
use super::{forgetful, probed};
use crate::support::{Kind, Spec, definition};

#[test]
fn idempotent_calls_are_repeated_not_asked_about_while_the_promise_holds() {
    check!(probed(Kind::Idempotent), "unknown; wait; unknown; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > unknown
      5 +a#2 unknown, again at 300ms
      = wake at 300ms
    > wait
      6 +a#3
      = call +a#3 needs 6, wake at 10s
    > ok
      7 +a#3 ok [A]
      8 +b#1
      = call +b#1 needs 8, wake at 10s
    > ok
      9 +b#1 ok [B]
      10 completed [FINI]
      = answer needs 10
    FINI None over
    ");
}

/// The second attempt ends so late that its outcome could not be asked for within the promise.
#[test]
fn idempotent_beyond_the_horizon_an_action_is_asked_about() {
    check!(forgetful(Kind::Idempotent), "unknown; wait; wait 2s; unknown; wait; refused; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > wait 2s
      = call +a#2 needs 4, wake at 10s
    > unknown
      5 +a#2 unknown, again at 2300ms
      = wake at 4100ms
    > wait
      6 ?a#1
      = call ?a#1 at once, wake at 10s
    > refused
      7 ?a#1 refused, again at 4300ms
      = wake at 4300ms
    > wait
      8 +a#3
      = call +a#3 needs 8, wake at 10s
    > ok
      9 +a#3 ok [A]
      10 +b#1
      = call +b#1 needs 10, wake at 10s
    > ok
      11 +b#1 ok [B]
      12 completed [FINI]
      = answer needs 12
    FINI None over
    ");
}

#[test]
fn idempotent_beyond_the_horizon_a_compensation_is_asked_about() {
    check!(forgetful(Kind::Idempotent), "ok; refused | unknown; wait 2s; unknown; wait; ok; wait; ok", @r"
    ...
    > unknown
      8 -a#1 unknown, again at 100ms
      = wake at 100ms
    > wait 2s
      9 -a#2
      = call -a#2 needs 9
    > unknown
      10 -a#2 unknown, again at 2200ms
      = wake at 4s
    > wait
      11 ?a#1
      = call ?a#1 at once
    > ok
      12 ?a#1 ok, again at 4200ms
      13 blocked: a CompensationFailing
      = wake at 4200ms, answer needs 13
    > wait
      14 -a#3
      = call -a#3 needs 14, answer needs 13
    > ok
      15 -a#3 ok
      16 rolled back
      = answer needs 16
    ECHEC_B Done over
    ");
}

#[test]
fn idempotent_a_call_in_flight_at_the_horizon_is_waited_for() {
    check!(forgetful(Kind::Idempotent), "unknown; wait; wait 4s; cancel; unknown; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > wait 4s
      = call +a#2 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      = call +a#2 needs 4
    > unknown
      6 +a#2 unknown, again at 4200ms
      = wake at 6100ms
    > wait
      7 ?a#1
      = call ?a#1 at once
    > ok
      8 ?a#1 ok
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
fn barrier_beyond_the_horizon_an_action_is_asked_about_and_a_person_undoes_it() {
    check!(forgetful(Kind::Barrier), "unknown; wait; wait 4s; unknown; wait; ok; refused; resume; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      4 +a#2
      = call +a#2 needs 2, wake at 10s
    > wait 4s
      = call +a#2 needs 2, wake at 10s
    > unknown
      5 +a#2 unknown, again at 4300ms
      = wake at 6100ms
    > wait
      6 ?a#1
      = call ?a#1 at once, wake at 10s
    > ok
      7 ?a#1 ok [A]
      8 +b#1
      = call +b#1 needs 2, wake at 10s
    > refused
      9 +b#1 refused
      10 rollback: b failed (why) [ECHEC_B]
      11 blocked: a HorizonPassed
      = answer needs 11
    > resume
      12 resumed by Ana
      13 -a#1
      = call -a#1 needs 13
    > ok
      14 -a#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_B Done over
    ");
}

/// The barrier is past its horizon, and its attempts are given up; but a question may have found that it ran, and the
/// next step may have been called ahead of the disk.
#[test]
fn barrier_taken_over_with_a_question_in_flight_undoes_what_may_have_run_after_its_answer() {
    let forgetful = Spec::new(Kind::Barrier).probed().horizon("3s");
    check!(definition(&[forgetful, Spec::new(Kind::Barrier)]), "unknown; wait; unknown; wait; wait 2s; unknown; wait; ok; crash 8; cancel; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      4 +a#2
      = call +a#2 needs 2, wake at 10s
    > unknown
      5 +a#2 unknown, again at 300ms
      = wake at 300ms
    > wait
      6 +a#3
      = call +a#3 needs 2, wake at 10s
    > wait 2s
      = call +a#3 needs 2, wake at 10s
    > unknown
      7 +a#3 unknown
      = wake at 4300ms
    > wait
      8 ?a#1
      = call ?a#1 at once, wake at 10s
    > ok
      9 ?a#1 ok [A]
      10 +b#1
      = call +b#1 needs 2, wake at 10s
    > crash 8
      9 taken over: epoch 2
      = wake at 6300ms
    > cancel
      10 rollback: cancelled [ANNULEE]
      11 -b#1
      = call -b#1 needs 11
    > ok
      12 -b#1 ok
      = wake at 6300ms
    ANNULEE Running under way
    ");
}
