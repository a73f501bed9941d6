//! The record of a run: violations, a readable trace, and the faults that it met.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::Timestamp;
use tokio::time::Instant;

/// How often each fault point was met.
pub type Hits = BTreeMap<&'static str, u64>;

/// The points that some run must have met, or the worlds are too kind to prove anything.
pub const FAULT_POINTS: &[&str] = &[
    "saga: a step is skipped",
    "saga: calls two steps at the same time",
    "process: crash",
    "process: crash with calls in flight",
    "process: pause within the lease",
    "process: pause beyond the lease",
    "process: planned shutdown",
    "process: lease lost and noticed",
    "process: clock ahead",
    "process: clock behind",
    "process: clock steps",
    "process: a vital task dies",
    "process: ended by an order",
    "journal: append refused",
    "journal: append kept, answer lost",
    "journal: append stalled",
    "journal: append lands after its process is dead",
    "journal: conflict",
    "journal: read unavailable",
    "journal: claim kept, answer lost",
    "journal: asleep, answer lost",
    "journal: awake, answer lost",
    "journal: renewal unavailable",
    "journal: outage",
    "network: connection refused",
    "network: request lost",
    "network: reset after the request",
    "network: answer lost",
    "network: request late, after its caller gave up",
    "network: request doubled",
    "network: answer after the time-out",
    "participant: 503",
    "participant: 503 with Retry-After",
    "participant: 500 before the effect",
    "participant: 500 after the effect",
    "participant: refusal",
    "participant: refused compensation",
    "participant: nothing to undo, it says",
    "participant: down",
    "participant: suspended by its breaker",
    "participant: as many calls at once as may be",
    "participant: compensation of nothing",
    "participant: has forgotten an action",
    "participant: has forgotten a compensation",
    "participant: action after its compensation",
    "participant: stale epoch refused",
    "participant: answer repeated from memory",
    "probe: the action's effect is there",
    "probe: it is not",
    "probe: the effect is not undone yet",
    "probe: nothing is left to undo",
    "probe: no answer",
    "caller: same key again elsewhere",
    "caller: went away",
    "caller: cancels",
    "caller: cancels through another process",
    "saga: deadline passed",
    "saga: blocked",
    "saga: task panics",
    "saga: parked",
    "saga: blocked, the promise has ended",
    "saga: blocked, then went on by itself",
    "saga: a barrier's step that was lost is undone",
    "saga: hurries when its participant is back",
    "follows: a command was foretold to the saga's end",
    "follows: a command was foretold to a wait",
    "follows: a command was foretold to its next answers",
    "saga: confirmed",
    "saga: rolled back",
    "saga: rolled back, there was nothing to undo",
    "stuck: the promise has ended",
    "stuck: nobody knows about the action",
    "stuck: nobody knows about the compensation",
    "stuck: nothing to undo, it is said",
    "person: resumes what is not blocked",
    "person: resumes what is tried all the same",
    "person: resumes what has nothing to undo",
    "person: has a parked order run again",
    "person: vouches",
    "person: says that it ran",
    "person: says that it did not run",
    "person: says that it is undone",
    "person: undoes it by hand",
    "person: turned away",
    "person: gets no answer",
    "person: two at once",
    "inbox: posted, answer lost",
    "inbox: applied, and not taken away",
    "inbox: taken away, answer lost",
    "saga: taken over",
    "saga: falls asleep",
    "saga: compensated after an unknown outcome",
    "saga: a step is passed over",
    "saga: a step is passed over, and the order rolls back",
    "saga: a step that was passed over is undone",
    "saga: nobody knows about an optional step, which may stand",
    "saga: no signal came in time",
    "saga: blocked behind its pivot",
    "saga: confirmed behind its pivot",
    "caller: cancels behind the pivot",
    "participant: accepts an action",
    "participant: does what it has accepted",
    "participant: refuses what it has accepted",
    "participant: undoes what it has accepted",
    "poll: no answer",
    "accepted: done, by a poll",
    "accepted: refused, by a poll",
    "accepted: done, by a signal",
    "accepted: refused, by a signal",
    "accepted: done after all, while the order rolls back",
    "accepted: refused after all, while the order rolls back",
    "stuck: nobody says how an accepted action ended",
    "signal: before its step waits",
    "signal: while its step waits",
    "signal: by a callback",
    "signal: is taken",
    "signal: means that the step has failed",
    "signal: is never sent",
    "signal: turned away",
    "signal: no step can read it",
    "signal: another one with another key",
    "signal: the same key, twice at the same time",
    "signal: the same key again",
    "signal: the same key, another body",
    "signal: its process dies right after",
    "pause: ended by the owner that began it",
    "pause: ended by another owner",
    "person: says that it ran, behind the pivot",
    "person: says that it did not run, behind the pivot",
];

/// The report of a run.
#[derive(Debug, Default)]
pub struct RunReport {
    /// The seed.
    pub seed: u64,
    /// Promises that were broken; empty is good.
    pub violations: Vec<String>,
    /// Which faults were met.
    pub hits: Hits,
    /// Orders that were started.
    pub sagas: usize,
    /// When there were no faults any more, by a clock that is right.
    pub faults_ended: Option<Timestamp>,
    /// The events, in order, if asked for.
    pub trace: Vec<String>,
    /// Of everything that happened: the same for the same seed.
    pub fingerprint: u64,
    /// From the crash or pause of an owner to the first event of the next one, for each saga.
    pub take_overs: Vec<Duration>,
}

/// The report of a run, while the run goes on.
pub(crate) struct Recorder {
    seed: u64,
    begun: Instant,
    traced: bool,
    report: Mutex<RunReport>,
}

impl Recorder {
    pub(crate) fn new(seed: u64, traced: bool) -> Self {
        let report = RunReport { seed, fingerprint: 0xcbf2_9ce4_8422_2325, ..RunReport::default() };
        Self { seed, begun: Instant::now(), traced, report: Mutex::new(report) }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Something worth telling happened.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        let at = self.begun.elapsed();
        let line = format!("{:>10.3} {}", at.as_secs_f64(), what());
        let mut report = self.report();
        for byte in line.bytes() {
            report.fingerprint = (report.fingerprint ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.traced {
            report.trace.push(line);
        }
    }

    /// A fault point was met.
    pub(crate) fn hit(&self, point: &'static str) {
        debug_assert!(FAULT_POINTS.contains(&point), "{point} is missing in FAULT_POINTS");
        *self.report().hits.entry(point).or_default() += 1;
        self.note(|| format!("* {point}"));
    }

    /// A promise was broken. `checker` names the rule.
    pub(crate) fn violation(&self, checker: &str, what: impl std::fmt::Display) {
        let text = format!("{checker}: {what}");
        self.note(|| format!("! {text}"));
        self.report().violations.push(text);
    }

    /// Whether a promise has been broken: there is no use in going on.
    pub(crate) fn is_broken(&self) -> bool {
        !self.report().violations.is_empty()
    }

    pub(crate) fn report(&self) -> MutexGuard<'_, RunReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The report, when the run is over.
    pub(crate) fn take(&self) -> RunReport {
        std::mem::take(&mut *self.report())
    }
}
