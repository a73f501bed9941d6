//! Orders that are cancelled.

use super::{READ_AND_TWO, check};
use crate::support::{Kind, definition};

#[test]
fn none_a_cancellation_with_a_call_in_flight_waits_for_its_answer() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; cancel; unknown", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      = call +c#1 needs 6
    > unknown
      8 +c#1 unknown
      9 blocked: c ActionUnknown
      = answer needs 9
    ANNULEE Blocked under way
    ");
}

#[test]
fn none_a_cancelled_call_that_never_left_is_not_repeated() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; cancel; not_sent; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      = call +c#1 needs 6
    > not_sent
      8 +c#1 not_sent, again at 100ms
      9 -b#1
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 rolled back
      = answer needs 11
    ANNULEE Done over
    ");
}

#[test]
fn idempotent_a_cancellation_with_a_call_in_flight_asks_until_its_outcome_is_known() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; ok; cancel; unknown; wait; ok; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      = call +c#1 needs 6
    > unknown
      8 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      9 +c#2
      = call +c#2 needs 9
    > ok
      10 +c#2 ok
      11 -c#1
      = call -c#1 needs 11
    > ok
      12 -c#1 ok
      13 -b#1
      = call -b#1 needs 13
    > ok
      14 -b#1 ok
      15 rolled back
      = answer needs 15
    ANNULEE Done over
    ");
}

#[test]
fn barrier_a_cancellation_with_a_call_in_flight_undoes_it_at_once_and_ignores_its_answer() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; cancel; old ok; ok; old unknown; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      8 -c#1
      = call -c#1 needs 7
    > old ok
      rejected: the saga no longer waits for that call
    > ok
      9 -c#1 ok
      10 -b#1
      = call -b#1 needs 7
    > old unknown
      rejected: the saga no longer waits for that call
    > ok
      11 -b#1 ok
      12 rolled back
      = answer needs 12
    ANNULEE Done over
    ");
}

#[test]
fn cancelling_twice_is_no_mistake() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; cancel; cancel; ok; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -b#1
      = call -b#1 needs 5
    > cancel
      = call -b#1 needs 5
    > ok
      7 -b#1 ok
      8 rolled back
      = answer needs 8
    > cancel
      = answer needs 8
    ANNULEE Done over
    ");
}

#[test]
fn cancelling_before_any_effect_leaves_nothing_to_undo() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > cancel
      3 rollback: cancelled [ANNULEE]
      4 rolled back
      = answer needs 4
    ANNULEE None over
    ");
}

#[test]
fn cancelling_a_confirmed_order_is_too_late() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > ok
      7 +c#1 ok [C]
      8 completed [FINI]
      = answer needs 8
    > cancel
      rejected: the order is confirmed; it cannot be cancelled any more
    FINI None over
    ");
}

#[test]
fn cancelling_an_order_that_fails_already_is_refused() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; refused; cancel; ok; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 8
    > cancel
      rejected: the order has failed already, and is rolled back without a command
    > ok
      10 -b#1 ok
      11 rolled back
      = answer needs 11
    > cancel
      rejected: the order has failed already, and is rolled back without a command
    ECHEC_C Done over
    ");
}

#[test]
fn who_cancels_is_kept_and_asking_twice_is_no_mistake_whoever_asks() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; cancel Ana; cancel; cancel Ana", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 4, wake at 10s
    > cancel Ana
      7 rollback: cancelled by Ana [ANNULEE]
      8 -c#1
      = call -c#1 needs 7
    > cancel
      = call -c#1 needs 7
    > cancel Ana
      = call -c#1 needs 7
    ANNULEE Running under way
    ");
}
