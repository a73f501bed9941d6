//! Probes that ask about an action.

use super::super::check;
use super::probed;
use crate::support::Kind;

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
    FINI None over
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
    FINI None over
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
    ECHEC_A None over
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
    ECHEC_A None over
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
    ANNULEE Done over
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
    ANNULEE None over
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
    ANNULEE Done over
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
    ANNULEE None over
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
    ANNULEE Done over
    ");
}
