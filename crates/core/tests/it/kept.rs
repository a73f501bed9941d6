//! What a saga keeps in memory, and what it is found by.

use std::sync::Arc;

use saga_core::definition::Label;

use crate::support::{Kind, Run, Spec, definition};

#[test]
fn a_saga_keeps_its_input_and_the_outputs_of_steps_that_stand() {
    let two = definition(&[Spec::new(Kind::Barrier), Spec::new(Kind::Barrier).from(&[0])]);
    let mut run = Run::start(&two);
    let input = run.saga.input().text().len();
    let output = r#"{"x":1}"#.len();
    let mut kept = |script| {
        run.steps(script);
        (run.saga.payload_bytes(), run.saga.keeps_outputs())
    };
    assert_eq!(kept(""), (input, false));
    assert_eq!(kept("ok"), (input + output, true));
    assert_eq!(kept("refused"), (input + output, true), "its compensation is made of it");
    assert_eq!(kept("ok"), (input, false), "it is undone");
}

#[test]
fn a_saga_has_the_labels_that_its_definition_makes_of_the_input() {
    let mut definition =
        Arc::into_inner(definition(&[Spec::new(Kind::Plain)])).expect("a definition of one's own");
    definition.labels = vec!["n".into()];
    assert_eq!(Run::start(&Arc::new(definition)).saga.labels().get("n"), Some(&Label::Integer(1)));
}
