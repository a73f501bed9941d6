//! Histories in which an event cannot stand: they are refused, whatever wrote them.

use std::sync::Arc;

use saga_core::{AttemptNumber, Definition, Direction, Event, Record, Timestamp};

use crate::support::{Kind, Run, Spec, definition};

/// Why `event` cannot follow after `script`.
fn refusal(definition: &Arc<Definition>, script: &str, event: Event) -> &'static str {
    let mut run = Run::start(definition);
    run.steps(script);
    let record = Record { at: Timestamp::from_micros(run.now_ms * 1000), state: None, command: None, event };
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
