//! Ways to break the program on purpose, one at a time, to see that the worlds notice.
//!
//! Most are a lie at a seam that the engine has anyway, so that no line of it knows of them:
//!
//! ```text
//!   given.rs    what an engine is given: its definition, its limits
//!   store.rs    what the journal's store says
//!   client.rs   what comes back from participants, and under which key they are called
//!   wants.rs    what a driver sees of a saga's wants
//!   (here)      what is left out around an engine: a caller's key, the supervisor
//! ```
//!
//! The rest breaks a rule of `saga_core::rules`, which builds without debug assertions do not offer.

mod client;
mod given;
mod store;
#[cfg(debug_assertions)]
mod wants;

use saga_core::SagaId;
use strum::{EnumMessage, VariantArray};

pub(crate) use self::store::Appended;

/// A bug that real programs have had. Each names the rule that it breaks; the tests print its comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumMessage, VariantArray)]
pub enum Bug {
    /// the first call with an effect is sent before the start is on disk
    AheadOfStart,
    /// a call that cannot be repeated is sent before its `attempt_started` is on disk
    AheadOfAnnouncement,
    /// the first compensation is sent before the decision to roll back is on disk
    AheadOfRollback,
    /// a new owner calls before its take-over is on disk
    AheadOfTakeOver,
    /// a call to a barrier is sent before the outputs that it depends on are on disk
    AheadOfOutputs,
    /// the caller is answered before the terminal event is on disk
    AnswersBeforeTheEnd,
    /// a cancellation or a start is acknowledged before it is on disk
    AcknowledgesBeforeDisk,
    /// only completed steps are compensated
    CompensatesOnlyCompleted,
    /// a new owner ignores that calls to barriers may have been sent ahead of the disk
    ForgetsShadows,
    /// a new owner takes calls in flight for calls that were never sent
    ForgetsCallsInFlight,
    /// a retry waits for the clock of a former owner that was ahead
    TrustsFormerClock,
    /// an unknown outcome is treated as a failure
    UnknownIsRefused,
    /// a call is repeated though its participant promises nothing
    RepeatsWithoutPromise,
    /// compensations, and probes about them, are repeated without a wait
    Hammers,
    /// an idempotent step is undone although its outcome is unknown
    TakesIdempotentForBarrier,
    /// every attempt has an idempotency key of its own
    KeyForEachAttempt,
    /// a probe is asked while the call may still take effect
    AsksTooEarly,
    /// a probe without an answer is treated as `not there`
    SilenceIsAbsence,
    /// a process sends calls although its lease may have expired
    IgnoresLease,
    /// a conflicting append is treated as a successful one
    ConflictIsDone,
    /// an append with an unknown outcome is treated as a successful one
    DoubtIsDone,
    /// a claim whose answer was lost is never looked for
    NeverSweeps,
    /// the same idempotency key starts another order
    OrderForEachRequest,
    /// the same key sends another signal
    SignalForEachRequest,
    /// the journal compares neither owner nor position
    AppendsWithoutLooking,
    /// sagas are claimed though their owner is alive
    ClaimsFromTheLiving,
    /// an entry that the journal could not take is dropped
    ForgetsToReoffer,
    /// a refused compensation counts as done
    RefusedCompensationIsDone,
    /// an order is confirmed before its last step
    ConfirmsWithoutSteps,
    /// `nothing to undo` counts as undone though the action is known to have run
    AbsentIsUndone,
    /// an order that ends its process is taken over again and again
    RunsPoison,
    /// orders use the machine's wall clock
    TrustsWallClock,
    /// a process continues although a vital task has ended
    IgnoresDeaths,
    /// an order that has left memory is never woken
    ForgetsSleepers,
    /// a command that has brought about an event is applied again
    AppliesCommandsTwice,
    /// a step begins once the first of those that it waits for is done
    JoinsEarly,
    /// a step is undone before one that waited for it is settled
    UndoesTooEarly,
    /// calls of other steps are forgotten when the rollback is decided
    ForgetsSiblings,
    /// a step is done although its condition does not hold
    IgnoresConditions,
    /// a signal is taken by every step that waits for one of its name
    TakesSignalsTwice,
    /// the commands that wait for an owner are gone when the order is claimed
    ForgetsInbox,
    /// a step has waited for too long although its signal was recorded before that
    LateBeforeSignal,
    /// a call is sent before the end of the wait before it is on disk
    AheadOfWaits,
    /// a pause ends as soon as it has begun
    EndsPausesEarly,
    /// an action that was accepted counts as done
    AcceptedIsDone,
    /// an action that is not done yet counts as refused
    PendingIsRefused,
    /// accepted actions are forgotten when the rollback is decided
    ForgetsAccepted,
    /// an optional step that has failed is undone
    PassedOverIsDone,
    /// the failure of an optional step fails the order
    FailsForOptional,
    /// the failure of any step is passed over
    PassesOverFailures,
    /// a step behind the pivot fails the order
    IgnoresPivots,
    /// a cancellation is accepted behind the pivot
    CancelsBehindPivot,
    /// a call whose condition holds is sent before its `attempt_started` is on disk
    AheadOfConditions,
    /// an order has another secret of its callbacks after it was read back
    ForgetsSecrets,
}

