//! Definitions of tests: one that is there, changed where a path leads, with the rest kept byte for byte.
//!
//! ```
//! let source = "saga: essai\nsteps:\n  - step: a\n    action: { get: /a }\n";
//! let changed = saga_testkit::definition::change(source)
//!     .set("steps.a.action.get", "/b")
//!     .add("steps.a.retry", "{ attempts: 1 }")
//!     .text();
//! assert_eq!(changed, "saga: essai\nsteps:\n  - retry: { attempts: 1 }\n    step: a\n    action: { get: /b }\n");
//! ```
//!
//! A path is made of keys; an element of a list goes by its `step`, or by its number where it has none. `*` stands for everything at that
//! place. A path that leads nowhere panics, and says how far it went: a test whose definition is not what it says it is
//! shows nothing.

use std::fmt;
use std::ops::Range;

use granit_parser::{Event, Parser, Span};

/// Something in the text.
#[derive(Debug)]
struct TextNode {
    bytes: Range<usize>,
    content: TextContent,
}

#[derive(Debug)]
enum TextContent {
    Scalar(String),
    List(Vec<TextNode>),
    Mapping { is_flow: bool, entries: Vec<TextEntry> },
}

#[derive(Debug)]
struct TextEntry {
    key: String,
    key_bytes: Range<usize>,
    value: TextNode,
}

/// A definition that is being changed.
#[derive(Debug, Clone)]
pub struct Draft(String);

/// Begins to change a definition.
pub fn change(source: &str) -> Draft {
    Draft(source.to_owned())
}

impl Draft {
    /// Another value for what is there.
    #[track_caller]
    pub fn set(self, path: &str, value: &str) -> Self {
        let places = self.at(path).into_iter().map(|place| (place.value, value.to_owned())).collect();
        self.edited(places)
    }

    /// A key that is not there yet, before the others of its mapping.
    #[track_caller]
    pub fn add(self, path: &str, value: &str) -> Self {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        let places = self.at(parent).into_iter().map(|place| {
            assert!(!place.keys.iter().any(|there| there == key), "`{path}` is there already: {}", self.0);
            let (at, is_flow) = place.first.unwrap_or_else(|| panic!("`{parent}` is no mapping with keys"));
            let column = at - self.0[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let rest = if is_flow { ", ".to_owned() } else { format!("\n{:column$}", "") };
            (at..at, format!("{key}: {value}{rest}"))
        });
        let places = places.collect();
        self.edited(places)
    }

    /// Without what is there.
    #[track_caller]
    pub fn remove(self, path: &str) -> Self {
        let places = self.at(path).into_iter().map(|place| (place.whole, String::new())).collect();
        self.edited(places)
    }

    /// Another text for a piece of the text itself, every time that it is there: for what is wrong as YAML, or for a part of a
    /// value. It has to be there.
    #[track_caller]
    pub fn swap(self, from: &str, to: &str) -> Self {
        self.assert_has(from);
        Self(self.0.replace(from, to))
    }

    /// The same, for the first time only that it is there.
    #[track_caller]
    pub fn swap_first(self, from: &str, to: &str) -> Self {
        self.assert_has(from);
        Self(self.0.replacen(from, to, 1))
    }

    /// The definition's present text.
    pub fn text(self) -> String {
        self.0
    }

    #[track_caller]
    fn assert_has(&self, text: &str) {
        assert!(self.0.contains(text), "there is no `{text}` in:\n{}", self.0);
    }

    /// All places that a path leads to.
    #[track_caller]
    fn at(&self, path: &str) -> Vec<FoundPlace> {
        let root = read(&self.0);
        let mut places = vec![Found { node: &root, whole: 0..self.0.len() }];
        let mut so_far = String::new();
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let next: Vec<Found<'_>> = places.iter().flat_map(|found| found.node.children(part)).collect();
            // A key that only some of the mappings at a `*` have is changed where it is.
            let there: Vec<String> = places.iter().flat_map(|found| found.node.names()).collect();
            assert!(
                !next.is_empty(),
                "the definition has no `{path}`: at `{so_far}` there is {}",
                there.join(", ")
            );
            so_far = format!("{so_far}.{part}");
            places = next;
        }
        places.into_iter().map(FoundPlace::from).collect()
    }

