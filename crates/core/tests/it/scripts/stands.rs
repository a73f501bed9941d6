//! Where each step stands, as it is shown.

use crate::support::{Kind, Run, Spec, definition};

/// Where the steps stand after `script`, and those that are left to undo.
fn stands(specs: &[Spec], script: &str) -> String {
    let mut run = Run::start(&definition(specs));
    run.steps(script);
    let steps = 0..specs.len();
    let all: Vec<String> = steps.map(|step| format!("{:?}", run.saga.stands(step))).collect();
    let left: Vec<String> = run.saga.left_to_undo().iter().map(|step| step.to_string()).collect();
    format!("{} [{}]", all.join(" "), left.join(" "))
}

#[test]
fn a_step_stands_where_its_calls_have_brought_it() {
    let three = || [Spec::new(Kind::Read), Spec::new(Kind::Barrier), Spec::new(Kind::Barrier)];
    for (script, expected) in [
        ("", "Doing NotReached NotReached []"),
        ("ok", "Done Doing NotReached []"),
        ("ok; ok", "Done Done Doing []"),
        ("ok; ok; ok", "Done Done Done []"),
        ("ok; ok; refused", "Done Undoing NotDone [1]"),
        ("ok; ok; refused; unknown", "Done Undoing NotDone [1]"),
        ("ok; ok; refused; ok", "Done Undone NotDone []"),
        ("ok; ok; cancel", "Done ToUndo Undoing [1 2]"),
        ("ok; ok; cancel; ok", "Done Undoing Undone [1]"),
    ] {
        assert_eq!(stands(&three(), script), expected, "{script}");
    }
}

#[test]
fn an_action_in_doubt_is_not_said_to_have_no_effect() {
    let two = [Spec::new(Kind::Plain), Spec::new(Kind::Plain)];
    assert_eq!(stands(&two, "ok; unknown"), "ToUndo Unsure [0 1]");
    assert_eq!(stands(&two, "ok; unknown; resolve b not_run"), "Undoing NotDone [0]");
    assert_eq!(Run::start(&definition(&two)).saga.stands(9), saga_core::saga::StepStands::NotReached);
}
