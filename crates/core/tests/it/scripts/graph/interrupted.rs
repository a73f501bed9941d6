//! A take-over, a cancel and a deadline with two calls under way.

use super::super::check;
use super::diamond;
use crate::support::Kind;

#[test]
fn a_take_over_finds_each_call_that_may_have_left() {
    check!(diamond(Kind::Barrier), "ok; take-over; b: ok; c: ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 2, call +c#1 needs 2, wake at 10s
    > take-over
      6 taken over: epoch 2
      7 +b#2
      8 +c#2
      = call +b#2 needs 7, call +c#2 needs 8, wake at 10s
    > b: ok
      9 +b#2 ok [B]
      = call +c#2 needs 8, wake at 10s
    > c: ok
      10 +c#2 ok [C]
      11 +d#1
      = call +d#1 needs 11, wake at 10s
    > ok
      12 +d#1 ok [D]
      13 completed [FINI]
      = answer needs 13
    FINI None over
    ");
}

#[test]
fn a_take_over_with_two_calls_in_flight_that_cannot_be_repeated() {
    check!(diamond(Kind::Plain), "ok; take-over; resolve b not_run; resolve c ran; c: ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > take-over
      6 taken over: epoch 2
      7 rollback: b failed (the call was cut short by a restart) [ECHEC_B]
      8 blocked: b ActionUnknown
      9 blocked: c ActionUnknown
      = answer needs 9
    > resolve b not_run
      10 resolved by Ana: b NotRun
      = answer needs 9
    > resolve c ran
      11 resolved by Ana: c Ran
      12 -c#1
      = call -c#1 needs 12
    > c: ok
      13 -c#1 ok
      14 -a#1
      = call -a#1 needs 14
    > a: ok
      15 -a#1 ok
      16 rolled back
      = answer needs 16
    ECHEC_B Done over
    ");
}

#[test]
fn cancel_with_two_calls_in_flight() {
    check!(diamond(Kind::Idempotent), "ok; cancel; c: ok; b: ok; c: ok; b: ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 4, call +c#1 needs 5, wake at 10s
    > cancel
      6 rollback: cancelled [ANNULEE]
      = call +b#1 needs 4, call +c#1 needs 5
    > c: ok
      7 +c#1 ok
      8 -c#1
      = call +b#1 needs 4, call -c#1 needs 8
    > b: ok
      9 +b#1 ok
      10 -b#1
      = call -b#1 needs 10, call -c#1 needs 8
    > c: ok
      11 -c#1 ok
      = call -b#1 needs 10
    > b: ok
      12 -b#1 ok
      13 -a#1
      = call -a#1 needs 13
    > a: ok
      14 -a#1 ok
      15 rolled back
      = answer needs 15
    ANNULEE Done over
    ");
}

#[test]
fn the_deadline_with_two_calls_in_flight() {
    check!(diamond(Kind::Barrier), "ok; wait; b: ok; c: ok; a: ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      5 +c#1
      = call +b#1 needs 2, call +c#1 needs 2, wake at 10s
    > wait
      6 rollback: deadline [ANNULEE]
      7 -b#1
      8 -c#1
      = call -b#1 needs 6, call -c#1 needs 6
    > b: ok
      9 -b#1 ok
      = call -c#1 needs 6
    > c: ok
      10 -c#1 ok
      11 -a#1
      = call -a#1 needs 6
    > a: ok
      12 -a#1 ok
      13 rolled back
      = answer needs 13
    ANNULEE Done over
    ");
}
