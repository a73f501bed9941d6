//! A checked definition, and the warnings about it.

use std::sync::Arc;

use super::{Definition, Mistake, ParticipantTls, Variable};

/// A definition, and the remarks for its author.
#[derive(Debug)]
pub struct Checked {
    /// The definition.
    pub definition: Definition,
    /// The environment variables and files that it names, in the order in which they were looked up.
    pub variables: Vec<Variable>,
    /// Warnings about constructs that are valid but probably not meant, in the order of lines.
    pub warnings: Vec<Warning>,
    /// The line of the first expression that reads where its saga is called back, if one does: the server needs an address then.
    pub callbacks: Option<usize>,
    /// The line of the first participant whose calls are signed, if there is one: the process needs a signing key then.
    pub signs: Option<usize>,
    /// The files for TLS that participants name: the process that loads the definition has to be able to use them.
    pub tls: Vec<NamedTls>,
}

/// The `tls` of a participant, and where the definition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTls {
    /// Counted from 1.
    pub line: usize,
    /// The files.
    pub files: Arc<ParticipantTls>,
}

/// A construct that is valid but should be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Counted from 1; 0 if the line is not known.
    pub line: usize,
    /// The problem, and the correction.
    pub message: String,
}

impl Warning {
    /// The warning as one line of text about the file called `file`.
    pub fn line_about(&self, file: &str) -> String {
        match self.line {
            0 => format!("{file}: warning: {}", self.message),
            line => format!("{file}:{line}: warning: {}", self.message),
        }
    }
}

impl From<Mistake> for Warning {
    /// Warnings and mistakes are reported alike: each once, on one line, in the order of lines.
    fn from(Mistake { line, message }: Mistake) -> Self {
        Self { line, message }
    }
}
