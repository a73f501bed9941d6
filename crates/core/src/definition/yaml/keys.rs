//! Reads a mapping key by key, and records its mistakes.
//!
//! The form that needs a key requests it once; a key that is never requested is unknown. A key whose value has the
//! wrong form is reported and then counts as missing, so that reading continues.

use std::collections::BTreeMap;

use super::super::suggest;
use super::tree::{KeyValue, Node, NodeKind};
use super::{Mistake, Spanned, in_quotes, shown, wanted};

/// The list of recorded mistakes, and the text that they are about.
pub(super) struct MistakeNotes<'m> {
    pub(super) source: &'m str,
    pub(super) mistakes: &'m mut Vec<Mistake>,
    /// Constructs that are valid but probably not meant.
    pub(super) warnings: &'m mut Vec<Mistake>,
}

impl MistakeNotes<'_> {
    pub(super) fn mistake(&mut self, line: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake { line, message: message.into() });
    }

    /// A node as messages quote it.
    pub(super) fn text_of(&self, node: &Node) -> String {
        shown(self.source.get(node.bytes.clone()).unwrap_or_default())
    }
}

/// A mapping that is being read.
pub(super) struct Keys<'n, 'm> {
    /// Its description for messages: "participant `stock`".
    pub(super) place: String,
    line: usize,
    entries: &'n [KeyValue],
    known: Vec<&'static str>,
    pub(super) notes: &'n mut MistakeNotes<'m>,
}

impl<'n, 'm> Keys<'n, 'm> {
    /// Reads the mapping `node`, whose form has been checked, and reports its keys that were never requested.
    pub(super) fn read<T>(
        node: &Node,
        entries: &[KeyValue],
        place: String,
        notes: &mut MistakeNotes<'m>,
        read: impl FnOnce(&mut Keys<'_, 'm>) -> T,
    ) -> T {
        let mut keys = Keys { place, line: node.line, entries, known: Vec::new(), notes };
        let value = read(&mut keys);
        keys.known.clone().into_iter().for_each(|key| keys.warn_if_empty(key));
        keys.tell_unknown();
        value
    }

