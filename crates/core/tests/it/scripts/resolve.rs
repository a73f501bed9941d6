//! An operator reports a finding that no call can give.
// Long: scripts, each with all that it brings about; they are read one at a time.

use std::sync::Arc;

use saga_core::Definition;

use super::check;
use crate::support::{Kind, Spec, VOISINS, definition, parse};

fn two(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind), Spec::new(kind)])
}

fn probed(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).probed(), Spec::new(kind)])
}

/// Three steps at a participant that forgets after three seconds.
fn forgetful(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).horizon("3s"), Spec::new(kind).horizon("3s"), Spec::new(kind).horizon("3s")])
}

#[test]
fn an_action_that_ran_is_undone() {
    check!(two(Kind::Plain), "ok | unknown; resolve b ran; ok; ok", @r"
    ...
    > unknown
      5 +b#1 unknown
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: b ActionUnknown
      = answer needs 7
    > resolve b ran
      8 resolved by Ana: b Ran
      9 -b#1
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 -a#1
      = call -a#1 needs 11
    > ok
      12 -a#1 ok
      13 rolled back
      = answer needs 13
    ECHEC_B Done over
    ");
}

#[test]
fn an_action_that_did_not_run_is_left_alone() {
    check!(two(Kind::Plain), "ok | unknown; resolve b not_run; ok", @r"
    ...
    > unknown
      5 +b#1 unknown
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: b ActionUnknown
      = answer needs 7
    > resolve b not_run
      8 resolved by Ana: b NotRun
      9 -a#1
      = call -a#1 needs 9
    > ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn an_action_that_was_undone_by_hand_is_left_alone() {
    check!(two(Kind::Plain), "ok | unknown; resolve b undone; ok", @r"
    ...
    > unknown
      5 +b#1 unknown
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: b ActionUnknown
      = answer needs 7
    > resolve b undone
      8 resolved by Ana: b Undone
      9 -a#1
      = call -a#1 needs 9
    > ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn undoing_by_an_id_needs_the_id() {
    check!(parse(VOISINS), r#"ok; ok; ok | unknown; resolve vente ran; resolve vente ran {"x":2}; resolve vente ran {"id":17}; ok"#, @r#"
    ...
    > unknown
      9 +vente#1 unknown
      10 rollback: vente failed (why) [ECHEC_ENREGISTREMENT]
      11 blocked: vente ActionUnknown
      = answer needs 11
    > resolve vente ran
      rejected: undoing the step needs the output of its action: add it to the finding
    > resolve vente ran {"x":2}
      rejected: undoing the step cannot be made from that output: look up what its compensation reads
    > resolve vente ran {"id":17}
      12 resolved by Ana: vente Ran
      13 -vente#1
      = call -vente#1 needs 13
    > ok
      14 -vente#1 ok
      15 -paiement#1
      = call -paiement#1 needs 15
    ECHEC_ENREGISTREMENT Running under way
    "#);
}

#[test]
fn the_id_is_not_needed_where_nothing_is_to_be_undone() {
    check!(parse(VOISINS), "ok; ok; ok | unknown; resolve vente not_run", @r"
    ...
    > unknown
      9 +vente#1 unknown
      10 rollback: vente failed (why) [ECHEC_ENREGISTREMENT]
      11 blocked: vente ActionUnknown
      = answer needs 11
    > resolve vente not_run
      12 resolved by Ana: vente NotRun
      13 -paiement#1
      = call -paiement#1 needs 13
    ECHEC_ENREGISTREMENT Running under way
    ");
}

#[test]
fn a_compensation_that_did_not_run_is_made_again() {
    check!(two(Kind::Plain), "ok; refused | unknown; resolve a ran; ok", @r"
    ...
    > unknown
      8 -a#1 unknown
      9 blocked: a CompensationUnknown
      = answer needs 9
    > resolve a ran
      10 resolved by Ana: a Ran
      11 -a#2
      = call -a#2 needs 11
    > ok
      12 -a#2 ok
      13 rolled back
      = answer needs 13
    ECHEC_B Done over
    ");
}

#[test]
fn a_compensation_that_ran_is_believed() {
    check!(two(Kind::Plain), "ok; refused | unknown; resolve a undone", @r"
    ...
    > unknown
      8 -a#1 unknown
      9 blocked: a CompensationUnknown
      = answer needs 9
    > resolve a undone
      10 resolved by Ana: a Undone
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn of_what_is_being_undone_nobody_can_say_that_it_did_not_run() {
    check!(two(Kind::Plain), "ok; refused | unknown; resolve a not_run; resolve a undone", @r"
    ...
    > unknown
      8 -a#1 unknown
      9 blocked: a CompensationUnknown
      = answer needs 9
    > resolve a not_run
      rejected: a step that is being undone has run: its finding is `ran` if its effect is still there (it is undone then), or `undone` if its effect is gone
    > resolve a undone
      10 resolved by Ana: a Undone
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn a_failing_compensation_may_be_settled_by_hand_between_two_attempts() {
    check!(two(Kind::Barrier), "ok; refused | refused; wait; refused; wait; resolve a undone; refused; resolve a undone", @r"
    ...
    > refused
      8 -a#1 refused, again at 100ms
      = wake at 100ms
    > wait
      9 -a#2
      = call -a#2 needs 6
    > refused
      10 -a#2 refused, again at 300ms
      11 blocked: a CompensationFailing
      = wake at 300ms, answer needs 11
    > wait
      12 -a#3
      = call -a#3 needs 6, answer needs 11
    > resolve a undone
      rejected: a call to the participant is under way and may change what was found; look again when it has ended
    > refused
      13 -a#3 refused, again at 700ms
      = wake at 700ms, answer needs 11
    > resolve a undone
      14 resolved by Ana: a Undone
      15 rolled back
      = answer needs 15
    ECHEC_B Done over
    ");
}

#[test]
fn a_failing_compensation_that_is_still_to_be_made_is_given_patience_anew() {
    check!(two(Kind::Barrier), "ok; refused | refused; wait; refused; resolve a ran; refused; wait; refused", @r"
    ...
    > refused
      8 -a#1 refused, again at 100ms
      = wake at 100ms
    > wait
      9 -a#2
      = call -a#2 needs 6
    > refused
      10 -a#2 refused, again at 300ms
      11 blocked: a CompensationFailing
      = wake at 300ms, answer needs 11
    > resolve a ran
      12 resolved by Ana: a Ran
      13 -a#3
      = call -a#3 needs 13
    > refused
      14 -a#3 refused, again at 200ms
      = wake at 200ms
    > wait
      15 -a#4
      = call -a#4 needs 15
    > refused
      16 -a#4 refused, again at 400ms
      17 blocked: a CompensationFailing
      = wake at 400ms, answer needs 17
    ECHEC_B Blocked under way
    ");
}

#[test]
fn an_unsettled_action_may_be_settled_by_hand() {
    check!(two(Kind::Idempotent), "ok; cancel; unknown; wait; unknown; resolve b ran; ok; ok", @r"
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
    > resolve b ran
      10 resolved by Ana: b Ran
      11 -b#1
      = call -b#1 needs 11
    > ok
      12 -b#1 ok
      13 -a#1
      = call -a#1 needs 13
    > ok
      14 -a#1 ok
      15 rolled back
      = answer needs 15
    ANNULEE Done over
    ");
}

#[test]
fn an_unsettled_action_that_did_not_run_is_left_alone() {
    check!(two(Kind::Idempotent), "ok; cancel; unknown; wait; unknown; resolve b not_run; ok", @r"
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
    > resolve b not_run
      10 resolved by Ana: b NotRun
      11 -a#1
      = call -a#1 needs 11
    > ok
      12 -a#1 ok
      13 rolled back
      = answer needs 13
    ANNULEE Done over
    ");
}

#[test]
fn a_question_under_way_is_waited_for() {
    check!(probed(Kind::Plain), "unknown; wait; cancel; unknown; wait; unknown; wait; resolve a not_run; unknown; resolve a not_run", @r"
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
    > unknown
      6 ?a#1 unknown, again at 2100ms
      = wake at 2100ms
    > wait
      7 ?a#2
      = call ?a#2 at once
    > unknown
      8 ?a#2 unknown, again at 2300ms
      9 blocked: a ActionUnknown
      = wake at 2300ms, answer needs 9
    > wait
      10 ?a#3
      = call ?a#3 at once, answer needs 9
    > resolve a not_run
      rejected: a call to the participant is under way and may change what was found; look again when it has ended
    > unknown
      11 ?a#3 unknown, again at 2700ms
      = wake at 2700ms, answer needs 9
    > resolve a not_run
      12 resolved by Ana: a NotRun
      13 rolled back
      = answer needs 13
    ANNULEE None over
    ");
}

#[test]
fn beyond_the_horizon_what_is_still_there_is_undone() {
    check!(forgetful(Kind::Barrier), "ok | ok; wait 4s; refused; resolve b ran; ok; resolve a undone", @r"
    ...
    > ok
      5 +b#1 ok [B]
      6 +c#1
      = call +c#1 needs 2, wake at 10s
    > wait 4s
      = call +c#1 needs 2, wake at 10s
    > refused
      7 +c#1 refused
      8 rollback: c failed (why) [ECHEC_C]
      9 blocked: b HorizonPassed
      = answer needs 9
    > resolve b ran
      10 resolved by Ana: b Ran
      11 -b#1
      = call -b#1 needs 11
    > ok
      12 -b#1 ok
      13 blocked: a HorizonPassed
      = answer needs 13
    > resolve a undone
      14 resolved by Ana: a Undone
      15 rolled back
      = answer needs 15
    ECHEC_C Done over
    ");
}

#[test]
fn beyond_the_horizon_a_shadowed_step_may_be_settled() {
    check!(forgetful(Kind::Barrier), "ok; ok; crash 2; pass 4s; cancel; resolve c not_run; resolve b not_run; resolve a ran; ok", @r"
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
      = call +c#1 needs 2, wake at 10s
    > crash 2
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > pass 4s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 blocked: c HorizonPassed
      = answer needs 6
    > resolve c not_run
      7 resolved by Ana: c NotRun
      8 blocked: b HorizonPassed
      = answer needs 8
    > resolve b not_run
      9 resolved by Ana: b NotRun
      10 blocked: a HorizonPassed
      = answer needs 10
    > resolve a ran
      11 resolved by Ana: a Ran
      12 -a#1
      = call -a#1 needs 12
    > ok
      13 -a#1 ok
      14 rolled back
      = answer needs 14
    ANNULEE Done over
    ");
}

#[test]
fn another_step_is_not_what_the_person_was_asked_about() {
    check!(two(Kind::Plain), "ok | unknown; resolve a undone", @r"
    ...
    > unknown
      5 +b#1 unknown
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: b ActionUnknown
      = answer needs 7
    > resolve a undone
      rejected: the order is blocked at another step
    ECHEC_B Blocked under way
    ");
}

#[test]
fn nobody_is_needed_while_nothing_is_stuck() {
    check!(two(Kind::Plain), "resolve a ran; ok; refused; resolve a undone", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > resolve a ran
      rejected: the order is not blocked; there is nothing to resolve
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > refused
      5 +b#1 refused
      6 rollback: b failed (why) [ECHEC_B]
      7 -a#1
      = call -a#1 needs 7
    > resolve a undone
      rejected: the order is not blocked; there is nothing to resolve
    ECHEC_B Running under way
    ");
}

#[test]
fn nobody_is_needed_any_more() {
    check!(two(Kind::Plain), "ok | unknown; resolve b undone; resolve b undone; ok; resolve b undone", @r"
    ...
    > unknown
      5 +b#1 unknown
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: b ActionUnknown
      = answer needs 7
    > resolve b undone
      8 resolved by Ana: b Undone
      9 -a#1
      = call -a#1 needs 9
    > resolve b undone
      rejected: the order is not blocked; there is nothing to resolve
    > ok
      10 -a#1 ok
      11 rolled back
      = answer needs 11
    > resolve b undone
      rejected: the order is over
    ECHEC_B Done over
    ");
}

#[test]
fn what_a_person_said_is_there_for_the_next_owner() {
    check!(two(Kind::Plain), "ok; unknown; resolve b ran; crash 8; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > unknown
      5 +b#1 unknown
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: b ActionUnknown
      = answer needs 7
    > resolve b ran
      8 resolved by Ana: b Ran
      9 -b#1
      = call -b#1 needs 9
    > crash 8
      9 taken over: epoch 2
      10 -b#1
      = call -b#1 needs 10
    > ok
      11 -b#1 ok
      12 -a#1
      = call -a#1 needs 12
    > ok
      13 -a#1 ok
      14 rolled back
      = answer needs 14
    ECHEC_B Done over
    ");
}
