//! What people want of a saga: a command with an id of its own, so that applying it once is a comparison of ids.

use serde::{Deserialize, Serialize};

use crate::event::Finding;
use crate::id::CommandId;
use crate::json::Json;

/// A command for one saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Which command this is: the same id is applied once, however often it comes.
    pub id: CommandId,
    /// The kind of command, with its values.
    pub kind: CommandKind,
}

/// What a command does.
///
/// Its JSON form is kept in the journal while the command waits for the saga's owner; golden files pin it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Stop the saga, and roll it back.
    Cancel,
    /// Make the next attempt now.
    Resume {
        /// The operator who wants it.
        by: Box<str>,
        /// Why, where they say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Go on from what a person found out about the step that is stuck.
    Resolve {
        /// The step's index.
        step: usize,
        /// What they found.
        finding: Finding,
        /// What the action's answer would have given, where the compensation needs it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Json>,
        /// The operator who found it.
        by: Box<str>,
        /// How they know.
        reason: Box<str>,
    },
}
