//! The facts about a saga besides its effects: the bytes that it keeps, the labels that it is found by, its due time.

use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::Label;

use crate::support::{Kind, Run, Spec, definition, saga_id};

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
    definition = definition.labelled_by(&["n"]);
    assert_eq!(Run::start(&Arc::new(definition)).saga.labels().get("n"), Some(&Label::Integer(1)));
}

#[test]
fn a_saga_is_due_when_its_call_ends_at_the_latest_or_when_it_wakes() {
    let mut two =
        Arc::into_inner(definition(&[Spec::new(Kind::Read), Spec::new(Kind::Plain)])).expect("its own");
    two.participants.iter_mut().for_each(|participant| participant.timeout = Duration::from_secs(3));
    let mut run = Run::start(&Arc::new(two));
    let mut due_ms = |script| {
        run.steps(script);
        (run.saga.due().map(|at| at.as_micros() / 1000), run.saga.waiting().iter().collect::<Vec<_>>())
    };
    assert_eq!(due_ms(""), (Some(3_000), vec![]), "its call may take three seconds");
    assert_eq!(due_ms("wait 1s; ok"), (Some(4_000), vec![]), "the next one begins later");
    assert_eq!(due_ms("not_sent 30s"), (Some(10_000), vec![1]), "its deadline comes before the next attempt");
    assert_eq!(due_ms("wait"), (None, vec![]), "it is over");
}

#[test]
fn every_attempt_of_a_call_has_the_same_key() {
    let mut run = Run::start(&definition(&[Spec::new(Kind::Plain)]));
    let mut key = |script| {
        run.steps(script);
        let call = run.saga.effects().first_call().expect("a call");
        run.saga.request(&call).expect("a request").idempotency_key()
    };
    let first = key("");
    assert_eq!(first, format!("{}:a:action", saga_id()));
    assert_eq!(key("not_sent; wait"), first);
}
