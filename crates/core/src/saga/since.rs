//! The events since a person looked at a saga, and the result of the command that the person gave then. Two people look at the
//! same saga: the second one is told of the first one's event, and does nothing twice.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Phase, Saga};
use crate::deed::Deed;
use crate::event::{Cause, Event, Outcome, Record};
use crate::id::{CommandId, Seq, Timestamp};

/// The part of a saga's history that a person knew when the person asked for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenUntil {
    /// When the person looked.
    pub at: Timestamp,
    /// The last event that the person was shown, where that is known: then the time does not count.
    pub position: Option<Seq>,
}

impl SeenUntil {
    /// All that was recorded by then.
    pub const fn by(at: Timestamp) -> Self {
        Self { at, position: None }
    }

    fn has(&self, seq: Seq, record: &Record) -> bool {
        self.position.map_or(record.at <= self.at, |position| seq <= position)
    }
}

/// An event that a person does not know of, and that may change what the person wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameSince {
    /// Another person did something with the saga.
    Person {
        /// The person's name, where it is known.
        by: Option<Arc<str>>,
        /// A cancel, a resume or a resolve.
        deed: Deed,
        /// When that was recorded.
        at: Timestamp,
    },
    /// A step was blocked.
    Blocked {
        /// The step's name.
        step: Arc<str>,
        /// When that was recorded.
        at: Timestamp,
    },
}

/// The result of a command that has the next attempts made at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// The saga is over, and no effect is left.
    Undone,
    /// The saga is over, and the order stands.
    Completed,
    /// The saga waits for an operator, and no call is under way.
    FailedAgain {
        /// The reason of the last attempt; where there was none, that of the obstacle.
        reason: Arc<str>,
    },
    /// A call is under way, or the saga goes on by itself.
    GoesOn,
}

impl Saga {
    /// The first event that a person has not seen, and that is another person's or blocks a step. `records` is the saga's
    /// history. The events that `own` has brought about do not count, nor do those that came after them.
    pub fn came_since(&self, records: &[Record], seen: SeenUntil, own: CommandId) -> Option<CameSince> {
        let numbered = records.iter().enumerate().map(|(index, record)| (Seq::NONE.plus(index + 1), record));
        let before_own = numbered.take_while(|(_, record)| record.command != Some(own));
        let mut unseen = before_own.filter(|(seq, record)| !seen.has(*seq, record));
        unseen.find_map(|(_, record)| match &record.event {
            Event::Blocked { step, .. } => {
                let step = self.definition().steps.get(*step).map(|step| step.name.clone());
                Some(CameSince::Blocked { step: step.unwrap_or_default(), at: record.at })
            }
            event => {
                let (named, deed) = person(event)?;
                let by = record.by.clone().or(named.map(Into::into));
                Some(CameSince::Person { by, deed, at: record.at })
            }
        })
    }

    /// Whether the history has an event that this command has brought about.
    pub fn was_brought_about(records: &[Record], command: CommandId) -> bool {
        records.iter().any(|record| record.command == Some(command))
    }

    /// The result so far of a command that wanted the next attempts at once. `records` is the saga's history.
    pub fn result_of_try(&self, records: &[Record], command: CommandId) -> Tried {
        match &self.phase {
            Phase::Completed => return Tried::Completed,
            Phase::RolledBack { .. } => return Tried::Undone,
            Phase::Forward { .. } | Phase::RollingBack { .. } => {}
        }
        let effects = self.effects();
        let goes_on = !effects.calls.is_empty() || !effects.evaluations.is_empty() || effects.output;
        let Some(obstacle) = self.blocked_by().filter(|_| !goes_on) else { return Tried::GoesOn };
        let own = records.iter().position(|record| record.command == Some(command)).unwrap_or(0);
        let last = records[own..].iter().rev().find_map(|record| failed_attempt(&record.event));
        Tried::FailedAgain { reason: last.unwrap_or(obstacle.reason) }
    }
}

/// The name that a person's event gives the person, and the kind of the event.
fn person(event: &Event) -> Option<(Option<&str>, Deed)> {
    match event {
        Event::RollbackDecided { cause: Cause::CancelledBy { by, .. } } => Some((Some(by), Deed::Cancel)),
        Event::RollbackDecided { cause: Cause::Cancelled } => Some((None, Deed::Cancel)),
        Event::Resumed { by, .. } => Some((Some(by), Deed::Resume)),
        Event::Resolved { by, .. } => Some((Some(by), Deed::Resolve)),
        Event::RollbackDecided { cause: Cause::StepFailed { .. } | Cause::DeadlinePassed }
        | Event::Started { .. }
        | Event::Skipped { .. }
        | Event::Waits { .. }
        | Event::PauseEnded { .. }
        | Event::Signalled { .. }
        | Event::SignalTaken { .. }
        | Event::PassedOver { .. }
        | Event::OutputMade { .. }
        | Event::AttemptStarted { .. }
        | Event::AttemptEnded { .. }
        | Event::Blocked { .. }
        | Event::Completed
        | Event::RolledBack
        | Event::TakenOver { .. } => None,
    }
}

/// Why an attempt did not succeed, if the event is the end of one that did not.
fn failed_attempt(event: &Event) -> Option<Arc<str>> {
    match event {
        Event::AttemptEnded { outcome, status, reason, .. } if *outcome != Outcome::Ok => {
            let status = || status.map(|status| format!("HTTP {status}").into());
            reason.as_deref().map(Into::into).or_else(status)
        }
        _ => None,
    }
}
