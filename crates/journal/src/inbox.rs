//! Commands on their way to the owner of a saga.
//!
//! ```text
//!   post ──▶ waiting ──▶ the owner applies it ──▶ removed           its event is on disk, with the command's id
//!                                            └──▶ refused ──▶ removed   by the process that posted it, or when it is old
//! ```

use std::sync::Arc;

use saga_core::{CommandId, SagaId, Timestamp};

/// How many commands may wait for one saga at the same time.
pub const COMMANDS_PER_SAGA_MAX: usize = 32;

/// A command as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCommand {
    /// The saga that it is for.
    pub saga: SagaId,
    /// Which command.
    pub id: CommandId,
    /// The command, as JSON.
    pub body: Arc<str>,
    /// When it was given: commands are applied in this order.
    pub asked: Timestamp,
}

/// The result of posting a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// The saga's owner will find it. (Posting the same command again is posting it once.)
    Kept,
    /// [`COMMANDS_PER_SAGA_MAX`] commands wait for the saga already.
    Full,
    /// There is no such saga, or it is over.
    Over,
}

/// How a posted command stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandStatus {
    /// The saga's owner has not come to it yet.
    Waiting,
    /// It was refused: why, as JSON.
    Refused(Arc<str>),
    /// It is not there any more: it was applied.
    Applied,
}
