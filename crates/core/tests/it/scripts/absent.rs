//! "There was nothing to undo" (`absent`): when that is as good as undone, and when it contradicts what is known.

use saga_core::Event;
use saga_core::reply::Verdict;

use super::{READ_AND_TWO, check};
use crate::support::{Kind, Run, Spec, at, definition, reply, verdict};

const ONE: fn(Kind) -> [Spec; 2] = |kind| [Spec::new(kind), Spec::new(Kind::Plain)];

#[test]
fn nothing_to_undo_of_a_step_that_has_run_is_no_success_and_only_a_person_tries_again() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused | absent; wait 60s; take-over; resume; absent; resume; ok", @r"
    ...
    > absent
      10 -b#1 refused
      11 blocked: b NothingToUndo
      = answer needs 11
    > wait 60s
      = answer needs 11
    > take-over
      12 taken over: epoch 2
      = answer needs 11
    > resume
      13 resumed by Ana
      14 -b#2
      = call -b#2 needs 14, answer needs 11
    > absent
      15 -b#2 refused
      = answer needs 11
    > resume
      16 resumed by Ana
      17 -b#3
      = call -b#3 needs 17, answer needs 11
    > ok
      18 -b#3 ok
      19 rolled back
      = answer needs 19
    ECHEC_C Done over
    ");
}

#[test]
fn barrier_nothing_to_undo_of_a_step_that_has_run_is_no_success_either() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; refused | absent", @r"
    ...
    > absent
      10 -b#1 refused
      11 blocked: b NothingToUndo
      = answer needs 11
    ECHEC_C Blocked under way
    ");
}

#[test]
fn barrier_nothing_to_undo_of_a_step_in_doubt_is_a_success() {
    check!(definition(&ONE(Kind::Barrier)), "unknown; cancel | absent", @r"
    ...
    > absent
      6 -a#1 ok
      7 rolled back
      = answer needs 7
    ANNULEE Done over
    ");
}

#[test]
fn nothing_to_undo_after_a_sending_without_an_answer_is_a_success() {
    check!(definition(&ONE(Kind::Idempotent)), "ok; refused; unknown; wait | absent", @r"
    ...
    > absent
      10 -a#2 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn nothing_to_undo_after_definite_answers_only_is_no_success() {
    check!(definition(&ONE(Kind::Idempotent)), "ok; refused; not_sent; wait; refused; wait | absent", @r"
    ...
    > absent
      13 -a#3 refused
      14 blocked: a NothingToUndo
      = answer needs 14
    ECHEC_B Blocked under way
    ");
}

#[test]
fn nothing_to_undo_after_a_compensation_that_a_take_over_cut_short_is_a_success() {
    check!(definition(&ONE(Kind::Idempotent)), "ok; refused; take-over | absent", @r"
    ...
    > absent
      10 -a#2 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn barrier_nothing_to_undo_is_a_success_where_a_former_owner_may_have_undone_ahead_of_the_disk() {
    // The decision to roll back is on disk (6), the compensation that it allowed is not.
    check!(definition(&ONE(Kind::Barrier)), "ok; refused; crash 6 | absent", @r"
    ...
    > absent
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ECHEC_B Done over
    ");
}

#[test]
fn idempotent_a_compensation_whose_start_was_not_kept_cannot_have_left() {
    check!(definition(&ONE(Kind::Idempotent)), "ok; refused; crash 5 | absent", @r"
    ...
    > absent
      9 -a#1 refused
      10 blocked: a NothingToUndo
      = answer needs 10
    ECHEC_B Blocked under way
    ");
}

#[test]
fn what_a_person_says_did_run_contradicts_nothing_to_undo() {
    check!(definition(&ONE(Kind::Plain)), "unknown; resolve a ran | absent; resolve a undone", @r"
    ...
    > absent
      8 -a#1 refused
      9 blocked: a NothingToUndo
      = answer needs 9
    > resolve a undone
      10 resolved by Ana: a Undone
      11 rolled back
      = answer needs 11
    ECHEC_A Done over
    ");
}

#[test]
fn an_answer_of_a_probe_that_it_is_still_there_makes_the_sending_before_definite() {
    check!(definition(&[Spec::new(Kind::Plain).probed(), Spec::new(Kind::Plain)]),
        "ok; refused; unknown; wait; ok; wait | absent", @r"
    ...
    > absent
      12 -a#2 refused
      13 blocked: a NothingToUndo
      = answer needs 13
    ECHEC_B Blocked under way
    ");
}

#[test]
fn a_contradiction_is_told_in_its_own_words_and_keeps_nothing_of_the_answer() {
    let mut run = Run::start(&definition(&[Spec::new(Kind::Plain), Spec::new(Kind::Plain)]));
    run.steps("ok; refused");
    let call = run.saga.effects().first_call().expect("a compensation");
    let absent = Verdict { output: verdict("ok", None).output, ..verdict("absent", None) };
    let records = run.saga.handle(&reply(&call, absent), at(run.now_ms * 1000, 0)).expect("it is wanted");
    let Event::AttemptEnded { reason, output, .. } = &records[0].event else { panic!("{records:?}") };
    assert_eq!(*output, None);
    let reason = reason.as_deref().expect("a reason");
    assert!(reason.starts_with("the answer (HTTP 404) says that there was nothing to undo"), "{reason}");
}
