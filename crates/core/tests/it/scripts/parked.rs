//! A saga whose task fails, or whose owners end again and again, is not run any more until an operator resumes it.

use super::{READ_AND_TWO, check};
use crate::support::{Kind, definition};

#[test]
fn three_owners_lost_at_the_same_call_park_the_saga() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok | take-over; take-over; take-over; wait 3600s; take-over", @r"
    ...
    > take-over
      5 taken over: epoch 2
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > take-over
      7 taken over: epoch 3
      8 +b#3
      = call +b#3 needs 8, wake at 10s
    > take-over
      9 taken over: epoch 4
      10 blocked: b TaskFailed
      = answer needs 10
    > wait 3600s
      = answer needs 10
    > take-over
      11 taken over: epoch 5
      = answer needs 10
    A Blocked under way
    ");
}

#[test]
fn the_end_of_a_call_is_progress() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; take-over; take-over | ok; take-over; take-over", @r"
    ...
    > ok
      9 +b#3 ok [B]
      10 +c#1
      = call +c#1 needs 10, wake at 10s
    > take-over
      11 taken over: epoch 4
      12 +c#2
      = call +c#2 needs 12, wake at 10s
    > take-over
      13 taken over: epoch 5
      14 +c#3
      = call +c#3 needs 14, wake at 10s
    B None under way
    ");
}

#[test]
fn owners_that_end_while_nothing_is_in_flight_are_not_counted() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; not_sent | take-over; take-over; take-over; take-over; wait", @r"
    ...
    > take-over
      6 taken over: epoch 2
      = wake at 100ms
    > take-over
      7 taken over: epoch 3
      = wake at 100ms
    > take-over
      8 taken over: epoch 4
      = wake at 100ms
    > take-over
      9 taken over: epoch 5
      = wake at 100ms
    > wait
      10 +b#2
      = call +b#2 needs 10, wake at 10s
    A None under way
    ");
}

#[test]
fn a_parked_saga_that_is_resumed_goes_on_and_may_be_parked_again() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; take-over; take-over; take-over | hurry; resume; take-over; take-over; take-over", @r"
    ...
    > hurry
      = answer needs 10
    > resume
      11 resumed by Ana
      12 +b#4
      = call +b#4 needs 12, wake at 10s
    > take-over
      13 taken over: epoch 5
      14 +b#5
      = call +b#5 needs 14, wake at 10s
    > take-over
      15 taken over: epoch 6
      16 +b#6
      = call +b#6 needs 16, wake at 10s
    > take-over
      17 taken over: epoch 7
      18 blocked: b TaskFailed
      = answer needs 18
    A Blocked under way
    ");
}

#[test]
fn a_parked_saga_that_is_cancelled_is_rolled_back() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; take-over; take-over; take-over | resolve c ran; cancel; ok; ok", @r"
    ...
    > resolve c ran
      rejected: the order was going forward when its task failed: resume it, or cancel it to have it rolled back
    > cancel
      13 rollback: cancelled [ANNULEE]
      14 -c#1
      = call -c#1 needs 14
    > ok
      15 -c#1 ok
      16 -b#1
      = call -b#1 needs 16
    > ok
      17 -b#1 ok
      18 rolled back
      = answer needs 18
    ANNULEE Done over
    ");
}

#[test]
fn owners_lost_while_undoing_park_the_saga_and_a_person_may_say_what_became_of_the_step() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; ok; refused | take-over; take-over; take-over; resolve b undone", @r"
    ...
    > take-over
      10 taken over: epoch 2
      11 -b#2
      = call -b#2 needs 11
    > take-over
      12 taken over: epoch 3
      13 -b#3
      = call -b#3 needs 13
    > take-over
      14 taken over: epoch 4
      15 blocked: b TaskFailed
      = answer needs 15
    > resolve b undone
      16 resolved by Ana: b Undone
      17 rolled back
      = answer needs 17
    ECHEC_C Done over
    ");
}

#[test]
fn a_task_that_fails_parks_its_saga_at_once() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok | park; resume", @r"
    ...
    > park
      5 blocked: b TaskFailed
      = answer needs 5
    > resume
      6 resumed by Ana
      7 rollback: b failed (the call was cut short by a restart) [ECHEC_B]
      8 blocked: b ActionUnknown
      = answer needs 8
    ECHEC_B Blocked under way
    ");
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "ok; take-over | park; park; old ok; wait 3600s; resume; ok", @r"
    ...
    > park
      7 blocked: b TaskFailed
      = answer needs 7
    > park
      = answer needs 7
    > old ok
      rejected: the saga no longer waits for that call
    > wait 3600s
      = answer needs 7
    > resume
      8 resumed by Ana
      9 rollback: deadline [ANNULEE]
      10 -c#1
      = call -c#1 needs 10
    > ok
      11 -c#1 ok
      12 -b#1
      = call -b#1 needs 12
    ANNULEE Running under way
    ");
}

#[test]
fn a_saga_that_is_over_cannot_be_parked() {
    check!(definition(&READ_AND_TWO(Kind::Barrier)), "refused | park", @r"
    ...
    > park
      rejected: the order is over
    ECHEC_A None over
    ");
}
