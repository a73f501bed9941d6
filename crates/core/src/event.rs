//! The events of a saga: its whole truth, in order, for good.
//!
//! The JSON form of [`Record`] is a persisted format, pinned by golden files in this crate's tests.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr, VariantArray};

use crate::callback::Callbacks;
use crate::definition::{DefinitionHash, Labels, StateName};
use crate::direction::Direction;
use crate::id::{AttemptNumber, Claim, CommandId, Epoch, Timestamp};
use crate::json::Json;
use crate::trace_context::{TraceContext, TraceParent};

/// One entry of a saga's history: an event, when it was recorded, and the state that the order entered with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// By the clock of the machine that recorded it.
    pub at: Timestamp,
    /// The order's new state, where the event changes it: each is one line of `etat_saga`.
    #[serde(rename = "etat", default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateName>,
    /// The command that brought the event about, where one did: it is applied once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
    /// The name of the caller whose request brought the event about, where callers are known by their keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Arc<str>>,
    /// The event itself.
    pub event: Event,
}

/// An event: a change that can happen to a saga.
///
/// | event | legal when | leads to | says |
/// |---|---|---|---|
/// | `started` | first, and only first | going forward | the input, the pinned definition |
/// | `skipped` | a condition is asked for | the step is neither done nor undone | its condition does not hold |
/// | `waits` | going forward, at a signal or pause that has not begun | the step waits | until when |
/// | `pause_ended` | at a pause | the step is done | its time has come |
/// | `signalled` | going forward | the signal can be taken | what was sent |
/// | `signal_taken` | a step waits for that signal | the step is done or has failed | what the signal means for it |
/// | `passed_over` | at an optional step that has failed | the saga goes on without it | why it failed |
/// | `output_made` | every step has succeeded | the saga can complete | what it answers |
/// | `attempt_started` | nothing is in flight | a call in flight | from here on the call may have left |
/// | `attempt_ended` | that attempt is in flight | the step is done, undone, failed or waits | the meaning of its answer |
/// | `rollback_decided` | going forward | rolling back | why there is no order; never reversed |
/// | `blocked` | rolling back, or behind a pivot; `task_failed` going forward, too | the same, flagged | the obstacle for which an operator is needed |
/// | `completed` | every step has succeeded | over | the order stands |
/// | `rolled_back` | nothing is left to undo | over | no effect is left |
/// | `resumed` | not over | the next attempt is due | an operator wants it tried now |
/// | `resolved` | blocked, nothing in flight | the step is done, not done, or undone | an operator's finding |
/// | `taken_over` | not over | the same, new epoch | a new owner: calls in flight are lost from sight |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The saga exists.
    Started {
        /// The definition that the saga runs, for as long as it lives.
        definition: DefinitionHash,
        /// The saga's input.
        input: Json,
        /// The labels by which the saga is found.
        #[serde(default, skip_serializing_if = "Labels::is_empty")]
        labels: Labels,
        /// Where the saga is called back, if its definition reads that.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callbacks: Option<Callbacks>,
        /// When it is stopped if it is still going forward.
        deadline: Timestamp,
        /// Makes this start unlike any other.
        claim: Claim,
        /// The saga's first epoch: the first one of the journal's incarnation.
        #[serde(default = "Epoch::first", skip_serializing_if = "Epoch::is_first")]
        epoch: Epoch,
        /// The trace context that the caller sent, if it sent any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<Arc<TraceContext>>,
    },
    /// A condition (`when`) does not hold. Going forward, the step's: it is not done, and counts as done for those that wait
    /// for it. Rolling back, its compensation's: there is nothing to undo.
    Skipped {
        /// The step's index in the definition.
        step: usize,
    },
    /// A signal step or a pause begins to wait.
    Waits {
        /// The step's index in the definition.
        step: usize,
        /// When the pause is over, or the signal is too late.
        until: Timestamp,
    },
    /// A pause is over.
    PauseEnded {
        /// The step's index in the definition.
        step: usize,
    },
    /// A signal was sent. Signals are numbered in the order of these events, from 1.
    Signalled {
        /// The signal's name.
        name: Box<str>,
        /// The sender's key, where there was one: the same key again is the same signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Box<str>>,
        /// The content of the signal, as JSON.
        body: Json,
        /// The sender's span, if it has told one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<TraceParent>,
    },
    /// A step that waits for a signal has taken one.
    SignalTaken {
        /// The step's index in the definition.
        step: usize,
        /// The signal's number.
        signal: u32,
        /// Its meaning for the step: `ok` or `refused`.
        outcome: Outcome,
        /// Why it is not `ok`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
        /// The part of its body that later steps read.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        output: Option<Json>,
    },
    /// An optional step has failed: the saga goes on without it.
    PassedOver {
        /// The step's index in the definition.
        step: usize,
        /// Why it has failed.
        reason: Box<str>,
    },
    /// The saga's output has been made from its steps' outputs.
    OutputMade {
        /// The output; null where it could not be made.
        output: Json,
        /// Why it could not be made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<str>>,
    },
    /// A call may leave from here on.
    AttemptStarted {
        /// The step's index in the definition.
        step: usize,
        /// Whether it is done or undone.
        direction: Direction,
        /// Counted from 1 for each step and direction.
        attempt: AttemptNumber,
    },
    /// A call has ended, with this outcome.
    AttemptEnded {
        /// The step's index in the definition.
        step: usize,
        /// Whether it was done or undone.
        direction: Direction,
        /// The number its start was recorded under.
        attempt: AttemptNumber,
        /// The meaning of the answer, or of its absence.
        outcome: Outcome,
        /// The HTTP status, where there was an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Why it is not `ok`: the participant's words where it gave any, cut to a limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
        /// The output: the part of the answer that later steps read, or that the poll of an accepted action reads. `null` is
        /// an output, too.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        output: Option<Json>,
        /// When it may be tried again, where it is to be: the same call, or the one that a probe has told about. Of an accepted
        /// action: when it is first asked about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// The order is off, and what was done is going to be undone. Never reversed.
    RollbackDecided {
        /// Why.
        cause: Cause,
    },
    /// The saga waits for an operator.
    Blocked {
        /// The step that is stuck.
        step: usize,
        /// The kind of obstacle.
        stuck: Stuck,
        /// The reason, as a text for operators.
        reason: Box<str>,
    },
    /// The order stands.
    Completed,
    /// Nothing is left of the order.
    RolledBack,
    /// An operator wants the next attempt at once, whatever it waits for.
    Resumed {
        /// The operator.
        by: Box<str>,
        /// The reason, where the operator gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
        /// Whether the obstacle that the saga shows came about after the command had been given: the operator vouches for
        /// nothing then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unseen: bool,
    },
    /// An operator reports a finding about the step that is stuck.
    Resolved {
        /// The step's index in the definition.
        step: usize,
        /// The finding.
        finding: Finding,
        /// The output that the action's answer would have given, where the compensation needs it.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        output: Option<Json>,
        /// The operator.
        by: Box<str>,
        /// The operator's evidence for the finding.
        reason: Box<str>,
    },
    /// Another process, or the same one after a restart, goes on from here.
    TakenOver {
        /// Of the new owner: one more than the last, or the first one of a new incarnation.
        epoch: Epoch,
        /// Makes this take-over unlike any other.
        claim: Claim,
    },
}

