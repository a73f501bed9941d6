//! The ways through a definition, as its conditions decide.

use std::path::Path;

use saga_core::Definition;
use saga_core::understood::ways;

use crate::support::{no_env, parse};

/// The ways through steps `a`, `b`, ... with these conditions, each as the names of its steps.
fn through(input: &str, conditions: &[&str]) -> Vec<String> {
    let step = |(number, when): (usize, &&str)| {
        let name = char::from(b'a' + number as u8);
        let when = if when.is_empty() { String::new() } else { format!(", when: '{when}'") };
        format!(
            "  - {{ step: {name}, participant: p, action: {{ post: /x, output: .body }}, compensation: none{when} }}\n"
        )
    };
    let steps: String = conditions.iter().enumerate().map(step).collect();
    told(&parse(&format!(
        "saga: w\ninput: {input}\nparticipants: {{ p: {{ url: 'http://p' }} }}\nsteps:\n{steps}"
    )))
}

fn told(definition: &Definition) -> Vec<String> {
    let all = ways(definition);
    let names = |way: &saga_core::understood::WayThrough| {
        way.steps.iter().map(|step| &*definition.steps[step].name).collect::<Vec<_>>().join(" ")
    };
    let mut told: Vec<String> = all.ways.iter().map(names).collect();
    told.extend(all.are_more.then(|| "...".to_owned()));
    told
}

#[test]
fn without_conditions_there_is_one_way() {
    assert_eq!(through("{ n: integer }", &["", ""]), ["a b"]);
}

#[test]
fn a_condition_makes_two() {
    assert_eq!(through("{ n: integer }", &["", ".input.n > 100"]), ["a b", "a"]);
    assert_eq!(through("{ ok: boolean }", &["", ".input.ok"]), ["a b", "a"]);
    assert_eq!(through("{ n: integer? }", &["", ".input.n == null"]), ["a b", "a"]);
}

#[test]
fn conditions_that_exclude_each_other_do_so() {
    let ways = ["", ".input.way == \"by air\"", ".input.way == \"by sea\""];
    assert_eq!(through("{ way: string }", &ways), ["a b", "a c", "a"]);
    let amounts = [".input.n >= 1000", ".input.n < 1000 and .input.n > 0", ".input.n > 0"];
    assert_eq!(through("{ n: number }", &amounts), ["a c", "b c", ""]);
}

#[test]
fn of_an_enumeration_each_value_is_tried_and_no_other() {
    let schema = "{ schema: { type: object, required: [way], properties: { way: { enum: [x, y] } } } }";
    assert_eq!(through(schema, &[".input.way == \"x\"", ".input.way == \"y\""]), ["a", "b"]);
}

#[test]
fn a_condition_about_an_output_may_hold_or_not() {
    assert_eq!(through("{ n: integer }", &["", ".a.found"]), ["a b", "a"]);
    assert_eq!(through("{ n: integer }", &["", ".a.found", ".a.found | not"]), ["a b c", "a b", "a c", "a"]);
}

#[test]
fn a_condition_that_no_tried_input_changes_may_hold_or_not() {
    assert_eq!(through("{ name: string }", &["", "(.input.name | length) == 77"]), ["a b", "a"]);
}

#[test]
fn many_ways_are_cut() {
    let free: Vec<String> = (0..12).map(|n| format!(".a.x{n}")).collect();
    let conditions: Vec<&str> = [""].into_iter().chain(free.iter().map(String::as_str)).collect();
    let told = through("{ n: integer }", &conditions);
    assert_eq!((told.len(), told.last().map(String::as_str)), (33, Some("...")));
}

#[test]
fn many_inputs_are_not_tried() {
    let inputs: Vec<String> = (0..10).map(|n| format!("n{n}: integer")).collect();
    let conditions: Vec<String> = (0..10).map(|n| format!(".input.n{n} == {n}")).collect();
    let conditions: Vec<&str> = conditions.iter().map(String::as_str).collect();
    let told = through(&format!("{{ {} }}", inputs.join(", ")), &conditions);
    assert_eq!(told.last().map(String::as_str), Some("..."));
}

#[test]
fn the_examples_have_the_ways_that_they_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sagas/examples");
    let of = |name: &str| {
        let source = std::fs::read_to_string(folder.join(name)).expect("an example");
        let definition = Definition::parse(name, &source, &no_env).expect("a definition");
        told(&definition)
    };
    assert_eq!(
        of("onboarding.yaml"),
        ["company review account greeting", "identity account greeting", "invitation account greeting"]
    );
}

#[test]
fn the_pauses_of_a_way_are_those_of_its_steps_one_after_the_other() {
    let definition = parse(
        "saga: w
input: { slow: boolean }
deadline: 9d
participants: { p: { url: 'http://p' } }
steps:
  - { step: a, pause: 1d }
  - { step: b, pause: 3d, after: [a], when: .input.slow }
  - { step: c, pause: 2d, after: [a] }
  - { step: d, pause: 1h, after: [b, c] }",
    );
    let hours: Vec<u64> = ways(&definition).ways.iter().map(|way| way.pauses.as_secs() / 3600).collect();
    assert_eq!(hours, [24 + 72 + 1, 24 + 48 + 1]);
}
