//! The sagas of one cause, in figures.

use saga_core::Timestamp;
use saga_core::event::Stuck;

use crate::Lang;
use crate::shown::{Amount, When, excerpt};
use crate::words::{InboxWords, count_text};

/// Characters of a name, or of a reason, that are shown.
const CAUSE_CHARS_SHOWN_MAX: usize = 120;

/// The obstacle that a cause is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CauseObstacle {
    /// A step is stuck.
    Stuck(Stuck),
    /// The saga as a whole cannot be read.
    Unreadable,
    /// An earlier release has blocked it, and gave no key.
    BeforeKeys,
}

/// The figures of a cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseFacts {
    /// Its key.
    pub key: String,
    /// The obstacle.
    pub obstacle: CauseObstacle,
    /// The name of the step's participant.
    pub participant: Option<String>,
    /// The step's name.
    pub step: Option<String>,
    /// Whether it stands for several reasons.
    pub is_others: bool,
    /// The reason that its sagas share, without its details.
    pub reason: String,
    /// How many sagas there are.
    pub count: u64,
    /// Whether there are more than that.
    pub more: bool,
    /// The money at stake, in cents.
    pub at_stake: Option<i64>,
    /// Since when the one waits that has waited for longest.
    pub oldest: Timestamp,
    /// Since when the one waits that came last.
    pub newest: Timestamp,
    /// How many came in the last five minutes.
    pub recent: u64,
}

/// A cause, as it is written.
#[derive(Debug)]
pub(crate) struct CauseLine {
    pub(crate) key: String,
    pub(crate) title: &'static str,
    pub(crate) place: String,
    pub(crate) reason: String,
    pub(crate) count: String,
    pub(crate) need: String,
    pub(crate) at_stake: String,
    pub(crate) oldest: When,
    pub(crate) newest: When,
    pub(crate) recent: String,
}

impl CauseObstacle {
    pub(crate) fn title(self, lang: Lang) -> &'static str {
        match self {
            Self::Stuck(stuck) => InboxWords::title(Some(stuck), lang),
            Self::Unreadable => InboxWords::title(None, lang),
            Self::BeforeKeys => InboxWords::before_keys(lang),
        }
    }
}

impl CauseFacts {
    /// `paiement · client`.
    pub fn place(&self, lang: Lang) -> String {
        cause_place(self.step.as_deref(), self.participant.as_deref(), lang)
    }

    pub(crate) fn line(&self, now: Timestamp, lang: Lang) -> CauseLine {
        let words = InboxWords::of(lang);
        let others = self.is_others.then_some(words.other_reasons);
        CauseLine {
            key: self.key.clone(),
            title: self.obstacle.title(lang),
            place: self.place(lang),
            reason: others.map_or_else(|| excerpt(&self.reason, CAUSE_CHARS_SHOWN_MAX), ToOwned::to_owned),
            count: count_text(lang, self.count, self.more),
            need: InboxWords::need(lang, self.count, self.more),
            at_stake: self.at_stake.map(|cents| Amount(cents).text(lang)).unwrap_or_default(),
            oldest: When::of(self.oldest, now, lang),
            newest: When::of(self.newest, now, lang),
            recent: format!("+{}", count_text(lang, self.recent, false)),
        }
    }
}

/// `paiement · client`; of a saga as a whole, that.
pub fn cause_place(step: Option<&str>, participant: Option<&str>, lang: Lang) -> String {
    let shown: Vec<_> =
        [step, participant].into_iter().flatten().map(|name| excerpt(name, CAUSE_CHARS_SHOWN_MAX)).collect();
    if shown.is_empty() { InboxWords::of(lang).no_step.to_owned() } else { shown.join(" · ") }
}
