//! Waits, accepted actions and pivots: what a file cannot say.

use super::meanings::warnings as warnings_about;
use crate::support::{no_env, parse};
use saga_core::Definition;

fn file(deadline: &str, steps: &[&str]) -> String {
    let steps: Vec<String> = steps.iter().map(|step| format!("  - {{ {step} }}\n")).collect();
    format!(
        "saga: essai\ninput: {{ n: integer }}\n{deadline}participants: {{ p: {{ url: 'http://p' }} }}\nsteps:\n{}",
        steps.concat()
    )
}

fn told(deadline: &str, steps: &[&str]) -> String {
    match Definition::parse("d.yaml", &file(deadline, steps), &no_env) {
        Ok(_) => String::new(),
        Err(mistakes) => mistakes.to_string(),
    }
}

const CALL: &str = "step: a, participant: p, action: { post: /a }, compensation: none";
const PIVOT: &str = "step: a, participant: p, action: { post: /a }, compensation: none, pivot: true";

#[test]
fn rule_15_a_definition_that_waits_has_a_deadline_beyond_its_pauses() {
    let pause = "step: rest, pause: 2h";
    assert!(told("", &[pause]).contains("needs a `deadline`"));
    assert!(told("deadline: 2h\n", &[pause]).contains("as long as the deadline"));
    assert!(told("deadline: 4h\n", &[pause, "step: more, pause: 2h"]).contains("up to step `more`"));
    let beside = "step: more, pause: 2h, after: []";
    parse(&file("deadline: 4h\n", &[pause, beside]));
}

#[test]
fn a_step_that_waits_only_waits_and_an_accepted_action_has_an_end() {
    for (step, why) in [
        ("step: go, signal: { name: go, within: 1h }, participant: p", "has no `participant`"),
        ("step: go, signal: { name: go }", "has no `within`"),
        ("step: go, signal: { name: go, within: 1h, refused: .status == 1 }", "a signal has .body"),
        ("step: go, signal: { name: go, within: 1h, ok: 7 }", "a condition is true or false"),
        ("step: go, pause: 4000d", "at most 3650 days"),
        (
            "step: a, participant: p, action: { post: /a, pending: .status == 202 }, compensation: none",
            "nothing says when",
        ),
        (
            "step: a, participant: p, action: { post: /a, poll: { get: /x } }, compensation: none",
            "say with `pending`",
        ),
        (
            "step: a, participant: p, action: { get: /a, pending: .status == 202, poll: { get: /x } }",
            "a get changes nothing",
        ),
        (
            "step: a, participant: p, action: { post: /a, pending: .status == 202, poll: { get: '/\\(.accepted.headers.etag)' } }, compensation: none",
            "is not kept",
        ),
    ] {
        let said = told("deadline: 30d\n", &[step]);
        assert!(said.contains(why), "{step}: {said}");
    }
}

#[test]
fn nothing_behind_a_pivot_can_fail_and_nothing_runs_beside_it() {
    for (step, why) in [
        (
            "step: b, participant: p, action: { post: /b }, compensation: none, after: []",
            "does not wait for it",
        ),
        ("step: b, participant: p, action: { post: /b }, compensation: none, failure: F", "has a `failure`"),
        ("step: b, participant: p, action: { post: /b }, compensation: { post: /c }", "has a `compensation`"),
        (
            "step: b, participant: p, action: { post: /b }, compensation: none, pivot: true",
            "a way has at most one",
        ),
        ("step: b, signal: { name: go, within: 1h }", "may be late or refuse"),
    ] {
        let said = told("deadline: 30d\n", &[PIVOT, step]);
        assert!(said.contains(why), "{step}: {said}");
    }
    let optional = "step: b, signal: { name: go, within: 1h }, optional: true";
    let definition =
        parse(&file("deadline: 30d\n", &[CALL, &PIVOT.replace("step: a", "step: c, after: []"), optional]));
    assert_eq!(definition.graph.after(1).iter().collect::<Vec<_>>(), [0], "it waits for all steps above");
    assert!(definition.has_pivot);
}

#[test]
fn a_key_in_the_wrong_place_is_told_and_never_ignored() {
    for (step, why) in [
        (
            "step: a, participant: p, action: { post: /a, when: .input.n > 1 }, compensation: none",
            "an action has no `when`",
        ),
        (
            "step: a, participant: p, action: { post: /a }, compensation: { post: /b, poll: { get: /x } }",
            "asked about with a `poll`",
        ),
        (
            "step: a, participant: p, action: { post: /a }, compensation: { post: /b, await: { signal: s, within: 1h } }",
            "remove `await`",
        ),
        (
            "step: a, participant: p, action: { post: /a }, compensation: { post: /b, pending: .status == 202 }",
            "only an action can be accepted",
        ),
        (
            "step: a, participant: p, action: { post: /a }, compensation: { post: /b }, probe: { get: /x, pending: .status == 202 }",
            "no key `pending`",
        ),
        ("step: a, pause: 1h, retry: { attempts: 2 }", "has no `retry`"),
        ("step: a, signal: { name: go, within: 1h }, persist: { cap: 2s }", "has no `persist`"),
        ("step: a, pause: 1h, pivot: true", "only a step that calls"),
        (
            "step: a, participant: p, action: { post: /a }, compensation: none, pivot: true, optional: true",
            "cannot be `optional`",
        ),
        (
            "step: a, participant: p, action: { post: /a }, compensation: none, optional: perhaps",
            "is true or false",
        ),
        (
            "step: accepted, participant: p, action: { post: /a, pending: .status == 202, poll: { get: /x } }, compensation: none",
            "another name",
        ),
    ] {
        let said = told("deadline: 30d\n", &[step]);
        assert!(said.contains(why), "{step}: {said}");
    }
}

#[test]
fn rule_14_a_promise_that_ends_before_the_deadline_is_warned_of() {
    let warnings = |deadline: &str, participant: &str| {
        let source = file(deadline, &[CALL]).replace("url: 'http://p'", participant);
        warnings_about(&source).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let long = "deadline: 30d\n";
    let told = warnings(long, "url: 'http://p', safety: barrier");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("d.yaml:3: warning: ") && told[0].contains("`p` keeps its promise"),
        "{told:?}"
    );
    assert_eq!(warnings(long, "url: 'http://p', safety: idempotent").len(), 1);
    for (deadline, participant) in [
        (long, "url: 'http://p'"),
        (long, "url: 'http://p', safety: barrier, horizon: 30d"),
        ("", "url: 'http://p', safety: barrier"),
        ("deadline: 1d\n", "url: 'http://p', safety: idempotent"),
    ] {
        assert!(warnings(deadline, participant).is_empty(), "{deadline} {participant}");
    }
}
