//! Headers, forms and texts of calls: what is sent, and what a file cannot say.

use std::sync::Arc;

use saga_core::saga::{Moment, NewSaga, Request, Saga};
use saga_core::{Definition, SagaId, Timestamp, retry::Random};
use saga_testkit::schema::check;

use super::meanings::warnings as warnings_about;
use crate::support::no_env;

/// A definition whose one step is called like this.
fn file(call: &str) -> String {
    format!(
        "saga: essai\ninput: {{ n: number, s: string, b: boolean }}\nparticipants: {{ p: {{ url: 'http://p' }} }}\nsteps:\n  \
         - step: a\n    participant: p\n    action:\n      post: /a\n      {}\n    compensation: none\n",
        call.replace('\n', "\n      ")
    )
}

/// The first request of a saga with this input.
fn request(call: &str, input: &str) -> Result<Request, String> {
    let definition =
        Definition::parse("d.yaml", &file(call), &no_env).unwrap_or_else(|told| panic!("{told}"));
    let input = Arc::new(definition).read_input(input.as_bytes()).expect("an input");
    let now = Moment { now: Timestamp::from_micros(0), random: Random(0) };
    let (saga, _) = Saga::start(NewSaga::of(SagaId::from_idempotency_key("k"), input), now);
    saga.request(&saga.effects().calls[0]).map_err(|error| error.to_string())
}

fn body(call: &str, input: &str) -> Result<(String, String), String> {
    let body = request(call, input)?.body.expect("a body");
    Ok((body.content_type().to_str().expect("text").to_owned(), body.text().to_owned()))
}

const INPUT: &str = r#"{"n": 12.50, "s": "a&b é", "b": true}"#;

#[test]
fn rule_27_a_form_has_scalars_and_lists_and_nothing_else() {
    let sent = |form: &str| {
        body(form, INPUT).map(|(kind, text)| (kind == "application/x-www-form-urlencoded", text))
    };
    let told = |form: &str| sent(form).expect_err(form);
    assert_eq!(
        sent(
            "form: { amount: .input.n, note: .input.s, to: '[1, \"x\"]', none: '.input.b | not | if . then 1 else null end' }"
        ),
        Ok((true, "amount=12.50&note=a%26b+%C3%A9&to=1&to=x".into()))
    );
    assert_eq!(sent("form: '{b: .input.b} + {c: 1}'"), Ok((true, "b=true&c=1".into())));
    assert_eq!(sent("form: '{}'"), Ok((true, String::new())));
    assert!(told("form: { a: '{x: .input.n} | . + {}' }").contains("`a` in `form`"));
    assert!(told("form: '[.input.n]'").contains("no object"));
}

#[test]
fn a_text_is_sent_as_it_is_with_its_type() {
    assert_eq!(
        body("text: '\"<n>\\(.input.n)</n>\"'\ncontent_type: application/xml", INPUT),
        Ok(("application/xml".into(), "<n>12.50</n>".into()))
    );
    assert_eq!(body("text: .input.s", INPUT), Ok(("text/plain; charset=utf-8".into(), "a&b é".into())));
    assert!(body("text: 'if .input.b then null else 1 end'", INPUT).expect_err("null").contains("null"));
    assert!(body("text: '[.input.n]'", INPUT).expect_err("a list").contains("a list"));
}

