//! Calls that their sagas wanted in time, and that have waited since then: for the disk, for a breaker, or in a process that
//! was paused.

use std::sync::Arc;

use saga_core::Definition;

use super::check;
use super::horizon::forgetful;
use crate::support::{Kind, Run, Spec, at, definition};

/// Whether the call that is wanted after `script` is too late once that many milliseconds have passed.
fn is_too_late(definition: &Arc<Definition>, script: &str, after_ms: i64) -> bool {
    let mut run = Run::start(definition);
    run.steps(script);
    let wanted = run.saga.effects().first_call().expect("a call");
    run.saga.is_too_late(&wanted, at((run.now_ms + after_ms) * 1000, 0).now)
}

#[test]
fn a_call_that_has_waited_beyond_the_horizon_is_too_late() {
    for (kind, late) in [(Kind::Idempotent, true), (Kind::Barrier, true), (Kind::Plain, false)] {
        let too_late = |after_ms| is_too_late(&forgetful(kind), "", after_ms);
        assert_eq!([too_late(3_000), too_late(3_001)], [false, late], "{kind:?}");
    }
    let vouched_for = "ok; refused; pass 4s; unknown; resume";
    let late = |after_ms| is_too_late(&forgetful(Kind::Idempotent), vouched_for, after_ms);
    assert_eq!(
        [late(3_000), late(3_001)],
        [false, true],
        "an operator vouches for as long as the participant promises"
    );
    let probed = definition(&[Spec::new(Kind::Idempotent).horizon("3s").probed()]);
    assert!(!is_too_late(&probed, "pass 1500ms; unknown; wait", 60_000), "a probe has no effect");
}

/// Whether the call of the step that is wanted after `script` may do harm once that many milliseconds have passed.
fn may_do_harm(kind: Kind, script: &str, after_ms: i64) -> bool {
    let steps = [Spec::new(kind).horizon("3s"), Spec::new(Kind::Plain)];
    let mut run = Run::start(&definition(&steps));
    run.steps(script);
    let wanted = run.saga.effects().first_call().expect("a call");
    run.saga.may_do_harm(&wanted, at((run.now_ms + after_ms) * 1000, 0).now)
}

#[test]
fn a_call_that_relies_on_the_participant_s_memory_may_do_harm_beyond_the_horizon() {
    for kind in [Kind::Idempotent, Kind::Barrier] {
        let repeated = "unknown; wait";
        assert!(may_do_harm(kind, repeated, 3_001) && !may_do_harm(kind, repeated, 2_000), "{kind:?}");
        for harmless in ["", "not_sent; wait"] {
            assert!(!may_do_harm(kind, harmless, 60_000), "nothing has run: {kind:?} {harmless}");
        }
        assert!(may_do_harm(kind, "ok; refused; unknown; wait", 3_001), "{kind:?} may be undone already");
        let is_barrier = kind == Kind::Barrier;
        assert_eq!(
            may_do_harm(kind, "ok; refused", 3_001),
            is_barrier,
            "{kind:?} is undone for the first time"
        );
    }
}

#[test]
fn rule_14_barrier_the_promise_counts_from_the_first_attempt_of_the_action() {
    // The saga is older than the promise when `b` begins.
    check!(forgetful(Kind::Barrier), "not_sent 2s; wait; not_sent 2s; wait; ok | unknown; wait; ok", @r"
    ...
    > unknown
      9 +b#1 unknown, again at 4300ms
      = wake at 4300ms
    > wait
      10 +b#2
      = call +b#2 needs 2, wake at 10s
    > ok
      11 +b#2 ok [B]
      12 completed [FINI]
      = answer needs 12
    FINI None over
    ");
}
