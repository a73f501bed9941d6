//! Rolling back: steps that are undone, steps that are left alone, and compensations that keep failing.

use super::{READ_AND_TWO, check};
use crate::support::{Kind, Spec, definition};

#[test]
fn a_compensation_that_keeps_failing_calls_for_a_person_and_goes_on() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; refused; refused; wait; unknown; wait; not_sent; wait; ok", @r"
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
    > refused
      10 -b#1 refused, again at 100ms
      = wake at 100ms
    > wait
      11 -b#2
      = call -b#2 needs 8
    > unknown
      12 -b#2 unknown, again at 300ms
      13 blocked: b CompensationFailing
      = wake at 300ms, answer needs 13
    > wait
      14 -b#3
      = call -b#3 needs 8, answer needs 13
    > not_sent
      15 -b#3 not_sent, again at 700ms
      = wake at 700ms, answer needs 13
    > wait
      16 -b#4
      = call -b#4 needs 8, answer needs 13
    > ok
      17 -b#4 ok
      18 rolled back
      = answer needs 18
    ECHEC_C Done over
    ");
}

#[test]
fn none_a_compensation_with_an_unknown_outcome_blocks() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused; not_sent; wait; unknown; wait 60s", @r"
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
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 -b#1
      = call -b#1 needs 9
    > not_sent
      10 -b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      11 -b#2
      = call -b#2 needs 11
    > unknown
      12 -b#2 unknown
      13 blocked: b CompensationUnknown
      = answer needs 13
    > wait 60s
      = answer needs 13
    ECHEC_C Blocked under way
    ");
}

#[test]
fn idempotent_an_action_that_stays_unknown_calls_for_a_person_and_is_asked_on() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; cancel; unknown; wait; unknown; wait; unknown; wait; ok; ok", @r"
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
      = call +b#1 needs 4
    > unknown
      6 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      7 +b#2
      = call +b#2 needs 7
    > unknown
      8 +b#2 unknown, again at 300ms
      9 blocked: b ActionUnsettled
      = wake at 300ms, answer needs 9
    > wait
      10 +b#3
      = call +b#3 needs 10, answer needs 9
    > unknown
      11 +b#3 unknown, again at 700ms
      = wake at 700ms, answer needs 9
    > wait
      12 +b#4
      = call +b#4 needs 12, answer needs 9
    > ok
      13 +b#4 ok
      14 -b#1
      = call -b#1 needs 14
    > ok
      15 -b#1 ok
      16 rolled back
      = answer needs 16
    ANNULEE Done over
    ");
}

#[test]
fn a_step_that_is_never_undone_is_left_alone() {
    check!(definition(&[Spec::new(Kind::Plain), Spec::new(Kind::Barrier).for_good(), Spec::new(Kind::Plain)]), "ok; ok; refused; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 6, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
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
fn a_step_that_is_never_undone_is_not_waited_for() {
    check!(definition(&[Spec::new(Kind::Plain), Spec::new(Kind::Plain).for_good()]), "ok; cancel; ok; old ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -a#1
      = call -a#1 needs 6, hear b
    > ok
      7 -a#1 ok
      8 rolled back
      = answer needs 8
    > old ok
      rejected: the saga no longer waits for that call
    ANNULEE Done over
    ");
}
