//! Deadlines, waits, and clocks that step back.

use saga_core::Timestamp;

use super::{READ_AND_TWO, check};
use crate::support::{Kind, Run, definition};

#[test]
fn times_do_not_go_back_where_clocks_differ_a_little() {
    // Milliseconds after the second event; and which time the third one has.
    for (clock_ms, recorded_ms) in [(1, 1), (0, 0), (-1, 0), (-1000, 0), (-1001, -1001), (-4_000, -4_000)] {
        let mut run = Run::start(&definition(&READ_AND_TWO(Kind::Plain)));
        run.now_ms += 5_000;
        run.steps("ok");
        let last = run.now_ms;
        run.now_ms += clock_ms;
        run.steps("ok");
        let at = run.records.last().expect("events").at;
        assert_eq!(at, Timestamp::from_micros((last + recorded_ms) * 1000), "{clock_ms} ms");
    }
}

#[test]
fn retry_after_is_waited_for() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; not_sent 3s; wait 2999ms; wait; ok", @r"
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
    > wait 2999ms
      = wake at 3100ms
    > wait
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    B None under way
    ");
}

#[test]
fn the_deadline_stops_a_step_that_waits_for_its_next_attempt() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; not_sent 30s; wait; ok", @r"
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
    > not_sent 30s
      7 +c#1 not_sent, again at 30100ms
      = wake at 10s
    > wait
      8 rollback: deadline [ANNULEE]
      9 -b#1
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 rolled back
      = answer needs 11
    ANNULEE Done over
    ");
}

#[test]
fn the_deadline_stops_a_read_in_flight() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "wait 10s; old ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 at once, wake at 10s
    > wait 10s
      3 rollback: deadline [ANNULEE]
      4 rolled back
      = answer needs 4
    > old ok
      rejected: the saga no longer waits for that call
    ANNULEE None over
    ");
}

#[test]
fn the_deadline_with_a_plain_call_in_flight_waits_for_its_answer() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; wait 10s; ok; ok; ok", @r"
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
    > wait 10s
      7 rollback: deadline [ANNULEE]
      = call +c#1 needs 6
    > ok
      8 +c#1 ok
      9 -c#1
      = call -c#1 needs 9
    > ok
      10 -c#1 ok
      11 -b#1
      = call -b#1 needs 11
    > ok
      12 -b#1 ok
      13 rolled back
      = answer needs 13
    ANNULEE Done over
    ");
}

#[test]
fn the_deadline_is_past_when_rolling_back_already() {
    check!(definition(&READ_AND_TWO(Kind::Plain)), "ok; ok; refused; wait 20s; ok", @r"
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
    > wait 20s
      = call -b#1 needs 9
    > ok
      10 -b#1 ok
      11 rolled back
      = answer needs 11
    ECHEC_C Done over
    ");
}

#[test]
fn a_clock_that_steps_back_only_makes_waits_longer() {
    check!(definition(&READ_AND_TWO(Kind::Idempotent)), "ok; unknown; wait -5s; wait 5s; wait 100ms; ok", @r"
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
    > wait -5s
      = wake at 100ms
    > wait 5s
      = wake at 100ms
    > wait 100ms
      6 +b#2
      = call +b#2 needs 6, wake at 10s
    > ok
      7 +b#2 ok [B]
      8 +c#1
      = call +c#1 needs 8, wake at 10s
    B None under way
    ");
}
