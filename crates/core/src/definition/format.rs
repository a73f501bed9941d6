//! The rules that a definition was checked with, by their number.
//!
//! Rules become stricter from release to release. A stricter rule refuses a file; it never changes what an order that
//! is under way does. So a definition is kept together with its format, and the orders pinned to it are run by the rules
//! of that format to their end.

use sha2::{Digest, Sha256};

use super::DefinitionHash;

/// Which rules apply to a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Everything that was stored before formats were told apart: a condition holds unless it gives `false` or `null`;
    /// a path with a computed part is one program, whose values are sent as they are; 404 and 410 refuse a
    /// compensation, and 401 refuses whatever was called.
    One,
    /// Today's rules, as `docs/definitions.md` has them.
    Two,
}

impl Format {
    /// The rules that files are checked with.
    pub const CURRENT: Self = Self::Two;

    /// The number that is kept in the journal.
    pub const fn number(self) -> i64 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The format with this number; `None`: a later release wrote it.
    pub const fn numbered(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// Names a text that is read by these rules. The same text read by other rules is another definition, so its hash
    /// is another one: neither an order nor a replica of another release can take one for the other.
    pub(super) fn hash(self, source: &str) -> DefinitionHash {
        let mut digest = Sha256::new();
        if self > Self::One {
            // No definition begins like this: it would not be a mapping.
            digest.update(format!("saga definition, format {}\n", self.number()));
        }
        digest.update(source);
        DefinitionHash::new(&digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}
