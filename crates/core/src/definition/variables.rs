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
