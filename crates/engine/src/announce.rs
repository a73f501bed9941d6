//! The log's lines about orders: one for each that fails or waits for an operator, while there are few.
//!
//! When a service is down, thousands fail alike: then a few lines say which, and one more how many others there were.
//! A line never holds a participant's words, which may be anything: it names the step, the participant, and the status.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use saga_core::event::{Cause, Stuck};
use saga_core::{Direction, Event, Outcome, Record, Saga, SagaId};
use tokio::time::Instant;

/// Lines of each kind within [`LINES_WINDOW`]; further orders are counted.
const LINES_MAX: u32 = 20;
/// How long lines are counted together.
const LINES_WINDOW: Duration = Duration::from_secs(10);

/// Writes the lines.
pub(crate) struct Announcer {
    failed: Mutex<Lines>,
    blocked: Mutex<Lines>,
}

/// The lines of one kind.
struct Lines {
    since: Instant,
    written: u32,
    /// Orders without a line, and one of them.
    left_out: u64,
    sample: Option<(SagaId, String)>,
}

impl Lines {
    fn new() -> Self {
        Self { since: Instant::now(), written: 0, left_out: 0, sample: None }
    }

    /// Whether a line about this order may be written now.
    fn may_write(&mut self, saga: SagaId, what: &str) -> bool {
        self.written += 1;
        if self.written <= LINES_MAX {
            return true;
        }
        self.left_out += 1;
        self.sample.get_or_insert_with(|| (saga, what.to_owned()));
        false
    }

    /// The orders without a line in a stretch of time that is over: their number, and one of them.
    fn turn(&mut self) -> Option<(u64, SagaId, String)> {
        if self.since.elapsed() < LINES_WINDOW {
            return None;
        }
        let over = std::mem::replace(self, Self::new());
        over.sample.map(|(saga, what)| (over.left_out, saga, what))
    }
}

impl Announcer {
    pub(crate) fn new() -> Self {
        Self { failed: Mutex::new(Lines::new()), blocked: Mutex::new(Lines::new()) }
    }

    /// `records`, the last ones of `saga`, are on disk.
    pub(crate) fn committed(&self, saga: &Saga, records: &[Record]) {
        for (at, record) in records.iter().enumerate() {
            match &record.event {
                Event::RollbackDecided { cause } => {
                    let what = why_failed(saga, cause, &records[..at]);
                    if lock(&self.failed).may_write(saga.id(), &what) {
                        tracing::info!(saga.id = %saga.id(), trace.id = %saga.trace_id(), etat = %saga.state(),
                            "order {}: {what}", saga.id());
                    }
                }
                Event::Blocked { step, stuck, .. } => {
                    let what = why_blocked(saga, *step, *stuck);
                    if lock(&self.blocked).may_write(saga.id(), &what) {
                        tracing::warn!(saga.id = %saga.id(), trace.id = %saga.trace_id(), etat = %saga.state(),
                            "order {} waits for an operator: {what}", saga.id());
                    }
                }
                _ => {}
            }
        }
    }

    /// Logs how many lines were left out, when their time is over. To be called now and then.
    pub(crate) fn catch_up(&self) {
        if let Some((orders, saga, what)) = lock(&self.failed).turn() {
            tracing::info!(
                orders,
                "{orders} more orders failed within {LINES_WINDOW:?}, such as {saga}: {what}"
            );
        }
        if let Some((orders, saga, what)) = lock(&self.blocked).turn() {
            tracing::warn!(
                orders,
                "{orders} more orders wait for an operator since {LINES_WINDOW:?}, such as {saga}: {what}"
            );
        }
    }
}

fn lock(lines: &Mutex<Lines>) -> std::sync::MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Step and participant, for a line.
fn at(saga: &Saga, step: usize) -> String {
    match saga.definition().steps.get(step) {
        Some(known) => match saga.definition().participant(step) {
            Some(participant) => format!("step `{}` at `{}`", known.name, participant.name),
            None => format!("step `{}`", known.name),
        },
        None => format!("step {step}"),
    }
}

fn why_failed(saga: &Saga, cause: &Cause, before: &[Record]) -> String {
    match cause {
        Cause::Cancelled | Cause::CancelledBy { .. } => "cancelled on request".to_owned(),
        Cause::DeadlinePassed => "its deadline has passed".to_owned(),
        Cause::StepFailed { step, .. } if saga.definition().participant(*step).is_none() => {
            format!("{} failed: its wait ended without success", at(saga, *step))
        }
        Cause::StepFailed { step, .. } => format!("{} failed: {}", at(saga, *step), last_end(*step, before)),
    }
}

/// How the last call of a step ended. Where there was an answer, only its status is told.
fn last_end(step: usize, records: &[Record]) -> String {
    let ended =
        records.iter().rev().find_map(|record| match &record.event {
            Event::AttemptEnded {
                step: of, direction: Direction::Action, outcome, status, reason, ..
            } if *of == step => Some((*outcome, *status, reason.as_deref().unwrap_or("no answer"))),
            _ => None,
        });
    match ended {
        Some((outcome, Some(status), _)) => format!("{outcome} (HTTP {status})"),
        // Without an answer, the words are this program's own.
        Some((outcome, None, reason)) => format!("{outcome} ({reason})"),
        None => Outcome::Unknown.to_string(),
    }
}

fn why_blocked(saga: &Saga, step: usize, stuck: Stuck) -> String {
    let why = match stuck {
        Stuck::ActionUnknown => "whether its action ran cannot be known",
        Stuck::CompensationUnknown => "whether its compensation ran cannot be known",
        Stuck::CompensationFailing => "its compensation keeps failing",
        Stuck::ActionFailing => "its action keeps failing, and there is no way back",
        Stuck::ActionUnsettled => "whether its action ran is still not known",
        Stuck::HorizonPassed => "its participant may have forgotten the order",
        Stuck::NothingToUndo => "its compensation found nothing to undo, though its action has run",
        Stuck::TaskFailed => "the task of the order fails there",
    };
    format!("{}: {why}", at(saga, step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn thousands_are_a_few_lines_and_a_count() {
        let mut lines = Lines::new();
        let saga = |n: u32| SagaId::from_idempotency_key(&n.to_string());
        let written = (0..5_000).filter(|n| lines.may_write(saga(*n), "why")).count();
        assert_eq!(written, LINES_MAX as usize);
        assert_eq!(lines.turn(), None, "its time is not over");
        tokio::time::sleep(LINES_WINDOW).await;
        assert_eq!(lines.turn(), Some((5_000 - u64::from(LINES_MAX), saga(LINES_MAX), "why".to_owned())));
        assert!(lines.may_write(saga(1), "why"));
        tokio::time::sleep(LINES_WINDOW).await;
        assert_eq!(lines.turn(), None, "every order had its line");
    }
}
