//! What `orchestrateur reconcile` compares: what a saga believes of its effects, what is listed, and how an effect would be undone.

use saga_core::effects_page::{EffectKind, ListedEffect};
use saga_core::reconcile::{BelievedSaga, EffectLedger, OrphanKind, orphans, undo_by_id, undo_of};

use crate::support::{Kind, Run, Spec, When, definition, parse, saga_id};

/// The steps that are judged; `None`: the saga is not.
fn believed_of(run: &Run, source: impl Fn(usize) -> Option<usize>) -> Option<String> {
    match BelievedSaga::of(&run.saga, &run.records, source) {
        BelievedSaga::Over(steps) => {
            let steps = steps.iter().map(|step| format!("{}{} {:?}", step.name, step.source, step.effect));
            Some(steps.collect::<Vec<_>>().join(", "))
        }
        BelievedSaga::NotOver => None,
        BelievedSaga::Unknown => panic!("it is known"),
    }
}

fn believed(specs: &[Spec], script: &str) -> Option<String> {
    let mut run = Run::start(&definition(specs));
    run.steps(script);
    believed_of(&run, Some)
}

#[test]
fn a_saga_that_is_over_believes_in_what_it_has_done_and_not_undone() {
    let three = || [Spec::new(Kind::Read), Spec::new(Kind::Barrier), Spec::new(Kind::Barrier)];
    for (script, expected) in [
        // Its effects change while they are listed.
        ("", None),
        ("ok; ok", None),
        ("ok; ok; refused", None),
        // A read has no effect that a service could list.
        ("ok; ok; ok", Some("b1 There, c2 There")),
        ("ok; refused", Some("b1 NotThere, c2 NotThere")),
        ("ok; ok; refused; ok", Some("b1 NotThere, c2 NotThere")),
        ("refused", Some("b1 NotThere, c2 NotThere")),
    ] {
        assert_eq!(believed(&three(), script).as_deref(), expected, "{script}");
    }
    let skipped = [Spec::new(Kind::Barrier), Spec::new(Kind::Barrier).when(When::HoldsNot)];
    assert_eq!(believed(&skipped, "ok; decide").as_deref(), Some("a0 There, b1 NotThere"));
}

/// What a person has done at a service by hand is in no listing under the saga's keys.
#[test]
fn a_step_that_a_person_has_settled_is_open() {
    let two = [Spec::new(Kind::Plain), Spec::new(Kind::Plain)];
    for (script, expected) in [
        ("ok; unknown; resolve b not_run; ok", "a0 NotThere, b1 Open"),
        ("ok; unknown; resolve b ran {\"x\":1}; ok; ok", "a0 NotThere, b1 Open"),
    ] {
        assert_eq!(believed(&two, script).as_deref(), Some(expected), "{script}");
    }
}

#[test]
fn an_optional_step_that_was_passed_over_is_open() {
    let source = "saga: essai
input: { n: integer }
participants:
  shop: { url: 'http://shop', safety: idempotent }
steps:
  - { step: a, participant: shop, optional: true, retry: { attempts: 1 }, action: { post: /a }, compensation: none }
  - { step: b, participant: shop, action: { post: /b }, compensation: none, failure: NOT_B }
";
    let mut run = Run::start(&parse(source));
    run.steps("refused; ok");
    assert_eq!(believed_of(&run, Some).as_deref(), Some("a0 Open, b1 There"));
    // Participants that list nothing, and two steps of one that does.
    assert_eq!(believed_of(&run, |step| (step == 1).then_some(7)).as_deref(), Some("b7 There"));
}

#[test]
fn a_step_of_one_name_at_two_participants_has_its_effects_at_each() {
    let mut ledger = EffectLedger::default();
    let mut add = |source, kind| {
        ledger.add(source, ListedEffect { saga: saga_id(), step: "a".into(), kind, at: None, about: None });
    };
    add(0, EffectKind::Action);
    add(1, EffectKind::Action);
    add(1, EffectKind::Compensation);
    let found = orphans(saga_id(), ledger.of(saga_id()), &BelievedSaga::Unknown);
    let found: Vec<_> = found.iter().map(|orphan| (orphan.source, orphan.kind)).collect();
    assert_eq!(found, [(0, OrphanKind::Forgotten)]);
}

/// A request that is made of anything else would undo something else.
#[test]
fn a_step_of_a_forgotten_saga_is_undone_by_a_request_of_its_id_alone() {
    let undo = |compensation: &str| {
        let source = format!(
            "saga: essai
input: {{ n: integer }}
participants:
  shop: {{ url: 'http://shop', safety: barrier }}
steps:
  - {{ step: a, participant: shop, action: {{ get: '/a' }} }}
  - step: b
    participant: shop
    action: {{ post: /b }}
    compensation: {compensation}
"
        );
        let request = undo_by_id(&parse(&source), 1, saga_id())?;
        let body = request.body.map_or(String::new(), |body| format!(" {}", body.text()));
        Some(format!("{} {}{body}", request.method, request.path).replace(&saga_id().to_string(), "ID"))
    };
    for (compensation, expected) in [
        (r"{ delete: '/b/\(.saga_id)' }", Some("DELETE /b/ID")),
        (
            "{ post: /undo, body: { saga: .saga_id, all: true } }",
            Some(r#"POST /undo {"saga":"ID","all":true}"#),
        ),
        ("{ post: /undo, body: { saga: '.saga_id | ascii_upcase' } }", Some(r#"POST /undo {"saga":"ID"}"#)),
        ("{ post: /undo, body: { n: .input.n } }", None),
        ("{ post: /undo, body: { n: .a.n } }", None),
        ("{ post: /undo, body: { n: '(.input.n // 0) + 1' } }", None),
        ("{ post: /undo, body: { n: '(.a.n // 0) + 1' } }", None),
        ("{ post: /undo, body: { n: '. | tojson' } }", None),
        (r"{ delete: '/b/\(.a.n // 7)' }", None),
        ("none", None),
    ] {
        let shown = undo(compensation).map(|told| told.replace(&saga_id().to_string().to_uppercase(), "ID"));
        assert_eq!(shown.as_deref(), expected, "{compensation}");
    }
}

/// Of a saga that is known, the request may have all that the saga knows.
#[test]
fn a_step_of_a_known_saga_is_undone_by_its_own_compensation() {
    let source = "saga: essai
input: { n: integer }
participants:
  shop: { url: 'http://shop', safety: barrier }
steps:
  - { step: a, participant: shop, action: { post: /a }, compensation: none }
  - { step: b, participant: shop, action: { post: /b }, compensation: { post: /undo, body: { n: .input.n } } }
";
    let mut run = Run::start(&parse(source));
    run.steps("ok; ok");
    let request = undo_of(&run.saga, 1).expect("it can be made");
    let body = request.body.map(|body| body.text().to_owned());
    assert_eq!((request.method.as_str(), &*request.path), ("POST", "/undo"));
    assert_eq!(body.as_deref(), Some(r#"{"n":1}"#), "{}", run.saga.input().text());
    assert_eq!(undo_of(&run.saga, 0), None, "it has no compensation");
}