    /// The value of `key`, unless it is missing, is null, or has been reported as a mistake.
    fn given(&mut self, key: &'static str) -> Option<&'n KeyValue> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|entry| {
            entry.key == key && !entry.value.is_null() && !matches!(entry.value.kind, NodeKind::Mistaken)
        })
    }

    /// Warns that `key` is present without a value.
    fn warn_if_empty(&mut self, key: &'static str) {
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key && entry.value.is_empty()) {
            let message = format!(
                "`{key}` has no value, and counts as left out; write `{}`, or remove it",
                wanted::example(key)
            );
            self.notes.warnings.push(Mistake { line: entry.line, message });
        }
    }

    /// Reports that `key` is missing.
    pub(super) fn require(&mut self, key: &'static str) {
        let message = match self.entries.iter().find(|entry| entry.key == key) {
            Some(entry) if entry.value.is_null() => {
                return self
                    .notes
                    .mistake(entry.line, format!("`{key}` has no value; write `{}`", wanted::example(key)));
            }
            Some(_) => return,
            None => format!("{} has no `{key}`; add it: `{}`", self.place, wanted::example(key)),
        };
        // A key that was probably meant to be this one is reported as that.
        let meant = |entry: &&KeyValue| self.meant_by(&entry.key) == Some(key);
        if !self.entries.iter().any(|entry| meant(&entry)) {
            self.notes.mistake(self.line, message);
        }
    }

    /// A word or text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Spanned<String>> {
        let entry = self.given(key)?;
        let node = &*entry.value;
        if let NodeKind::Scalar { text, .. } = &node.kind {
            return Some(Spanned { value: text.clone(), line: node.line });
        }
        let (kind, given) = (wanted::kind(key), self.notes.text_of(node));
        let is_expression = kind == "an expression";
        let write = match (&node.kind, kind) {
            (NodeKind::List(items), _) if is_expression && statuses(items).is_some() => {
                format!("write `{key}: {}`", statuses(items).unwrap_or_default())
            }
            _ if is_expression => format!("put it into quotes: `{key}: {}`", shown(&in_quotes(&given))),
            (NodeKind::Mapping(_), _) if given.starts_with("{{") => {
                format!("write `{}`", wanted::example(key))
            }
            _ => format!("write `{}`", wanted::example(key)),
        };
        let is = if matches!(node.kind, NodeKind::List(_)) { "a list" } else { "a mapping" };
        self.notes.mistake(entry.line, format!("`{key}` needs {kind}, and this is {is}; {write}"));
        None
    }

    /// A whole number that fits 32 bits.
    pub(super) fn number(&mut self, key: &'static str) -> Option<Spanned<u32>> {
        let entry = self.given(key)?;
        let text = self.text(key)?;
        match whole_number(&text.value) {
            Some(value) => Some(Spanned { value, line: text.line }),
            None => {
                let (given, example) = (shown(&text.value), wanted::example(key));
                self.notes.mistake(
                    entry.line,
                    format!("`{key}` needs a whole number from 1 to 4294967295, not `{given}`; write e.g. `{example}`"),
                );
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<Spanned<bool>> {
        let text = self.text(key)?;
        let value = match text.value.as_str() {
            "true" => true,
            "false" => false,
            other => {
                let message =
                    format!("`{key}` is true or false, not `{}`; write `{key}: true`", shown(other));
                self.notes.mistake(text.line, message);
                return None;
            }
        };
        Some(Spanned { value, line: text.line })
    }

    /// Whether `key` is there, with whatever value.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Any node: the caller checks its form.
    pub(super) fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.given(key).map(|entry| &*entry.value)
    }

    /// A mapping whose keys are known.
    pub(super) fn mapping<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Keys<'_, 'm>) -> T,
    ) -> Option<Spanned<T>> {
        let entry = self.given(key)?;
        let place = format!("`{key}` of {}", self.place);
        let place = if self.place == "the file" { format!("`{key}`") } else { place };
        let entries = self.entries_of(key, entry)?;
        let value = Keys::read(&entry.value, entries, place, self.notes, read);
        Some(Spanned { value, line: entry.value.line })
    }

    /// A mapping whose keys are names; `None`: it has the wrong form.
    pub(super) fn names(&mut self, key: &'static str) -> Option<&'n [KeyValue]> {
        match self.given(key) {
            Some(entry) => self.entries_of(key, entry),
            None => Some(&[]),
        }
    }

    /// A mapping of names to words or texts; `None`: it, or one of them, has the wrong form.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<BTreeMap<String, Option<Spanned<String>>>> {
        let mut texts = BTreeMap::new();
        for KeyValue { key: name, line, value } in self.names(key)? {
            let text = match &value.kind {
                NodeKind::Scalar { text, .. } if !value.is_null() => {
                    Some(Spanned { value: text.clone(), line: value.line })
                }
                NodeKind::Mistaken => None,
                _ => {
                    let name = shown(name);
                    let example = if key == "input" { "integer" } else { "\"text\"" };
                    let example = format!("{name}: {example}");
                    self.notes
                        .mistake(*line, format!("`{name}` in `{key}` needs a text; write e.g. `{example}`"));
                    None
                }
            };
            texts.insert(name.clone(), text);
        }
        Some(texts)
    }

    /// A list of names; `None`: it is missing, or it, or one of them, has the wrong form.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<Spanned<String>>> {
        let entry = self.given(key)?;
        let items = match &entry.value.kind {
            NodeKind::List(items) => items,
            kind => {
                let given = self.notes.text_of(&entry.value);
                let example = match kind {
                    NodeKind::Scalar { text, .. } if is_word(text) => format!("{key}: [{text}]"),
                    _ => format!("{key}: [stock]"),
                };
                self.notes.mistake(
                    entry.line,
                    format!("`{key}` needs a list of names, and this is `{given}`; write `{example}`"),
                );
                return None;
            }
        };
        let mut names = Vec::new();
        for item in items {
            match &item.kind {
                NodeKind::Scalar { text, .. } if !item.is_null() => {
                    names.push(Spanned { value: text.clone(), line: item.line });
                }
                NodeKind::Mistaken => return None,
                _ => {
                    let given = self.notes.text_of(item);
                    let message = format!("`{given}` in `{key}` is no name; write e.g. `{key}: [stock]`");
                    self.notes.mistake(item.line, message);
                    return None;
                }
            }
        }
        Some(names)
    }

    fn entries_of(&mut self, key: &'static str, entry: &'n KeyValue) -> Option<&'n [KeyValue]> {
        let example = match &entry.value.kind {
            NodeKind::Mapping(entries) => return Some(entries),
            NodeKind::Scalar { text, .. } => mapping_for(key, text),
            NodeKind::List(_) | NodeKind::Mistaken => wanted::example(key).to_owned(),
        };
        let given = match &entry.value.kind {
            // It may be the secret itself.
            _ if wanted::holds_secrets(key) => "another value".to_owned(),
            NodeKind::List(_) => "a list".to_owned(),
            _ => format!("`{}`", self.notes.text_of(&entry.value)),
        };
        self.notes.mistake(
            entry.line,
            format!("`{key}` needs a mapping, and this is {given}; write `{example}`, or `key: value` lines below it"),
        );
        None
    }

    /// The key of this mapping that an unknown key was probably meant to be.
    fn meant_by(&self, key: &str) -> Option<&'static str> {
        if self.known.contains(&key) {
            return None;
        }
        let known = self.known.iter().copied();
        suggest::nearest(key, known.clone())
            .or_else(|| {
                wanted::synonym(key).and_then(|synonym| known.clone().find(|known| *known == synonym))
            })
            .filter(|meant| !self.entries.iter().any(|entry| entry.key == *meant && !entry.value.is_null()))
    }

    fn tell_unknown(self) {
        for KeyValue { key, line, value } in
            self.entries.iter().filter(|entry| !self.known.contains(&&*entry.key))
        {
            let word = shown(key);
            let stuck = key.split_once(':').filter(|(word, _)| value.is_null() && self.known.contains(word));
            let message = if let Some((word, _)) = stuck {
                format!("a space is missing behind `{word}:`")
            } else if value.is_null() && !is_word(key) {
                format!("`{word}` is no key; put an expression with a `,` in it into quotes as a whole")
            } else if let Some(meant) = self.meant_by(key) {
                format!("there is no key `{word}` in {}; did you mean `{meant}`?", self.place)
            } else if let Some(home) = wanted::home(key) {
                format!("there is no key `{word}` in {}; it belongs into {home}", self.place)
            } else {
                format!("there is no key `{word}` in {}; write one of: {}", self.place, self.known.join(", "))
            };
            self.notes.mistake(*line, message);
        }
    }
}

