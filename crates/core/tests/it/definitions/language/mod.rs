//! The keys that make a definition shorter, or fit it to more services and callers.

mod states;

use saga_core::Definition;

use super::parse;

/// The shortest definition with a step that is undone. Each piece is on a line of its own.
const SHORT: &str = "saga: short
participants:
  p: { url: http://p }
steps:
  - step: a
    participant: p
    action: { post: /a }
    compensation: { post: /undo }
";

/// `source`, which has to be a definition.
fn taken(source: &str) -> Definition {
    parse(source).unwrap_or_else(|told| panic!("{told}\n{source}"))
}

/// The mistakes in `source`: lines of the form `LINE: MESSAGE`.
fn told(source: &str) -> Vec<String> {
    match parse(source) {
        Ok(_) => vec!["no mistake".into()],
        Err(told) => told.mistakes.iter().map(|told| format!("{}: {}", told.line, told.message)).collect(),
    }
}

/// Each text of [`SHORT`] with its replacement, and the mistakes that this makes.
fn check(wrong: &[(&str, &str, &[&str])]) {
    let mut amiss = String::new();
    for (from, to, expected) in wrong {
        assert!(SHORT.contains(from), "{from}");
        let said = told(&SHORT.replacen(from, to, 1));
        if said != *expected {
            amiss += &format!("{to}\n  said: {said:#?}\n");
        }
    }
    assert!(amiss.is_empty(), "{amiss}");
}
