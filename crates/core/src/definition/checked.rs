//! A definition that can be relied on, and what is questionable about it all the same.

use super::{Definition, Mistake, Variable};

/// A definition, and what its author should know.
#[derive(Debug)]
pub struct Checked {
    /// What was read.
    pub definition: Definition,
    /// The environment variables and files that it names, in the order in which they were looked up.
    pub variables: Vec<Variable>,
    /// What is no mistake, and probably not meant, in the order of lines.
    pub warnings: Vec<Warning>,
}

/// Something that is no mistake, but should not stay as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Counted from 1; 0 where the place is not known.
    pub line: usize,
    /// What is questionable, and what to do.
    pub message: String,
}

impl Warning {
    /// The warning as one line of text about the file called `file`.
    pub fn told(&self, file: &str) -> String {
        match self.line {
            0 => format!("{file}: warning: {}", self.message),
            line => format!("{file}:{line}: warning: {}", self.message),
        }
    }
}

impl From<Mistake> for Warning {
    /// Both are told alike: on one line, in the order of lines, each once.
    fn from(Mistake { line, message }: Mistake) -> Self {
        Self { line, message }
    }
}
