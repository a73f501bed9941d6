//! The participants: who is ill?

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use saga_core::Timestamp;
use saga_core::definition::Safety;

use super::overview::{definition_address, span_or_dash};
use crate::shown::{Badge, Family, Span, When, number, visible, visible_cut};
use crate::words::ParticipantsWords;
use crate::words::participants as said;
use crate::{Lang, PageFrame, PageName};

/// Participants on one page.
const PARTICIPANTS_SHOWN_MAX: usize = 500;
/// So many calls that end badly one after the other are more than one order's bad luck.
const FAILURES_IN_A_ROW_MIN: u64 = 3;
/// Characters of a reason that are shown.
const REASON_CHARS_MAX: usize = 400;

/// A participant, as this process sees it.
#[derive(Debug, Clone)]
pub struct ParticipantFacts {
    /// Its name in the definitions that name it first.
    pub name: Arc<str>,
    /// Its address.
    pub url: String,
    /// What it promises about repeated and undone calls.
    pub safety: Safety,
    /// For how long it keeps its promise for one order.
    pub horizon: Duration,
    /// From sending a request to the end of its answer.
    pub timeout: Duration,
    /// Calls that may be under way at once.
    pub calls_max: usize,
    /// Whether calls are let through.
    pub gate: CallGate,
    /// Since when that is so.
    pub gate_since: Timestamp,
    /// When one call is let through, to see.
    pub tried_at: Option<Timestamp>,
    /// Calls that have not left.
    pub waiting: usize,
    /// Calls under way.
    pub in_flight: usize,
    /// Calls that ended within the breaker's window.
    pub calls: u32,
    /// Those of them that failed.
    pub failures: u32,
    /// Calls that ended badly since the last one that did not.
    pub failures_in_a_row: u64,
    /// The last call that ended badly.
    pub last_failure: Option<LastFailure>,
    /// What calls need before they leave, and is missing or old.
    pub access: Option<AccessFacts>,
    /// How long its calls took lately.
    pub latency: Option<Latency>,
    /// The definitions that call it, and their steps that do.
    pub used_by: Vec<(Arc<str>, Vec<Arc<str>>)>,
}

/// Whether calls are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallGate {
    /// As many as may be under way at once.
    Open,
    /// A few, to see.
    Trying,
    /// None.
    Shut,
}

/// A call that ended badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// When.
    pub at: Timestamp,
    /// How.
    pub kind: FailureKind,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// Why.
    pub reason: Box<str>,
}

/// How a call ended badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The participant does not accept such calls.
    NotAccepted,
    /// There was no connection.
    Unreachable,
    /// It is away or overloaded.
    Unavailable,
    /// No whole answer came.
    Unanswered,
    /// The answer does not tell the outcome.
    Unclear,
}

/// A credential or a file that calls need before they leave, and that is missing or old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFacts {
    /// Why.
    pub reason: Box<str>,
    /// Since when.
    pub since: Timestamp,
    /// Whether calls wait for it.
    pub holds_calls: bool,
}

/// How long calls took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took this, or less.
    pub p50: Duration,
    /// All but a hundredth took this, or less.
    pub p99: Duration,
    /// How many there were.
    pub calls: u64,
}

/// In what way a participant is not well: the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Calls wait for a credential or for files.
    NoAccess,
    /// Calls are suspended.
    Suspended,
    /// A few calls are let through, to see.
    Tried,
    /// Its calls end badly.
    Failing,
    /// The credential could not be renewed; calls go on with the former one.
    OldAccess,
    /// As many calls as may be are under way, and others wait.
    Full,
}

impl Trouble {
    pub(crate) fn badge(self, words: &ParticipantsWords) -> Badge {
        match self {
            Self::NoAccess => Badge::with_icon(Family::Undo, "fail", words.no_access),
            Self::Suspended => Badge::new(Family::Wait, words.suspended),
            Self::Tried => Badge::new(Family::Wait, words.tried),
            Self::Failing => Badge::with_icon(Family::Undo, "fail", words.failing),
            Self::OldAccess => Badge::with_icon(Family::Undo, "fail", words.old_access),
            Self::Full => Badge::new(Family::Wait, words.full),
        }
    }
}

impl ParticipantFacts {
    /// Tells it from the others on a page.
    pub(crate) fn key(&self) -> String {
        format!("{} {}", self.name, self.url)
    }

    /// In what way it is not well, if it is not.
    pub fn trouble(&self) -> Option<Trouble> {
        match (&self.access, self.gate) {
            (Some(AccessFacts { holds_calls: true, .. }), _) => Some(Trouble::NoAccess),
            (_, CallGate::Shut) => Some(Trouble::Suspended),
            (_, CallGate::Trying) => Some(Trouble::Tried),
            (_, CallGate::Open) if self.failures_in_a_row >= FAILURES_IN_A_ROW_MIN => Some(Trouble::Failing),
            (Some(_), CallGate::Open) => Some(Trouble::OldAccess),
            (None, CallGate::Open) => (self.waiting > 0).then_some(Trouble::Full),
        }
    }