    fn edited(mut self, mut places: Vec<(Range<usize>, String)>) -> Self {
        places.sort_by_key(|(bytes, _)| bytes.start);
        for (bytes, text) in places.into_iter().rev() {
            self.0.replace_range(bytes, &text);
        }
        Self(self.0)
    }
}

impl fmt::Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A node that a path leads to, on the way.
struct Found<'a> {
    node: &'a TextNode,
    /// With its key, up to the next one.
    whole: Range<usize>,
}

/// A place that a path leads to.
struct FoundPlace {
    value: Range<usize>,
    whole: Range<usize>,
    keys: Vec<String>,
    /// Where the first key of a mapping is, and whether that is written in braces.
    first: Option<(usize, bool)>,
}

impl From<Found<'_>> for FoundPlace {
    fn from(Found { node, whole }: Found<'_>) -> Self {
        let first = match &node.content {
            TextContent::Mapping { is_flow, entries } => {
                entries.first().map(|entry| (entry.key_bytes.start, *is_flow))
            }
            TextContent::Scalar(_) | TextContent::List(_) => None,
        };
        Self { value: node.bytes.clone(), whole, keys: node.names(), first }
    }
}

impl TextNode {
    fn names(&self) -> Vec<String> {
        match &self.content {
            TextContent::Scalar(_) => Vec::new(),
            TextContent::List(items) => {
                (0..).zip(items).map(|(i, item)| item.step().map_or(format!("{i}"), str::to_owned)).collect()
            }
            TextContent::Mapping { entries, .. } => entries.iter().map(|entry| entry.key.clone()).collect(),
        }
    }

    /// The name of a step.
    fn step(&self) -> Option<&str> {
        let TextContent::Mapping { entries, .. } = &self.content else { return None };
        entries.iter().find(|entry| entry.key == "step").and_then(|entry| match &entry.value.content {
            TextContent::Scalar(name) => Some(&**name),
            TextContent::List(_) | TextContent::Mapping { .. } => None,
        })
    }

    fn children(&self, part: &str) -> Vec<Found<'_>> {
        let names = self.names();
        let chosen = names.iter().enumerate().filter(|(_, name)| part == "*" || *name == part);
        match &self.content {
            TextContent::Scalar(_) => Vec::new(),
            TextContent::List(items) => {
                chosen.map(|(i, _)| Found { node: &items[i], whole: items[i].bytes.clone() }).collect()
            }
            TextContent::Mapping { entries, .. } => chosen
                .map(|(i, _)| {
                    let entry = &entries[i];
                    let whole = match (entries.get(i + 1), i.checked_sub(1)) {
                        (Some(next), _) => entry.key_bytes.start..next.key_bytes.start,
                        (None, Some(before)) => entries[before].value.bytes.end..entry.value.bytes.end,
                        (None, None) => entry.key_bytes.start..entry.value.bytes.end,
                    };
                    Found { node: &entry.value, whole }
                })
                .collect(),
        }
    }
}

/// Reads a text, which has to be YAML.
#[track_caller]
fn read(source: &str) -> TextNode {
    let mut events = Parser::new_from_str(source)
        .map(|event| event.unwrap_or_else(|error| panic!("{error} in:\n{source}")))
        .filter(|(event, _)| {
            !matches!(event, Event::StreamStart | Event::DocumentStart(..) | Event::Comment(..))
        });
    node(&mut events)
}

fn node<'s>(events: &mut impl Iterator<Item = (Event<'s>, Span)>) -> TextNode {
    let (event, span) = events.next().expect("a document");
    let bytes = span.byte_range().expect("a text has bytes");
    complete(event, bytes, events)
}

