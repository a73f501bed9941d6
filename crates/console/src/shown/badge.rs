//! The state of a saga or step: an icon, a word and a colour, never the colour alone.

use saga_core::saga::{Rollback, WaitingFor};
use saga_journal::KeptRow;
use strum::IntoStaticStr;

use crate::Lang;
use crate::words::FrameWords;

/// The families of states. Each has a colour (a class of the style sheet) and an icon (a symbol of the frame) of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Family {
    /// It goes on.
    Run,
    /// It waits for something that comes by itself.
    Wait,
    /// It stands.
    Done,
    /// It failed, and nothing is left of it.
    Undo,
    /// It needs a person.
    Pers,
    /// Nothing happened.
    None,
}

/// A badge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    /// Its colour.
    pub family: Family,
    /// Its symbol, where it differs from the family's.
    pub icon: &'static str,
    /// Its word.
    pub word: String,
}

impl Badge {
    /// With the symbol of its family.
    pub fn new(family: Family, word: impl Into<String>) -> Self {
        Self { family, icon: family.into(), word: word.into() }
    }

    /// With another symbol.
    pub fn with_icon(family: Family, icon: &'static str, word: impl Into<String>) -> Self {
        Self { family, icon, word: word.into() }
    }

    /// The state of a saga as its row has it.
    pub fn of_row(row: &KeptRow, lang: Lang) -> Self {
        let words = FrameWords::of(lang);
        let rollback = row.rollback();
        if rollback == Rollback::Blocked {
            return Self::new(Family::Pers, words.person);
        }
        if row.row.over {
            let failure = row.row.summary.failure.as_ref();
            return match (failure, rollback) {
                (None, Rollback::None) => Self::new(Family::Done, words.done),
                (Some(_), Rollback::None) => Self::with_icon(Family::Undo, "fail", words.failed),
                _ => Self::new(Family::Undo, words.undone),
            };
        }
        let waits = row.row.summary.waiting.iter().any(|waiting| waiting.cause != WaitingFor::Call);
        if waits { Self::new(Family::Wait, words.waiting) } else { Self::new(Family::Run, words.running) }
    }

    pub(crate) fn class(&self) -> &'static str {
        self.family.into()
    }
}