    /// The same in one line, in parts.
    pub(crate) fn trouble_told(&self, trouble: Trouble, now: Timestamp, lang: Lang) -> Vec<String> {
        let mut parts = Vec::new();
        if self.waiting > 0 {
            parts.push(said::wait(self.waiting as u64, lang));
        }
        match trouble {
            Trouble::NoAccess | Trouble::OldAccess => {
                parts.extend(self.access.as_ref().map(|access| cut(&access.reason)));
            }
            Trouble::Suspended | Trouble::Tried => {
                let trial = self.tried_at.map(|at| Span(at.since(now)).text(lang));
                parts.extend(trial.map(|span| said::trial_in(&span, lang)));
            }
            Trouble::Failing => {
                parts.push(said::bad_row(self.failures_in_a_row, lang));
                let failure = self.last_failure.as_ref();
                parts.extend(failure.map(|failure| cut(&failure.reason)).filter(|reason| !reason.is_empty()));
            }
            Trouble::Full => {}
        }
        parts.extend(self.drained_in(now).map(|span| said::drained_in(&Span(span).text(lang), lang)));
        parts
    }

    /// In how long the calls that wait will have left, if each takes as long as half of the recent ones did. While the breaker tries, it
    /// lets one call through, then two, then four, and so on.
    pub fn drained_in(&self, now: Timestamp) -> Option<Duration> {
        let each = self.latency?.p50;
        let holds = self.access.as_ref().is_some_and(|access| access.holds_calls);
        if self.waiting == 0 || holds {
            return None;
        }
        let at_once = self.calls_max.max(1);
        let (mut left, mut rounds, mut places) = (self.waiting, 0_u32, at_once);
        if self.gate != CallGate::Open {
            places = 1;
            while left > 0 && places < at_once {
                left = left.saturating_sub(places);
                places *= 2;
                rounds += 1;
            }
            places = at_once;
        }
        let full = u32::try_from(left.div_ceil(places)).unwrap_or(u32::MAX);
        let pause = self.tried_at.filter(|_| self.gate == CallGate::Shut).map(|at| at.since(now));
        Some(pause.unwrap_or_default().saturating_add(each.saturating_mul(rounds.saturating_add(full))))
    }
}

/// A reason, made visible and cut.
pub(crate) fn cut(reason: &str) -> String {
    visible_cut(reason, REASON_CHARS_MAX)
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "participants.html")]
pub struct ParticipantsPage {
    /// The frame.
    pub frame: PageFrame,
    words: &'static ParticipantsWords,
    cards: Vec<ParticipantCard>,
}

