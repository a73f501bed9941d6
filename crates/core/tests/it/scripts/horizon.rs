//! Promises end: calls are repeated for as long as the participant remembers, and no longer.

use std::sync::Arc;

use saga_core::Definition;
use saga_core::event::Stuck;

use super::check;
use crate::support::{Kind, Run, Spec, definition};

/// Two steps at a participant that forgets after three seconds.
pub(super) fn forgetful(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).horizon("3s"), Spec::new(kind).horizon("3s")])
}

#[test]
fn idempotent_an_action_that_may_have_run_is_not_repeated_beyond_the_horizon() {
    check!(forgetful(Kind::Idempotent), "ok | unknown; wait; wait 3s; unknown; wait 60s", @r"
    ...
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > wait 3s
      = call +b#2 needs 6, wake at 10s
    > unknown
      7 +b#2 unknown, again at 3300ms
      8 rollback: b failed (why) [ECHEC_B]
      9 blocked: b HorizonPassed
      = answer needs 9
    > wait 60s
      = answer needs 9
    ECHEC_B Blocked under way
    ");
}

#[test]
fn idempotent_an_action_that_never_left_is_called_at_any_age() {
    check!(forgetful(Kind::Idempotent), "not_sent 5s; wait; ok; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > not_sent 5s
      3 +a#1 not_sent, again at 5100ms
      = wake at 5100ms
    > wait
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

/// The compensation is a call of its own: it is new when the order is old.
#[test]
fn idempotent_each_call_has_its_own_age() {
    check!(forgetful(Kind::Idempotent), "ok; wait 4s; refused; unknown; wait; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > wait 4s
      = call +b#1 needs 4, wake at 10s
    > refused
      5 +b#1 refused
      6 rollback: b failed (why) [ECHEC_B]
      7 -a#1
      = call -a#1 needs 7
    > unknown
      8 -a#1 unknown, again at 4100ms
      = wake at 4100ms
    > wait
      9 -a#2
      = call -a#2 needs 9
    > ok
      10 -a#2 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn idempotent_a_compensation_that_may_have_run_is_not_repeated_beyond_the_horizon() {
    check!(forgetful(Kind::Idempotent), "ok; refused | unknown 5s; wait; wait 60s", @r"
    ...
    > unknown 5s
      8 -a#1 unknown, again at 5100ms
      = wake at 5100ms
    > wait
      9 blocked: a HorizonPassed
      = answer needs 9
    > wait 60s
      = answer needs 9
    ECHEC_B Blocked under way
    ");
}

#[test]
fn idempotent_a_compensation_that_never_left_is_made_at_any_age() {
    check!(forgetful(Kind::Idempotent), "ok; refused | not_sent 5s; wait; not_sent; wait; refused; wait; ok", @r"
    ...
    > not_sent 5s
      8 -a#1 not_sent, again at 5100ms
      = wake at 5100ms
    > wait
      9 -a#2
      = call -a#2 needs 9
    > not_sent
      10 -a#2 not_sent, again at 5300ms
      11 blocked: a CompensationFailing
      = wake at 5300ms, answer needs 11
    > wait
      12 -a#3
      = call -a#3 needs 12, answer needs 11
    > refused
      13 -a#3 refused, again at 5700ms
      = wake at 5700ms, answer needs 11
    > wait
      14 -a#4
      = call -a#4 needs 14, answer needs 11
    > ok
      15 -a#4 ok
      16 rolled back
      = answer needs 16
    ECHEC_B Done over
    ");
}

#[test]
fn idempotent_a_compensation_lost_from_sight_is_in_doubt_beyond_the_horizon() {
    check!(forgetful(Kind::Idempotent), "ok | refused; wait 4s; take-over", @r"
    ...
    > refused
      5 +b#1 refused
      6 rollback: b failed (why) [ECHEC_B]
      7 -a#1
      = call -a#1 needs 7
    > wait 4s
      = call -a#1 needs 7
    > take-over
      8 taken over: epoch 2
      9 blocked: a HorizonPassed
      = answer needs 9
    ECHEC_B Blocked under way
    ");
}

#[test]
fn idempotent_exactly_at_the_horizon_the_promise_still_holds() {
    check!(forgetful(Kind::Idempotent), "ok; refused | unknown; wait 3s; ok", @r"
    ...
    > unknown
      8 -a#1 unknown, again at 100ms
      = wake at 100ms
    > wait 3s
      9 -a#2
      = call -a#2 needs 9
    > ok
      10 -a#2 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn barrier_an_order_that_is_older_than_the_horizon_is_not_undone_by_itself() {
    check!(forgetful(Kind::Barrier), "ok; wait 4s; refused; wait 60s", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 2, wake at 10s
    > wait 4s
      = call +b#1 needs 2, wake at 10s
    > refused
      5 +b#1 refused
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: a HorizonPassed
      = answer needs 7
    > wait 60s
      = answer needs 7
    ECHEC_B Blocked under way
    ");
}

#[test]
fn barrier_an_action_that_may_have_run_is_not_repeated_beyond_the_horizon() {
    check!(forgetful(Kind::Barrier), "ok | unknown; wait 4s", @r"
    ...
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > wait 4s
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: b HorizonPassed
      = answer needs 7
    ECHEC_B Blocked under way
    ");
}

#[test]
fn barrier_a_compensation_is_not_repeated_beyond_the_horizon() {
    check!(forgetful(Kind::Barrier), "ok; refused | unknown 5s; wait; wait 60s", @r"
    ...
    > unknown 5s
      8 -a#1 unknown, again at 5100ms
      = wake at 5100ms
    > wait
      9 blocked: a HorizonPassed
      = answer needs 9
    > wait 60s
      = answer needs 9
    ECHEC_B Blocked under way
    ");
}

#[test]
fn barrier_beyond_the_horizon_an_action_in_flight_is_waited_for() {
    check!(forgetful(Kind::Barrier), "ok; wait 4s; cancel; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 2, wake at 10s
    > wait 4s
      = call +b#1 needs 2, wake at 10s
    > cancel
      5 rollback: cancelled [ANNULEE]
      = call +b#1 needs 2
    > ok
      6 +b#1 ok
      7 blocked: b HorizonPassed
      = answer needs 7
    ANNULEE Blocked under way
    ");
}

#[test]
fn barrier_a_shadowed_step_is_not_undone_beyond_the_horizon() {
    check!(forgetful(Kind::Barrier), "ok; ok; crash 2; pass 4s; cancel; old ok; wait 60s", @r"
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
      6 completed [FINI]
      = answer needs 6
    > crash 2
      3 taken over: epoch 2
      4 +a#2
      = call +a#2 needs 4, wake at 10s
    > pass 4s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 blocked: b HorizonPassed
      = answer needs 6
    > old ok
      rejected: the saga no longer waits for that call
    > wait 60s
      = answer needs 6
    ANNULEE Blocked under way
    ");
}

#[test]
fn plain_services_promise_nothing_that_could_end() {
    check!(forgetful(Kind::Plain), "ok; wait 4s; refused; not_sent; wait 60s; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 4, wake at 10s
    > wait 4s
      = call +b#1 needs 4, wake at 10s
    > refused
      5 +b#1 refused
      6 rollback: b failed (why) [ECHEC_B]
      7 -a#1
      = call -a#1 needs 7
    > not_sent
      8 -a#1 not_sent, again at 4100ms
      = wake at 4100ms
    > wait 60s
      9 -a#2
      = call -a#2 needs 9
    > ok
      10 -a#2 ok
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn taken_over_beyond_the_horizon_nothing_is_repeated() {
    check!(forgetful(Kind::Idempotent), "ok | unknown; pass 4s; take-over", @r"
    ...
    > unknown
      5 +b#1 unknown, again at 100ms
      = wake at 100ms
    > pass 4s
    > take-over
      6 taken over: epoch 2
      7 rollback: b failed (why) [ECHEC_B]
      8 blocked: b HorizonPassed
      = answer needs 8
    ECHEC_B Blocked under way
    ");
}

#[test]
fn a_clock_that_steps_back_into_the_promise_finds_it_again() {
    check!(forgetful(Kind::Barrier), "ok; wait 4s; refused; wait -2s; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 10s
    > ok
      3 +a#1 ok [A]
      4 +b#1
      = call +b#1 needs 2, wake at 10s
    > wait 4s
      = call +b#1 needs 2, wake at 10s
    > refused
      5 +b#1 refused
      6 rollback: b failed (why) [ECHEC_B]
      7 blocked: a HorizonPassed
      = answer needs 7
    > wait -2s
      8 -a#1
      = call -a#1 needs 6, answer needs 7
    > ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ECHEC_B Done over
    ");
}

/// The obstacle may change; the operator has been needed since the first one.
#[test]
fn a_person_is_needed_since_the_first_flag() {
    let mut run = Run::start(&forgetful(Kind::Barrier));
    let blocked = |run: &Run| run.saga.blocked().map(|blocked| (blocked.stuck, blocked.at));
    run.steps("ok; refused; refused; wait; refused");
    let (stuck, at) = blocked(&run).expect("two attempts failed");
    assert_eq!(stuck, Stuck::CompensationFailing);
    run.steps("wait; refused; wait 5s");
    assert_eq!(blocked(&run), Some((Stuck::HorizonPassed, at)));
    run.steps("resume; refused; wait; refused");
    let again = blocked(&run).expect("two more failed");
    assert!(again.0 == Stuck::CompensationFailing && again.1 > at, "somebody has seen to it: {again:?}");
}

/// The call of `b` left ahead of the disk, and the crash lost every trace of it. Four seconds later the participant does not
/// know its key any more.
#[test]
fn a_step_that_a_former_owner_may_have_run_is_not_run_again_beyond_the_horizon() {
    check!(forgetful(Kind::Barrier), "ok; pass 4s | crash 3", @"
    ...
    > crash 3
      4 taken over: epoch 2
      5 rollback: b failed (a former owner may have run it, and the participant may have forgotten that (`horizon`)) [ECHEC_B]
      6 blocked: b HorizonPassed
      = answer needs 6
    ECHEC_B Blocked under way
    ");
    // In time its participant knows the call again.
    check!(forgetful(Kind::Barrier), "ok; pass 2s | crash 3", @"
    ...
    > crash 3
      4 taken over: epoch 2
      5 +b#1
      = call +b#1 needs 5, wake at 10s
    A None under way
    ");
}

/// An operator's voucher counts from its time. The next question, which is to be asked after the promise ends, does not
/// matter then.
#[test]
fn what_a_person_vouches_for_is_called_before_the_next_question() {
    let asked = definition(&[Spec::new(Kind::Idempotent).horizon("1s").probed(), Spec::new(Kind::Plain)]);
    check!(asked, "ok; refused; unknown; wait; unknown; wait | unknown; take-over; resume; ok", @r"
    ...
    > unknown
      12 ?a#2 unknown, again at 2300ms
      13 blocked: a HorizonPassed
      = wake at 2300ms, answer needs 13
    > take-over
      14 taken over: epoch 2
      = wake at 4100ms, answer needs 13
    > resume
      15 resumed by Ana
      16 -a#2
      = call -a#2 needs 16
    > ok
      17 -a#2 ok
      18 rolled back
      = answer needs 18
    ECHEC_B Done over
    ");
}

#[test]
fn resuming_vouches_for_the_step_that_is_shown_and_for_no_other() {
    let forgetful = || Spec::new(Kind::Idempotent).horizon("3s");
    let steps = [forgetful(), forgetful().after(&[]), forgetful().after(&[])];
    let script =
        "c: refused; a: unknown; b: unknown; pass 4s; wait | resume; a: ok; a: ok; resume; b: ok; b: ok";
    check!(definition(&steps), script, @r"
    ...
    > resume
      11 resumed by Ana
      12 +a#2
      = call +a#2 needs 12
    > a: ok
      13 +a#2 ok
      14 -a#1
      = call -a#1 needs 14
    > a: ok
      15 -a#1 ok
      = answer needs 10
    > resume
      16 resumed by Ana
      17 +b#2
      = call +b#2 needs 17
    > b: ok
      18 +b#2 ok
      19 -b#1
      = call -b#1 needs 19
    > b: ok
      20 -b#1 ok
      21 rolled back
      = answer needs 21
    ECHEC_C Done over
    ");
}

#[test]
fn resuming_vouches_for_nothing_that_came_about_after_the_operator_had_spoken() {
    let script = "ok; refused; pass 4s; unknown | resume 1s; resume; ok";
    check!(forgetful(Kind::Idempotent), script, @r"
    ...
    > resume 1s
      10 resumed by Ana
      = answer needs 9
    > resume
      11 resumed by Ana
      12 -a#2
      = call -a#2 needs 12
    > ok
      13 -a#2 ok
      14 rolled back
      = answer needs 14
    ECHEC_B Done over
    ");
}
