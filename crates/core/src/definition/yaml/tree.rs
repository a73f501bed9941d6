//! The YAML parser's events as a tree of nodes with their lines.
//!
//! A mistake in one key or one alias is recorded, and reading continues; it ends where the parser stops. Aliases
//! share the node that they name: a file that repeats itself a billion times is counted, not copied.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{Event, Parser, Placement, ScalarStyle, Span, Tag};

use super::{Cuts, Mistake, YAML_NESTING_MAX, YAML_VALUES_MAX, broken, shown};

/// A value of the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    /// Its bytes in the source.
    pub(super) bytes: Range<usize>,
    pub(super) kind: NodeKind,
    /// The number of its nodes, and its depth.
    nodes: usize,
    depth: usize,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    Scalar {
        text: String,
        is_plain: bool,
    },
    Mapping(Vec<KeyValue>),
    List(Vec<Rc<Node>>),
    /// It could not be read, which has been reported.
    Mistaken,
}

/// One `key: value`.
#[derive(Debug)]
pub(super) struct KeyValue {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Rc<Node>,
}

/// The result of reading.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// `None`: the source has no value, or is not YAML.
    pub(super) root: Option<Rc<Node>>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) cuts: Cuts,
}

impl Node {
    /// Whether the value is left out.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, is_plain: true } if text.is_empty())
    }

    /// Whether the value is null: `key:`, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Reads `source`, which must be one document.
pub(super) fn read(source: &str) -> Tree {
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: YAML_NESTING_MAX,
        block_nesting_limit: YAML_NESTING_MAX,
    };
    let mut reader = Reader { source, ..Reader::default() };
    for event in Parser::new_from_str_with_options(source, options) {
        let told = match event {
            Ok((event, span)) => reader.event(event, span),
            Err(error) => Err(broken::mistake(source, &error, reader.so_far())),
        };
        if let Err(fatal) = told {
            reader.tree.mistakes.push(fatal);
            reader.tree.root = None;
            break;
        }
    }
    reader.tree
}

#[derive(Default)]
struct Reader<'s> {
    source: &'s str,
    tree: Tree,
    open: Vec<Open>,
    /// Nodes by the parser's number of the anchor; `None` while the node is not complete.
    anchors: HashMap<usize, Option<Rc<Node>>>,
    documents: usize,
    nodes: usize,
    /// The bytes of the last event with a text.
    last: Range<usize>,
    /// The line on which the last value without quotes ended.
    plain_until: Option<(usize, usize)>,
}

/// A mapping or list whose end has not been read.
struct Open {
    line: usize,
    start: usize,
    is_flow: bool,
    anchor: usize,
    nodes: usize,
    depth: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Mapping(Members),
}

#[derive(Default)]
struct Members {
    entries: Vec<KeyValue>,
    /// The keys so far, and their lines.
    lines: HashMap<String, usize>,
    merged: Vec<Rc<Node>>,
    key: Option<UnreadKey>,
    /// The beginning of the last key's value; `None`: not read yet.
    value_start: Option<usize>,
}

impl Members {
    /// Adds an entry, unless its key is present; then returns that key's line.
    fn add(&mut self, entry: KeyValue) -> Result<(), usize> {
        if let Some(first) = self.lines.get(&entry.key) {
            return Err(*first);
        }
        self.lines.insert(entry.key.clone(), entry.line);
        self.entries.push(entry);
        Ok(())
    }
}

/// A key whose value has not been read.
struct UnreadKey {
    line: usize,
    /// `None`: it is not a word, which has been reported.
    word: Option<String>,
    is_merge: bool,
}

impl<'s> Reader<'s> {
    fn so_far(&self) -> broken::SoFar {
        broken::SoFar {
            last: self.last.clone(),
            value: self
                .open
                .iter()
                .rev()
                .find_map(|open| match &open.content {
                    Content::Mapping(members) => Some(members.value_start),
                    Content::List(_) => None,
                })
                .flatten(),
            flow: self.open.iter().rev().find(|open| open.is_flow).map(|open| (open.line, open.start)),
        }
    }