impl Event {
    /// Its reason, as a text for operators, where it has one.
    pub(crate) fn reason_mut(&mut self) -> Option<&mut Box<str>> {
        match self {
            Self::AttemptEnded { reason, .. }
            | Self::SignalTaken { reason, .. }
            | Self::OutputMade { error: reason, .. }
            | Self::RollbackDecided { cause: Cause::CancelledBy { reason, .. } }
            | Self::Resumed { reason, .. } => reason.as_mut(),
            Self::PassedOver { reason, .. }
            | Self::RollbackDecided { cause: Cause::StepFailed { reason, .. } }
            | Self::Blocked { reason, .. }
            | Self::Resolved { reason, .. } => Some(reason),
            Self::Started { .. }
            | Self::Skipped { .. }
            | Self::Waits { .. }
            | Self::PauseEnded { .. }
            | Self::Signalled { .. }
            | Self::AttemptStarted { .. }
            | Self::RollbackDecided { cause: Cause::Cancelled | Cause::DeadlinePassed }
            | Self::Completed
            | Self::RolledBack
            | Self::TakenOver { .. } => None,
        }
    }
}

/// Reads a member that is there as `Some`, `null` included, which serde takes for `None` otherwise.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// An operator's finding about a step that is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Its effect is there: it is to be undone.
    Ran,
    /// It has no effect.
    NotRun,
    /// It was undone by hand.
    Undone,
}

/// The outcome of a call: what its answer shows about its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// It took effect.
    Ok,
    /// It was refused: no effect, and trying again will not help.
    Refused,
    /// The effect is not known: the call may have taken effect.
    Unknown,
    /// It was accepted, and is not done yet.
    Accepted,
    /// It did not run (never sent, or turned away before anything was done): it may be tried again.
    NotSent,
}

/// Why an order is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A step was refused, or had no good answer when its retries ran out.
    StepFailed {
        /// Which.
        step: usize,
        /// The reason of its last attempt.
        reason: Box<str>,
    },
    /// A cancel command asked for it.
    Cancelled,
    /// The same, and the command says who wanted it.
    CancelledBy {
        /// The operator.
        by: Box<str>,
        /// The reason, where the operator gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// The saga's own deadline passed.
    DeadlinePassed,
}

/// The kind of a [`Cause`], without what is particular to one saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackCause {
    /// A step was refused, or had no good answer.
    StepFailed,
    /// A cancel command asked for it.
    Cancelled,
    /// The saga's own deadline passed.
    DeadlinePassed,
}

impl Cause {
    /// Its kind.
    pub fn kind(&self) -> RollbackCause {
        match self {
            Self::StepFailed { .. } => RollbackCause::StepFailed,
            Self::Cancelled | Self::CancelledBy { .. } => RollbackCause::Cancelled,
            Self::DeadlinePassed => RollbackCause::DeadlinePassed,
        }
    }
}

/// The kind of obstacle for which a saga waits for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Stuck {
    /// The action keeps failing, and there is no way back. It is still tried, at a slow rate.
    ActionFailing,
    /// The step's action is in doubt: it may have run, and its participant promises nothing about repeating it.
    ActionUnknown,
    /// The step's compensation is in doubt: as above.
    CompensationUnknown,
    /// The compensation keeps failing. It is still tried, at a slow rate.
    CompensationFailing,
    /// Whether the action ran, or is done by now, is still not known after many repetitions. It is still asked, at a slow
    /// rate.
    ActionUnsettled,
    /// The participant may have forgotten the order by now, so that no call can be repeated safely.
    HorizonPassed,
    /// The compensation was answered with `absent` (nothing to undo), though the action is known to have run.
    NothingToUndo,
    /// The task that runs the saga fails whenever it goes on from here: it panics, or its process ends. Until an
    /// operator resumes or cancels the saga, no replica runs it.
    TaskFailed,
}
