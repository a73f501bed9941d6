//! Calls whose outcome is unknown or that never left, with each safety.

use super::{READ_AND_TWO, check};
use crate::support::{Kind, definition};

#[test]
fn none_an_unknown_outcome_blocks_for_a_person() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; unknown; wait 60s; cancel", @r"
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
    > unknown
      7 +c#1 unknown
      8 rollback: c failed (why) [ECHEC_C]
      9 blocked: c ActionUnknown
      = answer needs 9
    > wait 60s
      = answer needs 9
    > cancel
      rejected: the order has failed already, and is rolled back without a command
    ECHEC_C Blocked under way
    ");
}

#[test]
fn idempotent_an_unknown_outcome_is_repeated_until_known_then_undone() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; ok; unknown; wait; unknown; wait; unknown; unknown; wait; ok; ok; ok", @r"
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
    > unknown
      7 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 8, wake at 10s
    > unknown
      9 +c#2 unknown, again at 300ms
      = wake at 300ms
    > wait
      10 +c#3
      = call +c#3 needs 10, wake at 10s
    > unknown
      11 +c#3 unknown
      12 rollback: c failed (why) [ECHEC_C]
      13 +c#4
      = call +c#4 needs 13
    > unknown
      14 +c#4 unknown, again at 400ms
      = wake at 400ms
    > wait
      15 +c#5
      = call +c#5 needs 15
    > ok
      16 +c#5 ok
      17 -c#1
      = call -c#1 needs 17
    > ok
      18 -c#1 ok
      19 -b#1
      = call -b#1 needs 19
    > ok
      20 -b#1 ok
      21 rolled back
      = answer needs 21
    ECHEC_C Done over
    ");
}

#[test]
fn idempotent_an_unknown_outcome_that_turns_out_refused_is_not_undone() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; ok; unknown; wait; unknown; wait; unknown; refused; ok", @r"
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
    > unknown
      7 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 8, wake at 10s
    > unknown
      9 +c#2 unknown, again at 300ms
      = wake at 300ms
    > wait
      10 +c#3
      = call +c#3 needs 10, wake at 10s
    > unknown
      11 +c#3 unknown
      12 rollback: c failed (why) [ECHEC_C]
      13 +c#4
      = call +c#4 needs 13
    > refused
      14 +c#4 refused
      15 -b#1
      = call -b#1 needs 15
    > ok
      16 -b#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_C Done over
    ");
}

#[test]
fn idempotent_a_repetition_that_succeeds_goes_on_as_if_nothing_had_been() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; unknown; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    > ok
      9 +c#1 ok [C]
      10 completed [FINI]
      = answer needs 10
    FINI None over
    ");
}

#[test]
fn barrier_an_unknown_outcome_is_repeated_then_undone_at_once() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; unknown; wait; unknown; wait; unknown; ok; ok", @r"
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
    > unknown
      7 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 4, wake at 10s
    > unknown
      9 +c#2 unknown, again at 300ms
      = wake at 300ms
    > wait
      10 +c#3
      = call +c#3 needs 4, wake at 10s
    > unknown
      11 +c#3 unknown
      12 rollback: c failed (why) [ECHEC_C]
      13 -c#1
      = call -c#1 needs 12
    > ok
      14 -c#1 ok
      15 -b#1
      = call -b#1 needs 12
    > ok
      16 -b#1 ok
      17 rolled back
      = answer needs 17
    ECHEC_C Done over
    ");
}

#[test]
fn barrier_a_refusal_after_an_unknown_outcome_is_undone_all_the_same() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; unknown; wait; refused; ok; ok", @r"
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
    > unknown
      7 +c#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 4, wake at 10s
    > refused
      9 +c#2 refused
      10 rollback: c failed (why) [ECHEC_C]
      11 -c#1
      = call -c#1 needs 10
    > ok
      12 -c#1 ok
      13 -b#1
      = call -b#1 needs 10
    > ok
      14 -b#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_C Done over
    ");
}

#[test]
fn a_call_that_never_left_is_tried_again_with_every_safety_then_not_undone() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; not_sent; wait; not_sent; wait; not_sent; ok", @r"
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
    > not_sent
      7 +c#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      8 +c#2
      = call +c#2 needs 8, wake at 10s
    > not_sent
      9 +c#2 not_sent, again at 300ms
      = wake at 300ms
    > wait
      10 +c#3
      = call +c#3 needs 10, wake at 10s
    > not_sent
      11 +c#3 not_sent
      12 rollback: c failed (why) [ECHEC_C]
      13 -b#1
      = call -b#1 needs 13
    > ok
      14 -b#1 ok
      15 rolled back
      = answer needs 15
    ECHEC_C Done over
    ");
}

#[test]
fn a_reply_from_an_abandoned_attempt_is_ignored() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; unknown; wait; old ok; ok; old ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > old ok
      rejected: the saga no longer waits for that call
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    > old ok
      rejected: the saga no longer waits for that call
    B None under way
    ");
}
