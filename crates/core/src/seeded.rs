//! Ways to break this program on purpose, one at a time, to see that its tests notice.
//!
//! Each place that a promise hangs on asks whether its own bug is on: `seeded::is_on(Bug::...)`. In a build without
//! debug assertions the answer is the constant `false` and there is no way to change it, so that none of this is in a
//! release. (As fault injection for mutation testing: DeMillo, Lipton and Sayward, "Hints on test data selection",
//! 1978.)

/// A bug that people have had. Each names the rule that it breaks.
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
}

impl Bug {
    /// All, with what each does.
    pub const ALL: [(Self, &'static str); 33] = [
        (Self::AheadOfStart, "the first call with an effect leaves before the start is on disk"),
        (Self::AheadOfAnnouncement, "a call that cannot be repeated leaves before it is announced on disk"),
        (Self::AheadOfRollback, "the first compensation leaves before the decision to roll back is on disk"),
        (Self::AheadOfTakeOver, "a new owner calls before its take-over is on disk"),
        (Self::AheadOfOutputs, "a barrier runs ahead of outputs that later requests are made of"),
        (Self::AnswersBeforeTheEnd, "the caller is answered before the terminal event is on disk"),
        (Self::AcknowledgesBeforeDisk, "a cancellation or a start is acknowledged before it is on disk"),
        (Self::CompensatesOnlyCompleted, "only completed steps are compensated"),
        (Self::ForgetsShadows, "a new owner forgets that barriers may have run ahead of the disk"),
        (Self::ForgetsCallsInFlight, "a new owner takes calls in flight for calls that never left"),
        (Self::TrustsFormerClock, "a retry waits for the clock of a former owner that was ahead"),
        (Self::UnknownIsRefused, "an unknown outcome is taken for a failure"),
        (Self::RepeatsWithoutPromise, "a call is repeated though its participant promises nothing"),
        (Self::Hammers, "compensations are retried without a wait"),
        (
            Self::TakesIdempotentForBarrier,
            "a merely idempotent step is undone without knowing whether it ran",
        ),
        (Self::KeyForEachAttempt, "every attempt has an idempotency key of its own"),
        (Self::AsksTooEarly, "a probe is asked while the call may still take effect"),
        (Self::SilenceIsAbsence, "a probe without an answer is taken for `not there`"),
        (Self::IgnoresLease, "a process that cannot know whether it owns a saga calls all the same"),
        (Self::ConflictIsDone, "a conflicting append is taken for a kept one"),
        (Self::DoubtIsDone, "a doubtful append is taken for a kept one"),
        (Self::NeverSweeps, "a claim whose answer was lost is never looked for"),
        (Self::OrderForEachRequest, "the same idempotency key starts another order"),
        (Self::AppendsWithoutLooking, "the journal compares neither owner nor position"),
        (Self::ClaimsFromTheLiving, "sagas are claimed though their owner is alive"),
        (Self::ForgetsToReoffer, "an entry that the journal could not take is dropped"),
        (Self::RefusedCompensationIsDone, "a refused compensation counts as done"),
        (Self::ConfirmsWithoutSteps, "an order is confirmed before its last step"),
        (Self::AbsentIsUndone, "`nothing to undo` counts as undone though the action is known to have run"),
        (Self::RunsPoison, "an order that ends its process is taken over for ever"),
        (Self::TrustsWallClock, "orders go by the machine's wall clock"),
        (Self::IgnoresDeaths, "a process lives on without a part that it cannot do without"),
        (Self::ForgetsSleepers, "an order that has left memory is never woken"),
    ];
}

#[cfg(debug_assertions)]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this bug is on in this thread.
    pub fn is_on(bug: Bug) -> bool {
        ON.get() == Some(bug)
    }

    /// Switches one bug on in this thread, and any other off.
    pub fn switch(bug: Option<Bug>) {
        ON.set(bug);
    }
}

#[cfg(debug_assertions)]
pub use self::switch::{is_on, switch};

/// Whether this bug is on: never, in a release.
#[cfg(not(debug_assertions))]
pub const fn is_on(_: Bug) -> bool {
    false
}
