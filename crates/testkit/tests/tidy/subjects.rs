//! Each sentence of a comment names its subject: no sentence begins with "Whoever", "Nobody" or "What is ...".

use crate::sources::{below, root};

/// First words that hide the subject.
const HIDDEN: [&str; 9] =
    ["Whoever", "Nobody", "Somebody", "Whatever", "One that", "One who", "Those who", "Those that", "Who"];
/// Verbs after which a first word "What" hides the subject. "What a saga needs" names it.
const AFTER_WHAT: [&str; 18] = [
    "is", "was", "are", "were", "has", "have", "had", "cannot", "can", "could", "would", "does", "did",
    "takes", "comes", "goes", "stays", "keeps",
];
/// The ends of sentences. A clause after a colon or a semicolon is a sentence if it begins with a capital.
const ENDS: [char; 5] = ['.', ':', ';', '!', '?'];
/// Characters that can stand beside a sentence's first or last word.
const MARKS: [char; 6] = ['(', ')', '"', '`', '*', '_'];

/// A line comment: its place, its slashes (`//`, `///` or `//!`), and its text.
struct Line<'a> {
    number: usize,
    stands_alone: bool,
    slashes: &'a str,
    text: &'a str,
}

/// A sentence of a comment, and the number of the line where it begins.
#[derive(Debug, PartialEq)]
struct Sentence {
    line: usize,
    text: String,
}

/// The length of the literal or block comment that `rest` begins with. `None`: `rest` begins with something else.
fn opaque(rest: &str) -> Option<usize> {
    let through =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len());
    if rest.starts_with("/*") {
        return Some(through(2, "*/"));
    }
    if let Some(after) = rest.strip_prefix('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        return after[hashes..]
            .starts_with('"')
            .then(|| through(hashes + 2, &format!("\"{}", &after[..hashes])));
    }
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut is_escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let is_end = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        is_end
    });
    let literal = end.map_or(rest, |(end, _)| &rest[..=end]);
    let is_lifetime = quote == '\'' && !literal.starts_with("'\\") && literal.chars().count() != 3;
    Some(if is_lifetime { 1 } else { literal.len() })
}

/// The line comments of a source text.
fn lines(source: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        if !rest.starts_with("//") {
            at += opaque(rest).unwrap_or(first.len_utf8());
            continue;
        }
        let comment = rest.lines().next().unwrap_or_default();
        let slashes = if comment.starts_with("///") || comment.starts_with("//!") { 3 } else { 2 };
        let (slashes, text) = comment.split_at(slashes);
        let before = source[..at].rsplit('\n').next().unwrap_or_default();
        let number = source[..at].matches('\n').count() + 1;
        lines.push(Line { number, stands_alone: before.trim().is_empty(), slashes, text: text.trim() });
        at += comment.len();
    }
    lines
}

/// Whether a sentence ends with `text`.
fn ends(text: &str) -> bool {
    text.trim_end_matches(MARKS).ends_with(ENDS)
}

/// The sentences of all comments. Consecutive lines of one kind are read together; an empty line, an item of a list
/// and a comment beside code begin a sentence.
fn sentences(source: &str) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    let mut before: Option<Line<'_>> = None;
    for line in lines(source) {
        let item = line.text.strip_prefix("- ").or(line.text.strip_prefix("* "));
        let follows = before.is_some_and(|before| {
            before.number + 1 == line.number && before.slashes == line.slashes && !before.text.is_empty()
        });
        let mut goes_on = follows
            && line.stands_alone
            && item.is_none()
            && sentences.last().is_some_and(|sentence| !ends(&sentence.text));
        for word in item.unwrap_or(line.text).split_whitespace() {
            match sentences.last_mut().filter(|_| goes_on) {
                Some(sentence) => sentence.text.extend([" ", word]),
                None => sentences.push(Sentence { line: line.number, text: word.to_owned() }),
            }
            goes_on = !ends(word);
        }
        before = Some(line);
    }
    sentences
}

/// Whether the first words of a sentence hide its subject.
fn hides_its_subject(sentence: &str) -> bool {
    let begins = |text: &str, words: &str| {
        text.strip_prefix(words)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let sentence = sentence.trim_start_matches(MARKS);
    let verb = sentence.strip_prefix("What ");
    HIDDEN.iter().any(|words| begins(sentence, words))
        || verb.is_some_and(|verb| AFTER_WHAT.iter().any(|is| begins(verb, is)))
}

#[test]
fn every_sentence_of_a_comment_names_its_subject() {
    let mut wrong = Vec::new();
    for source in below(&root().join("crates"), &["rs"]) {
        let found = sentences(&source.text).into_iter().filter(|sentence| hides_its_subject(&sentence.text));
        wrong.extend(found.map(|Sentence { line, text }| format!("{}:{line}: {text}", source.path)));
    }
    assert!(
        wrong.is_empty(),
        "{} sentences hide their subject. Begin each with the thing that acts or is, by its word in the glossary of \
         ARCHITECTURE.md: \"The driver holds the call until ...\", \"The events of a saga.\"\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The sentences of `source` that the rule finds, with their lines.
fn found(source: &str) -> Vec<(usize, String)> {
    let found = sentences(source).into_iter().filter(|sentence| hides_its_subject(&sentence.text));
    found.map(|sentence| (sentence.line, sentence.text)).collect()
}

#[test]
fn each_kind_of_hidden_subject_is_found() {
    let hidden = [
        "Whoever waits is told.",
        "Nobody knows.",
        "Somebody else's.",
        "Whatever it was, it is over.",
        "One that is early is left.",
        "One who waits.",
        "Those who wait.",
        "Those that a restart cut short.",
        "Who appends;",
        "Who.",
        "(What is left.)",
    ];
    let verbs = "was are were has have had cannot can could would does did takes comes goes stays keeps";
    let verbs = verbs.split(' ').map(|verb| format!("What {verb} it."));
    for sentence in hidden.map(str::to_owned).into_iter().chain(verbs) {
        assert_eq!(found(&format!("/// {sentence}")), [(1, sentence)]);
    }
    for named in
        ["Whole entries.", "What a saga needs.", "What cancels.", "Those of a saga.", "It: what is left."]
    {
        assert!(found(&format!("// {named}")).is_empty(), "{named}");
    }
}

#[test]
fn sentences_are_found_wherever_they_begin() {
    let source = "//! The owner, or the\n//! replica. Who\n//! asks?\n\n\
                  fn f() {} // Nobody calls: Somebody will\n\
                  fn g() {} // One that waits.\n\
                  // A saga\n// - Whoever waits.\n// (What is left.) It\n/// Whatever comes\n//\n// Those who wait";
    let lines: Vec<_> = found(source).into_iter().map(|(line, text)| format!("{line} {text}")).collect();
    let expected = [
        "2 Who asks?",
        "5 Nobody calls:",
        "5 Somebody will",
        "6 One that waits.",
        "8 Whoever waits.",
        "9 (What is left.)",
        "10 Whatever comes",
        "12 Those who wait",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn only_comments_are_read() {
    let source = r##"
        const A: &str = "a \" // Nobody";
        const B: &[u8] = br#" " // Whoever "#; const C: char = '"'; const D: char = '\''; /* // Who asks. */
        fn f<'a>(x: &'a str) -> &'a str { x } // Whatever it is.
        const E: &str = "several
        // What is no comment.
        lines"; const r#type: char = '/'; // Somebody.
    "##;
    let lines: Vec<_> = found(source).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [4, 7]);
}
