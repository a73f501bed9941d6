//! States that a definition need not name.

use super::{SHORT, check, taken};

#[test]
fn states_have_default_names() {
    let names = |source: &str| {
        let definition = taken(source);
        let states = &definition.states;
        [&states.started, &states.completed, &states.cancelled, &definition.steps[0].failure]
            .map(|state| state.to_string())
    };
    assert_eq!(names(SHORT), ["STARTED", "COMPLETED", "CANCELLED", "FAILED"]);
    let some =
        SHORT.replace("participants:", "states: { completed: DONE }\nparticipants:") + "    failure: NOT_A\n";
    assert_eq!(names(&some), ["STARTED", "DONE", "CANCELLED", "NOT_A"]);
}

#[test]
fn a_default_is_no_second_meaning() {
    check(&[
        (
            "    compensation",
            "    success: COMPLETED\n    compensation",
            &[
                "1: the state `COMPLETED` means the success of step `a` already, and would be `states.completed` as well, \
               which has no name of its own; give it one: `completed: NAME`",
            ],
        ),
        (
            "    compensation",
            "    success: FAILED\n    compensation",
            &[
                "5: the state `FAILED` means the success of step `a` already, and would be a step's failure as well, which \
               has no name of its own; give it one: `failure: NAME`",
            ],
        ),
        (
            "participants:",
            "states: { started: CANCELLED }\nparticipants:",
            &[
                "1: the state `CANCELLED` means `states.started` already, and would be `states.cancelled` as well, which has \
               no name of its own; give it one: `cancelled: NAME`",
            ],
        ),
        (
            "    compensation",
            "    failure: STARTED\n    compensation",
            &[
                "1: the state `STARTED` means a step's failure already, and would be `states.started` as well, which has no \
             name of its own; give it one: `started: NAME`",
            ],
        ),
    ]);
}
