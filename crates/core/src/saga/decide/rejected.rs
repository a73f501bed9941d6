//! The reasons for which an input is refused.

use serde::{Deserialize, Serialize};

/// The reason for which an input changes nothing. The journal keeps its JSON form until the sender of the command has
/// read it. A face has words of its own for these reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejected {
    /// A reply to a call that the saga no longer waits for, such as that of an abandoned attempt. Ignore it.
    #[error("the saga no longer waits for that call")]
    Stale,
    /// The saga is over, and the order stands.
    #[error("the order is confirmed; it cannot be cancelled any more")]
    Completed,
    /// The saga is being rolled back, or has been, for another reason.
    #[error("the order has failed already, and is rolled back without a command")]
    Failing,
    /// The saga is over.
    #[error("the order is over")]
    Over,
    /// The saga does not wait for an operator.
    #[error("the order is not blocked; there is nothing to resolve")]
    NotBlocked,
    /// The saga waits for an operator, but at another step.
    #[error("the order is blocked at another step")]
    OtherStep,
    /// The saga's task failed while it was going forward: no step waits for a finding yet.
    #[error(
        "the order was going forward when its task failed: resume it, or cancel it to have it rolled back"
    )]
    GoingForward,
    /// The last call is in doubt: it may have taken effect, and calling again may double it.
    #[error(
        "it is unknown whether the last call took effect, and its participant promises nothing about repeated calls: \
         find out there, and resolve the step with the finding"
    )]
    InDoubt,
    /// The call may change what the operator has found.
    #[error(
        "a call to the participant is under way and may change what was found; look again when it has ended"
    )]
    CallUnderWay,
    /// The step is being undone, so its action ran: the finding "it did not run" would be taken for one about the
    /// compensation.
    #[error(
        "a step that is being undone has run: its finding is `ran` if its effect is still there (it is undone then), \
         or `undone` if its effect is gone"
    )]
    BeingUndone,
    /// The step is to be done whatever was found: there is no way back.
    #[error(
        "there is no way back, so nothing is undone: the finding is `ran`, or `not_run` to have it called again"
    )]
    ToBeDone,
    /// The saga has passed its pivot.
    #[error("a step after which there is no way back is done; the saga goes on until it completes")]
    NoWayBack,
    /// The saga waits for a time or a signal alone.
    #[error("the saga waits for a time or for a signal; there is no call that could be made earlier")]
    NothingToHurry,
    /// No step of the definition takes signals of that name.
    #[error("no step of the saga takes a signal of that name")]
    NoSuchSignal,
    /// The saga is over, or is rolled back.
    #[error("the saga takes no signals any more: it is over, or is rolled back")]
    TakesNoSignals,
    /// Each step that takes signals of that name is done, or has one that it has not taken yet.
    #[error("no step is left that could take another signal of that name")]
    SignalsEnough,
    /// The same key came with another body.
    #[error("a signal of that name and key was sent before, with another body")]
    SignalKeyReused,
    /// The compensation reads the output of the action, and the finding has none.
    #[error("undoing the step needs the output of its action: add it to the finding")]
    OutputNeeded,
    /// The compensation cannot be made from the output that the operator gave.
    #[error("undoing the step cannot be made from that output: look up what its compensation reads")]
    OutputUnfit,
}
