//! The flow of sagas: which events are counted as a saga's start or as its end, and as which kind of end.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::event::{Event, RollbackCause};

/// A saga's start, or the kind of its end.
///
/// The names, in snake case, are words of the journal's table `saga_minute`, which operators read with SQL. A variant with a new
/// name keeps its word.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum FlowOutcome {
    /// It has started.
    Started,
    /// Every step has succeeded: the order stands.
    Completed,
    /// A step has failed, and nothing is left of the order.
    Failed,
    /// A command has stopped it, and nothing is left of the order.
    Cancelled,
    /// Its own deadline has passed, and nothing is left of the order.
    DeadlinePassed,
}

impl Event {
    /// The start or the end that this event is, of a saga that is rolled back for this reason, if it is.
    pub fn flow(&self, cause: Option<RollbackCause>) -> Option<FlowOutcome> {
        match self {
            Self::Started { .. } => Some(FlowOutcome::Started),
            Self::Completed => Some(FlowOutcome::Completed),
            Self::RolledBack => Some(match cause {
                Some(RollbackCause::Cancelled) => FlowOutcome::Cancelled,
                Some(RollbackCause::DeadlinePassed) => FlowOutcome::DeadlinePassed,
                Some(RollbackCause::StepFailed) | None => FlowOutcome::Failed,
            }),
            Self::Skipped { .. }
            | Self::Waits { .. }
            | Self::PauseEnded { .. }
            | Self::Signalled { .. }
            | Self::SignalTaken { .. }
            | Self::PassedOver { .. }
            | Self::OutputMade { .. }
            | Self::AttemptStarted { .. }
            | Self::AttemptEnded { .. }
            | Self::RollbackDecided { .. }
            | Self::Blocked { .. }
            | Self::Resumed { .. }
            | Self::Resolved { .. }
            | Self::TakenOver { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Cause;

    #[test]
    fn the_end_of_a_rollback_is_counted_by_its_cause() {
        let cancelled = Cause::CancelledBy { by: "ann".into(), reason: None };
        let failed = Cause::StepFailed { step: 1, reason: "no stock".into() };
        for (cause, outcome) in [
            (failed, FlowOutcome::Failed),
            (Cause::Cancelled, FlowOutcome::Cancelled),
            (cancelled, FlowOutcome::Cancelled),
            (Cause::DeadlinePassed, FlowOutcome::DeadlinePassed),
        ] {
            assert_eq!(Event::RolledBack.flow(Some(cause.kind())), Some(outcome));
            assert_eq!(Event::RollbackDecided { cause }.flow(None), None, "it is not over yet");
        }
        assert_eq!(Event::Completed.flow(None), Some(FlowOutcome::Completed));
    }

    #[test]
    fn the_words_in_the_table_stay() {
        let words: Vec<&str> = FlowOutcome::VARIANTS.iter().map(|outcome| outcome.into()).collect();
        assert_eq!(words, ["started", "completed", "failed", "cancelled", "deadline_passed"]);
    }
}
