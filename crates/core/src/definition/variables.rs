//! The values of `${NAME}` and `${file:PATH}` in a definition. This crate has no environment and reads no files; the
//! process that loads a definition provides both.

/// The largest file that `${file:PATH}` names, in bytes.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;

/// The environment that a definition is loaded in.
pub trait Variables {
    /// The environment variable called `name`; `None`: it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of the file at `path`, of at most [`SECRET_BYTES_MAX`] bytes. The error gives the reason, without
    /// any of the content.
    fn file(&self, path: &str) -> Result<String, String>;
}

/// Variables only: no file can be read.
pub(super) struct VariablesOnly<'e>(pub(super) &'e dyn Fn(&str) -> Option<String>);

impl Variables for VariablesOnly<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("no files can be read here".into())
    }
}

/// A variable or file that was looked up, and the source of its value. Never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name; a file's is `file:PATH`.
    pub name: Box<str>,
    /// Where the definition names it.
    pub line: usize,
    /// The source of its value.
    pub origin: Origin,
}

/// The source of a variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The environment.
    Set,
    /// The default in the definition: the variable is not set, or is empty.
    Default,
    /// None: the variable is not set, and has no default.
    Missing,
    /// A file.
    File,
    /// None: the file cannot be used.
    NoFile {
        /// The reason, as a text for the author of the definition.
        reason: Box<str>,
    },
}

impl Origin {
    /// Whether there is no value.
    pub fn is_nowhere(&self) -> bool {
        matches!(self, Self::Missing | Self::NoFile { .. })
    }
}

/// How to handle a variable that is not set and has no default, or a file that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unset {
    /// As a mistake: no call can be made without it.
    Refused,
    /// As a mistake, unless calls can wait for it: an order that is pinned to the definition is to go on, and a secret of
    /// `auth` may come later.
    Awaited,
    /// As a remark: a check of a definition must not need its secrets.
    Noted,
}