fn complete<'s>(
    event: Event<'s>,
    bytes: Range<usize>,
    events: &mut impl Iterator<Item = (Event<'s>, Span)>,
) -> TextNode {
    match event {
        Event::Scalar(text, ..) => TextNode { bytes, content: TextContent::Scalar(text.into_owned()) },
        Event::SequenceStart(style, ..) => {
            let mut items = Vec::new();
            let end = loop {
                let (event, span) = events.next().expect("a list ends");
                let inner = span.byte_range().expect("a text has bytes");
                if matches!(event, Event::SequenceEnd) {
                    break inner.end;
                }
                items.push(complete(event, inner, events));
            };
            let is_flow = style == granit_parser::StructureStyle::Flow;
            // A block ends where its last line does, whatever blank lines and comments follow.
            let end = items.last().filter(|_| !is_flow).map_or(end, |last| last.bytes.end);
            TextNode { bytes: bytes.start..end, content: TextContent::List(items) }
        }
        Event::MappingStart(style, ..) => {
            let mut entries: Vec<TextEntry> = Vec::new();
            let end = loop {
                let (event, span) = events.next().expect("a mapping ends");
                let key_bytes = span.byte_range().expect("a text has bytes");
                match event {
                    Event::MappingEnd => break key_bytes.end,
                    Event::Scalar(key, ..) => {
                        let value = node(events);
                        entries.push(TextEntry { key: key.into_owned(), key_bytes, value });
                    }
                    other => panic!("a key is a word, not {other:?}"),
                }
            };
            let is_flow = style == granit_parser::StructureStyle::Flow;
            let (first, last) = (entries.first(), entries.last());
            let start = first.filter(|_| !is_flow).map_or(bytes.start, |first| first.key_bytes.start);
            let end = last.filter(|_| !is_flow).map_or(end, |last| last.value.bytes.end);
            TextNode { bytes: start..end, content: TextContent::Mapping { is_flow, entries } }
        }
        other => panic!("{other:?} is not expected in a definition"),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    const SOURCE: &str = "\
# a comment
saga: essai
participants:
  p: { url: \"http://p\", safety: barrier } # kept
  q: { url: 'http://q' }

steps:
  - step: a
    action:
      get: /a
    success: A

  - step: b
    action: { post: /b }
";

    #[test]
    fn what_is_changed_is_what_the_path_says_and_nothing_else() {
        let changed = |change: fn(Draft) -> Draft| -> Vec<String> {
            let after = change(Draft(SOURCE.into())).text();
            let before: Vec<&str> = SOURCE.lines().collect();
            after.lines().filter(|line| !before.contains(line)).map(str::to_owned).collect()
        };
        assert_eq!(
            changed(|it| it.set("participants.p.safety", "none")),
            ["  p: { url: \"http://p\", safety: none } # kept"]
        );
        assert_eq!(changed(|it| it.set("steps.*.action.get", "/c")), ["      get: /c"]);
        assert_eq!(changed(|it| it.set("steps.a.action", "{ get: /c }")), ["      { get: /c }"]);
        assert_eq!(
            changed(|it| it.add("participants.*.timeout", "1s")),
            [
                "  p: { timeout: 1s, url: \"http://p\", safety: barrier } # kept",
                "  q: { timeout: 1s, url: 'http://q' }"
            ]
        );
        assert_eq!(changed(|it| it.add("deadline", "5s")), ["deadline: 5s"]);
        assert_eq!(changed(|it| it.add("steps.b.failure", "B")), ["  - failure: B", "    step: b"]);
        assert_eq!(changed(|it| it.remove("participants.p.safety")), ["  p: { url: \"http://p\" } # kept"]);
        assert_eq!(changed(|it| it.remove("participants.p.url")), ["  p: { safety: barrier } # kept"]);
        assert_eq!(change(SOURCE).remove("steps.a.success").text(), SOURCE.replace("\n    success: A", ""));
        assert_eq!(change(SOURCE).remove("saga").text(), SOURCE.replace("saga: essai\n", ""));
        assert_eq!(
            change(SOURCE).swap("essai", "x").swap_first("/a", "/x").to_string().matches('x').count(),
            2
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_panics_and_says_where_it_ended() {
        let told = |change: fn(Draft) -> Draft| {
            let panic = catch_unwind(|| change(Draft(SOURCE.into())).text()).expect_err("a panic");
            *panic.downcast::<String>().expect("words")
        };
        assert_eq!(
            told(|it| it.set("participants.r.url", "x")),
            "the definition has no `participants.r.url`: at `.participants` there is p, q"
        );
        assert_eq!(
            told(|it| it.remove("steps.c")),
            "the definition has no `steps.c`: at `.steps` there is a, b"
        );
        assert!(told(|it| it.set("saga.x", "1")).starts_with("the definition has no `saga.x`"));
        assert!(told(|it| it.add("steps.a.action", "1")).starts_with("`steps.a.action` is there already"));
        assert!(told(|it| it.swap("never", "1")).starts_with("there is no `never` in"));
    }
}
