//! Answers that an action was accepted, and answers to its poll.

use saga_core::reply::{Answer, Reply, verdict};
use saga_core::{Definition, Outcome};

use super::{answered, call, judge, outcome};
use Outcome::{Ok, Refused, Unknown};

/// A post that may be accepted, with these further keys.
fn pending(keys: &str) -> Definition {
    call("post", &format!("      pending: .status == 202 or .body.later == true\n{keys}"))
}

#[test]
fn rule_10_pending_stands_between_unknown_and_refused() {
    let keys = "      poll: { get: /jobs }\n      unknown: .body.dark == true\n      refused: .status == 202 and .body.no == true\n";
    let definition = pending(keys);
    for (status, body, meant) in [
        (202, "{}", Outcome::Accepted),
        (202, r#"{"dark":true}"#, Unknown),
        (202, r#"{"no":true}"#, Outcome::Accepted),
        (200, r#"{"later":true}"#, Outcome::Accepted),
        (500, r#"{"later":true}"#, Outcome::Accepted),
        (200, r#"{"later":7}"#, Ok),
        (404, "{}", Refused),
    ] {
        assert_eq!(outcome(&definition, status, body), meant, "{status} {body}");
    }
}

#[test]
fn rule_13_of_a_poll_only_refused_refuses_and_only_ok_succeeds() {
    let of_poll = |keys: &str, status: u16, body: &str| {
        let definition = pending(&format!("      poll: {{ get: /jobs{keys} }}\n"));
        let acceptance = definition.steps[0].acceptance().expect("an end");
        verdict(&acceptance.poll.as_ref().expect("a poll").call, &answered(status, body.as_bytes())).outcome
    };
    for status in 100..=599 {
        let meant = match status {
            200 => Ok,
            201..=299 => Outcome::Accepted,
            _ => Unknown,
        };
        assert_eq!(of_poll("", status, "{}"), meant, "{status}");
    }
    let keys = ", ok: .body.done == true, refused: .status == 410";
    assert_eq!(
        [200, 410, 404].map(|status| of_poll(keys, status, "{}")),
        [Outcome::Accepted, Refused, Unknown]
    );
    assert_eq!(of_poll(keys, 500, r#"{"done":true}"#), Ok);
    assert_eq!(of_poll(", ok: .body.done", 200, "{}"), Unknown, "an answer that cannot be read");
}

#[test]
fn an_accepted_answer_that_gives_an_address_may_have_any_body() {
    let accepted = |get: &str, body: &str| {
        let definition = pending(&format!("      poll: {{ get: {get} }}\n"));
        let headers = vec![("location".to_owned(), "/jobs/7".to_owned())];
        let answer = Answer { status: 202, headers, body: body.into(), ..Answer::default() };
        let told = judge(&definition, &Reply::Answered(answer));
        (told.outcome, told.output.map(|output| output.text().to_owned()))
    };
    let location = r#"{"headers":{"location":"/jobs/7"}}"#;
    for body in ["", "<p>later</p>", "{}"] {
        assert_eq!(
            accepted(".accepted.headers.location", body),
            (Outcome::Accepted, Some(location.to_owned()))
        );
    }
    let by_id = r"'/jobs/\(.accepted.body.id)'";
    assert_eq!(accepted(by_id, r#"{"id":7}"#), (Outcome::Accepted, Some(r#"{"body":{"id":7}}"#.to_owned())));
    assert_eq!(accepted(by_id, "<p>later</p>"), (Unknown, None));
}
