//! Histories in which an event cannot stand: they are refused, whatever wrote them.

use std::sync::Arc;

use saga_core::event::{Finding, Stuck};
use saga_core::{AttemptNumber, Definition, Direction, Event, Record, Timestamp};

use crate::support::{Kind, Run, Spec, definition};

/// Why `event` cannot follow after `script`.
fn refusal(definition: &Arc<Definition>, script: &str, event: Event) -> &'static str {
    let mut run = Run::start(definition);
    run.steps(script);
    let record =
        Record { at: Timestamp::from_micros(run.now_ms * 1000), state: None, command: None, by: None, event };
    run.saga.apply(&record).expect_err("an illegal event").why
}

fn started(direction: Direction, attempt: AttemptNumber) -> Event {
    Event::AttemptStarted { step: 0, direction, attempt }
}

#[test]
fn an_order_does_not_end_before_its_time() {
    let two = definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Barrier)]);
    for script in ["", "ok", "ok; refused"] {
        assert_eq!(refusal(&two, script, Event::Completed), "not every step has succeeded", "{script}");
        assert_eq!(refusal(&two, script, Event::RolledBack), "something is left to undo", "{script}");
    }
}

#[test]
fn nothing_is_called_while_a_probe_is_in_flight() {
    let probed = definition(&[Spec::new(Kind::Plain).probed()]);
    let second = AttemptNumber::FIRST.next();
    for direction in [Direction::Action, Direction::Probe] {
        let why = refusal(&probed, "unknown; wait", started(direction, second));
        assert_eq!(why, "an attempt is still in flight", "{direction}");
    }
}

#[test]
fn only_a_barrier_is_undone_without_knowing_whether_it_ran() {
    for kind in [Kind::Plain, Kind::Idempotent] {
        let why = refusal(
            &definition(&[Spec::new(kind)]),
            "unknown; cancel",
            started(Direction::Compensation, AttemptNumber::FIRST),
        );
        assert_eq!(why, "the step is not in a state for that", "{kind:?}");
    }
}

#[test]
fn nothing_is_undone_before_that_is_decided() {
    let two = definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Barrier)]);
    let why = refusal(&two, "ok; not_sent", started(Direction::Compensation, AttemptNumber::FIRST));
    assert_eq!(why, "nothing is undone before that is decided");
}

#[test]
fn only_a_step_that_has_a_probe_is_asked_about_and_only_in_its_turn() {
    let why = |first: Spec, script| {
        let two = definition(&[first, Spec::new(Kind::Plain)]);
        refusal(&two, script, started(Direction::Probe, AttemptNumber::FIRST))
    };
    let nothing = "there is nothing to ask about that step";
    assert_eq!(why(Spec::new(Kind::Plain), "unknown"), nothing, "it has no probe");
    assert_eq!(why(Spec::new(Kind::Plain).probed(), "ok; unknown"), nothing, "a later step is undone first");
}

#[test]
fn a_saga_is_blocked_where_it_rolls_back_and_once_for_the_same() {
    let two = definition(&[Spec::new(Kind::Plain), Spec::new(Kind::Plain)]);
    let blocked = |step, stuck| Event::Blocked { step, stuck, reason: "why".into() };
    let forward = refusal(&two, "", blocked(0, Stuck::ActionUnknown));
    assert_eq!(forward, "only a rollback can be blocked, but for a task that fails, or behind a pivot");
    let once = "a saga is blocked once for the same, and at a step that it has";
    assert_eq!(refusal(&two, "ok; unknown", blocked(1, Stuck::ActionUnknown)), once);
    assert_eq!(refusal(&two, "ok; unknown", blocked(2, Stuck::ActionUnknown)), once);
}

#[test]
fn an_order_is_not_resumed_while_its_only_call_is_in_flight() {
    let one = definition(&[Spec::new(Kind::Plain)]);
    let resumed = Event::Resumed { by: "Ana".into(), reason: None, unseen: false };
    assert_eq!(refusal(&one, "", resumed), "an attempt is in flight already");
}

#[test]
fn a_person_resolves_only_the_step_that_is_blocked() {
    let two = definition(&[Spec::new(Kind::Plain), Spec::new(Kind::Plain)]);
    let resolved = |step| Event::Resolved {
        step,
        finding: Finding::Undone,
        output: None,
        by: "Ana".into(),
        reason: "asked there".into(),
    };
    for (script, step) in [("ok", 0), ("ok; refused; not_sent", 0), ("ok; unknown", 0), ("ok; unknown", 2)] {
        let why = refusal(&two, script, resolved(step));
        assert_eq!(why, "no person is needed for that step", "{script}: {step}");
    }
    assert_eq!(refusal(&two, "ok; refused", resolved(0)), "an attempt is in flight");
}
