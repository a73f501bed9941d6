//! The report to an operator about a blocked order, and the reason why an order fails.

use std::sync::Arc;

use saga_core::Definition;

use crate::support::{Kind, Run, Spec, VOISINS, definition, parse};

fn two(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind), Spec::new(kind)])
}

/// The call that a blocked order is about, and what can be said of it.
fn shown(definition: &Arc<Definition>, script: &str) -> String {
    let mut run = Run::start(definition);
    run.steps(script);
    let Some(pending) = run.saga.pending() else { return "nothing".into() };
    let request = pending.request.expect("a request");
    format!(
        "{} of {}, {} {} #{}; {} so far{}; next {:?}; {:?}{}",
        pending.direction,
        pending.step,
        request.method,
        request.path,
        request.attempt.get(),
        pending.attempts,
        if pending.is_under_way { ", under way" } else { "" },
        pending.next_at.map(|at| at.as_micros() / 1000),
        pending.findings,
        if pending.lacks_output { " with output" } else { "" },
    )
}

#[test]
fn nothing_is_shown_while_nobody_is_needed() {
    for script in ["", "ok; ok", "ok; refused; ok"] {
        assert_eq!(shown(&two(Kind::Plain), script), "nothing", "{script}");
    }
}

#[test]
fn an_action_in_doubt_is_shown_with_all_that_can_be_said_of_it() {
    assert_eq!(
        shown(&two(Kind::Plain), "ok; unknown"),
        "action of b, POST /b #1; 1 so far; next None; [Ran, NotRun, Undone]"
    );
    let asked = definition(&[Spec::new(Kind::Plain).probed()]);
    assert_eq!(
        shown(&asked, "unknown; cancel; wait; unknown; wait; unknown"),
        "action of a, POST /a #1; 1 so far; next Some(2300); [Ran, NotRun, Undone]"
    );
}

#[test]
fn a_barrier_that_may_have_forgotten_is_shown_with_its_compensation() {
    let forgetful = definition(&[Spec::new(Kind::Barrier).horizon("3s")]);
    assert_eq!(
        shown(&forgetful, "pass 4s; unknown"),
        "compensation of a, POST /a/undo #1; 0 so far; next None; [Ran, NotRun, Undone]"
    );
}

#[test]
fn a_compensation_that_keeps_failing_is_shown_with_its_attempts() {
    let failing = "ok; refused; not_sent; wait; not_sent";
    assert_eq!(
        shown(&two(Kind::Idempotent), failing),
        "compensation of a, POST /a/undo #2; 2 so far; next Some(300); [Ran, Undone]"
    );
    assert_eq!(
        shown(&two(Kind::Idempotent), &format!("{failing}; wait")),
        "compensation of a, POST /a/undo #3; 3 so far, under way; next None; [Ran, Undone]"
    );
}

#[test]
fn of_an_order_that_goes_forward_nothing_can_be_said() {
    assert_eq!(shown(&two(Kind::Plain), "park"), "action of a, POST /a #1; 1 so far; next None; []");
}

#[test]
fn an_output_is_asked_for_where_the_compensation_is_made_of_it() {
    assert_eq!(
        shown(&parse(VOISINS), "ok; ok; ok; unknown"),
        "action of vente, POST /api/ventes #1; 1 so far; next None; [Ran, NotRun, Undone] with output"
    );
}

#[test]
fn why_an_order_fails_and_why_it_is_blocked_are_told_apart() {
    let told = |script: &str| {
        let mut run = Run::start(&two(Kind::Plain));
        run.steps(script);
        [run.saga.failure(), run.saga.blocked_by()].map(|failure| {
            failure.map(|failure| (failure.step.as_deref().map(str::to_owned), failure.reason.to_string()))
        })
    };
    let at = |step: &str, reason: &str| Some((Some(step.to_owned()), reason.to_owned()));
    let whole = |reason: &str| Some((None, reason.to_owned()));
    assert_eq!(told("ok"), [None, None]);
    assert_eq!(told("ok; refused"), [at("b", "why"), None]);
    assert_eq!(told("ok; cancel; not_sent"), [whole("cancelled on request"), None]);
    assert_eq!(told("not_sent 30s; wait"), [whole("the saga's deadline passed"), None]);
    assert_eq!(
        told("ok; refused; unknown"),
        [at("b", "why"), at("a", "nobody can know whether the compensation ran: why")]
    );
}
