//! `GET /console/inbox`: what needs a person, and what first? The sagas that need a person by cause; one cause is open.
//!
//! - `address.rs`: the view that an address names. `cause.rs`: a cause in figures. `minutes.rs`: bars of the new ones.
//! - `typical.rs`: the oldest saga's call, and what follows. `member.rs`: a cause's sagas as rows.

mod address;
mod cause;
mod member;
mod minutes;
mod typical;

use askama::Template;
use saga_core::event::Finding;
use saga_core::{SagaId, Timestamp};
use saga_journal::KeptRow;

pub use self::address::{CauseOrder, INBOX, InboxView};
use self::cause::CauseLine;
pub use self::cause::{CauseFacts, CauseObstacle, cause_place};
use self::member::MemberLine;
pub use self::minutes::{MINUTES_SHOWN, MinuteBars};
pub use self::typical::{SuspendedParticipant, TypicalTry, takes_finding};
use super::actions::ActionLine;
use crate::Lang;
use crate::frame::{PageFrame, PageName};
use crate::shown::{Amount, When, excerpt, short_id};
use crate::words::{InboxWords, number_of_sagas};

/// Characters of a refusal that are shown.
const REFUSAL_CHARS_SHOWN_MAX: usize = 600;

/// The page.
#[derive(Debug, Template)]
#[template(path = "inbox.html")]
pub struct InboxPage {
    /// The frame.
    pub frame: PageFrame,
    /// The view.
    pub view: InboxView,
    /// The causes, in the view's order.
    pub causes: Vec<CauseFacts>,
    /// Whether there are more of them.
    pub more_causes: bool,
    /// The names of the definitions that the filter offers.
    pub definitions: Vec<String>,
    /// The cause that is open.
    pub open: Option<OpenCause>,
    /// The last bulk action.
    pub action: Option<ActionLine>,
    /// The answer to a form that was not taken, or not for all.
    pub answer: Option<InboxAnswer>,
    /// The texts of that form.
    pub typed: TypedTexts,
}

/// The cause that is open.
#[derive(Debug)]
pub struct OpenCause {
    /// Its figures.
    pub facts: CauseFacts,
    /// The new ones of each minute.
    pub minutes: MinuteBars,
    /// Its oldest saga; `None`: it cannot be read now.
    pub typical: Option<TypicalTry>,
    /// Its participant, if that is suspended.
    pub suspended: Option<SuspendedParticipant>,
    /// A page of its sagas, those first that have waited for longest.
    pub members: Vec<KeptRow>,
    /// The place where the next page begins.
    pub next: Option<String>,
    /// The most sagas that one action can have.
    pub action_max: u64,
    /// The idempotency key of the page's form.
    pub key: String,
}

/// The answer to a form that was not taken, or not for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxAnswer {
    /// Why nothing was done; `None`: something was.
    pub problem: Option<String>,
    /// The sagas of which a finding was recorded.
    pub said: Vec<SagaId>,
    /// The others, each with why not.
    pub refused: Vec<(SagaId, String)>,
}

/// The texts of a form, kept for its next try.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypedTexts {
    /// Why to try.
    pub reason: String,
    /// The reader's name, where there are no names.
    pub by: String,
    /// How the reader knows what happened.
    pub said: String,
    /// What happened.
    pub finding: Option<Finding>,
    /// The ticked sagas.
    pub ticked: Vec<SagaId>,
}

/// The figures of all causes.
#[derive(Debug)]
pub(crate) struct InboxTotal {
    pub(crate) need: String,
    pub(crate) at_stake: String,
    pub(crate) oldest: When,
}

/// A finding that the form offers.
pub(crate) struct OfferedFinding {
    pub(crate) value: &'static str,
    pub(crate) word: &'static str,
    pub(crate) is_chosen: bool,
}

/// A saga of an answer.
pub(crate) struct AnsweredSaga {
    pub(crate) href: String,
    pub(crate) short: String,
    pub(crate) why: String,
}

impl InboxAnswer {
    /// Whether something was not done.
    fn is_bad(&self) -> bool {
        self.problem.is_some() || !self.refused.is_empty()
    }
}

