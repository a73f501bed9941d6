//! Questions and a change of owner.

use super::super::check;
use super::probed;
use crate::support::Kind;

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
      = call ?a#1 needs 5, wake at 10s
    > ok
      6 ?a#1 ok [A]
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
      rejected: the saga no longer waits for that call
    > wait
      6 ?a#2
      = call ?a#2 needs 6, wake at 10s
    > ok
      7 ?a#2 ok [A]
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
      = call ?a#1 needs 4, wake at 10s
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
    FINI None over
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
      = call ?a#1 needs 9
    > refused
      10 ?a#1 refused
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn a_question_after_a_take_over_needs_its_own_record_on_disk() {
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
      = call ?a#1 needs 4, wake at 10s
    DEBUT None under way
    ");
}
