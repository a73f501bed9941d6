//! Why an input changes nothing.

use serde::{Deserialize, Serialize};

/// Why an input changes nothing. Its JSON form is kept in the journal until whoever gave the command has read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejected {
    /// A reply to a call that nobody waits for any more, such as that of an abandoned attempt. Ignore it.
    #[error("nobody waits for that call any more")]
    Stale,
    /// The saga is over, and the order stands.
    #[error("the order is confirmed; it cannot be cancelled any more")]
    Completed,
    /// The saga is being rolled back, or has been, for another reason.
    #[error("the order has failed already; what was done is undone without being asked")]
    Failing,
    /// The saga is over.
    #[error("the order is over")]
    Over,
    /// The saga does not wait for an operator.
    #[error("the order is not blocked; there is nothing to resolve")]
    NotBlocked,
    /// A person is needed, but for another step.
    #[error("the order is blocked at another step")]
    OtherStep,
    /// The saga's task failed while it was going forward: there is nothing to say of a step yet.
    #[error(
        "the order was going forward when its task failed: resume it, or cancel it to have it rolled back"
    )]
    GoingForward,
    /// The last call is in doubt: it may have taken effect, and calling again may double it.
    #[error(
        "nobody can know whether the last call took effect, and its participant promises nothing about repeated calls: \
         find out there, and say so with `resoudre`"
    )]
    InDoubt,
    /// The call may change what the person has found.
    #[error(
        "a call to the participant is under way and may change what was found; look again when it has ended"
    )]
    CallUnderWay,
    /// The step is being undone: "it did not run" would be heard as "the compensation did not".
    #[error(
        "that cannot be said of a step that is being undone: say EXECUTEE if its effect is still there (it is undone \
         then), or ANNULEE if its effect is gone"
    )]
    BeingUndone,
    /// The compensation is made of the answer that nobody has.
    #[error("undoing the step needs what its action's answer gave: add it as `sortie`")]
    OutputNeeded,
    /// The compensation cannot be made of what was given.
    #[error("undoing the step cannot be made from that `sortie`: look up what its compensation reads")]
    OutputUnfit,
}
