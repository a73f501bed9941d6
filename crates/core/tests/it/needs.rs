//! The durability rule: the table `needs` of docs/decisions/0003-needs.md, row by row.
//!
//! Each test lists, in the order in which they are wanted, the calls of a run and the event each of them needs.

use std::sync::Arc;

use saga_core::definition::{Graph, StepSet};
use saga_core::{Definition, Direction};

use crate::support::{Kind, Run, Spec, checkout, definition, name};

/// Every call wanted during `script`, with what it needs, and the answer at the end: `+a@0 +b@4 =9`.
fn needs(definition: &Arc<Definition>, script: &str) -> String {
    let mut run = Run::start(definition);
    let mut seen = Vec::new();
    let mut note = |run: &Run| {
        let effects = run.saga.effects();
        if let Some(call) = effects.first_call() {
            let sign = match call.direction {
                Direction::Action => '+',
                Direction::Compensation => '-',
                Direction::Probe => '?',
                Direction::Poll => '~',
            };
            let line = format!("{sign}{}@{}", name(call.step), call.needs);
            if seen.last() != Some(&line) {
                seen.push(line);
            }
        }
        if let Some(seq) = effects.answer {
            seen.push(format!("={seq}"));
        }
    };
    note(&run);
    for line in script.split(';') {
        run.step(line.trim());
        note(&run);
    }
    seen.join(" ")
}

fn steps(kinds: &[Kind]) -> Arc<Definition> {
    definition(&kinds.iter().map(|kind| Spec::new(*kind)).collect::<Vec<_>>())
}

use Kind::{Barrier, Idempotent, Plain, Read};

#[test]
fn a_happy_checkout_against_barriers_waits_for_two_events_only() {
    // The start of the first call with an effect, and the end.
    assert_eq!(needs(&checkout("barrier"), "ok; ok; ok; ok"), "+a@0 +b@4 +c@4 +d@4 =10");
}

#[test]
fn a_happy_checkout_otherwise_waits_once_for_each_step() {
    for safety in ["none", "idempotent"] {
        assert_eq!(needs(&checkout(safety), "ok; ok; ok; ok"), "+a@0 +b@4 +c@6 +d@8 =10", "{safety}");
    }
}

#[test]
fn a_read_needs_nothing_even_after_an_effect() {
    assert_eq!(needs(&steps(&[Read, Read, Barrier, Read]), "ok; ok; ok; ok"), "+a@0 +b@0 +c@6 +d@0 =10");
}

#[test]
fn the_first_effect_needs_the_start_and_all_that_its_request_is_made_of() {
    for kind in [Plain, Idempotent, Barrier] {
        assert_eq!(needs(&steps(&[kind]), "ok"), "+a@2 =4", "{kind:?}");
        assert_eq!(needs(&steps(&[Read, kind]), "ok; ok"), "+a@0 +b@4 =6", "{kind:?}");
    }
}

#[test]
fn a_barrier_after_a_plain_step_waits_for_that_steps_result() {
    assert_eq!(
        needs(&steps(&[Barrier, Plain, Barrier, Barrier]), "ok; ok; ok; ok"),
        "+a@2 +b@4 +c@5 +d@5 =10"
    );
    assert_eq!(needs(&steps(&[Idempotent, Barrier]), "ok; ok"), "+a@2 +b@3 =6");
}

#[test]
fn a_barrier_waits_for_the_outputs_that_later_requests_are_made_of() {
    let from_a_barrier = definition(&[Spec::new(Barrier), Spec::new(Barrier).from(&[0]), Spec::new(Barrier)]);
    assert_eq!(needs(&from_a_barrier, "ok; ok; ok"), "+a@2 +b@3 +c@3 =8");
    let from_a_read = definition(&[Spec::new(Barrier), Spec::new(Read), Spec::new(Barrier).from(&[1])]);
    assert_eq!(needs(&from_a_read, "ok; ok; ok"), "+a@2 +b@0 +c@5 =8");
}

#[test]
fn a_repetition_waits_for_its_own_record_unless_it_is_a_barriers() {
    assert_eq!(needs(&steps(&[Idempotent]), "unknown; wait; unknown; wait; ok"), "+a@2 +a@4 +a@6 =8");
    assert_eq!(needs(&steps(&[Plain]), "not_sent; wait; ok"), "+a@2 +a@4 =6");
    assert_eq!(needs(&steps(&[Barrier]), "unknown; wait; unknown; wait; ok"), "+a@2 =8");
}

