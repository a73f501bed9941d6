//! Example definitions with damage of every kind: each is a definition, or its author is told something.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use saga_core::understood::{self, understood};

use super::parse;
use crate::support::{CHECKOUT, VOISINS, by_seed};

/// A definition of that many bytes, whatever is wrong with it, is read within this time, in a debug build on a busy
/// machine. A reader with quadratic time would take minutes.
const READING_MAX: Duration = Duration::from_secs(5);

/// A short one, with what the others do not have: anchors, aliases, merged keys, block texts, a probe.
const ANCHORED: &str = r#"saga: ancree
input: { client_id: integer }
states: { started: INITIEE, completed: CONFIRMEE, cancelled: ANNULEE }
participants:
  ventes: &service { url: "http://ventes:8000", timeout: 2s, breaker: { open: 1s } }
  stock:
    <<: *service
    url: 'http://stock:8000'
    headers: { X-Key: "${KEY:-none}" }
steps:
  - step: stock
    participant: stock
    action: &call
      post: /api/\(.input.client_id)
      body: |
        {a: .input.client_id,
         b: [1, 2]}
      refused: >
        .status == 409
    compensation: *call
    probe: { get: /api, after: 1s, output: { id: .body.id } }
    failure: ECHEC
    retry: { attempts: 3, base: 10ms }
"#;

/// Pieces that definitions break on.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "`",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ":",
    " #",
    "#",
    "- ",
    "-",
    ",",
    "&a ",
    "*a",
    "*service",
    "!x ",
    "!!str ",
    "|",
    ">",
    "|+",
    "%",
    "@",
    "?",
    "? ",
    "<<: ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    " ",
    "  ",
    "\u{feff}",
    "\u{0}",
    "\u{85}",
    "\u{2028}",
    "é",
    "\u{1f600}",
    "---\n",
    "...\n",
    "~",
    "null",
    "$",
    "${X}",
    "${",
    "{{x}}",
    "\\",
    "\\(",
    "\\(.input",
    ")",
    "0x1F",
    "1e999",
    ".inf",
    "yes",
    "&",
    "=",
    "\n- ",
    "\n  ",
    "a: b",
    "\"\"",
    "''",
    "{}",
    "[]",
    "x: &x [*x, *x]\n",
];

#[derive(Debug, Clone)]
enum Damage {
    Insert(Index, &'static str),
    InsertAny(Index, String),
    Delete(Index, usize),
    Double(Index, usize),
    DeleteLine(Index),
    DoubleLine(Index),
    SwapLines(Index, Index),
    Indent(Index, usize),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), select(PIECES)).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        1 => (any::<Index>(), "\\PC{1,6}").prop_map(|(at, text)| Damage::InsertAny(at, text)),
        3 => (any::<Index>(), 1..8_usize).prop_map(|(at, chars)| Damage::Delete(at, chars)),
        1 => (any::<Index>(), 1..40_usize).prop_map(|(at, chars)| Damage::Double(at, chars)),
        2 => any::<Index>().prop_map(Damage::DeleteLine),
        1 => any::<Index>().prop_map(Damage::DoubleLine),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Damage::SwapLines(a, b)),
        1 => (any::<Index>(), 0..8_usize).prop_map(|(at, columns)| Damage::Indent(at, columns)),
        1 => any::<Index>().prop_map(Damage::Cut),
    ]
}

fn damaged(source: &str, damage: &Damage) -> String {
    let mut chars: Vec<char> = source.chars().collect();
    let mut lines: Vec<&str> = source.split('\n').collect();
    let place = |at: &Index, length: usize| at.index(length + 1).min(length);
    match damage {
        Damage::Insert(at, piece) => {
            let at = place(at, chars.len());
            chars.splice(at..at, piece.chars());
        }
        Damage::InsertAny(at, text) => {
            let at = place(at, chars.len());
            chars.splice(at..at, text.chars());
        }
        Damage::Delete(at, count) => {
            let at = place(at, chars.len());
            chars.drain(at..(at + count).min(chars.len()));
        }
        Damage::Double(at, count) => {
            let at = place(at, chars.len());
            let piece = chars[at..(at + count).min(chars.len())].to_vec();
            chars.splice(at..at, piece);
        }
        Damage::Cut(at) => chars.truncate(place(at, chars.len())),
        Damage::DeleteLine(at) => {
            lines.remove(at.index(lines.len()));
            return lines.join("\n");
        }
        Damage::DoubleLine(at) => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
            return lines.join("\n");
        }
        Damage::SwapLines(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
            return lines.join("\n");
        }
        Damage::Indent(at, columns) => {
            let at = at.index(lines.len());
            let line = format!("{}{}", " ".repeat(*columns), lines[at].trim_start());
            lines[at] = &line;
            return lines.join("\n");
        }
    }
    chars.into_iter().collect()
}