    fn mistake(&mut self, line: usize, message: impl Into<String>) {
        self.tree.mistakes.push(Mistake { line, message: message.into() });
    }

    fn event(&mut self, event: Event<'s>, span: Span) -> Result<(), Mistake> {
        let line = span.start.line();
        let bytes = span.byte_range().unwrap_or_default();
        if !bytes.is_empty() {
            self.last = bytes.clone();
        }
        match event {
            Event::DocumentStart(..) if self.documents > 0 => {
                let message = "a second document begins here; write one definition to a file";
                return Err(Mistake { line, message: message.into() });
            }
            Event::DocumentStart(..) => self.documents += 1,
            Event::Comment(_, Placement::Right) => {
                if let Some((begin, _)) = self.plain_until.filter(|(_, end)| *end == line) {
                    let why =
                        "YAML takes what follows ` #` for a comment: put the whole expression into quotes";
                    self.tree.cuts.insert(begin, why);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_string = tag.as_deref().is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let is_plain = style == ScalarStyle::Plain && !is_string;
                if tag.as_deref().is_some_and(Tag::is_custom) {
                    let why = "YAML takes a word that begins with `!` for a tag: put the whole expression into quotes";
                    self.tree.cuts.insert(line, why);
                }
                self.note_start(bytes.start);
                self.plain_until = (style == ScalarStyle::Plain).then(|| (line, span.end.line()));
                // The parser gives a value that is left out as `~`, without a place of its own.
                let text = if bytes.is_empty() && is_plain { String::new() } else { text.into_owned() };
                let kind = NodeKind::Scalar { text, is_plain };
                self.complete(Node { line, bytes, kind, nodes: 1, depth: 0 }, anchor)?;
            }
            Event::SequenceStart(style, anchor, _) => {
                let is_flow = style == granit_parser::StructureStyle::Flow;
                self.begin(line, bytes.start, is_flow, anchor, Content::List(Vec::new()))?;
            }
            Event::MappingStart(style, anchor, _) => {
                let is_flow = style == granit_parser::StructureStyle::Flow;
                self.begin(line, bytes.start, is_flow, anchor, Content::Mapping(Members::default()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(bytes.end)?,
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned().flatten() {
                Some(node) => self.place(node, false)?,
                None => {
                    let name = shown(&self.source[bytes]);
                    self.mistake(
                        line,
                        format!("`{name}` stands inside of what it names; write the values out"),
                    );
                    self.place(absent(line), false)?;
                }
            },
            Event::UnresolvedAlias(name) => {
                self.mistake(
                    line,
                    format!("there is no anchor `&{name}` above; a text that begins with `*` needs quotes"),
                );
                self.place(absent(line), false)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(
        &mut self,
        line: usize,
        start: usize,
        is_flow: bool,
        anchor: usize,
        content: Content,
    ) -> Result<(), Mistake> {
        if self.open.len() >= YAML_NESTING_MAX {
            return Err(too_deep(line));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.note_start(start);
        self.open.push(Open { line, start, is_flow, anchor, nodes: 1, depth: 1, content });
        Ok(())
    }

    /// Records the beginning of a key, or of the value of the previous key.
    fn note_start(&mut self, start: usize) {
        if let Some(Open { content: Content::Mapping(members), .. }) = self.open.last_mut() {
            members.value_start = members.key.is_some().then_some(start);
        }
    }

    fn end(&mut self, end: usize) -> Result<(), Mistake> {
        let Some(Open { line, start, anchor, nodes, depth, content, .. }) = self.open.pop() else {
            return Ok(());
        };
        let kind = match content {
            Content::List(items) => NodeKind::List(items),
            Content::Mapping(mut members) => {
                for node in std::mem::take(&mut members.merged) {
                    self.merge(&mut members, &node);
                }
                NodeKind::Mapping(members.entries)
            }
        };
        self.complete(Node { line, bytes: start..end, kind, nodes, depth }, anchor)
    }

    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Mistake> {
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        self.place(node, true)
    }

    /// Puts a node into its place: below the open mapping or list, or at the top.
    fn place(&mut self, node: Rc<Node>, is_new: bool) -> Result<(), Mistake> {
        // The nodes inside a new node have been counted already.
        self.nodes += if is_new { 1 } else { node.nodes };
        if self.nodes > YAML_VALUES_MAX {
            let message = format!(
                "with all that its aliases repeat, the file has more than {YAML_VALUES_MAX} values (YAML_VALUES_MAX); write less"
            );
            return Err(Mistake { line: node.line, message });
        }
        if self.open.len() + node.depth > YAML_NESTING_MAX {
            return Err(too_deep(node.line));
        }
        let Some(open) = self.open.last_mut() else {
            self.tree.root = Some(node);
            return Ok(());
        };
        open.nodes = open.nodes.saturating_add(node.nodes);
        open.depth = open.depth.max(node.depth + 1);
        let told = match &mut open.content {
            Content::List(items) => {
                items.push(node);
                None
            }
            Content::Mapping(members) => match members.key.take() {
                None => {
                    let line = node.line;
                    let (word, is_merge) = match &node.kind {
                        _ if node.is_null() => (None, false),
                        NodeKind::Scalar { text, is_plain } => {
                            (Some(text.clone()), *is_plain && text == "<<")
                        }
                        _ => (None, false),
                    };
                    let told = word.is_none().then(|| (line, no_key(&self.source[node.bytes.clone()])));
                    members.key = Some(UnreadKey { line, word, is_merge });
                    told
                }
                Some(UnreadKey { is_merge: true, .. }) => {
                    members.merged.push(node);
                    None
                }
                Some(UnreadKey { line, word: Some(key), .. }) => {
                    let word = shown(&key);
                    let twice = members.add(KeyValue { key, line, value: node }).err();
                    twice.map(|first| {
                        (line, format!("the key `{word}` is here twice, first on line {first}; remove one"))
                    })
                }
                Some(UnreadKey { word: None, .. }) => None,
            },
        };
        if let Some((line, message)) = told {
            self.mistake(line, message);
        }
        Ok(())
    }

    /// `<<: *other`: adds the entries of the other mapping, or of several, except for keys that are present.
    fn merge(&mut self, members: &mut Members, node: &Rc<Node>) {
        let (mappings, is_list) = match &node.kind {
            NodeKind::List(items) => (items.as_slice(), true),
            _ => (std::slice::from_ref(node), false),
        };
        for mapping in mappings {
            if matches!(mapping.kind, NodeKind::Mistaken) || mapping.is_null() {
                continue;
            }
            let NodeKind::Mapping(others) = &mapping.kind else {
                let what = if is_list { "these is" } else { "this is" };
                self.mistake(node.line, format!("`<<` takes over the keys of a mapping, and {what} none"));
                continue;
            };
            for KeyValue { key, line, value } in others {
                // An entry that is present stays.
                let _ = members.add(KeyValue { key: key.clone(), line: *line, value: value.clone() });
            }
        }
    }
}

/// Stands for a value that could not be read, which has been reported.
fn absent(line: usize) -> Rc<Node> {
    Rc::new(Node { line, bytes: 0..0, kind: NodeKind::Mistaken, nodes: 1, depth: 0 })
}

fn too_deep(line: usize) -> Mistake {
    let message = format!(
        "more than {YAML_NESTING_MAX} mappings and lists are inside each other here (YAML_NESTING_MAX)"
    );
    Mistake { line, message }
}

/// Why a mapping or list cannot be a key, and what its author may have meant.
fn no_key(text: &str) -> String {
    if text.is_empty() {
        return "there is no key before this `:`; write one".into();
    }
    if text.starts_with('{') {
        return format!(
            "`{{{}` is a mapping as a key to YAML; the environment is read by \"${{NAME}}\" in `url` and `headers`, \
             and `\\(.input.NAME)` inserts a value into a path",
            shown(text)
        );
    }
    format!("`{}` cannot be a key; put an expression with `{{`, `[` or `,` in it into quotes", shown(text))
}
