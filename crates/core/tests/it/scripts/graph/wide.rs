//! The largest graphs: 64 steps at once, one after the other, and joined by one.

use std::sync::Arc;

use saga_core::definition::StepSet;
use saga_core::saga::Rollback;
use saga_core::{Definition, Direction};

use crate::support::{Kind, Run, no_env, parse};

/// The most steps of a definition.
const STEPS: usize = 64;

/// So many steps, each with what it waits for.
fn source(kind: Kind, steps: usize, after: impl Fn(usize) -> String) -> String {
    let step = |index: usize| {
        let after = after(index);
        format!(
            "  - {{ step: s{index}, participant: p, after: [{after}], action: {{ post: /s{index} }}, \
             compensation: {{ post: /u{index} }}, failure: ECHEC }}\n"
        )
    };
    let steps: String = (0..steps).map(step).collect();
    let safety = if kind == Kind::Barrier { "barrier" } else { "idempotent" };
    format!(
        "saga: large\ninput: {{ n: integer }}\nparticipants: {{ p: {{ url: 'http://p', safety: {safety} }} }}\nsteps:\n{steps}"
    )
}

fn large(kind: Kind, after: impl Fn(usize) -> String) -> Arc<Definition> {
    parse(&source(kind, STEPS, after))
}

/// The steps that are called now, and whether they are done or undone.
fn called(run: &Run) -> (StepSet, Option<Direction>) {
    let calls = run.saga.effects().calls;
    (calls.iter().map(|call| call.step).collect(), calls.first().map(|call| call.direction))
}

fn all() -> StepSet {
    (0..STEPS).collect()
}

#[test]
fn sixty_four_steps_run_and_are_undone_at_once() {
    for kind in [Kind::Barrier, Kind::Idempotent] {
        let mut run = Run::start(&large(kind, |_| String::new()));
        assert_eq!(called(&run), (all(), Some(Direction::Action)));
        for step in 0..STEPS - 1 {
            run.steps(&format!("s{step}: ok"));
        }
        assert_eq!(called(&run).0, StepSet::of(STEPS - 1));
        run.steps("refused");
        // The refused step is not undone; all other steps are, at the same time.
        assert_eq!(called(&run), ((0..STEPS - 1).collect(), Some(Direction::Compensation)));
        for step in (0..STEPS - 1).rev() {
            run.steps(&format!("s{step}: ok"));
        }
        assert!(run.saga.is_over());
        assert_eq!((run.saga.rollback(), &**run.saga.state()), (Rollback::Done, "ECHEC"));
    }
}

#[test]
fn sixty_four_steps_run_one_after_the_other_and_back() {
    let chain = |step: usize| step.checked_sub(1).map(|before| format!("s{before}")).unwrap_or_default();
    let mut run = Run::start(&large(Kind::Idempotent, chain));
    for step in 0..STEPS - 1 {
        assert_eq!(called(&run), (StepSet::of(step), Some(Direction::Action)));
        run.steps("ok");
    }
    run.steps("refused");
    for step in (0..STEPS - 1).rev() {
        assert_eq!(called(&run), (StepSet::of(step), Some(Direction::Compensation)));
        run.steps("ok");
    }
    assert!(run.saga.is_over());
}

#[test]
fn one_step_waits_for_sixty_three() {
    let last = STEPS - 1;
    let join = |step: usize| {
        let all: Vec<String> = (0..step).map(|before| format!("s{before}")).collect();
        if step == last { all.join(", ") } else { String::new() }
    };
    let mut run = Run::start(&large(Kind::Idempotent, join));
    for step in (0..last).rev() {
        assert!(!called(&run).0.contains(last), "{step} is not done");
        run.steps(&format!("s{step}: ok"));
    }
    assert_eq!(called(&run).0, StepSet::of(last));
    run.steps("ok");
    assert!(run.saga.is_over());
    assert_eq!(&**run.saga.state(), "COMPLETED");
}

#[test]
fn sixty_five_steps_are_a_mistake() {
    let told = Definition::parse("d.yaml", &source(Kind::Idempotent, STEPS + 1, |_| String::new()), &no_env);
    assert!(told.expect_err("one too many").to_string().contains("there are 65 steps"));
}
