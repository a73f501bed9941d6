//! The rules that a definition was checked with, identified by a number.
//!
//! Rules become stricter from release to release. A stricter rule refuses a file; it never changes the behaviour of
//! an order under way. A definition is therefore stored together with its format, and the orders that are pinned to
//! it are run by the rules of that format to their end.

use sha2::{Digest, Sha256};

use super::DefinitionHash;

/// Which rules apply to a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// All texts that were stored before formats existed: a condition is true unless it gives `false` or `null`; a
    /// path with a computed part is one program, whose values are sent without encoding; 404 and 410 refuse a
    /// compensation, and 401 refuses any call.
    One,
    /// The current rules, described in `docs/definitions.md`.
    Two,
}

impl Format {
    /// The rules that files are checked with.
    pub const CURRENT: Self = Self::Two;

    /// The number that is stored in the journal.
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

    /// The hash that names a text which is read by these rules. The same text under other rules is another definition
    /// with another hash, so neither an order nor a replica of another release can confuse them.
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
