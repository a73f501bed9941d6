//! The actions on a saga: only actions that fit its state, and before each the calls that will follow.

use saga_core::event::Finding;
use saga_core::saga::{FollowingCall, FollowingEnd, Input, Moment, Saga};
use saga_core::{Command, CommandId, CommandKind, Direction, Json};

use super::view::{SagaAct, SagaView, TypedAct};
use crate::shown::{Span, When, visible_cut};
use crate::words::SagaWords;
use crate::{Lang, May};

/// Characters of a call's address in what follows.
const CALL_CHARS_MAX: usize = 300;
/// Calls that are shown of what follows; of more, how many there are.
const CALLS_SHOWN_MAX: usize = 40;

/// The card.
#[derive(Debug)]
pub struct ActCard {
    /// One for each action that fits.
    pub tabs: Vec<ActTab>,
    /// The chosen one.
    pub act: SagaAct,
    /// The step that a finding is about.
    pub step: String,
    /// What follows.
    pub follows: Vec<FollowLine>,
    /// The findings that can be reported, each with what follows.
    pub findings: Vec<FindingChoice>,
    /// Whether `ran` needs the output of the action.
    pub needs_output: bool,
    /// Whether what follows depends on what is typed: there is a button to see it.
    pub has_preview: bool,
    /// The signals that can be sent, and whether each is chosen.
    pub signals: Vec<(String, bool)>,
    /// The values that were typed before.
    pub typed: TypedAct,
    /// Whether the form asks for a name.
    pub asks_name: bool,
    /// The last event that the page shows.
    pub seen: u64,
    /// The same form again is the same command.
    pub key: String,
}

/// A tab.
#[derive(Debug)]
pub struct ActTab {
    /// Its action.
    pub act: SagaAct,
    /// Its word.
    pub word: &'static str,
    /// Its address.
    pub address: String,
    /// Whether it is chosen.
    pub is_current: bool,
}

/// A finding that can be reported.
#[derive(Debug)]
pub struct FindingChoice {
    /// Its value in the form.
    pub value: &'static str,
    /// Its word.
    pub word: &'static str,
    /// Whether it is chosen.
    pub is_chosen: bool,
    /// What follows from it.
    pub follows: Vec<FollowLine>,
}

/// A line of what follows.
#[derive(Debug, PartialEq, Eq)]
pub struct FollowLine {
    /// When, or under which condition.
    pub when: String,
    /// Calls, one a line.
    pub calls: Vec<String>,
    /// In words.
    pub words: String,
}

/// What an action's card is made of.
pub(super) struct ActOf<'a> {
    /// `None`: its history cannot be read.
    pub(super) saga: Option<&'a Saga>,
    pub(super) moment: Moment,
    pub(super) lang: Lang,
    pub(super) view: SagaView,
    pub(super) may: May,
    pub(super) path: &'a str,
    pub(super) typed: TypedAct,
    pub(super) has_name: bool,
    pub(super) seen: u64,
    pub(super) key: String,
    /// The command that this form gives.
    pub(super) command: CommandId,
}

