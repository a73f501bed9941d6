//! The state of a saga or step: an icon, a word and a colour, never the colour alone.

use saga_core::saga::Rollback;
use saga_journal::{KeptRow, StateFamily};
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
        match row.family() {
            StateFamily::Person => Self::new(Family::Pers, words.person),
            StateFamily::Waiting => Self::new(Family::Wait, words.waiting),
            StateFamily::Running => Self::new(Family::Run, words.running),
            StateFamily::Done => Self::new(Family::Done, words.done),
            StateFamily::Failed if row.rollback() == Rollback::None => {
                Self::with_icon(Family::Undo, "fail", words.failed)
            }
            StateFamily::Failed => Self::new(Family::Undo, words.undone),
        }
    }

    pub(crate) fn class(&self) -> &'static str {
        self.family.into()
    }
}
