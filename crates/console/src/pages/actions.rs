//! `GET /console/actions`: who tried what, and what came of it; and `GET /console/actions/{id}`: the results of one action.

use std::sync::Arc;

use askama::Template;
use saga_core::Timestamp;
use saga_core::saga::CameSince;
use saga_journal::{BulkCounts, BulkState, KeptBulkAction, KeptBulkItem};
use strum::VariantArray;

use super::filters::LIST;
use crate::Lang;
use crate::frame::{PageFrame, PageName};
use crate::shown::{Badge, Family, When, excerpt, number, short_id};
use crate::words::{ActionWords, number_of_sagas};

/// Where actions are.
pub const ACTIONS: &str = "/console/actions";
/// Characters of a text of an action that are shown.
const TEXT_CHARS_SHOWN_MAX: usize = 500;
/// The order in which results are told: what went well first.
const ORDER: [BulkState; 9] = [
    BulkState::Undone,
    BulkState::Completed,
    BulkState::FailedAgain,
    BulkState::Skipped,
    BulkState::NotSent,
    BulkState::GoingOn,
    BulkState::Sent,
    BulkState::Waiting,
    BulkState::TakenBack,
];

/// The list of actions.
#[derive(Debug, Template)]
#[template(path = "actions.html")]
pub struct ActionsPage {
    /// The frame.
    pub frame: PageFrame,
    /// The actions, those that were begun last first.
    pub actions: Vec<ActionLine>,
    /// The address of the next page.
    pub next: Option<String>,
    /// Whether it is the list's first page.
    pub is_first: bool,
}

/// One action, as a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionLine {
    pub(crate) href: String,
    /// `operator-b tried 26 of paiement · client`.
    pub(crate) what: String,
    pub(crate) by: String,
    pub(crate) reason: String,
    pub(crate) sagas: String,
    /// The step and the participant, or which sagas.
    pub(crate) place: String,
    pub(crate) begun: When,
    pub(crate) badge: Badge,
    pub(crate) results: Vec<ActionCount>,
    pub(crate) is_over: bool,
    pub(crate) items: u64,
}

/// The sagas of an action in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionCount {
    pub(crate) state: BulkState,
    pub(crate) family: Family,
    pub(crate) word: &'static str,
    pub(crate) count: u64,
    pub(crate) text: String,
    pub(crate) href: String,
}

/// One action.
#[derive(Debug, Template)]
#[template(path = "action.html")]
pub struct ActionPage {
    /// The frame.
    pub frame: PageFrame,
    /// The action.
    pub action: ActionLine,
    /// The state whose sagas alone are shown.
    pub state: Option<BulkState>,
    /// Its sagas, in their order.
    pub items: Vec<ItemLine>,
    /// The address of the next page.
    pub next: Option<String>,
    /// Whether it is the first page of its sagas.
    pub is_first: bool,
    /// How many have not left.
    pub waiting: u64,
}

/// One saga of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemLine {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) why: String,
    pub(crate) at: Option<When>,
}

/// Why a saga has its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemWhy {
    /// The operator did not know of this.
    Since(CameSince),
    /// The saga does not wait for an operator.
    NotBlocked,
    /// There is no such saga.
    Unknown,
    /// The participants of these steps hold their calls back.
    HeldBack(Vec<Arc<str>>),
    /// In words of a participant or of the engine.
    Says(String),
}

impl ActionLine {
    /// An action with its counts. `place`: the step and the participant of its sagas.
    pub fn of(action: &KeptBulkAction, counts: &BulkCounts, place: &str, now: Timestamp, lang: Lang) -> Self {
        let (words, head) = (ActionWords::of(lang), &action.head);
        let href = format!("{ACTIONS}/{}", head.id);
        let is_over = !counts.iter().any(|(state, count)| *count > 0 && is_open(*state));
        let badge = match is_over {
            true => Badge::new(Family::Done, words.over),
            false => Badge::new(Family::Run, words.under_way),
        };
        let count = |state: &BulkState| {
            let count = counts.get(state).copied().filter(|count| *count > 0)?;
            Some(ActionCount {
                state: *state,
                family: family(*state),
                word: word(*state, words),
                count,
                text: number(count, lang),
                href: format!("{href}?state={state}"),
            })
        };
        Self {
            what: ActionWords::tried(lang, &head.by, action.items, place),
            by: excerpt(&head.by, TEXT_CHARS_SHOWN_MAX),
            reason: excerpt(head.reason.as_deref().unwrap_or_default(), TEXT_CHARS_SHOWN_MAX),
            sagas: number_of_sagas(lang, action.items),
            place: place.to_owned(),
            begun: When::of(head.begun, now, lang),
            badge,
            results: ORDER.iter().filter_map(count).collect(),
            is_over,
            items: action.items,
            href,
        }
    }

