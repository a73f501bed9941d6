//! Commands for a saga: operators' wishes, and signals. Each has an id of its own, so that applying it once is a comparison of ids.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::Finding;
use crate::id::{CommandId, Timestamp};
use crate::json::Json;
use crate::trace_context::TraceParent;

/// A command for one saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Which command this is: the same id is applied once, however often it comes.
    pub id: CommandId,
    /// When it was given: its operator knows nothing of what came later.
    pub asked: Timestamp,
    /// The name of the caller who gave it, where callers are known by their keys.
    pub by: Option<Arc<str>>,
    /// The kind of command, with its values.
    pub kind: CommandKind,
}

/// The effect that a command has on its saga.
///
/// The journal keeps its JSON form while the command waits for the saga's owner; golden files pin it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Stop the saga, and roll it back.
    Cancel,
    /// The same, and who wants it.
    CancelBy {
        /// The operator who sent it.
        by: Box<str>,
        /// The reason, where the operator gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Make the next attempt now.
    Resume {
        /// The operator who sent it.
        by: Box<str>,
        /// The reason, where the operator gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// A signal for a step that waits for it, or will.
    Signal {
        /// The signal's name.
        name: Box<str>,
        /// The sender's key: the same key again is the same signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Box<str>>,
        /// The content of the signal, as JSON.
        body: Json,
        /// The sender's span, if it has told one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<TraceParent>,
    },
    /// Go on from an operator's finding about the step that is stuck.
    Resolve {
        /// The step's index.
        step: usize,
        /// The finding about that step.
        finding: Finding,
        /// The output that the action's answer would have given, where the compensation needs it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Json>,
        /// The operator who reported the finding.
        by: Box<str>,
        /// The operator's evidence for the finding.
        reason: Box<str>,
    },
}