#[derive(Debug)]
struct ParticipantCard {
    key: String,
    name: String,
    url: String,
    badge: Badge,
    since: When,
    trial: Option<When>,
    in_flight: String,
    waiting: String,
    drained: Option<String>,
    latency: Option<(String, String)>,
    window: String,
    bad_row: String,
    last: Option<FailureShown>,
    access: Option<(String, When, &'static str)>,
    promise: &'static str,
    horizon: String,
    timeout: String,
    used_by: Vec<(String, Arc<str>, String)>,
}

#[derive(Debug)]
struct FailureShown {
    at: When,
    kind: &'static str,
    status: Option<u16>,
    reason: String,
}

impl ParticipantsPage {
    /// The page about these.
    pub fn new(frame: PageFrame, participants: &[ParticipantFacts]) -> Self {
        let (lang, now) = (frame.lang(), frame.at);
        let card = |facts| ParticipantCard::of(facts, now, lang);
        let cards = participants.iter().take(PARTICIPANTS_SHOWN_MAX).map(card).collect();
        Self { frame, words: ParticipantsWords::of(lang), cards }
    }
}

impl ParticipantCard {
    fn of(facts: &ParticipantFacts, now: Timestamp, lang: Lang) -> Self {
        let words = ParticipantsWords::of(lang);
        let badge = match facts.trouble() {
            Some(trouble) => trouble.badge(words),
            None => Badge::new(Family::Done, words.well),
        };
        let steps = |steps: &[Arc<str>]| {
            steps.iter().map(|step| visible(step).into_owned()).collect::<Vec<_>>().join(", ")
        };
        Self {
            key: facts.key(),
            name: visible(&facts.name).into_owned(),
            url: visible(&facts.url).into_owned(),
            badge,
            since: When::of(facts.gate_since, now, lang),
            trial: facts.tried_at.map(|at| When::of(at, now, lang)),
            in_flight: said::of_max(facts.in_flight as u64, facts.calls_max as u64, lang),
            waiting: number(facts.waiting as u64, lang),
            drained: facts.drained_in(now).map(|span| format!("~{}", Span(span).text(lang))),
            latency: facts.latency.map(|latency| {
                (span_or_dash(Some(latency.p50), lang), span_or_dash(Some(latency.p99), lang))
            }),
            window: said::window(facts.calls.into(), facts.failures.into(), lang),
            bad_row: number(facts.failures_in_a_row, lang),
            last: facts.last_failure.as_ref().map(|failure| FailureShown {
                at: When::of(failure.at, now, lang),
                kind: match failure.kind {
                    FailureKind::NotAccepted => words.not_accepted,
                    FailureKind::Unreachable => words.unreachable,
                    FailureKind::Unavailable => words.unavailable,
                    FailureKind::Unanswered => words.unanswered,
                    FailureKind::Unclear => words.unclear,
                },
                status: failure.status,
                reason: cut(&failure.reason),
            }),
            access: facts.access.as_ref().map(|access| {
                let follows = if access.holds_calls { words.access_holds } else { words.access_old };
                (cut(&access.reason), When::of(access.since, now, lang), follows)
            }),
            promise: safety_text(facts.safety, lang),
            horizon: Span(facts.horizon).text(lang),
            timeout: Span(facts.timeout).text(lang),
            used_by: facts
                .used_by
                .iter()
                .map(|(definition, used)| (definition_address(definition), definition.clone(), steps(used)))
                .collect(),
        }
    }
}

/// A promise, in words.
pub(crate) fn safety_text(safety: Safety, lang: Lang) -> &'static str {
    let words = ParticipantsWords::of(lang);
    match safety {
        Safety::None => words.safety_none,
        Safety::Idempotent => words.safety_idempotent,
        Safety::Barrier => words.safety_barrier,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn facts(text: &str) -> ParticipantFacts {
        let at = Timestamp::from_micros(0);
        ParticipantFacts {
            name: text.into(),
            url: text.into(),
            safety: Safety::Barrier,
            horizon: Duration::from_secs(86_400),
            timeout: Duration::from_secs(5),
            calls_max: 256,
            gate: CallGate::Shut,
            gate_since: at,
            tried_at: Some(at.plus(Duration::from_secs(9))),
            waiting: 412,
            in_flight: 0,
            calls: 20,
            failures: 20,
            failures_in_a_row: 31,
            last_failure: Some(LastFailure {
                at,
                kind: FailureKind::Unavailable,
                status: Some(503),
                reason: text.into(),
            }),
            access: Some(AccessFacts { reason: text.into(), since: at, holds_calls: false }),
            latency: Some(Latency { p50: Duration::from_millis(200), p99: Duration::from_secs(1), calls: 9 }),
            used_by: vec![(text.into(), vec![text.into()])],
        }
    }

    #[test]
    fn calls_that_wait_leave_in_rounds_that_double_while_the_breaker_tries() {
        let now = Timestamp::from_micros(0);
        let shut = facts("client");
        // 1 + 2 + 4 + ... + 128 are 255 in 8 rounds; the other 157 fit into one more.
        assert_eq!(shut.drained_in(now), Some(Duration::from_millis(9_000 + 9 * 200)));
        let trying = ParticipantFacts { gate: CallGate::Trying, tried_at: None, ..shut.clone() };
        assert_eq!(trying.drained_in(now), Some(Duration::from_millis(9 * 200)));
        let open = ParticipantFacts { gate: CallGate::Open, ..trying };
        assert_eq!(open.drained_in(now), Some(Duration::from_millis(2 * 200)));
        assert_eq!(ParticipantFacts { waiting: 0, ..open.clone() }.drained_in(now), None);
        assert_eq!(ParticipantFacts { latency: None, ..open.clone() }.drained_in(now), None);
        let huge = ParticipantFacts { waiting: usize::MAX, calls_max: 0, ..open };
        assert!(huge.drained_in(now).is_some());
    }

    #[test]
    fn the_first_trouble_that_applies_is_told() {
        let mut ill = facts("client");
        assert_eq!(ill.trouble(), Some(Trouble::Suspended));
        ill.access = Some(AccessFacts { holds_calls: true, ..ill.access.unwrap() });
        assert_eq!(ill.trouble(), Some(Trouble::NoAccess));
        assert_eq!(ill.drained_in(Timestamp::from_micros(0)), None);
        (ill.access, ill.gate) = (None, CallGate::Open);
        assert_eq!(ill.trouble(), Some(Trouble::Failing));
        ill.failures_in_a_row = 2;
        assert_eq!(ill.trouble(), Some(Trouble::Full));
        ill.waiting = 0;
        assert_eq!(ill.trouble(), None);
    }
}
