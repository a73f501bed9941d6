//! A participant answers again: what only waits for its time need not wait.

use std::sync::Arc;

use saga_core::Definition;

use super::check;
use crate::support::{Kind, Spec, definition};

fn two(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).probed(), Spec::new(kind)])
}

#[test]
fn a_waiting_action_is_made_at_once() {
    check!(two(Kind::Idempotent), "unknown; hurry; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown, again at 100ms
      = wake at 100ms
    > hurry
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > ok
      5 +a#2 ok [A]
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
fn a_waiting_compensation_is_made_at_once() {
    check!(two(Kind::Plain), "ok; refused | not_sent; hurry; ok", @r"
    ...
    > not_sent
      8 -a#1 not_sent, again at 100ms
      = wake at 100ms
    > hurry
      9 -a#2
      = call -a#2 needs 9
    > ok
      10 -a#2 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

/// The participant that asked for the wait has answered other calls since.
#[test]
fn retry_after_is_cut_short_too() {
    check!(two(Kind::Plain), "not_sent 30s; hurry; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > not_sent 30s
      3 +a#1 not_sent, again at 30100ms
      = wake at 10s
    > hurry
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > ok
      5 +a#2 ok [A]
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
fn a_call_in_flight_stays_the_only_one() {
    check!(two(Kind::Plain), "hurry; ok; hurry; ok; hurry", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > hurry
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > hurry
      = call +b#1 needs 4, wake at 10s
    > ok
      5 +b#1 ok [B]
      6 completed [FINI]
      = answer needs 6
    > hurry
      = answer needs 6
    FINI None over
    ");
}

#[test]
fn a_question_is_not_asked_before_its_time() {
    check!(two(Kind::Plain), "unknown; hurry; wait 1s; hurry; wait; unknown; hurry; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > unknown
      3 +a#1 unknown
      = wake at 2s
    > hurry
      = wake at 2s
    > wait 1s
      = wake at 2s
    > hurry
      = wake at 2s
    > wait
      4 ?a#1
      = call ?a#1 at once, wake at 10s
    > unknown
      5 ?a#1 unknown, again at 2100ms
      = wake at 2100ms
    > hurry
      = wake at 2100ms
    > wait
      6 ?a#2
      = call ?a#2 at once, wake at 10s
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
fn nothing_is_called_after_the_deadline() {
    check!(two(Kind::Plain), "not_sent 30s; pass 10s; hurry", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > not_sent 30s
      3 +a#1 not_sent, again at 30100ms
      = wake at 10s
    > pass 10s
    > hurry
      4 rollback: deadline [ANNULEE]
      5 rolled back
      = answer needs 5
    ANNULEE None over
    ");
}

#[test]
fn nothing_is_repeated_beyond_the_horizon() {
    check!(definition(&[Spec::new(Kind::Idempotent).horizon("3s"), Spec::new(Kind::Idempotent).horizon("3s")]), "ok; refused | unknown 30s; pass 4s; hurry; hurry", @r"
    ...
    > unknown 30s
      8 -a#1 unknown, again at 30100ms
      = wake at 30100ms
    > pass 4s
    > hurry
      9 blocked: a HorizonPassed
      = answer needs 9
    > hurry
      = answer needs 9
    ECHEC_B Blocked under way
    ");
}

#[test]
fn nothing_is_undone_at_a_barrier_beyond_the_horizon() {
    check!(definition(&[Spec::new(Kind::Barrier).horizon("3s"), Spec::new(Kind::Barrier)]), "ok; refused | unknown 30s; pass 4s; hurry", @r"
    ...
    > unknown 30s
      8 -a#1 unknown, again at 30100ms
      = wake at 30100ms
    > pass 4s
    > hurry
      9 blocked: a HorizonPassed
      = answer needs 9
    ECHEC_B Blocked under way
    ");
}

#[test]
fn a_barrier_that_remembers_and_a_call_that_never_left_are_called_at_once() {
    check!(two(Kind::Barrier), "ok | unknown; hurry", @r"
    ...
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > hurry
      6 +b#2
      = call +b#2 needs 2, wake at 10s
    A None under way
    ");
    let forgetful = definition(&[Spec::new(Kind::Idempotent).horizon("3s")]);
    check!(forgetful, "not_sent 8s; pass 4s | hurry", @r"
    ...
    > hurry
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    DEBUT None under way
    ");
}

#[test]
fn a_contradiction_waits_for_a_person_all_the_same() {
    check!(two(Kind::Plain), "ok; refused | absent; hurry", @r"
    ...
    > absent
      8 -a#1 refused
      9 blocked: a NothingToUndo
      = answer needs 9
    > hurry
      = answer needs 9
    ECHEC_B Blocked under way
    ");
}
