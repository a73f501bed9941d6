//! A new owner goes on from any prefix of the history.
// Long: scripts, each with all that it brings about; they are read one at a time.

use super::{READ_AND_TWO, check};
use crate::support::{Kind, Spec, definition};

#[test]
fn taken_over_while_reading_reads_again() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "take-over; old ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > take-over
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > old ok
      rejected: the saga no longer waits for that call
    > ok
      5 +a#2 ok [A]
      6 +b#1
      = call +b#1 needs 6, wake at 10s
    A None under way
    ");
}

#[test]
fn a_restored_journal_goes_on_in_an_epoch_of_its_own() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; restored; ok; take-over", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > restored
      5 taken over: epoch 1048577
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    > take-over
      9 taken over: epoch 1048578
      10 +c#2
      = call +c#2 needs 10, wake at 10s
    B None under way
    ");
}

#[test]
fn none_taken_over_with_a_call_in_flight_blocks() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; take-over", @r"
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
    > take-over
      7 taken over: epoch 2
      8 rollback: c failed (the call was cut short by a restart) [ECHEC_C]
      9 blocked: c ActionUnknown
      = answer needs 9
    ECHEC_C Blocked under way
    ");
}

#[test]
fn none_a_call_whose_start_was_not_kept_cannot_have_left() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; crash 5; ok", @r"
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
    > crash 5
      6 taken over: epoch 2
      7 +c#1
      = call +c#1 needs 7, wake at 10s
    > ok
      8 +c#1 ok [C]
      9 completed [FINI]
      = answer needs 9
    FINI None over
    ");
}

#[test]
fn idempotent_taken_over_with_a_call_in_flight_repeats_it() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; ok; take-over; ok", @r"
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
    > take-over
      7 taken over: epoch 2
      8 +c#2
      = call +c#2 needs 8, wake at 10s
    > ok
      9 +c#2 ok [C]
      10 completed [FINI]
      = answer needs 10
    FINI None over
    ");
}

#[test]
fn idempotent_a_repetition_waits_for_its_record_so_that_none_is_unknown_to_the_next_owner() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; not_sent; wait; crash 5; cancel; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent
      5 +b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > crash 5
      6 taken over: epoch 2
      7 +b#2
      = call +b#2 needs 7, wake at 10s
    > cancel
      8 rollback: cancelled [ANNULEE]
      = call +b#2 needs 7
    > ok
      9 +b#2 ok
      10 -b#1
      = call -b#1 needs 10
    > ok
      11 -b#1 ok
      12 rolled back
      = answer needs 12
    ANNULEE Done over
    ");
}

#[test]
fn idempotent_a_next_owner_with_a_slower_clock_knows_that_the_repetition_never_left() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; not_sent; wait; wait -50ms; crash 5; cancel", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent
      5 +b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > wait -50ms
      = call +b#2 needs 6, wake at 10s
    > crash 5
      6 taken over: epoch 2
      = wake at 100ms
    > cancel
      7 rollback: cancelled [ANNULEE]
      8 rolled back
      = answer needs 8
    ANNULEE None over
    ");
}

#[test]
fn barrier_a_next_owner_with_a_slower_clock_undoes_a_repetition_that_may_have_left() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; not_sent; wait; wait -50ms; crash 5; cancel; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent
      5 +b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 4, wake at 10s
    > wait -50ms
      = call +b#2 needs 4, wake at 10s
    > crash 5
      6 taken over: epoch 2
      = wake at 100ms
    > cancel
      7 rollback: cancelled [ANNULEE]
      8 -c#1
      = call -c#1 needs 8
    > ok
      9 -c#1 ok
      10 -b#1
      = call -b#1 needs 10
    ANNULEE Running under way
    ");
}

#[test]
fn barrier_taken_over_undoes_whatever_may_have_run_ahead_of_the_disk() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; crash 4; cancel; ok; ok", @r"
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
    > crash 4
      5 taken over: epoch 2
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > cancel
      7 rollback: cancelled [ANNULEE]
      8 -c#1
      = call -c#1 needs 8
    > ok
      9 -c#1 ok
      10 -b#1
      = call -b#1 needs 10
    > ok
      11 -b#1 ok
      12 rolled back
      = answer needs 12
    ANNULEE Done over
    ");
}

#[test]
fn barrier_taken_over_before_the_first_effect_was_kept_undoes_nothing() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; crash 3; cancel", @r"
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
    > crash 3
      4 taken over: epoch 2
      5 +b#1
      = call +b#1 needs 5, wake at 10s
    > cancel
      6 rollback: cancelled [ANNULEE]
      7 -b#1
      = call -b#1 needs 7
    ANNULEE Running under way
    ");
}

