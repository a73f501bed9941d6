//! The parts that every page has.

use saga_core::Timestamp;
use strum::{EnumString, IntoStaticStr};

use crate::assets;
use crate::shown::number;
use crate::words::{FrameWords, Lang};

/// The colours of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Theme {
    /// As the system has it.
    #[default]
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// A reader's choices, which cookies keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Preferences {
    /// The language.
    pub lang: Lang,
    /// The colours.
    pub theme: Theme,
}

/// A page of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageName {
    /// `/console/`.
    Overview,
    /// `/console/sagas`, and one saga.
    Sagas,
    /// `/console/inbox`, and bulk actions.
    Inbox,
    /// `/console/definitions`, and one definition.
    Definitions,
    /// `/console/participants`.
    Participants,
    /// None of them: the sign-in, or an error.
    Elsewhere,
}

/// The actions that the reader's roles allow: only those are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct May {
    /// Sagas can be seen.
    pub read: bool,
    /// Sagas can be tried, resolved and cancelled.
    pub operate: bool,
    /// Signals can be sent.
    pub signal: bool,
}

/// The values that every page has.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Language and colours.
    pub preferences: Preferences,
    /// Which page of the navigation it is.
    pub page: PageName,
    /// The reader's name; `None`: callers are not known by name, or nobody has signed in.
    pub reader: Option<String>,
    /// Whether the reader has a session that can be ended.
    pub signed_in: bool,
    /// The reader's actions.
    pub may: May,
    /// The proof, in each form, that a page of this session has sent it.
    pub token: String,
    /// How many sagas need a person; `None`: not known now.
    pub person: Option<u64>,
    /// The page's path and query, without `lang` and `theme`.
    pub here: String,
    /// When the page was made.
    pub at: Timestamp,
}

impl Frame {
    /// The language.
    pub fn lang(&self) -> Lang {
        self.preferences.lang
    }

    pub(crate) fn words(&self) -> &'static FrameWords {
        FrameWords::of(self.lang())
    }

    pub(crate) fn theme(&self) -> &'static str {
        self.preferences.theme.into()
    }

    /// The keys, and the meaning of each.
    pub(crate) fn keys(&self) -> [(&'static [&'static str], &'static str); 9] {
        let words = self.words();
        [
            (&["/"], words.key_search),
            (&["g"], words.key_go),
            (&["j", "k"], words.key_move),
            (&["o"], words.key_open),
            (&["x"], words.key_tick),
            (&["n"], words.key_next),
            (&["c"], words.key_copy),
            (&["r", "1"], words.key_try),
            (&["?"], words.key_help),
        ]
    }

    /// Every theme's word of the address, and its word.
    pub(crate) fn themes(&self) -> [(&'static str, &'static str); 3] {
        let words = self.words();
        [("auto", words.theme_auto), ("light", words.theme_light), ("dark", words.theme_dark)]
    }

    pub(crate) fn has_theme(&self, theme: &str) -> bool {
        self.theme() == theme
    }

    /// Whether `page` is the current one, for `aria-current`.
    pub(crate) fn is_at(&self, page: PageName) -> bool {
        self.page == page
    }

    /// Whether sagas are known to need a person.
    pub(crate) fn needs_person(&self) -> bool {
        self.person.is_some_and(|count| count > 0)
    }

    /// How many sagas need a person.
    pub(crate) fn person_text(&self) -> String {
        self.person.map_or_else(String::new, |count| number(count, self.lang()))
    }

    /// This page in the other language.
    pub(crate) fn here_with_lang(&self) -> String {
        self.here_with("lang", self.lang().other().code())
    }

    /// This page in other colours.
    pub(crate) fn here_with_theme(&self, theme: &str) -> String {
        self.here_with("theme", theme)
    }

    fn here_with(&self, choice: &str, value: &str) -> String {
        let mark = if self.here.contains('?') { '&' } else { '?' };
        format!("{}{mark}{choice}={value}", self.here)
    }

    /// The address of an asset. It changes with the asset's content.
    #[expect(clippy::unused_self, reason = "templates call methods of their values")]
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::address(name)
    }
}
