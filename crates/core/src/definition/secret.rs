//! Secrets that a definition names and never has: the place of one, and its text while the process holds it.

use std::fmt;
use std::hash::{Hash, Hasher};

use zeroize::Zeroizing;

/// The text of a secret. It is overwritten when it is dropped, and no report shows it.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: for the message that carries it, and for no other place.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret comes from. Two sources are equal if they name the same place, whatever is there.
#[derive(Debug)]
pub enum SecretSource {
    /// `${NAME}`: the process's environment, which does not change while the process runs.
    Variable {
        /// The variable's name.
        name: Box<str>,
        /// Its value; `None`: it is not set in this process.
        value: Option<SecretText>,
    },
    /// `${file:PATH}`: a file that is read again while the process runs.
    File(Box<str>),
}

impl SecretSource {
    /// The kind of place, and its name.
    fn place(&self) -> (bool, &str) {
        match self {
            Self::Variable { name, .. } => (false, name),
            Self::File(path) => (true, path),
        }
    }
}

impl PartialEq for SecretSource {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for SecretSource {}

impl Hash for SecretSource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

/// As the definition writes it.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable { name, .. } => write!(f, "${{{name}}}"),
            Self::File(path) => write!(f, "${{file:{path}}}"),
        }
    }
}
