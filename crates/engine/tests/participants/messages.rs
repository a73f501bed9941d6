//! A request as it is sent: its headers, and the type of its body.

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::Definition;
use saga_core::understood::{input, understood};
use saga_engine::participants::as_sent;

/// The headers and the body of the one call of a definition: `participant` are keys of its participant.
async fn sent(participant: &str, call: &str) -> (BTreeMap<String, String>, String) {
    let source = format!(
        "saga: s\ninput: {{ n: integer }}\nparticipants: {{ p: {{ url: 'http://p', {participant} }} }}\nsteps:\n  - step: a\n    \
             participant: p\n    action: {{ post: /a, {call} }}\n    compensation: none\n"
    );
    let definition = Arc::new(Definition::parse("test.yaml", &source, &|_| None).expect("a definition"));
    let mut steps = understood(input(&definition).expect("a sample"), &BTreeMap::new());
    let request = steps.remove(0).action.expect("a call").request.expect("a request");
    let message = as_sent(&definition.participants[0], &request).expect("a message");
    let headers = message.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()));
    let headers = headers.collect();
    let body = message.into_body();
    (headers, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn each_body_says_what_it_is() {
    for (call, kind, body) in [
        ("body: { n: .input.n }", "application/json", r#"{"n":1}"#),
        ("form: { n: .input.n, at: '\"a b\"' }", "application/x-www-form-urlencoded", "n=1&at=a+b"),
        ("text: '\"n=\\(.input.n)\"', content_type: text/csv", "text/csv", "n=1"),
        ("text: .input.n", "text/plain; charset=utf-8", "1"),
        (
            "body: .input.n, headers: { Content-Type: '\"application/vnd.p+json\"' }",
            "application/vnd.p+json",
            "1",
        ),
    ] {
        let (headers, told) = sent("timeout: 1s", call).await;
        assert_eq!((headers["content-type"].as_str(), told.as_str()), (kind, body), "{call}");
        // A participant's own type is one of JSON.
        let with = "headers: { Content-Type: application/p+json }";
        let (headers, _) = sent(with, call).await;
        let kind = if kind == "application/json" { "application/p+json" } else { kind };
        assert_eq!(headers["content-type"], kind, "{call}");
    }
}

#[tokio::test]
async fn a_call_s_header_takes_the_place_of_its_participant_s() {
    let (headers, _) = sent(
        "headers: { X-Api: v1, X-Shop: '7' }",
        "headers: { x-api: '\"v\\(.input.n + 1)\"', x-none: .input.n | if . == 1 then null else . end }",
    )
    .await;
    assert_eq!((headers["x-api"].as_str(), headers["x-shop"].as_str()), ("v2", "7"));
    assert!(!headers.contains_key("x-none"));
    let (headers, _) = sent("timeout: 1s", "headers: { accept: '\"text/csv\"' }").await;
    assert_eq!(headers["accept"], "text/csv");
}
