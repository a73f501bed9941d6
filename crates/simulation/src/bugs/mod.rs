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

pub(crate) use self::store::Appended;

/// A bug that real programs have had. Each names the rule that it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described where it is listed")]
pub enum Bug {
    AheadOfStart,
    AheadOfAnnouncement,
    AheadOfRollback,
    AheadOfTakeOver,
    AheadOfOutputs,
    AnswersBeforeTheEnd,
    AcknowledgesBeforeDisk,
    CompensatesOnlyCompleted,
    ForgetsShadows,
    ForgetsCallsInFlight,
    TrustsFormerClock,
    UnknownIsRefused,
    RepeatsWithoutPromise,
    Hammers,
    TakesIdempotentForBarrier,
    KeyForEachAttempt,
    AsksTooEarly,
    SilenceIsAbsence,
    IgnoresLease,
    ConflictIsDone,
    DoubtIsDone,
    NeverSweeps,
    OrderForEachRequest,
    AppendsWithoutLooking,
    ClaimsFromTheLiving,
    ForgetsToReoffer,
    RefusedCompensationIsDone,
    ConfirmsWithoutSteps,
    AbsentIsUndone,
    RunsPoison,
    TrustsWallClock,
    IgnoresDeaths,
    ForgetsSleepers,
    AppliesCommandsTwice,
}

impl Bug {
    /// All, with what each does.
    pub const ALL: [(Self, &'static str); 34] = [
        (Self::AheadOfStart, "the first call with an effect is sent before the start is on disk"),
        (
            Self::AheadOfAnnouncement,
            "a call that cannot be repeated is sent before its `attempt_started` is on disk",
        ),
        (Self::AheadOfRollback, "the first compensation is sent before the decision to roll back is on disk"),
        (Self::AheadOfTakeOver, "a new owner calls before its take-over is on disk"),
        (
            Self::AheadOfOutputs,
            "a call to a barrier is sent before the outputs that it depends on are on disk",
        ),
        (Self::AnswersBeforeTheEnd, "the caller is answered before the terminal event is on disk"),
        (Self::AcknowledgesBeforeDisk, "a cancellation or a start is acknowledged before it is on disk"),
        (Self::CompensatesOnlyCompleted, "only completed steps are compensated"),
        (
            Self::ForgetsShadows,
            "a new owner ignores that calls to barriers may have been sent ahead of the disk",
        ),
        (Self::ForgetsCallsInFlight, "a new owner takes calls in flight for calls that were never sent"),
        (Self::TrustsFormerClock, "a retry waits for the clock of a former owner that was ahead"),
        (Self::UnknownIsRefused, "an unknown outcome is treated as a failure"),
        (Self::RepeatsWithoutPromise, "a call is repeated though its participant promises nothing"),
        (Self::Hammers, "compensations, and probes about them, are repeated without a wait"),
        (Self::TakesIdempotentForBarrier, "an idempotent step is undone although its outcome is unknown"),
        (Self::KeyForEachAttempt, "every attempt has an idempotency key of its own"),
        (Self::AsksTooEarly, "a probe is asked while the call may still take effect"),
        (Self::SilenceIsAbsence, "a probe without an answer is treated as `not there`"),
        (Self::IgnoresLease, "a process sends calls although its lease may have expired"),
        (Self::ConflictIsDone, "a conflicting append is treated as a successful one"),
        (Self::DoubtIsDone, "an append with an unknown outcome is treated as a successful one"),
        (Self::NeverSweeps, "a claim whose answer was lost is never looked for"),
        (Self::OrderForEachRequest, "the same idempotency key starts another order"),
        (Self::AppendsWithoutLooking, "the journal compares neither owner nor position"),
        (Self::ClaimsFromTheLiving, "sagas are claimed though their owner is alive"),
        (Self::ForgetsToReoffer, "an entry that the journal could not take is dropped"),
        (Self::RefusedCompensationIsDone, "a refused compensation counts as done"),
        (Self::ConfirmsWithoutSteps, "an order is confirmed before its last step"),
        (Self::AbsentIsUndone, "`nothing to undo` counts as undone though the action is known to have run"),
        (Self::RunsPoison, "an order that ends its process is taken over again and again"),
        (Self::TrustsWallClock, "orders use the machine's wall clock"),
        (Self::IgnoresDeaths, "a process continues although a vital task has ended"),
        (Self::ForgetsSleepers, "an order that has left memory is never woken"),
        (Self::AppliesCommandsTwice, "a command that has brought about an event is applied again"),
    ];
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
            Bug::ForgetsCallsInFlight => Some(Rule::MayHaveLeft),
            Bug::ForgetsShadows => Some(Rule::MayHaveRunAhead),
            Bug::TrustsFormerClock => Some(Rule::WaitAfterTakeOver),
            Bug::RunsPoison => Some(Rule::MayEndItsProcess),
            Bug::AcknowledgesBeforeDisk => Some(Rule::IsDurable),
            Bug::ForgetsSleepers => Some(Rule::IsDue),
            Bug::AppliesCommandsTwice => Some(Rule::WasApplied),
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
