//! A participant's recent answers, for reports only, not for decisions.
//!
//! Orders without a fault of their own fail when a participant does not accept the orchestrator's calls or cannot be
//! reached. Each change gives one line in the log, at most two lines a minute for each participant, whatever the
//! number of orders.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::reply::Verdict;
use saga_core::{Outcome, Timestamp};
use strum::IntoStaticStr;
use tokio::time::Instant;

/// For this time after a log line about a participant's failures, further failures are only counted.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// The kind of a failed call. Logs have its name in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CallTrouble {
    /// It answered that it does not accept the call: an expired token, a wrong path, another content type.
    NotAccepted,
    /// There was no connection.
    Unreachable,
    /// It answered that it is away or overloaded (429, 502, 503, 504), or that it did not run the call.
    Unavailable,
    /// The request was sent, and no whole answer came back.
    Unanswered,
    /// It answered, and the answer does not show the call's outcome (500, unreadable).
    Unclear,
}

impl CallTrouble {
    /// The kind of failure that a call's end shows, if any.
    pub(crate) fn of(verdict: &Verdict) -> Option<Self> {
        match (verdict.outcome, verdict.status) {
            _ if verdict.not_accepted => Some(Self::NotAccepted),
            (Outcome::Ok | Outcome::Accepted | Outcome::Refused, _) => None,
            (_, Some(429 | 502..=504)) | (Outcome::NotSent, Some(_)) => Some(Self::Unavailable),
            (Outcome::NotSent, None) => Some(Self::Unreachable),
            (Outcome::Unknown, None) => Some(Self::Unanswered),
            (Outcome::Unknown, Some(_)) => Some(Self::Unclear),
        }
    }

    /// Whether it is a failure of the participant rather than of one order: an order's data can make a service answer
    /// 500.
    const fn is_told(self) -> bool {
        !matches!(self, Self::Unclear)
    }
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCall {
    /// When it ended.
    pub at: Timestamp,
    /// The kind of failure.
    pub trouble: CallTrouble,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The reason, in at most [`REASON_BYTES_MAX`](saga_core::reply::REASON_BYTES_MAX) bytes.
    pub reason: Box<str>,
}

/// A participant's answers to this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Failed calls since the last successful one.
    pub failures: u64,
    /// The last failed call, however long ago.
    pub last_failure: Option<FailedCall>,
    /// Calls that it did not accept, since the process began.
    pub not_accepted: u64,
}

/// One participant's standing, and when the log last reported it.
#[derive(Debug, Default)]
pub(crate) struct StandingRecord(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    standing: Standing,
    /// Whether the log's last line about it reports a failure.
    is_told: bool,
    /// When the log last reported a failure.
    told_at: Option<Instant>,
    /// Failed calls since then.
    untold: u64,
}

/// The change that a call's end made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// No change.
    None,
    /// The call before this one had succeeded, or there was none.
    InTrouble,
    /// The call before this one had failed.
    Well,
}

/// The line to log.
#[derive(Debug, PartialEq, Eq)]
enum LogLine {
    Nothing,
    /// The number of failed calls, including this one, since the log last reported a failure.
    Trouble(u64),
    /// The number of consecutive failed calls before.
    Good(u64),
}

impl StandingRecord {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn standing(&self) -> Standing {
        self.lock().standing.clone()
    }

    /// Records the end of a call to `name`.
    pub(crate) fn note(&self, name: &str, verdict: &Verdict, at: Timestamp) -> Change {
        let Some(trouble) = CallTrouble::of(verdict) else {
            let (change, line) = self.lock().good();
            if let LogLine::Good(calls) = line {
                tracing::info!(
                    participant.name = name,
                    calls = calls,
                    "{name} answers well again, after {calls} calls that it did not"
                );
            }
            return change;
        };
        let reason: Box<str> = verdict.reason.clone().unwrap_or_default();
        let failure = FailedCall { at, trouble, status: verdict.status, reason: reason.clone() };
        let (change, line) = self.lock().bad(failure, Instant::now());
        if let LogLine::Trouble(calls) = line {
            tracing::warn!(
                participant.name = name,
                participant.trouble = <&str>::from(trouble),
                status = verdict.status,
                reason = %reason,
                calls = calls,
                "{}: {reason}", described(name, trouble, calls)
            );
        }
        change
    }
}

