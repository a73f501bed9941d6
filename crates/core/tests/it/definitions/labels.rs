//! Labels: what a file cannot say of them, and how they are made.

use std::sync::Arc;

use saga_core::Definition;
use saga_core::definition::{Label, Labels};

use crate::support::no_env;

fn file(labels: &str) -> String {
    format!(
        "saga: essai\ninput: {{ n: number, s: string?, o: object? }}\nlabels: {labels}\nparticipants: {{ p: {{ url: 'http://p' }} }}\nsteps:\n  \
         - step: a\n    participant: p\n    action: {{ post: /a }}\n    compensation: none\n"
    )
}

fn labels(labels: &str, input: &str) -> Result<Labels, String> {
    let definition =
        Definition::parse("d.yaml", &file(labels), &no_env).unwrap_or_else(|told| panic!("{told}"));
    let input = Arc::new(definition).read_input(input.as_bytes());
    input.map(|input| input.labels().clone()).map_err(|error| error.to_string())
}

#[test]
fn rule_22_labels_are_texts_and_whole_numbers_and_null_is_none() {
    let made = labels(
        "{ number: .input.n, text: .input.s, city: .input.o.city, both: '\"\\(.input.n)-\\(.input.s)\"' }",
        r#"{"n": 7, "s": "é", "o": {"city": "Québec"}}"#,
    )
    .expect("labels");
    let text = |text: &str| Some(Label::Text(text.into()));
    assert_eq!(made.get("number"), Some(&Label::Integer(7)));
    assert_eq!((made.get("text").cloned(), made.get("city").cloned()), (text("é"), text("Québec")));
    assert_eq!(made.get("both").cloned(), text("7-é"));
    assert_eq!(labels("{ text: .input.s, city: .input.o.city }", r#"{"n": 7}"#), Ok(Labels::default()));
}

#[test]
fn rule_22_an_input_without_a_good_label_is_refused() {
    for (rule, input, why) in [
        (".input.n", r#"{"n": 7.5}"#.to_owned(), "no text and no whole number"),
        (".input.n", r#"{"n": 9223372036854775808}"#.to_owned(), "no text and no whole number"),
        (".input.o", r#"{"n": 7, "o": {}}"#.to_owned(), "no text and no whole number"),
        ("'.input.n == 7'", r#"{"n": 7}"#.to_owned(), "no text and no whole number"),
        (".input.s", r#"{"n": 7, "s": "a\u0000b"}"#.to_owned(), "control character"),
        (".input.s", format!(r#"{{"n": 7, "s": "{}"}}"#, "é".repeat(129)), "LABEL_BYTES_MAX"),
        (".input.o.city.name", r#"{"n": 7, "o": {"city": 1}}"#.to_owned(), "not an object"),
        ("'[range(.input.n)] | length'", r#"{"n": 1000000000}"#.to_owned(), "INLINE_STEPS_MAX"),
    ] {
        let told = labels(&format!("{{ x: {rule} }}"), &input).expect_err(rule);
        assert!(told.starts_with("The label `x` cannot be made") && told.contains(why), "{rule}: {told}");
    }
    assert!(labels("{ x: .input.s }", &format!(r#"{{"n": 7, "s": "{}"}}"#, "é".repeat(128))).is_ok());
}

#[test]
fn a_label_reads_the_input_alone() {
    let many: Vec<String> = (0..9).map(|label| format!("l{label}: 1")).collect();
    for (labels, why) in [
        ("{ x: .a }", "`.a` does not exist here"),
        ("{ x: .saga_id }", "made of the input alone"),
        ("{ x: .created_at }", "made of the input alone"),
        ("{ x: .failure }", "`.failure` does not exist here"),
        ("{ x: .input.m }", "`.input.m` does not exist"),
        ("{ 'a b': 1 }", "the label's name `a b`"),
        ("{ x: { y: 1 } }", "`x` in `labels` needs a text"),
        ("{ x: '.input.n |' }", "jq:"),
        (&format!("{{ {} }}", many.join(", ")), "LABELS_MAX"),
    ] {
        let told = Definition::parse("d.yaml", &file(labels), &no_env).expect_err(labels).to_string();
        assert!(told.contains(why), "{labels}: {told}");
    }
}

#[test]
fn a_face_adds_its_labels_and_takes_the_place_of_others() {
    let definition =
        Definition::parse("d.yaml", &file("{ n: 1, s: .input.s }"), &no_env).expect("a definition");
    let definition = Arc::new(definition.labelled_by(&["n"]));
    let input = definition.read_input(br#"{"n": 7, "s": "x"}"#).expect("an input");
    let made: Vec<_> = input.labels().iter().map(|(name, label)| format!("{name}={label}")).collect();
    assert_eq!(made, ["n=7", "s=x"]);
}
