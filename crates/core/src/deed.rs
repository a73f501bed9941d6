//! Deeds: the events that a caller's request has brought about, for the list of all that one name did.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::event::{Cause, Event, Record};

/// The kind of a request that has brought about an event.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Deed {
    /// The saga was started.
    Start,
    /// It was stopped, and is rolled back.
    Cancel,
    /// Its next attempt was made due.
    Resume,
    /// A finding about a step was reported.
    Resolve,
    /// A signal was sent.
    Signal,
}

impl Record {
    /// The caller's name, and what the caller did: of an event that the request of a caller with a name has brought about.
    pub fn deed(&self) -> Option<(&str, Deed)> {
        let by = self.by.as_deref()?;
        let deed = match &self.event {
            Event::Started { .. } => Deed::Start,
            Event::RollbackDecided { cause: Cause::Cancelled | Cause::CancelledBy { .. } } => Deed::Cancel,
            Event::Resumed { .. } => Deed::Resume,
            Event::Resolved { .. } => Deed::Resolve,
            Event::Signalled { .. } => Deed::Signal,
            Event::RollbackDecided { cause: Cause::StepFailed { .. } | Cause::DeadlinePassed }
            | Event::Skipped { .. }
            | Event::Waits { .. }
            | Event::PauseEnded { .. }
            | Event::SignalTaken { .. }
            | Event::PassedOver { .. }
            | Event::OutputMade { .. }
            | Event::AttemptStarted { .. }
            | Event::AttemptEnded { .. }
            | Event::Blocked { .. }
            | Event::Completed
            | Event::RolledBack
            | Event::TakenOver { .. } => return None,
        };
        Some((by, deed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Timestamp;

    fn record(by: Option<&str>, event: Event) -> Record {
        Record { at: Timestamp::from_micros(0), state: None, command: None, by: by.map(Into::into), event }
    }

    #[test]
    fn an_event_of_a_named_caller_s_request_is_a_deed() {
        let cancelled = |by| {
            record(
                by,
                Event::RollbackDecided { cause: Cause::CancelledBy { by: "eve".into(), reason: None } },
            )
        };
        assert_eq!(
            cancelled(Some("ann")).deed(),
            Some(("ann", Deed::Cancel)),
            "a body's `by` does not count"
        );
        assert_eq!(cancelled(None).deed(), None, "a caller without a name");
        let resumed = Event::Resumed { by: "eve".into(), reason: None, unseen: false };
        assert_eq!(record(Some("ann"), resumed).deed(), Some(("ann", Deed::Resume)));
        assert_eq!(record(Some("ann"), Event::Completed).deed(), None, "no request brings that about");
    }
}
