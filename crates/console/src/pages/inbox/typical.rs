//! The call that the oldest saga of a cause waits for, and what follows from trying it: so it is told for the others, too.

use saga_core::event::{Finding, Stuck};
use saga_core::saga::{Following, FollowingCall, FollowingEnd, Pending, Request, RequestError};
use saga_core::{Definition, Saga, Timestamp};

use crate::Lang;
use crate::shown::{When, excerpt};
use crate::words::InboxWords;

/// Characters of a call's address that are shown.
const ADDRESS_CHARS_SHOWN_MAX: usize = 200;
/// Calls that are told one by one.
const CALLS_TOLD_MAX: usize = 8;

/// The oldest saga of a cause, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypicalTry {
    /// The call that is pending.
    pub(crate) call: Option<TypicalCall>,
    /// What follows; none: trying does nothing.
    pub(crate) follows: Vec<FollowsLine>,
    /// The findings that can be reported of its step.
    pub(crate) findings: Vec<Finding>,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypicalCall {
    pub(crate) method: String,
    pub(crate) address: String,
}

/// The calls that come at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FollowsLine {
    pub(crate) when: &'static str,
    pub(crate) calls: Vec<TypicalCall>,
    /// Further calls.
    pub(crate) more: usize,
    pub(crate) text: String,
}

impl TypicalCall {
    fn of(definition: &Definition, step: usize, request: &Result<Request, RequestError>) -> Option<Self> {
        let request = request.as_ref().ok()?;
        let base = definition.participant(step).map(|called| called.base.to_string()).unwrap_or_default();
        let address = format!("{}{}", base.trim_end_matches('/'), request.path);
        Some(Self { method: request.method.to_string(), address: excerpt(&address, ADDRESS_CHARS_SHOWN_MAX) })
    }
}

impl TypicalTry {
    /// What follows from trying a saga now, if `following` could be foretold. `at_once`: so many sagas are tried at the same time.
    pub fn of(saga: &Saga, following: Option<&Following>, at_once: usize, lang: Lang) -> Self {
        let words = InboxWords::of(lang);
        let pending = saga.pending();
        let definition = saga.definition();
        let call = pending
            .as_ref()
            .and_then(|pending| TypicalCall::of(definition, pending.blocked.step, &pending.request));
        let findings = pending.as_ref().map(|pending| pending.findings.to_vec()).unwrap_or_default();
        let follows = following.map(|following| {
            let is_first = |call: &&FollowingCall| {
                pending.as_ref().is_some_and(|pending| pending.blocked.step == call.step)
            };
            let (first, then): (Vec<_>, Vec<_>) = following.calls.iter().partition(is_first);
            let line = |when, calls: &[&FollowingCall], text: String| FollowsLine {
                when,
                calls: calls
                    .iter()
                    .take(CALLS_TOLD_MAX)
                    .filter_map(|call| TypicalCall::of(definition, call.step, &call.request))
                    .collect(),
                more: calls.len().saturating_sub(CALLS_TOLD_MAX),
                text,
            };
            let at_a_time = InboxWords::at_a_time(lang, at_once);
            let now = if first.is_empty() {
                line(words.now, &[], words.read_again.to_owned())
            } else {
                line(words.now, &first, format!("{}, {at_a_time}", words.one_call))
            };
            let end = match (&following.end, saga.failure().is_some()) {
                (FollowingEnd::Over(_), true) => words.nothing_left,
                (FollowingEnd::Over(_), false) => words.stands,
                (FollowingEnd::Waits(_), _) => words.waits,
                (FollowingEnd::GoesOn, _) => words.goes_on,
            };
            let otherwise = match pending.as_ref().map(|pending| pending.blocked.stuck) {
                Some(Stuck::ActionFailing | Stuck::CompensationFailing | Stuck::ActionUnsettled) => {
                    words.tried_again
                }
                Some(
                    Stuck::ActionUnknown
                    | Stuck::CompensationUnknown
                    | Stuck::HorizonPassed
                    | Stuck::NothingToUndo
                    | Stuck::TaskFailed,
                )
                | None => words.stays,
            };
            vec![
                now,
                line(words.then, &then, end.to_owned()),
                line(words.otherwise, &[], otherwise.to_owned()),
            ]
        });
        Self { call, follows: follows.unwrap_or_default(), findings }
    }

    /// The same of a saga that cannot be read: it is read again.
    pub fn unreadable(lang: Lang) -> Self {
        let words = InboxWords::of(lang);
        let line = |when, text: &str| FollowsLine { when, calls: Vec::new(), more: 0, text: text.to_owned() };
        let follows = vec![line(words.now, words.read_again), line(words.otherwise, words.stays)];
        Self { call: None, follows, findings: Vec::new() }
    }
}

/// A participant whose calls are suspended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuspendedParticipant {
    pub(crate) name: String,
    /// When one call goes through.
    pub(crate) trial: Option<When>,
}

impl SuspendedParticipant {
    /// The participant of that name, which takes one call at `trial`.
    pub fn of(name: &str, trial: Option<Timestamp>, now: Timestamp, lang: Lang) -> Self {
        let trial = trial.map(|at| When::of(at, now, lang));
        Self { name: excerpt(name, ADDRESS_CHARS_SHOWN_MAX), trial }
    }
}

/// Whether a finding can be reported of this saga's step without an output.
pub fn takes_finding(pending: &Pending<'_>, finding: Finding) -> bool {
    pending.findings.contains(&finding) && !(finding == Finding::Ran && pending.lacks_output)
}