fn described(name: &str, trouble: CallTrouble, calls: u64) -> String {
    let what = match trouble {
        CallTrouble::NotAccepted => "does not accept our calls (a token, a path, a content type?)",
        CallTrouble::Unreachable => "cannot be reached",
        CallTrouble::Unavailable => "turns calls away",
        CallTrouble::Unanswered => "does not answer in time, or breaks off",
        CallTrouble::Unclear => "answers with errors",
    };
    let times = if calls > 1 { format!(" ({calls} calls since this was last told)") } else { String::new() };
    format!("{name} {what}{times}")
}

impl Noted {
    fn bad(&mut self, failure: FailedCall, now: Instant) -> (Change, LogLine) {
        let change = if self.standing.failures == 0 { Change::InTrouble } else { Change::None };
        let is_for_the_log = failure.trouble.is_told();
        self.standing.failures += 1;
        self.standing.not_accepted += u64::from(failure.trouble == CallTrouble::NotAccepted);
        self.standing.last_failure = Some(failure);
        self.untold += u64::from(is_for_the_log);
        let is_quiet = self.told_at.is_some_and(|told| now.duration_since(told) < TOLD_AGAIN_AFTER);
        if !is_for_the_log || self.is_told || is_quiet {
            return (change, LogLine::Nothing);
        }
        self.is_told = true;
        self.told_at = Some(now);
        (change, LogLine::Trouble(std::mem::take(&mut self.untold)))
    }

    fn good(&mut self) -> (Change, LogLine) {
        let failures = std::mem::take(&mut self.standing.failures);
        let change = if failures > 0 { Change::Well } else { Change::None };
        let line = if std::mem::take(&mut self.is_told) { LogLine::Good(failures) } else { LogLine::Nothing };
        (change, line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(trouble: CallTrouble) -> FailedCall {
        FailedCall { at: Timestamp::from_micros(0), trouble, status: None, reason: "r".into() }
    }

    /// A thousand orders that fail and succeed in turn give two lines a minute.
    #[test]
    fn each_change_is_told_once_and_not_more_than_two_lines_a_minute() {
        let mut noted = Noted::default();
        let begun = Instant::now();
        assert_eq!(noted.good().1, LogLine::Nothing);
        assert_eq!(noted.bad(failure(CallTrouble::NotAccepted), begun).1, LogLine::Trouble(1));
        assert_eq!(noted.bad(failure(CallTrouble::NotAccepted), begun).1, LogLine::Nothing);
        assert_eq!(noted.good().1, LogLine::Good(2));
        assert_eq!(noted.good().1, LogLine::Nothing);
        for _ in 0..1000 {
            assert_eq!(noted.bad(failure(CallTrouble::NotAccepted), begun).1, LogLine::Nothing);
            assert_eq!(noted.good().1, LogLine::Nothing);
        }
        // The failures that were only counted are reported with their number.
        let later = begun + TOLD_AGAIN_AFTER;
        assert_eq!(noted.bad(failure(CallTrouble::Unreachable), later).1, LogLine::Trouble(1002));
        assert_eq!(noted.standing.failures, 1);
        // While it continues to fail, there are no further lines.
        let much_later = later + 10 * TOLD_AGAIN_AFTER;
        assert_eq!(noted.bad(failure(CallTrouble::Unreachable), much_later).1, LogLine::Nothing);
        assert_eq!(noted.good().1, LogLine::Good(2));
    }

    #[test]
    fn errors_about_one_order_are_counted_and_not_told() {
        let mut noted = Noted::default();
        assert_eq!(noted.bad(failure(CallTrouble::Unclear), Instant::now()).1, LogLine::Nothing);
        assert_eq!(noted.standing.failures, 1);
        assert_eq!(noted.good().1, LogLine::Nothing);
        assert_eq!(noted.standing.failures, 0);
        assert!(noted.standing.last_failure.is_some());
    }
}