impl ActOf<'_> {
    /// The card; `None`: nothing can be done, or the reader may do none of it.
    pub(super) fn card(self) -> Option<ActCard> {
        let words = SagaWords::of(self.lang);
        let fitting: Vec<SagaAct> = SagaAct::ALL.into_iter().filter(|act| self.fits(*act)).collect();
        let wanted = self.view.act.filter(|act| fitting.contains(act));
        let act = wanted.or(fitting.first().copied())?;
        let tab = |one: &SagaAct| ActTab {
            act: *one,
            word: match one {
                SagaAct::Resume => words.resume,
                SagaAct::Resolve => words.resolve,
                SagaAct::Cancel => words.cancel,
                SagaAct::Signal => words.signal_tab,
            },
            address: format!("{}{}#act", self.path, SagaView { act: Some(*one), ..self.view }.query()),
            is_current: *one == act,
        };
        let tabs = fitting.iter().map(tab).collect();
        let pending = self.saga.and_then(Saga::pending);
        let needs_output =
            act == SagaAct::Resolve && pending.as_ref().is_some_and(|pending| pending.lacks_output);
        let findings = if act == SagaAct::Resolve { self.findings() } else { Vec::new() };
        let signals = if act == SagaAct::Signal { self.signals() } else { Vec::new() };
        let chosen = signals.iter().find(|name| ***name == *self.typed.signal).or(signals.first()).cloned();
        let follows = match act {
            SagaAct::Resolve => Vec::new(),
            SagaAct::Signal => self.signal_follows(chosen.as_deref()),
            SagaAct::Resume | SagaAct::Cancel => self.follows(&self.kind(act)),
        };
        Some(ActCard {
            tabs,
            act,
            step: pending.map_or_else(String::new, |pending| visible_cut(pending.step, 64)),
            follows,
            findings,
            needs_output,
            has_preview: needs_output || act == SagaAct::Signal,
            signals: signals.into_iter().map(|name| (name.clone(), Some(name) == chosen)).collect(),
            asks_name: !self.has_name,
            seen: self.seen,
            key: self.key,
            typed: self.typed,
        })
    }

    /// Whether the action fits the state, and the reader may do it.
    fn fits(&self, act: SagaAct) -> bool {
        let may = if act == SagaAct::Signal { self.may.signal } else { self.may.operate };
        let Some(saga) = self.saga else { return may && act == SagaAct::Resume };
        may && match act {
            SagaAct::Resume | SagaAct::Cancel => self.changes(&self.kind(act)),
            SagaAct::Resolve => {
                saga.pending().is_some_and(|pending| !pending.findings.is_empty() && !pending.is_under_way)
            }
            SagaAct::Signal => !self.signals().is_empty(),
        }
    }

    /// Whether the command is taken, and brings about an event.
    fn changes(&self, kind: &CommandKind) -> bool {
        let command = self.command(kind);
        let mut saga = self.saga.cloned();
        let handled = saga.as_mut().map(|saga| saga.handle(&Input::Command(command), self.moment));
        matches!(handled, Some(Ok(records)) if !records.is_empty())
    }

    fn command(&self, kind: &CommandKind) -> Command {
        Command { id: self.command, asked: self.moment.now, by: None, kind: kind.clone() }
    }

    fn kind(&self, act: SagaAct) -> CommandKind {
        let by = || "?".into();
        match act {
            SagaAct::Cancel => CommandKind::CancelBy { by: by(), reason: None },
            SagaAct::Resume | SagaAct::Resolve | SagaAct::Signal => {
                CommandKind::Resume { by: by(), reason: None }
            }
        }
    }

    fn signals(&self) -> Vec<String> {
        let Some(saga) = self.saga else { return Vec::new() };
        let is_taken = |name: &&str| {
            self.changes(&CommandKind::Signal {
                name: (*name).into(),
                key: None,
                body: Json::null(),
                trace: None,
            })
        };
        saga.definition().signal_names().filter(is_taken).map(ToOwned::to_owned).collect()
    }

    fn signal_follows(&self, name: Option<&str>) -> Vec<FollowLine> {
        let words = SagaWords::of(self.lang);
        let body = Json::parse_unambiguous(self.typed.body.trim().as_bytes());
        match (name, body) {
            (Some(name), Ok(body)) => {
                self.follows(&CommandKind::Signal { name: name.into(), key: None, body, trace: None })
            }
            _ => vec![FollowLine::said(words.at_once, words.body_decides)],
        }
    }

    fn findings(&self) -> Vec<FindingChoice> {
        let Some(pending) = self.saga.and_then(Saga::pending) else { return Vec::new() };
        let words = SagaWords::of(self.lang);
        let choice = |finding: &Finding| {
            let typed = Json::parse_unambiguous(self.typed.output.trim().as_bytes()).ok();
            let output = typed.filter(|_| *finding == Finding::Ran && pending.lacks_output);
            let kind = CommandKind::Resolve {
                step: pending.blocked.step,
                finding: *finding,
                output,
                by: "?".into(),
                reason: "?".into(),
            };
            FindingChoice {
                value: value_of(*finding),
                word: words.finding(*finding),
                is_chosen: self.typed.finding == Some(*finding),
                follows: self.follows(&kind),
            }
        };
        pending.findings.iter().map(choice).collect()
    }

    /// The calls that a command brings about, and where the saga stands then.
    fn follows(&self, kind: &CommandKind) -> Vec<FollowLine> {
        let words = SagaWords::of(self.lang);
        let Some(saga) = self.saga else {
            return vec![FollowLine::said(words.at_once, words.read_again)];
        };
        let command = self.command(kind);
        let following = match saga.what_follows(&command, self.moment) {
            Ok(following) => following,
            Err(rejected) => return vec![FollowLine::said("", &rejected.to_string())],
        };
        // The calls that are made before any answer has come.
        let mut after = saga.clone();
        let taken = after.handle(&Input::Command(command), self.moment).is_ok();
        let first: Vec<_> = if taken { after.effects().calls.to_vec() } else { Vec::new() };
        let is_first = |call: &FollowingCall| {
            first.iter().any(|wanted| {
                (wanted.step, wanted.direction, wanted.attempt) == (call.step, call.direction, call.attempt)
            })
        };
        let mut lines: Vec<FollowLine> = Vec::new();
        for call in following.calls.iter().take(CALLS_SHOWN_MAX) {
            let when = match call.at {
                _ if is_first(call) && call.is_under_way => words.under_way.to_owned(),
                _ if is_first(call) => words.at_once.to_owned(),
                Some(at) => When::of(at, self.moment.now, self.lang).relative,
                None => words.if_ok.to_owned(),
            };
            let shown = shown_call(saga, call, words);
            match lines.last_mut().filter(|line| line.when == when) {
                Some(line) => line.calls.push(shown),
                None => lines.push(FollowLine { when, calls: vec![shown], words: String::new() }),
            }
        }
        let more = following.calls.len().saturating_sub(CALLS_SHOWN_MAX);
        let end = self.end(saga, &following.end, words);
        let end = if more > 0 { format!("+{more}; {end}") } else { end };
        lines.push(FollowLine::said(words.then, &end));
        let goes_back = following.calls.iter().any(|call| call.direction == Direction::Compensation);
        lines.extend(self.otherwise(saga, &following.calls, goes_back, words));
        lines
    }

    fn end(&self, saga: &Saga, end: &FollowingEnd, words: &SagaWords) -> String {
        match end {
            FollowingEnd::Over(state) if *state == saga.definition().states.completed => {
                format!("{} ({})", words.completes, visible_cut(state, 64))
            }
            FollowingEnd::Over(state) => format!("{} ({})", words.nothing_left, visible_cut(state, 64)),
            FollowingEnd::GoesOn => words.goes_on.to_owned(),
            FollowingEnd::Waits(waiting) => {
                let told = crate::sentence::StandingTold {
                    saga,
                    attempts: &[],
                    waiting,
                    now: self.moment.now,
                    lang: self.lang,
                };
                let mut said = crate::sentence::Sentence::default();
                waiting.iter().take(3).for_each(|waiting| told.waits(waiting, &mut said));
                let text = said.text();
                if text.is_empty() { words.goes_on.to_owned() } else { text }
            }
        }
    }

    /// What happens if the first call does not succeed.
    fn otherwise(
        &self,
        saga: &Saga,
        calls: &[FollowingCall],
        goes_back: bool,
        words: &SagaWords,
    ) -> Option<FollowLine> {
        let first = calls.first()?;
        let call = saga.definition().steps.get(first.step)?.as_call()?;
        let is_kept_up = goes_back || saga.cause().is_some() || saga.is_past_pivot();
        let told = match is_kept_up {
            true => format!("{} {}", words.retried, Span(call.persist.cap).text(self.lang)),
            false => format!("{} {}", words.given_up, call.retry.attempts),
        };
        Some(FollowLine::said(words.otherwise, &told))
    }
}

impl FollowLine {
    fn said(when: &str, words: &str) -> Self {
        Self { when: when.to_owned(), calls: Vec::new(), words: words.to_owned() }
    }
}

/// `POST client /api/clients/7/rembourser`.
fn shown_call(saga: &Saga, call: &FollowingCall, words: &SagaWords) -> String {
    let participant = saga.definition().participant(call.step);
    let participant = participant.map(|participant| &*participant.name).unwrap_or_default();
    let text = match &call.request {
        Ok(request) => format!("{} {participant} {}", request.method, request.path),
        Err(_) => {
            let step = saga.definition().steps.get(call.step).map(|step| &*step.name).unwrap_or_default();
            format!("{participant} ({} {step}: {})", words.direction(call.direction), words.unknown_output)
        }
    };
    visible_cut(&text, CALL_CHARS_MAX)
}

/// A finding's value in the form: as the API has it.
fn value_of(finding: Finding) -> &'static str {
    match finding {
        Finding::Ran => "ran",
        Finding::NotRun => "not_run",
        Finding::Undone => "undone",
    }
}
