//! Steps with a condition: skipped, done, or failed by an error of the condition.

use super::super::check;
use crate::support::{Kind, Spec, When, definition};

/// `a`, `b` with a condition, then `c`, whose request reads the output of `b`.
fn conditional(kind: Kind, when: When) -> [Spec; 3] {
    let step = || Spec::new(kind);
    [step(), step().when(when), step().from(&[1])]
}

#[test]
fn rule_3_a_skipped_step_counts_as_done() {
    check!(definition(&conditional(Kind::Barrier, When::HoldsNot)), "ok; decide; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > decide
      4 b skipped
      5 +c#1
      = call +c#1 needs 4, wake at 10s
    > ok
      6 +c#1 ok [C]
      7 completed [FINI]
      = answer needs 7
    FINI None over
    ");
}

#[test]
fn rule_3_a_step_whose_condition_holds_is_announced_and_done() {
    check!(definition(&conditional(Kind::Barrier, When::Holds)), "ok; decide; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > decide
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 5, wake at 10s
    > ok
      7 +c#1 ok [C]
      8 completed [FINI]
      = answer needs 8
    FINI None over
    ");
}

#[test]
fn rule_3_an_error_of_the_condition_fails_the_step() {
    check!(definition(&conditional(Kind::Idempotent, When::IsAnError)), "ok; decide; ok", @r#"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > decide
      4 rollback: b failed (`when`: `.input.n.x == 1`: cannot index 1 with "x") [ECHEC_B]
      5 -a#1
      = call -a#1 needs 5
    > ok
      6 -a#1 ok
      7 rolled back
      = answer needs 7
    ECHEC_B Done over
    "#);
}

#[test]
fn rule_3_a_condition_is_evaluated_once() {
    check!(definition(&conditional(Kind::Idempotent, When::Holds)), "ok; decide; b: decide", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > decide
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > b: decide
      rejected: the saga no longer waits for that call
    A None under way
    ");
}

#[test]
fn rule_4_a_skipped_step_enters_no_state_and_is_not_undone() {
    check!(definition(&conditional(Kind::Idempotent, When::HoldsNot)), "ok; decide; refused; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > decide
      4 b skipped
      5 +c#1
      = call +c#1 needs 5, wake at 10s
    > refused
      6 +c#1 refused
      7 rollback: c failed (why) [ECHEC_C]
      8 -a#1
      = call -a#1 needs 8
    > ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ECHEC_C Done over
    ");
}

#[test]
fn rule_7_a_cancelled_saga_asks_for_no_condition() {
    check!(definition(&conditional(Kind::Idempotent, When::HoldsNot)), "ok; cancel; b: decide; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > cancel
      4 rollback: cancelled [ANNULEE]
      5 -a#1
      = call -a#1 needs 5
    > b: decide
      rejected: the saga no longer waits for that call
    > ok
      6 -a#1 ok
      7 rolled back
      = answer needs 7
    ANNULEE Done over
    ");
}

#[test]
fn a_take_over_evaluates_the_condition_again_and_nothing_has_run_ahead_of_it() {
    check!(definition(&conditional(Kind::Barrier, When::Holds)), "ok; decide; crash 2; ok; decide; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > decide
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > crash 2
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > ok
      5 +a#2 ok [A]
      = decide b, wake at 10s
    > decide
      6 +b#1
      = call +b#1 needs 6, wake at 10s
    > ok
      7 +b#1 ok [B]
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
fn a_take_over_after_a_skip_knows_of_it() {
    check!(definition(&conditional(Kind::Barrier, When::HoldsNot)), "ok; decide; take-over; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > decide
      4 b skipped
      5 +c#1
      = call +c#1 needs 4, wake at 10s
    > take-over
      6 taken over: epoch 2
      7 +c#2
      = call +c#2 needs 7, wake at 10s
    > ok
      8 +c#2 ok [C]
      9 completed [FINI]
      = answer needs 9
    FINI None over
    ");
}

#[test]
fn a_condition_that_its_process_does_not_survive_is_parked() {
    check!(definition(&conditional(Kind::Barrier, When::HoldsNot)), "ok; take-over; take-over; take-over", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      = decide b, wake at 10s
    > take-over
      4 taken over: epoch 2
      = decide b, wake at 10s
    > take-over
      5 taken over: epoch 3
      = decide b, wake at 10s
    > take-over
      6 taken over: epoch 4
      7 blocked: b TaskFailed
      = answer needs 7
    A Blocked under way
    ");
}

#[test]
fn two_conditions_at_the_same_time() {
    let plain = || Spec::new(Kind::Plain);
    let steps = [plain().when(When::HoldsNot), plain().when(When::Holds).after(&[]), plain().after(&[0, 1])];
    check!(definition(&steps), "b: decide; a: decide; b: ok; ok", @r"
    > start
      1 started [DEBUT]
      = decide a, decide b, wake at 10s
    > b: decide
      2 +b#1
      = call +b#1 needs 2, decide a, wake at 10s
    > a: decide
      3 a skipped
      = call +b#1 needs 2, wake at 10s
    > b: ok
      4 +b#1 ok [B]
      5 +c#1
      = call +c#1 needs 5, wake at 10s
    > ok
      6 +c#1 ok [C]
      7 completed [FINI]
      = answer needs 7
    FINI None over
    ");
}

#[test]
fn a_take_over_looks_for_no_call_ahead_of_a_condition() {
    let barrier = || Spec::new(Kind::Barrier);
    let steps = [barrier(), barrier().when(When::Holds), barrier()];
    check!(definition(&steps), "take-over; cancel; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > take-over
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -a#1
      = call -a#1 needs 6
    > ok
      7 -a#1 ok
      8 rolled back
      = answer needs 8
    ANNULEE Done over
    ");
}