#[test]
fn barrier_taken_over_goes_on_to_the_end_without_doubling() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; crash 4; ok; ok", @r"
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
    > crash 4
      5 taken over: epoch 2
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
fn barrier_a_plain_step_is_the_edge_that_nothing_crosses_unrecorded() {
    check!(definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Barrier), Spec::new(Kind::Plain), Spec::new(Kind::Barrier)]), "ok; crash 2; cancel; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 2, wake at 10s
    > crash 2
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -b#1
      = call -b#1 needs 6
    > ok
      7 -b#1 ok
      8 -a#1
      = call -a#1 needs 8
    > ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ANNULEE Done over
    ");
}

#[test]
fn barrier_a_step_whose_output_is_needed_is_an_edge_too() {
    check!(definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Barrier), Spec::new(Kind::Barrier).from(&[1])]), "ok; ok; crash 2; cancel; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 2, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 5, wake at 10s
    > crash 2
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -b#1
      = call -b#1 needs 6
    > ok
      7 -b#1 ok
      8 -a#1
      = call -a#1 needs 8
    > ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ANNULEE Done over
    ");
}

#[test]
fn barrier_a_read_after_the_first_effect_is_an_edge_too() {
    check!(definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Read), Spec::new(Kind::Barrier).from(&[1])]), "ok; ok; crash 4; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 at once, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 5, wake at 10s
    > crash 4
      5 taken over: epoch 2
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
fn barrier_taken_over_after_a_step_gave_up_undoes_nothing_that_cannot_have_run() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; not_sent; wait; not_sent; wait; not_sent; crash 9", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent
      5 +b#1 not_sent, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 4, wake at 10s
    > not_sent
      7 +b#2 not_sent, again at 300ms
      = wake at 300ms
    > wait
      8 +b#3
      = call +b#3 needs 4, wake at 10s
    > not_sent
      9 +b#3 not_sent
      10 rollback: b failed (why) [ECHEC_B]
      11 rolled back
      = answer needs 11
    > crash 9
      10 taken over: epoch 2
      11 rollback: b failed (why) [ECHEC_B]
      12 rolled back
      = answer needs 12
    ECHEC_B None over
    ");
}

#[test]
fn barrier_taken_over_while_rolling_back_does_not_undo_what_never_left() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; not_sent; cancel; take-over; ok", @r"
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
    > not_sent
      7 +c#1 not_sent, again at 100ms
      = wake at 100ms
    > cancel
      8 rollback: cancelled [ANNULEE]
      9 -b#1
      = call -b#1 needs 8
    > take-over
      10 taken over: epoch 2
      11 -b#2
      = call -b#2 needs 11
    > ok
      12 -b#2 ok
      13 rolled back
      = answer needs 13
    ANNULEE Done over
    ");
}

#[test]
fn barrier_taken_over_while_undoing_repeats_the_compensation() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; refused; take-over; ok", @r"
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
    > take-over
      10 taken over: epoch 2
      11 -b#2
      = call -b#2 needs 11
    > ok
      12 -b#2 ok
      13 rolled back
      = answer needs 13
    ECHEC_C Done over
    ");
}

#[test]
fn none_taken_over_while_undoing_blocks() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused; take-over", @r"
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
    > take-over
      10 taken over: epoch 2
      11 blocked: b CompensationUnknown
      = answer needs 11
    ECHEC_C Blocked under way
    ");
}

#[test]
fn taken_over_while_waiting_keeps_the_wait() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; not_sent 3s; take-over; wait; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > not_sent 3s
      5 +b#1 not_sent, again at 3100ms
      = wake at 3100ms
    > take-over
      6 taken over: epoch 2
      = wake at 3100ms
    > wait
      7 +b#2
      = call +b#2 needs 7, wake at 10s
    > ok
      8 +b#2 ok [B]
      9 +c#1
      = call +c#1 needs 9, wake at 10s
    B None under way
    ");
}

#[test]
fn taken_over_between_the_last_result_and_the_end_just_ends() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; ok; crash 7", @r"
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
    > crash 7
      8 taken over: epoch 2
      9 completed [FINI]
      = answer needs 9
    FINI None over
    ");
}

#[test]
fn taken_over_between_the_decision_and_the_first_compensation_compensates() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused; crash 8; ok", @r"
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
    > crash 8
      9 taken over: epoch 2
      10 -b#1
      = call -b#1 needs 10
    > ok
      11 -b#1 ok
      12 rolled back
      = answer needs 12
    ECHEC_C Done over
    ");
}

#[test]
fn taken_over_after_the_end_is_refused() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "cancel; take-over", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > cancel
      3 rollback: cancelled [ANNULEE]
      4 rolled back
      = answer needs 4
    > take-over
      rejected: the order is over
    ANNULEE None over
    ");
}

#[test]
fn none_a_compensation_that_has_not_left_is_made_by_the_new_owner() {
    check!(definition(&[Spec::new(Kind::Plain), Spec::new(Kind::Plain)]), "ok; refused; not_sent | take-over; wait; ok", @r"
    ...
    > take-over
      9 taken over: epoch 2
      = wake at 100ms
    > wait
      10 -a#2
      = call -a#2 needs 10
    > ok
      11 -a#2 ok
      12 rolled back
      = answer needs 12
    ECHEC_B Done over
    ");
}