    /// The parts of a bar of 100: where each begins, how wide it is, and its colour.
    fn bar(&self) -> Vec<(u64, u64, &'static str)> {
        let (mut done, mut parts) = (0u64, Vec::new());
        for result in &self.results {
            let begin = done.saturating_mul(1000) / self.items.max(1);
            done = done.saturating_add(result.count);
            let end = done.saturating_mul(1000) / self.items.max(1);
            parts.push((begin, end.saturating_sub(begin).max(4), result.family.into()));
        }
        parts
    }
}

impl ActionCount {
    fn class(&self) -> &'static str {
        self.family.into()
    }
}

impl ItemLine {
    /// A saga of an action.
    pub fn of(item: &KeptBulkItem, why: Option<&ItemWhy>, now: Timestamp, lang: Lang) -> Self {
        let words = ActionWords::of(lang);
        Self {
            id: item.saga.to_string(),
            badge: badge(item.state, words),
            why: why.map(|why| why.text(lang)).unwrap_or_default(),
            at: item.ended.map(|at| When::of(at, now, lang)),
        }
    }

    fn short(&self) -> &str {
        short_id(&self.id)
    }

    fn href(&self) -> String {
        format!("{LIST}/{}", self.id)
    }
}

impl ItemWhy {
    /// In words.
    pub fn text(&self, lang: Lang) -> String {
        let words = ActionWords::of(lang);
        match self {
            Self::Since(since) => ActionWords::since(lang, since),
            Self::NotBlocked => words.not_blocked.to_owned(),
            Self::Unknown => words.unknown.to_owned(),
            Self::HeldBack(steps) => ActionWords::held_back(lang, steps),
            Self::Says(said) => excerpt(said, TEXT_CHARS_SHOWN_MAX),
        }
    }
}

impl ActionsPage {
    fn words(&self) -> &'static ActionWords {
        ActionWords::of(self.frame.lang())
    }
}

impl ActionPage {
    fn words(&self) -> &'static ActionWords {
        ActionWords::of(self.frame.lang())
    }

    fn take_back(&self) -> String {
        ActionWords::take_back_many(self.frame.lang(), self.waiting)
    }

    fn is_of(&self, count: &ActionCount) -> bool {
        self.state == Some(count.state)
    }
}

/// The state that a query names.
pub fn bulk_state(word: &str) -> Option<BulkState> {
    BulkState::VARIANTS.iter().copied().find(|state| state.to_string() == word)
}

/// The words for why there is no action.
pub fn no_such_action(lang: Lang) -> &'static str {
    ActionWords::of(lang).gone
}

/// Whether something can still come of it.
fn is_open(state: BulkState) -> bool {
    matches!(state, BulkState::Waiting | BulkState::Sent)
}

fn family(state: BulkState) -> Family {
    match state {
        BulkState::Undone | BulkState::Completed => Family::Done,
        BulkState::FailedAgain => Family::Pers,
        BulkState::Skipped | BulkState::TakenBack => Family::None,
        BulkState::NotSent | BulkState::Waiting => Family::Wait,
        BulkState::GoingOn | BulkState::Sent => Family::Run,
    }
}

fn word(state: BulkState, words: &'static ActionWords) -> &'static str {
    match state {
        BulkState::Waiting => words.waiting,
        BulkState::Sent => words.sent,
        BulkState::Undone => words.undone,
        BulkState::Completed => words.completed,
        BulkState::FailedAgain => words.failed_again,
        BulkState::Skipped => words.skipped,
        BulkState::NotSent => words.not_sent,
        BulkState::TakenBack => words.taken_back,
        BulkState::GoingOn => words.going_on,
    }
}

fn badge(state: BulkState, words: &'static ActionWords) -> Badge {
    Badge::new(family(state), word(state, words))
}

/// The place of a saga in an action, as an address has it.
pub fn item_href(action: &impl std::fmt::Display, state: Option<BulkState>, after: u64) -> String {
    let state = state.map(|state| format!("state={state}&")).unwrap_or_default();
    format!("{ACTIONS}/{action}?{state}after={after}")
}