/// Lines as YAML counts them: a carriage return ends one, too.
fn lines(source: &str) -> usize {
    let unix = source.replace("\r\n", "\n").replace('\r', "\n");
    unix.lines().count().max(1)
}

/// It is a definition, or a mistake is told, at a line of the file, within a time.
fn is_read_or_told(source: &str) -> Result<(), TestCaseError> {
    #[expect(clippy::disallowed_methods, reason = "a test that measures time")]
    let began = Instant::now();
    let read = parse(source);
    let took = began.elapsed();
    prop_assert!(took < READING_MAX, "{took:?}: {source}");
    if let Ok(definition) = read {
        // It can be explained, too.
        let definition = Arc::new(definition);
        let steps = understood(understood::input(&definition).expect("a sample"), &BTreeMap::new());
        prop_assert_eq!(steps.len(), definition.steps.len());
        prop_assert!(began.elapsed() < READING_MAX, "{:?}: {}", began.elapsed(), source);
    } else if let Err(told) = read {
        prop_assert!(!told.mistakes.is_empty());
        for mistake in &told.mistakes {
            prop_assert!((1..=lines(source)).contains(&mistake.line), "{told}\n{source}");
            prop_assert!(!mistake.message.is_empty() && !mistake.message.contains('\n'), "{told}\n{source}");
        }
        prop_assert!(told.mistakes.is_sorted_by_key(|mistake| mistake.line), "{told}");
    }
    Ok(())
}

#[test]
fn the_third_example_is_a_definition() {
    let definition = parse(ANCHORED).unwrap_or_else(|told| panic!("{told}"));
    let stock = definition.participant(0).expect("a participant");
    assert_eq!(
        (&*stock.address, stock.timeout, stock.headers.len()),
        ("http://stock:8000/", Duration::from_secs(2), 1)
    );
    assert!(definition.steps[0].compensation().is_some());
}

proptest! {
    // `PROPTEST_CASES` makes it more.
    #![proptest_config(by_seed())]

    #[test]
    fn a_damaged_definition_is_an_error_at_a_line_or_a_definition_never_a_panic(
        example in select(&[CHECKOUT, VOISINS, ANCHORED][..]),
        damages in proptest::collection::vec(damage(), 1..5),
    ) {
        let source = damages.iter().fold(example.to_owned(), |source, one| damaged(&source, one));
        is_read_or_told(&source)?;
    }

    #[test]
    fn lines_of_definitions_in_any_order_are_no_panic_either(
        lines in proptest::collection::vec(any::<Index>(), 0..40),
    ) {
        let all: Vec<&str> = CHECKOUT.lines().chain(VOISINS.lines()).chain(ANCHORED.lines()).collect();
        let source: String = lines.iter().map(|line| format!("{}\n", line.get(&all))).collect();
        is_read_or_told(&source)?;
    }
}

#[test]
fn every_single_deletion_and_cut_of_the_built_in_checkout_is_read_or_told() {
    let chars: Vec<char> = CHECKOUT.chars().collect();
    for at in 0..chars.len() {
        let without: String = chars[..at].iter().chain(&chars[at + 1..]).collect();
        is_read_or_told(&without).unwrap_or_else(|error| panic!("without character {at}: {error}"));
        let cut: String = chars[..at].iter().collect();
        is_read_or_told(&cut).unwrap_or_else(|error| panic!("cut at {at}: {error}"));
    }
}
