//! Steps that wait: signals and pauses.

use std::sync::Arc;

use saga_core::Definition;

use super::super::check;
use super::between;
use crate::support::tell;

fn signal() -> Arc<Definition> {
    between(
        "  - { step: go, signal: { name: go, within: 2s, refused: .body.no == true, output: .body.x }, success: GO, failure: ECHEC_GO }",
    )
}

#[test]
fn rule_16_a_signal_is_taken_by_the_step_that_waits() {
    check!(signal(), r#"ok; signal go {"x":7}; decide; ok"#, @r#"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      4 go waits until 2s
      = wake at 2s
    > signal go {"x":7}
      5 signal go
      = decide go, wake at 8640000s
    > decide
      6 go takes signal 1: ok [GO]
      7 +z#1
      = call +z#1 needs 7, wake at 8640000s
    > ok
      8 +z#1 ok [Z]
      9 completed [FINI]
      = answer needs 9
    FINI None over
    "#);
}

#[test]
fn rule_16_a_signal_may_come_before_its_step() {
    check!(signal(), r#"signal go {"x":7}; ok; decide"#, @r#"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > signal go {"x":7}
      3 signal go
      = call +a#1 needs 2, wake at 8640000s
    > ok
      4 +a#1 ok [A]
      5 go waits until 2s
      = decide go, wake at 8640000s
    > decide
      6 go takes signal 1: ok [GO]
      7 +z#1
      = call +z#1 needs 7, wake at 8640000s
    GO None under way
    "#);
}

#[test]
fn rule_18_a_signal_that_comes_too_late_has_failed_the_step() {
    check!(signal(), "ok | wait 2s; signal go; ok", @r"
    ...
    > wait 2s
      5 rollback: go failed (no signal `go` came in time) [ECHEC_GO]
      6 -a#1
      = call -a#1 needs 6
    > signal go
      rejected: the saga takes no signals any more: it is over, or is rolled back
    > ok
      7 -a#1 ok
      8 rolled back
      = answer needs 8
    ECHEC_GO Done over
    ");
}

#[test]
fn rule_18_a_signal_that_is_recorded_before_the_event_that_says_too_late_is_in_time() {
    check!(signal(), "ok; signal go | wait 3s; decide", @r"
    ...
    > wait 3s
      = decide go, wake at 8640000s
    > decide
      6 go takes signal 1: ok [GO]
      7 +z#1
      = call +z#1 needs 7, wake at 8640000s
    GO None under way
    ");
}

#[test]
fn rule_16_a_refusal_fails_the_step() {
    check!(signal(), r#"ok; signal go {"no":true} | decide; ok"#, @r"
    ...
    > decide
      6 go takes signal 1: refused
      7 rollback: go failed (the signal means that it has failed) [ECHEC_GO]
      8 -a#1
      = call -a#1 needs 8
    > ok
      9 -a#1 ok
      10 rolled back
      = answer needs 10
    ECHEC_GO Done over
    ");
}

#[test]
fn rule_17_the_same_key_is_the_same_signal() {
    check!(signal(), r#"ok; signal go#k {"x":1} | signal go#k {"x":1}; signal go#k {"x":2}; signal go#l; signal other"#, @r#"
    ...
    > signal go#k {"x":1}
      = decide go, wake at 8640000s
    > signal go#k {"x":2}
      rejected: a signal of that name and key was sent before, with another body
    > signal go#l
      rejected: no step is left that could take another signal of that name
    > signal other
      rejected: no step of the saga takes a signal of that name
    A None under way
    "#);
}

#[test]
fn rule_17_the_same_key_is_known_when_the_saga_is_over() {
    check!(signal(), r#"ok; signal go#k {"x":1}; decide; ok | signal go#k {"x":1}; signal go#l"#, @r#"
    ...
    > signal go#k {"x":1}
      = answer needs 9
    > signal go#l
      rejected: the saga takes no signals any more: it is over, or is rolled back
    FINI None over
    "#);
}

#[test]
fn rule_16_signals_of_a_name_are_taken_in_their_order_by_the_steps_in_theirs() {
    let two = between(
        "  - { step: one, signal: { name: go, within: 2s, output: .body }, after: [] }
  - { step: two, signal: { name: go, within: 2s, output: .body }, after: [] }",
    );
    check!(two, "signal go 1; signal go 2; signal go 3 | two: decide; one: decide; wait 2s", @r"
    ...
    > two: decide
      7 two takes signal 2: ok
      8 +z#1
      = call +a#1 needs 2, call +z#1 needs 8, decide one, wake at 8640000s
    > one: decide
      9 one takes signal 1: ok
      = call +a#1 needs 2, call +z#1 needs 8, wake at 8640000s
    > wait 2s
      = call +a#1 needs 2, call +z#1 needs 8, wake at 8640000s
    DEBUT None under way
    ");
}

#[test]
fn rule_8_a_wait_ends_when_the_rollback_is_decided() {
    check!(signal(), "ok; cancel; signal go; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      4 go waits until 2s
      = wake at 2s
    > cancel
      5 rollback: cancelled [ANNULEE]
      6 -a#1
      = call -a#1 needs 6
    > signal go
      rejected: the saga takes no signals any more: it is over, or is rolled back
    > ok
      7 -a#1 ok
      8 rolled back
      = answer needs 8
    ANNULEE Done over
    ");
}

#[test]
fn a_signal_is_not_lost_at_a_take_over() {
    check!(signal(), "ok; signal go | crash 5; decide", @r"
    ...
    > crash 5
      6 taken over: epoch 2
      = decide go, wake at 8640000s
    > decide
      7 go takes signal 1: ok [GO]
      8 +z#1
      = call +z#1 needs 8, wake at 8640000s
    GO None under way
    ");
}

#[test]
fn rule_20_there_is_nothing_to_hurry_while_a_saga_only_waits() {
    check!(signal(), "ok | resume", @r"
    ...
    > resume
      rejected: the saga waits for a time or for a signal; there is no call that could be made earlier
    A None under way
    ");
}

#[test]
fn a_pause_is_over_at_its_time_whoever_runs_the_saga() {
    let pause = between("  - { step: rest, pause: 14d, success: RESTED }");
    check!(pause, "ok | wait 5s; take-over; wait; ok", @r"
    ...
    > wait 5s
      = wake at 1209600s
    > take-over
      5 taken over: epoch 2
      = wake at 1209600s
    > wait
      6 rest is over [RESTED]
      7 +z#1
      = call +z#1 needs 7, wake at 8640000s
    > ok
      8 +z#1 ok [Z]
      9 completed [FINI]
      = answer needs 9
    FINI None over
    ");
}

#[test]
fn rule_3_a_pause_ends_at_the_time_that_its_expression_gives() {
    let until = |code: &str| between(&format!("  - {{ step: rest, pause: '{code}' }}"));
    check!(until(r#""1970-01-01T00:00:07+00:00""#), "ok; decide; wait", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      = decide rest, wake at 8640000s
    > decide
      4 rest waits until 7s
      = wake at 7s
    > wait
      5 rest is over
      6 +z#1
      = call +z#1 needs 6, wake at 8640000s
    A None under way
    ");
    let past = tell(&until(r#""1969-12-31T23:00:00Z""#), "ok; decide");
    assert!(past.contains("rest is over"), "{past}");
    for (code, why) in [
        (".input.n", "needs a text"),
        (r#""tomorrow""#, "neither a time"),
        (r#""1970-01-01T00:00:07""#, "neither a time"),
        (r#""4000d""#, "neither a time"),
    ] {
        let told = tell(&until(code), "ok; decide");
        assert!(told.contains("rollback: rest failed") && told.contains(why), "{told}");
    }
}