/// Whether `key` has the form of a key.
pub(super) fn is_word(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

/// The condition that a list of statuses stands for, if it is such a list.
fn statuses(items: &[std::rc::Rc<Node>]) -> Option<String> {
    let statuses: Option<Vec<_>> = items
        .iter()
        .map(|item| match &item.kind {
            NodeKind::Scalar { text, .. } => {
                text.parse::<u16>().ok().map(|status| format!(".status == {status}"))
            }
            _ => None,
        })
        .collect();
    statuses
        .filter(|statuses| !statuses.is_empty() && statuses.len() <= 5)
        .map(|statuses| statuses.join(" or "))
}

/// The notation of `key` as a mapping, with the text that its author wrote instead of one.
fn mapping_for(key: &str, text: &str) -> String {
    let is_number = whole_number(text).is_some();
    let is_duration = text.starts_with(|c: char| c.is_ascii_digit()) && !is_number;
    match key {
        "retry" | "persist" if is_number => format!("{key}: {{ attempts: {text} }}"),
        "retry" | "persist" if is_duration => format!("{key}: {{ base: {} }}", shown(text)),
        "breaker" if is_number => format!("breaker: {{ calls_min: {text} }}"),
        "action" | "compensation" | "probe" => {
            let method = ["get", "post", "put", "patch", "delete"]
                .into_iter()
                .find(|method| text.to_lowercase().starts_with(&format!("{method} ")));
            let path = text.split_whitespace().last().filter(|path| path.starts_with('/'));
            match (method, path) {
                (method, Some(path)) if key != "probe" => {
                    format!("{key}: {{ {}: {} }}", method.unwrap_or("post"), shown(path))
                }
                (_, Some(path)) => format!("{key}: {{ get: {} }}", shown(path)),
                _ => wanted::example(key).to_owned(),
            }
        }
        _ => wanted::example(key).to_owned(),
    }
}

/// A whole number in YAML's notations: decimal, or with `0x`, `0o` or `0b`.
fn whole_number(text: &str) -> Option<u32> {
    let text = text.trim().replace('_', "");
    let text = text.strip_prefix('+').unwrap_or(&text);
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = text.strip_prefix(prefix).filter(|digits| !digits.starts_with('+')) {
            return u32::from_str_radix(digits, radix).ok();
        }
    }
    text.parse().ok()
}
