//! What `${NAME}` and `${file:PATH}` in a definition stand for. This crate has no environment and reads no files: the
//! process that loads a definition brings both along.

/// A file that `${file:PATH}` names may have this many bytes.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;

/// The environment that a definition is loaded in.
pub trait Variables {
    /// The environment variable called `name`; `None`: it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of the file at `path`, of at most [`SECRET_BYTES_MAX`] bytes. The error says why there is none,
    /// without any of the content.
    fn file(&self, path: &str) -> Result<String, String>;
}

/// Variables alone: every file is out of reach.
pub(super) struct VariablesOnly<'e>(pub(super) &'e dyn Fn(&str) -> Option<String>);

impl Variables for VariablesOnly<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("no files can be read here".into())
    }
}

/// A variable or file that was looked up, and where its value came from. Never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name; a file's is `file:PATH`.
    pub name: Box<str>,
    /// Where the definition names it.
    pub line: usize,
    /// Where its value came from.
    pub origin: Origin,
}

/// Where a variable's value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The environment.
    Set,
    /// The default in the definition: it is not set, or empty.
    Default,
    /// Nowhere: it is not set, and has no default.
    Missing,
    /// A file.
    File,
    /// Nowhere: it is a file that cannot be used.
    NoFile {
        /// Why, for people.
        reason: Box<str>,
    },
}

impl Origin {
    /// Whether there is no value.
    pub fn is_nowhere(&self) -> bool {
        matches!(self, Self::Missing | Self::NoFile { .. })
    }
}

/// What to do with a variable that is not set and has no default, or a file that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    /// It is a mistake: nothing can be called without it.
    Refused,
    /// It is noted: people who look at a definition need not have its secrets.
    Noted,
}