impl InboxPage {
    fn words(&self) -> &'static InboxWords {
        InboxWords::of(self.frame.lang())
    }

    fn now(&self) -> Timestamp {
        self.frame.at
    }

    /// Everything together; `None`: nobody is needed.
    fn total(&self) -> Option<InboxTotal> {
        let (lang, now) = (self.frame.lang(), self.now());
        let oldest = self.causes.iter().map(|cause| cause.oldest).min()?;
        let count = self.causes.iter().fold(0u64, |sum, cause| sum.saturating_add(cause.count));
        let more = self.more_causes || self.causes.iter().any(|cause| cause.more);
        let cents = self.causes.iter().filter_map(|cause| cause.at_stake).reduce(i64::saturating_add);
        Some(InboxTotal {
            need: InboxWords::need(lang, count, more),
            at_stake: cents.map(|cents| Amount(cents).text(lang)).unwrap_or_default(),
            oldest: When::of(oldest, now, lang),
        })
    }

    fn lines(&self) -> Vec<CauseLine> {
        self.causes.iter().map(|cause| cause.line(self.now(), self.frame.lang())).collect()
    }

    fn is_open(&self, line: &CauseLine) -> bool {
        self.open.as_ref().is_some_and(|open| open.facts.key == line.key)
    }

    fn line_of(&self, open: &OpenCause) -> CauseLine {
        open.facts.line(self.now(), self.frame.lang())
    }

    fn members(&self, open: &OpenCause) -> Vec<MemberLine> {
        open.members.iter().map(|row| MemberLine::of(row, self.now(), self.frame.lang())).collect()
    }

    /// The name of the label that rows show.
    fn label_name(&self, members: &[MemberLine]) -> String {
        let mut names: Vec<&str> =
            members.iter().filter_map(|line| line.label.as_ref()).map(|label| label.name.as_str()).collect();
        names.dedup();
        match names[..] {
            [one] => one.to_owned(),
            _ => self.words().label.to_owned(),
        }
    }

    fn orders(&self) -> [(&'static str, &'static str, bool); 3] {
        let words = self.words();
        let choices = [
            (CauseOrder::Oldest, words.by_oldest),
            (CauseOrder::Money, words.by_money),
            (CauseOrder::Sagas, words.by_sagas),
        ];
        choices.map(|(order, word)| (order.into(), word, order == self.view.order))
    }

    fn is_of(&self, definition: &str) -> bool {
        self.view.definition.as_deref() == Some(definition)
    }

    fn try_group(&self, open: &OpenCause) -> String {
        InboxWords::try_group(self.frame.lang(), open.facts.count, open.action_max)
    }

    fn why(&self, open: &OpenCause) -> &'static str {
        let words = self.words();
        match open.facts.obstacle {
            CauseObstacle::BeforeKeys => words.before_text,
            _ if open.facts.is_others => words.others_text,
            CauseObstacle::Stuck(_) | CauseObstacle::Unreadable => words.why_text,
        }
    }

    fn findings(&self, typical: &TypicalTry) -> Vec<OfferedFinding> {
        let words = self.words();
        let choice = |finding: &Finding| OfferedFinding {
            value: finding_word(*finding),
            word: words.finding(*finding),
            is_chosen: self.typed.finding == Some(*finding),
        };
        typical.findings.iter().map(choice).collect()
    }

    fn is_ticked(&self, member: &MemberLine) -> bool {
        self.typed.ticked.iter().any(|saga| saga.to_string() == member.id)
    }

    /// Whether results of the action that is shown are still to come.
    fn is_trying(&self) -> bool {
        self.action.as_ref().is_some_and(|action| !action.is_over)
    }

    fn refused(&self, answer: &InboxAnswer) -> Vec<AnsweredSaga> {
        let refused = answer.refused.iter();
        refused.map(|(saga, why)| answered(*saga, excerpt(why, REFUSAL_CHARS_SHOWN_MAX))).collect()
    }

    fn said(&self, answer: &InboxAnswer) -> String {
        let sagas = number_of_sagas(self.frame.lang(), answer.said.len() as u64);
        match self.frame.lang() {
            Lang::En => format!("{}: {sagas}", self.words().said),
            Lang::Fr => format!("{}\u{a0}: {sagas}", self.words().said),
        }
    }

    /// The page's own name: how many need a person.
    fn title(&self) -> String {
        let inbox = self.frame.words().inbox;
        match self.total() {
            Some(_) if self.frame.needs_person() => format!("{inbox} ({})", self.frame.person_text()),
            _ => inbox.to_owned(),
        }
    }
}

fn answered(saga: SagaId, why: String) -> AnsweredSaga {
    let id = saga.to_string();
    AnsweredSaga { href: format!("{}/{id}", super::filters::LIST), short: short_id(&id).to_owned(), why }
}

/// The word of a finding in forms.
pub fn finding_word(finding: Finding) -> &'static str {
    match finding {
        Finding::Ran => "ran",
        Finding::NotRun => "not_run",
        Finding::Undone => "undone",
    }
}