#[test]
fn a_first_compensation_needs_the_decision_to_roll_back() {
    // The decision is event 7. Barriers may then be undone ahead of the disk; others wait for each other.
    let script = "ok; ok; refused; ok; ok";
    assert_eq!(needs(&steps(&[Barrier, Barrier, Barrier]), script), "+a@2 +b@2 +c@2 -b@8 -a@8 =13");
    assert_eq!(needs(&steps(&[Idempotent, Idempotent, Barrier]), script), "+a@2 +b@4 +c@5 -b@9 -a@11 =13");
    assert_eq!(needs(&steps(&[Plain, Plain, Plain]), script), "+a@2 +b@4 +c@6 -b@9 -a@11 =13");
}

#[test]
fn a_repeated_compensation_waits_for_its_own_record_unless_it_is_a_barriers() {
    let script = "ok; refused; not_sent; wait; ok";
    assert_eq!(needs(&steps(&[Barrier, Barrier]), script), "+a@2 +b@2 -a@6 =11");
    assert_eq!(needs(&steps(&[Idempotent, Barrier]), script), "+a@2 +b@3 -a@7 -a@9 =11");
    assert_eq!(needs(&steps(&[Plain, Barrier]), script), "+a@2 +b@3 -a@7 -a@9 =11");
}

#[test]
fn a_barriers_compensation_that_only_a_person_may_want_waits_for_its_own_record() {
    let forgetful = definition(&[Spec::new(Barrier).horizon("3s"), Spec::new(Barrier)]);
    // Blocked (7), resumed (8); what is tried again after that waits as well.
    assert_eq!(
        needs(&forgetful, "ok; pass 4s; refused; resume; not_sent; wait; ok"),
        "+a@2 +b@2 =7 -a@9 -a@11 =13"
    );
    assert_eq!(needs(&forgetful, "ok; pass 4s; refused; resolve a ran; ok"), "+a@2 +b@2 =7 -a@9 =11");
}

#[test]
fn a_question_needs_nothing_or_after_a_take_over_its_own_record() {
    let probed = definition(&[Spec::new(Plain).probed()]);
    assert_eq!(needs(&probed, "unknown; wait; ok"), "+a@2 ?a@0 =6");
    assert_eq!(needs(&probed, "unknown; wait; take-over; wait; ok"), "+a@2 ?a@0 ?a@6 =8");
}

#[test]
fn a_compensation_made_of_an_answer_that_came_while_rolling_back_needs_that_answer() {
    // Cancelled (3) with the call in flight; its answer is event 4.
    assert_eq!(needs(&steps(&[Idempotent]), "cancel; ok; ok"), "+a@2 -a@5 =7");
}

#[test]
fn after_a_take_over_every_call_needs_the_new_epoch() {
    assert_eq!(needs(&steps(&[Read, Barrier, Barrier]), "ok; ok; take-over; ok"), "+a@0 +b@4 +c@4 +c@8 =10");
    assert_eq!(needs(&steps(&[Read, Barrier]), "take-over; ok; ok"), "+a@0 +a@4 +b@6 =8");
    assert_eq!(needs(&steps(&[Read, Barrier]), "not_sent; take-over; wait; ok; ok"), "+a@0 +a@5 +b@7 =9");
    assert_eq!(needs(&steps(&[Barrier, Barrier]), "ok; refused; take-over; ok"), "+a@2 +b@2 -a@6 -a@9 =11");
}

#[test]
fn an_answer_needs_the_end_or_the_event_that_says_blocked() {
    assert_eq!(needs(&steps(&[Read]), "cancel"), "+a@0 =4");
    assert_eq!(needs(&steps(&[Plain]), "unknown"), "+a@2 =5");
    // While it is blocked and still tried, the answer stands.
    let blocked = needs(&steps(&[Barrier, Barrier]), "ok; refused; refused; wait; refused; wait; ok");
    assert_eq!(blocked, "+a@2 +b@2 -a@6 =11 -a@6 =11 =14");
}

#[test]
fn of_calls_side_by_side_each_needs_its_own_start() {
    let mut fork = Arc::into_inner(steps(&[Plain, Plain, Plain])).expect("its own");
    fork.graph = Graph::new(vec![StepSet::NONE, StepSet::NONE, StepSet::first(2)]);
    assert_eq!(needs(&Arc::new(fork), "ok; ok; refused; ok; ok"), "+a@2 +b@3 +c@6 -a@9 -b@10 =13");
}
