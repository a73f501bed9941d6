//! Reading definition files: YAML to the shape of a definition, with everything that is wrong with the form.
//!
//! ```text
//! source ──tree──▶ nodes with lines ──file, through keys──▶ File ──check──▶ Definition
//! ```
//!
//! - `tree.rs`: the YAML parser's events as a tree, within limits.
//! - `broken.rs`: what is wrong where the parser gives up, and where that began.
//! - `keys.rs`: reading a mapping key by key; `wanted.rs`: what each key wants, with an example.
//! - `file.rs`: which keys there are; `code.rs`: bodies and outputs.
//!
//! The YAML library is known to this folder alone. What a file *means* is checked in `check`, also where its form is
//! wrong in some places: all mistakes are told at once.

mod broken;
mod code;
mod file;
mod keys;
mod tree;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(super) use self::code::Node;
pub(super) use self::file::{
    BreakerIn, CallIn, CompensationIn, File, ParticipantIn, ProbeIn, RetryIn, StatesIn, StepIn,
};

/// A definition's source may have this many bytes.
pub const SOURCE_BYTES_MAX: usize = 256 * 1024;
/// Mappings and lists may be this deep inside each other: reading them is recursive, and the stack is finite.
const YAML_NESTING_MAX: usize = 32;
/// A definition may have this many keys, values, mappings and lists, those that aliases repeat included.
const YAML_VALUES_MAX: usize = 100_000;
/// So many mistakes are told of one definition: whoever makes more wants to see the first ones mended first.
const MISTAKES_MAX: usize = 100;

/// One thing wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1; 0 where the place is not known.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// Everything found wrong with one definition; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The name it was read under.
    pub file: String,
    /// In the order of lines.
    pub mistakes: Vec<Mistake>,
}

impl Mistakes {
    /// Those of `file`, whose text is `source`, in the order of lines, each told once.
    pub(super) fn of(file: &str, source: &str, mut mistakes: Vec<Mistake>) -> Self {
        // What is missing at the end of the text is at a place behind its last line to the parser.
        let last = line_of(source, source.trim_end_matches(['\n', '\r']).len());
        mistakes.iter_mut().for_each(|mistake| mistake.line = mistake.line.min(last));
        mistakes.sort_by_key(|mistake| mistake.line);
        // Messages repeat the file's own words: those stay on one line, and do nothing to a terminal.
        for Mistake { message, .. } in &mut mistakes {
            if message.contains(char::is_control) {
                *message = message.split(char::is_control).map(str::trim).collect::<Vec<_>>().join(" ");
            }
        }
        let mut told = BTreeSet::new();
        mistakes.retain(|mistake| told.insert((mistake.line, mistake.message.clone())));
        if let Some(more) = mistakes.len().checked_sub(MISTAKES_MAX + 1) {
            let line = mistakes[MISTAKES_MAX].line;
            mistakes.truncate(MISTAKES_MAX);
            let message = format!("there are {} more mistakes from here on", more + 1);
            mistakes.push(Mistake { line, message });
        }
        Self { file: file.into(), mistakes }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Mistake { line, message }) in self.mistakes.iter().enumerate() {
            let end = if i + 1 == self.mistakes.len() { "" } else { "\n" };
            match line {
                0 => write!(f, "{}: {message}{end}", self.file)?,
                _ => write!(f, "{}:{line}: {message}{end}", self.file)?,
            }
        }
        Ok(())
    }
}

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    /// Counted from 1. Of a text below a `|`, the line of its first word.
    pub(super) line: usize,
}

/// Why YAML gave less of an expression than its line has, by the expression's line.
pub(super) type Cuts = BTreeMap<usize, &'static str>;

/// What was read of a file: its shape as far as it has one, and what is wrong with the form.
#[derive(Default)]
pub(super) struct Reading {
    /// `None`: there is no mapping at all.
    pub(super) file: Option<File>,
    pub(super) mistakes: Vec<Mistake>,
    /// What is no mistake, and probably not meant.
    pub(super) warnings: Vec<Mistake>,
    /// Why YAML gave less of an expression than its line has, by line: told where the expression does not compile.
    pub(super) cuts: Cuts,
}

/// Reads the form of a definition file.
pub(super) fn read(source: &str) -> Reading {
    if source.len() > SOURCE_BYTES_MAX {
        let line = line_of(source, SOURCE_BYTES_MAX);
        let message = format!(
            "the file has {} bytes; a definition may have {SOURCE_BYTES_MAX} (SOURCE_BYTES_MAX), which end here",
            source.len()
        );
        return Reading { mistakes: vec![Mistake { line, message }], ..Reading::default() };
    }
    let mut tree = tree::read(source);
    let mut warnings = Vec::new();
    let notes = keys::Notes { source, mistakes: &mut tree.mistakes, warnings: &mut warnings };
    let file = tree.root.as_deref().and_then(|root| file::read(root, notes));
    if tree.root.is_none() && tree.mistakes.is_empty() {
        let message = "the file has no definition in it; the first line of one is `saga: NAME`";
        tree.mistakes.push(Mistake { line: 1, message: message.into() });
    }
    Reading { file, mistakes: tree.mistakes, warnings, cuts: tree.cuts }
}

/// The line of a byte, counted from 1. YAML takes a carriage return alone for the end of a line, too.
fn line_of(source: &str, at: usize) -> usize {
    let bytes = source.as_bytes();
    let is_end =
        |at: &usize| bytes[*at] == b'\n' || (bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    1 + (0..at.min(bytes.len())).filter(is_end).count()
}

/// A piece of a file as messages repeat it: one line, and no more of it than helps.
pub(super) fn shown(text: &str) -> String {
    /// Characters of a file's own text in a message.
    const SHOWN_CHARS_MAX: usize = 60;
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.retain(|c| !c.is_control());
    match line.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// `text` in single quotes, as YAML has them: within, nothing is an escape.
pub(super) fn in_quotes(text: &str) -> String {
    format!("'{}'", text.trim().replace('\'', "''"))
}
