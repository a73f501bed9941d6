//! What a completed saga answers, and what compensations read of its failure.

use super::super::check;
use super::between;
use crate::support::{Run, parse};
use saga_core::{Definition, Direction};
use std::sync::Arc;

/// `a` and `z`, and an output of the file.
fn with_output(output: &str) -> Arc<Definition> {
    parse(&between("").source.replacen("steps:", &format!("output: {output}\nsteps:"), 1))
}

#[test]
fn rule_23_the_output_is_made_when_the_saga_completes() {
    let definition = with_output("{ n: .input.n, at: .created_at }");
    check!(&definition, "ok; ok; output", @r#"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      4 +z#1
      = call +z#1 needs 4, wake at 8640000s
    > ok
      5 +z#1 ok [Z]
      = make output
    > output
      6 output {"n":1,"at":"1970-01-01T00:00:00.000000Z"}
      7 completed [FINI]
      = answer needs 7
    FINI None over
    "#);
    let mut run = Run::start(&definition);
    run.steps("ok; ok; output");
    let output = run.saga.output().map(|output| output.text().to_owned());
    assert_eq!(output.as_deref(), Some(r#"{"n":1,"at":"1970-01-01T00:00:00.000000Z"}"#));
}

#[test]
fn rule_23_an_output_with_an_error_is_null_and_fails_nothing() {
    check!(&with_output("'.input.n | error(\"no\")'"), "ok; ok; output", @r#"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      4 +z#1
      = call +z#1 needs 4, wake at 8640000s
    > ok
      5 +z#1 ok [Z]
      = make output
    > output
      6 output null (`.input.n | error("no")`: "no")
      7 completed [FINI]
      = answer needs 7
    FINI None over
    "#);
    // The output of a saga that is not completed is not made.
    check!(&with_output(".input.n"), "ok; refused; ok", @r"
    > start
      1 started [DEBUT]
      2 +a#1
      = call +a#1 needs 2, wake at 8640000s
    > ok
      3 +a#1 ok [A]
      4 +z#1
      = call +z#1 needs 4, wake at 8640000s
    > refused
      5 +z#1 refused
      6 rollback: z failed (why) [ECHEC_Z]
      7 -a#1
      = call -a#1 needs 7
    > ok
      8 -a#1 ok
      9 rolled back
      = answer needs 9
    ECHEC_Z Done over
    ");
}

#[test]
fn rule_7_a_compensation_reads_why_it_is_made_and_a_cancelled_saga_has_no_failure() {
    let source = between("")
        .source
        .replace("{ post: /a/undo }", "{ post: /a/undo, body: .failure, headers: { X-At: .created_at } }");
    let definition = parse(&source);
    let undo = |script: &str| {
        let mut run = Run::start(&definition);
        run.steps(script);
        let call = run.saga.effects().calls[0];
        assert_eq!(call.direction, Direction::Compensation, "{script}");
        let request = run.saga.request(&call).expect("a request");
        (request.body.expect("a body").text().to_owned(), request.headers.len())
    };
    assert_eq!(undo("ok; refused"), (r#"{"step":"z","reason":"why"}"#.to_owned(), 1));
    assert_eq!(undo("ok; cancel; refused"), ("null".to_owned(), 1));
}
