//! Probes that ask about a compensation.

use super::super::check;
use super::probed;
use crate::support::Kind;

#[test]
fn a_compensation_that_is_in_doubt_ran() {
    check!(probed(Kind::Plain), "ok; refused | unknown; wait; refused", @r"
    ...
    > unknown
      8 -a#1 unknown
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 at once
    > refused
      10 ?a#1 refused
      11 rolled back
      = answer needs 11
    ECHEC_B Done over
    ");
}

#[test]
fn a_compensation_that_is_in_doubt_did_not_run_and_is_made_again() {
    check!(probed(Kind::Plain), "ok; refused | unknown; wait; ok; wait; ok", @r"
    ...
    > unknown
      8 -a#1 unknown
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 at once
    > ok
      10 ?a#1 ok, again at 2100ms
      = wake at 2100ms
    > wait
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
fn a_compensation_without_an_answer_calls_for_a_person_and_is_asked_about_on() {
    check!(probed(Kind::Plain), "ok; refused | unknown; wait; unknown; wait; unknown; wait; unknown; wait; ok; wait; ok", @r"
    ...
    > unknown
      8 -a#1 unknown
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 at once
    > unknown
      10 ?a#1 unknown, again at 2100ms
      = wake at 2100ms
    > wait
      11 ?a#2
      = call ?a#2 at once
    > unknown
      12 ?a#2 unknown, again at 2300ms
      13 blocked: a CompensationUnknown
      = wake at 2300ms, answer needs 13
    > wait
      14 ?a#3
      = call ?a#3 at once, answer needs 13
    > unknown
      15 ?a#3 unknown, again at 2700ms
      = wake at 2700ms, answer needs 13
    > wait
      16 ?a#4
      = call ?a#4 at once, answer needs 13
    > ok
      17 ?a#4 ok, again at 2800ms
      = wake at 2800ms
    > wait
      18 -a#2
      = call -a#2 needs 18
    > ok
      19 -a#2 ok
      20 rolled back
      = answer needs 20
    ECHEC_B Done over
    ");
}

#[test]
fn a_compensation_that_never_takes_is_made_at_a_slow_rate_and_calls_for_a_person() {
    check!(probed(Kind::Plain), "ok; refused | unknown; wait; ok; wait; unknown; wait; ok; wait; unknown; wait; ok", @r"
    ...
    > unknown
      8 -a#1 unknown
      = wake at 2s
    > wait
      9 ?a#1
      = call ?a#1 at once
    > ok
      10 ?a#1 ok, again at 2100ms
      = wake at 2100ms
    > wait
      11 -a#2
      = call -a#2 needs 11
    > unknown
      12 -a#2 unknown
      = wake at 4100ms
    > wait
      13 ?a#2
      = call ?a#2 at once
    > ok
      14 ?a#2 ok, again at 4300ms
      15 blocked: a CompensationFailing
      = wake at 4300ms, answer needs 15
    > wait
      16 -a#3
      = call -a#3 needs 16, answer needs 15
    > unknown
      17 -a#3 unknown
      = wake at 6300ms, answer needs 15
    > wait
      18 ?a#3
      = call ?a#3 at once, answer needs 15
    > ok
      19 ?a#3 ok, again at 6700ms
      = wake at 6700ms, answer needs 15
    ECHEC_B Blocked under way
    ");
}

#[test]
fn questions_about_the_action_and_about_its_compensation_are_numbered_as_one() {
    check!(probed(Kind::Plain), "unknown; wait; ok; refused; unknown; wait; old ok; refused", @r"
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
    > ok
      5 ?a#1 ok [A]
      6 +b#1
      = call +b#1 needs 6, wake at 10s
    > refused
      7 +b#1 refused
      8 rollback: b failed (why) [ECHEC_B]
      9 -a#1
      = call -a#1 needs 9
    > unknown
      10 -a#1 unknown
      = wake at 4s
    > wait
      11 ?a#2
      = call ?a#2 at once
    > old ok
      rejected: the saga no longer waits for that call
    > refused
      12 ?a#2 refused
      13 rolled back
      = answer needs 13
    ECHEC_B Done over
    ");
}
