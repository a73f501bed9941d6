//! Reads definition files: YAML to the form of a definition, with all mistakes of the form.
//!
//! ```text
//! source ──tree──▶ nodes with lines ──file, through keys──▶ File ──check──▶ Definition
//! ```
//!
//! - `tree.rs`: the YAML parser's events as a tree, within limits.
//! - `broken.rs`: the mistake that made the parser stop, and the line where it began.
//! - `keys.rs`: reads a mapping key by key; `wanted.rs`: the expected value of each key, with an example.
//! - `file.rs`: the keys of a file; `input.rs`: its input; `auth.rs`: `auth` and `tls` of a participant; `code.rs`: bodies and
//!   outputs.
//!
//! Only this folder uses the YAML library. `check` checks the *meaning* of a file, even if its form is wrong in some
//! places, so that all mistakes are reported at once.

mod auth;
mod broken;
mod code;
mod file;
mod input;
mod keys;
mod tree;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(super) use self::auth::{AuthIn, BasicIn, OAuth2In, TlsIn};
pub(super) use self::code::CodeNode;
pub(super) use self::file::{
    BreakerIn, CallIn, CompensationIn, EffectsIn, File, ParticipantIn, ProbeIn, RetryIn, SignalIn, StatesIn,
    StepIn,
};
pub(super) use self::input::InputIn;

/// The largest source of a definition, in bytes.
pub const SOURCE_BYTES_MAX: usize = 256 * 1024;
/// Nesting of mappings and lists: reading them is recursive, and the stack is limited.
const YAML_NESTING_MAX: usize = 32;
/// Keys, values, mappings and lists of a definition, including the copies that aliases make.
const YAML_VALUES_MAX: usize = 100_000;
/// Mistakes that are reported for one definition; an author with more will correct the first ones before reading on.
const MISTAKES_MAX: usize = 100;

/// One mistake in a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1; 0 if the line is not known.
    pub line: usize,
    /// The problem, and the correction.
    pub message: String,
}

/// All mistakes of one definition; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The name of the file.
    pub file: String,
    /// In the order of lines.
    pub mistakes: Vec<Mistake>,
}

impl Mistakes {
    /// The mistakes of `file`, whose text is `source`, in the order of lines, each once.
    pub(super) fn of(file: &str, source: &str, mut mistakes: Vec<Mistake>) -> Self {
        // For the parser, a missing end of the text is at a place after its last line.
        let last = line_of(source, source.trim_end_matches(['\n', '\r']).len());
        mistakes.iter_mut().for_each(|mistake| mistake.line = mistake.line.min(last));
        mistakes.sort_by_key(|mistake| mistake.line);
        // Messages quote the file's own words: these stay on one line, and cannot control a terminal.
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

/// A value, and its line.
#[derive(Debug, Clone)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    /// Counted from 1. For a text below a `|`, the line of its first word.
    pub(super) line: usize,
}

/// Why YAML gave less of an expression than its line has, by the expression's line.
pub(super) type Cuts = BTreeMap<usize, &'static str>;

/// The result of reading a file: its form, as far as it has one, and the mistakes of the form.
#[derive(Default)]
pub(super) struct FileReading {
    /// `None`: the file has no mapping.
    pub(super) file: Option<File>,
    pub(super) mistakes: Vec<Mistake>,
    /// Constructs that are valid but probably not meant.
    pub(super) warnings: Vec<Mistake>,
    /// Why YAML gave less of an expression than its line has, by line: reported if the expression does not compile.
    pub(super) cuts: Cuts,
}

/// Reads the form of a definition file.
pub(super) fn read(source: &str) -> FileReading {
    if source.len() > SOURCE_BYTES_MAX {
        let line = line_of(source, SOURCE_BYTES_MAX);
        let message = format!(
            "the file has {} bytes; a definition may have {SOURCE_BYTES_MAX} (SOURCE_BYTES_MAX), which end here",
            source.len()
        );
        return FileReading { mistakes: vec![Mistake { line, message }], ..FileReading::default() };
    }
    let mut tree = tree::read(source);
    let mut warnings = Vec::new();
    let notes = keys::MistakeNotes { source, mistakes: &mut tree.mistakes, warnings: &mut warnings };
    let file = tree.root.as_deref().and_then(|root| file::read(root, notes));
    if tree.root.is_none() && tree.mistakes.is_empty() {
        let message = "the file has no definition in it; the first line of one is `saga: NAME`";
        tree.mistakes.push(Mistake { line: 1, message: message.into() });
    }
    FileReading { file, mistakes: tree.mistakes, warnings, cuts: tree.cuts }
}

/// The line of a byte, counted from 1. In YAML, a single carriage return ends a line, too.
fn line_of(source: &str, at: usize) -> usize {
    let bytes = source.as_bytes();
    let is_end =
        |at: &usize| bytes[*at] == b'\n' || (bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    1 + (0..at.min(bytes.len())).filter(is_end).count()
}

/// A piece of a file as messages quote it: one line of limited length.
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

/// `text` in YAML's single quotes, within which there are no escapes.
pub(super) fn in_quotes(text: &str) -> String {
    format!("'{}'", text.trim().replace('\'', "''"))
}