impl Bug {
    /// The harm that it does.
    pub fn harm(self) -> &'static str {
        self.get_documentation().expect("the comment of each variant says it")
    }
}

/// The lies of a world with this bug at its seams; without one, the truth.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lies(Option<Bug>);

impl Lies {
    pub(crate) fn of(bug: Option<Bug>) -> Self {
        Self(bug)
    }

    fn has(self, bug: Bug) -> bool {
        self.0 == Some(bug)
    }

    /// The id that an engine is given for a caller's idempotency key.
    pub(crate) fn id_of_caller(self, id: SagaId) -> Option<SagaId> {
        (!self.has(Bug::OrderForEachRequest)).then_some(id)
    }

    /// The key that an engine is given for a signal's key.
    pub(crate) fn key_of_signal(self, key: Option<String>) -> Option<String> {
        key.filter(|_| !self.has(Bug::SignalForEachRequest))
    }

    /// Whether the process is ended when a part of it is dead.
    pub(crate) fn is_supervised(self) -> bool {
        !self.has(Bug::IgnoresDeaths)
    }

    /// Breaks the rule that this bug is about, and lets drivers see what it makes them see, until the answer is dropped.
    #[cfg(debug_assertions)]
    pub(crate) fn begin(self) -> impl Drop {
        use saga_core::seeded::Rule;

        let rule = self.0.and_then(|bug| match bug {
            Bug::CompensatesOnlyCompleted => Some(Rule::MayHaveAnEffect),
            Bug::UndoesTooEarly => Some(Rule::MayBeUndone),
            Bug::ForgetsCallsInFlight => Some(Rule::MayHaveLeft),
            Bug::ForgetsShadows => Some(Rule::MayHaveRunAhead),
            Bug::TrustsFormerClock => Some(Rule::WaitAfterTakeOver),
            Bug::RunsPoison => Some(Rule::MayEndItsProcess),
            Bug::AcknowledgesBeforeDisk => Some(Rule::IsDurable),
            Bug::ForgetsSleepers => Some(Rule::AwakeBy),
            Bug::AppliesCommandsTwice => Some(Rule::WasApplied),
            Bug::TakesSignalsTwice => Some(Rule::MayBeTaken),
            Bug::LateBeforeSignal => Some(Rule::IsLate),
            Bug::ForgetsAccepted => Some(Rule::MayHaveRun),
            Bug::PassedOverIsDone => Some(Rule::IsNotDone),
            Bug::CancelsBehindPivot => Some(Rule::MayBeCancelled),
            _ => None,
        });
        saga_core::seeded::break_rule(rule);
        saga_core::saga::look_through(self.0.and_then(wants::lens));
        Begun
    }

    /// Without debug assertions there are no rules to break, and no lens.
    #[cfg(not(debug_assertions))]
    pub(crate) fn begin(self) {
        assert!(self.0.is_none(), "bugs are seeded in builds with debug assertions only");
    }
}

/// The bug is there until this is dropped.
#[cfg(debug_assertions)]
struct Begun;

#[cfg(debug_assertions)]
impl Drop for Begun {
    fn drop(&mut self) {
        saga_core::seeded::break_rule(None);
        saga_core::saga::look_through(None);
    }
}
