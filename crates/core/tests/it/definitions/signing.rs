//! Participants whose calls are signed.

use saga_core::Definition;
use saga_core::definition::{Checked, Mistakes};
use saga_testkit::definition::change;

use crate::support::no_env;

const SOURCE: &str = "saga: essai
deadline: 1h
participants:
  plain: { url: 'http://plain', headers: { Signature: mine } }
  stock: { url: 'http://stock', sign: true }
  bank: { url: 'http://bank', sign: true }
steps:
  - step: a
    participant: plain
    action: { post: /a, headers: { Content-Digest: '\"mine\"' } }
    compensation: none
  - step: b
    participant: stock
    action:
      post: /b
      pending: .status == 202
      poll: { get: /b, within: 10s }
    compensation: { delete: /b }
    probe: { get: /probe }
";

/// A type that the environment of a check has.
struct Nothing;

impl saga_core::definition::Variables for Nothing {
    fn variable(&self, name: &str) -> Option<String> {
        no_env(name)
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("there is none".into())
    }
}

fn check(source: &str) -> Result<Checked, Mistakes> {
    Definition::check("d.yaml", source, &Nothing)
}

#[test]
fn the_first_signed_participant_is_named_by_its_line() {
    let checked = check(SOURCE).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(checked.signs, Some(5));
    let signed: Vec<_> =
        checked.definition.participants.iter().map(|each| (&*each.name, each.is_signed)).collect();
    assert_eq!(signed, [("bank", true), ("plain", false), ("stock", true)]);
    let none = change(SOURCE).swap("'http://stock', sign: true", "'http://stock', sign: false");
    let none = none.swap("'http://bank', sign: true", "'http://bank'").text();
    assert_eq!(check(&none).unwrap_or_else(|mistakes| panic!("{mistakes}")).signs, None);
}

#[test]
fn a_signature_s_headers_are_not_for_a_definition_to_set() {
    for (from, to, told) in [
        (
            "'http://bank', sign: true",
            "'http://bank', sign: true, headers: { SIGNATURE: x }",
            "d.yaml:6: the header `SIGNATURE`",
        ),
        ("{ url: 'http://plain',", "{ url: 'http://plain', sign: true,", "d.yaml:4: the header `Signature`"),
        (
            "post: /b\n",
            "post: /b\n      headers: { content-digest: '\"x\"' }\n",
            "d.yaml:16: the header `content-digest`",
        ),
        (
            "{ delete: /b }",
            "{ delete: /b, headers: { signature-input: '\"x\"' } }",
            "d.yaml:18: the header `signature-input`",
        ),
        ("get: /probe", "get: /probe, headers: { signature: '\"x\"' }", "d.yaml:19: the header `signature`"),
        (
            "get: /b, within",
            "get: /b, headers: { signature: '\"x\"' }, within",
            "d.yaml:17: the header `signature`",
        ),
    ] {
        let mistakes = check(&change(SOURCE).swap(from, to).text()).map(|_| ()).expect_err(from).to_string();
        assert!(mistakes.contains(told) && mistakes.contains("the signature sets it"), "{from}: {mistakes}");
    }
}

#[test]
fn sign_is_true_or_false() {
    let source = change(SOURCE).swap("'http://bank', sign: true", "'http://bank', sign: key.pem").text();
    let mistakes = check(&source).map(|_| ()).expect_err("no word").to_string();
    assert!(
        mistakes.contains("d.yaml:6: `sign` is true or false, not `key.pem`; write `sign: true`"),
        "{mistakes}"
    );
}