#[test]
fn rule_27_headers_are_computed_and_a_control_character_fails_the_step() {
    let call =
        "headers: { If-Match: .input.s, X-Amount: .input.n, X-None: '.input.b | if . then null else 1 end' }";
    let headers = |input: &str| request(call, input).map(|request| request.headers);
    let sent = headers(INPUT).expect("headers");
    let sent: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(sent, [("if-match", "a&b é".as_bytes()), ("x-amount", b"12.50")]);
    let told = headers(r#"{"n": 1, "s": "a\r\nHost: evil", "b": true}"#).expect_err("two lines");
    assert!(told.contains("`if-match` has a control character"), "{told}");
}

#[test]
fn a_file_says_one_body_and_headers_that_can_be_sent() {
    for (call, why) in [
        ("body: .input.n\nform: { a: 1 }", "one body, and this is `body` and `form`"),
        ("form: { a: 1 }\ntext: .input.s", "one body, and this is `form` and `text`"),
        ("form: .input\ncontent_type: text/csv", "`content_type` says what a `text` is"),
        ("content_type: text/csv", "`content_type` says what a `text` is"),
        ("text: .input.s\ncontent_type: csv", "is not a content type"),
        ("text: .input.s\ncontent_type: \"text/csv\\n\"", ""),
        ("text: .input.s\ncontent_type: 'text/cs v'", "is not a content type"),
        ("text: { a: 1 }", "this is an object"),
        ("form: { a: { b: 1 } }", "\"a\" is an object"),
        ("form: { a: '{b: 1}' }", "\"a\" is an object"),
        ("form: 7", "an object of names and values"),
        ("form: '\"a=\\(.input.n)\"'", "this is a text"),
        ("form: [a]", "put it into quotes"),
        ("form: { a: .input.m }", "`.input.m` does not exist"),
        ("text: .status", "`.status` does not exist here"),
        ("headers: { Content-Length: 7 }", "says how a message is sent"),
        ("headers: { saga-id: 7 }", "every call carries one of its own"),
        ("headers: { Idempotency-Key: .input.s }", "every call carries one of its own"),
        ("headers: { 'a b': 7 }", "not a header that can be sent"),
        ("headers: { X-A: 7, x-a: 8 }", "here twice"),
        ("headers: { X-A: { b: 1 } }", "is an object"),
        ("headers: { X-A: .input.m }", "`.input.m` does not exist"),
        ("headers: { X-A: }", "no value"),
        ("headers: 7", "`headers`"),
        ("form: { a: 1 }\nheaders: { content-type: .input.s }", "a content type of its own"),
    ] {
        let source = file(call);
        let told = Definition::parse("d.yaml", &source, &no_env).map(|_| ()).map_err(|told| told.to_string());
        match told {
            Ok(()) => assert!(why.is_empty(), "{call}: accepted"),
            Err(told) => assert!(!why.is_empty() && told.contains(why), "{call}: {told}"),
        }
    }
    let many: Vec<String> = (0..33).map(|header| format!("X-{header}: 1")).collect();
    let told = Definition::parse("d.yaml", &file(&format!("headers: {{ {} }}", many.join(", "))), &no_env);
    assert!(told.expect_err("too many").to_string().contains("CALL_HEADERS_MAX"));
    let told = Definition::parse("d.yaml", &file("form: { a: 1 }").replace("post", "get"), &no_env);
    assert!(told.expect_err("a form in a path's place").to_string().contains("a get has no body"));
}

#[test]
fn a_secret_that_is_written_into_a_header_is_warned_of() {
    let told = |call: &str| warnings_about(&file(call)).contains("kept in the journal");
    assert!(told("headers: { X-Api-Key: '\"abc\"' }"));
    assert!(!told("headers: { X-Api-Key: .input.s }"));
}

#[test]
fn editors_know_these_keys() {
    let schema = include_str!("../../../../../sagas/definition.schema.json");
    let schema = serde_json::from_str(schema).expect("JSON");
    let is_valid = |call: &str| {
        let value = serde_saphyr::from_str(&file(call)).expect("YAML");
        check(&schema, &schema, &value).is_ok()
    };
    assert!(
        is_valid("form: { a: 1, b: [] }\nheaders: { X-A: .input.s, X-B: 7 }") || is_valid("form: { a: 1 }")
    );
    assert!(is_valid("text: .input.s\ncontent_type: text/csv\nheaders: { X-A: .input.s, X-B: 7 }"));
    assert!(!is_valid("headers: { X-A: { b: 1 } }"));
}
