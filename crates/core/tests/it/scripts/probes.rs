//! Steps that can be asked about, where calling again is no way to find out.

use std::sync::Arc;

use saga_core::Definition;

use super::check;
use crate::support::{Kind, Spec, definition};

/// One step that can be asked about, and one after it.
fn probed(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).probed(), Spec::new(kind)])
}

/// The same, where the participant forgets after three seconds.
fn forgetful(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).probed().horizon("3s"), Spec::new(kind).horizon("3s")])
}

#[test]
fn an_action_that_ran_is_behind_us() {
    check!(probed(Kind::Plain), "unknown; wait; ok; ok", @r"
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
    > ok
      5 ?a#1 ok [A]
      6 +b#1
      = call +b#1 needs 6, wake at 10s
    > ok
      7 +b#1 ok [B]
      8 completed [FINI]
      = answer needs 8
    FINI AUCUN over
    ");
}

#[test]
fn an_action_that_did_not_run_is_called_again() {
    check!(probed(Kind::Plain), "unknown; wait; refused; wait; ok; ok", @r"
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
    > refused
      5 ?a#1 refused, again at 2100ms
      = wake at 2100ms
    > wait
      6 +a#2
      = call +a#2 needs 6, wake at 10s
    > ok
      7 +a#2 ok [A]
      8 +b#1
      = call +b#1 needs 8, wake at 10s
    > ok
      9 +b#1 ok [B]
      10 completed [FINI]
      = answer needs 10
    FINI AUCUN over
    ");
}

#[test]
fn an_action_is_called_again_only_as_often_as_any() {
    check!(probed(Kind::Plain), "unknown; wait; refused; wait; unknown; wait; refused; wait; unknown; wait; refused", @r"
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
    > refused
      5 ?a#1 refused, again at 2100ms
      = wake at 2100ms
    > wait
      6 +a#2
      = call +a#2 needs 6, wake at 10s
    > unknown
      7 +a#2 unknown
      = wake at 4100ms
    > wait
      8 ?a#2
      = call ?a#2 at once, wake at 10s
    > refused
      9 ?a#2 refused, again at 4300ms
      = wake at 4300ms
    > wait
      10 +a#3
      = call +a#3 needs 10, wake at 10s
    > unknown
      11 +a#3 unknown
      = wake at 6300ms
    > wait
      12 ?a#3
      = call ?a#3 at once, wake at 10s
    > refused
      13 ?a#3 refused
      14 rollback: a failed (why) [ECHEC_A]
      15 rolled back
      = answer needs 15
    ECHEC_A AUCUN over
    ");
}

#[test]
fn without_an_answer_the_order_fails_when_the_patience_for_the_action_ends_and_is_asked_on() {
    check!(probed(Kind::Plain), "unknown; wait; unknown; wait; not_sent; wait 5s; unknown; wait; unknown; wait; unknown; wait; refused", @r"
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
    > unknown
      5 ?a#1 unknown, again at 2100ms
      = wake at 2100ms
    > wait
      6 ?a#2
      = call ?a#2 at once, wake at 10s
    > not_sent
      7 ?a#2 not_sent, again at 2300ms
      = wake at 2300ms
    > wait 5s
      8 ?a#3
      = call ?a#3 at once, wake at 10s
    > unknown
      9 ?a#3 unknown, again at 7500ms
      10 rollback: a failed (why) [ECHEC_A]
      = wake at 7500ms
    > wait
      11 ?a#4
      = call ?a#4 at once
    > unknown
      12 ?a#4 unknown, again at 7600ms
      = wake at 7600ms
    > wait
      13 ?a#5
      = call ?a#5 at once
    > unknown
      14 ?a#5 unknown, again at 7800ms
      15 blocked: a ActionUnknown
      = wake at 7800ms, answer needs 15
    > wait
      16 ?a#6
      = call ?a#6 at once, answer needs 15
    > refused
      17 ?a#6 refused
      18 rolled back
      = answer needs 18
    ECHEC_A AUCUN over
    ");
}

#[test]
fn the_answer_while_rolling_back_says_whether_to_undo() {
    check!(probed(Kind::Plain), "unknown; wait; cancel; ok; ok", @r"
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
    > ok
      6 ?a#1 ok
      7 -a#1
      = call -a#1 needs 7
    > ok
      8 -a#1 ok
      9 rolled back
      = answer needs 9
    ANNULEE TERMINE over
    ");
}

#[test]
fn an_action_that_did_not_run_is_not_undone() {
    check!(probed(Kind::Plain), "unknown; wait; cancel; refused", @r"
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
    > refused
      6 ?a#1 refused
      7 rolled back
      = answer needs 7
    ANNULEE AUCUN over
    ");
}

#[test]
fn a_cancellation_while_waiting_to_ask_does_not_shorten_the_wait() {
    check!(probed(Kind::Plain), "unknown; cancel; wait 1999ms; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown
      = wake at 2s
    > cancel
      4 rollback: cancelled [ANNULEE]
      = wake at 2s
    > wait 1999ms
      = wake at 2s
    > wait
      5 ?a#1
      = call ?a#1 at once
    > ok
      6 ?a#1 ok
      7 -a#1
      = call -a#1 needs 7
    > ok
      8 -a#1 ok
      9 rolled back
      = answer needs 9
    ANNULEE TERMINE over
    ");
}

#[test]
fn the_deadline_while_asking_waits_for_the_answer() {
    check!(probed(Kind::Plain), "unknown; wait; unknown; wait 10s; unknown; wait; refused", @r"
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
    > unknown
      5 ?a#1 unknown, again at 2100ms
      = wake at 2100ms
    > wait 10s
      6 rollback: deadline [ANNULEE]
      7 ?a#2
      = call ?a#2 at once
    > unknown
      8 ?a#2 unknown, again at 12100ms
      = wake at 12100ms
    > wait
      9 ?a#3
      = call ?a#3 at once
    > refused
      10 ?a#3 refused
      11 rolled back
      = answer needs 11
    ANNULEE AUCUN over
    ");
}

#[test]
fn the_deadline_while_a_question_is_in_flight_waits_for_its_answer() {
    check!(probed(Kind::Plain), "unknown; wait; wait 10s; ok; ok", @r"
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
    > wait 10s
      5 rollback: deadline [ANNULEE]
      = call ?a#1 at once
    > ok
      6 ?a#1 ok
      7 -a#1
      = call -a#1 needs 7
    > ok
      8 -a#1 ok
      9 rolled back
      = answer needs 9
    ANNULEE TERMINE over
    ");
}

#[test]
fn a_compensation_that_is_in_doubt_ran() {
    check!(probed(Kind::Plain), "ok; refused | unknown; wait; refused", @r"
    ...
    > unknown
      8 -a#1 unknown
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 at once
    > refused
      10 ?a#1 refused
      11 rolled back
      = answer needs 11
    ECHEC_B TERMINE over
    ");
}

#[test]
fn a_compensation_that_is_in_doubt_did_not_run_and_is_made_again() {
    check!(probed(Kind::Plain), "ok; refused | unknown; wait; ok; wait; ok", @r"
    ...
    > unknown
      8 -a#1 unknown
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 at once
    > ok
      10 ?a#1 ok, again at 2100ms
      = wake at 2100ms
    > wait
      11 -a#2
      = call -a#2 needs 11
    > ok
      12 -a#2 ok
      13 rolled back
      = answer needs 13
    ECHEC_B TERMINE over
    ");
}

#[test]
fn a_compensation_without_an_answer_calls_for_a_person_and_is_asked_about_on() {
    check!(probed(Kind::Plain), "ok; refused | unknown; wait; unknown; wait; unknown; wait; unknown; wait; ok; wait; ok", @r"
    ...
    > unknown
      8 -a#1 unknown
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 at once
    > unknown
      10 ?a#1 unknown, again at 2100ms
      = wake at 2100ms
    > wait
      11 ?a#2
      = call ?a#2 at once
    > unknown
      12 ?a#2 unknown, again at 2300ms
      13 blocked: a CompensationUnknown
      = wake at 2300ms, answer needs 13
    > wait
      14 ?a#3
      = call ?a#3 at once, answer needs 13
    > unknown
      15 ?a#3 unknown, again at 2700ms
      = wake at 2700ms, answer needs 13
    > wait
      16 ?a#4
      = call ?a#4 at once, answer needs 13
    > ok
      17 ?a#4 ok, again at 2800ms
      = wake at 2800ms
    > wait
      18 -a#2
      = call -a#2 needs 18
    > ok
      19 -a#2 ok
      20 rolled back
      = answer needs 20
    ECHEC_B TERMINE over
    ");
}

#[test]
fn a_compensation_that_never_takes_is_made_at_a_slow_rate_and_calls_for_a_person() {
    check!(probed(Kind::Plain), "ok; refused | unknown; wait; ok; wait; unknown; wait; ok; wait; unknown; wait; ok", @r"
    ...
    > unknown
      8 -a#1 unknown
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 at once
    > ok
      10 ?a#1 ok, again at 2100ms
      = wake at 2100ms
    > wait
      11 -a#2
      = call -a#2 needs 11
    > unknown
      12 -a#2 unknown
      = wake at 4100ms
    > wait
      13 ?a#2
      = call ?a#2 at once
    > ok
      14 ?a#2 ok, again at 4300ms
      15 blocked: a CompensationFailing
      = wake at 4300ms, answer needs 15
    > wait
      16 -a#3
      = call -a#3 needs 16, answer needs 15
    > unknown
      17 -a#3 unknown
      = wake at 6300ms, answer needs 15
    > wait
      18 ?a#3
      = call ?a#3 at once, answer needs 15
    > ok
      19 ?a#3 ok, again at 6700ms
      = wake at 6700ms, answer needs 15
    ECHEC_B BLOQUE under way
    ");
}

#[test]
fn questions_about_the_action_and_about_its_compensation_are_numbered_as_one() {
    check!(probed(Kind::Plain), "unknown; wait; ok; refused; unknown; wait; old ok; refused", @r"
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
    > ok
      5 ?a#1 ok [A]
      6 +b#1
      = call +b#1 needs 6, wake at 10s
    > refused
      7 +b#1 refused
      8 rollback: b failed (why) [ECHEC_B]
      9 -a#1
      = call -a#1 needs 9
    > unknown
      10 -a#1 unknown
      = wake at 4s
    > wait
      11 ?a#2
      = call ?a#2 at once
    > old ok
      rejected: nobody waits for that call any more
    > refused
      12 ?a#2 refused
      13 rolled back
      = answer needs 13
    ECHEC_B TERMINE over
    ");
}

#[test]
fn taken_over_while_waiting_to_ask_the_wait_begins_anew() {
    check!(probed(Kind::Plain), "unknown; wait 1900ms; take-over; wait 100ms; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown
      = wake at 2s
    > wait 1900ms
      = wake at 2s
    > take-over
      4 taken over: epoch 2
      = wake at 3900ms
    > wait 100ms
      = wake at 3900ms
    > wait
      5 ?a#1
      = call ?a#1 needs 4, wake at 10s
    > ok
      6 ?a#1 ok [A]
      7 +b#1
      = call +b#1 needs 7, wake at 10s
    > ok
      8 +b#1 ok [B]
      9 completed [FINI]
      = answer needs 9
    FINI AUCUN over
    ");
}

#[test]
fn taken_over_with_a_question_in_flight_the_wait_begins_anew_and_another_question_is_asked() {
    check!(probed(Kind::Plain), "unknown; wait; take-over; old ok; wait; ok; ok", @r"
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
    > take-over
      5 taken over: epoch 2
      = wake at 4s
    > old ok
      rejected: nobody waits for that call any more
    > wait
      6 ?a#2
      = call ?a#2 needs 5, wake at 10s
    > ok
      7 ?a#2 ok [A]
      8 +b#1
      = call +b#1 needs 8, wake at 10s
    > ok
      9 +b#1 ok [B]
      10 completed [FINI]
      = answer needs 10
    FINI AUCUN over
    ");
}

#[test]
fn taken_over_with_a_call_in_flight_it_is_asked_about() {
    check!(probed(Kind::Plain), "take-over; wait; refused; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > take-over
      3 taken over: epoch 2
      = wake at 2s
    > wait
      4 ?a#1
      = call ?a#1 needs 3, wake at 10s
    > refused
      5 ?a#1 refused, again at 2100ms
      = wake at 2100ms
    > wait
      6 +a#2
      = call +a#2 needs 6, wake at 10s
    > ok
      7 +a#2 ok [A]
      8 +b#1
      = call +b#1 needs 8, wake at 10s
    > ok
      9 +b#1 ok [B]
      10 completed [FINI]
      = answer needs 10
    FINI AUCUN over
    ");
}

#[test]
fn taken_over_while_undoing_the_compensation_is_asked_about() {
    check!(probed(Kind::Plain), "ok | refused; take-over; wait; refused", @r"
    ...
    > refused
      5 +b#1 refused
      6 rollback: b failed (why) [ECHEC_B]
      7 -a#1
      = call -a#1 needs 7
    > take-over
      8 taken over: epoch 2
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 needs 8
    > refused
      10 ?a#1 refused
      11 rolled back
      = answer needs 11
    ECHEC_B TERMINE over
    ");
}

#[test]
fn a_question_needs_nothing_on_disk_but_the_take_over() {
    check!(probed(Kind::Plain), "take-over; wait", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > take-over
      3 taken over: epoch 2
      = wake at 2s
    > wait
      4 ?a#1
      = call ?a#1 needs 3, wake at 10s
    DEBUT AUCUN under way
    ");
}

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
    FINI AUCUN over
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
    FINI AUCUN over
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
    ECHEC_B TERMINE over
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
    ANNULEE TERMINE over
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
    ECHEC_B TERMINE over
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
      = call -b#1 needs 10
    > ok
      12 -b#1 ok
      = wake at 6300ms
    ANNULEE EN_COURS under way
    ");
}
